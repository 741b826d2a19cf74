"""Does pix2pix need both of its losses (CamVid, labels to photo)?

The ablation of the paper (Isola, Zhu, Zhou and Efros 2017, section 4.2) at 128 x 96 pixels, one seed, 233 test pairs,
with 367 to learn from. The rows in italics do nothing.

The order of the paper is that of its FCN score: can a segmenter that has learned on photographs read the translations?
By `python -m train.evaluate.fcn_score`, one segmenter (seed 0, 8 epochs), as pixel accuracy / class accuracy / IoU:
photographs .808 / .459 / .383, label pictures as they are .144 / .142 / .052, mean colours of the classes .677 / .286 /
.219, L1 .714 / .336 / .267, cGAN .716 / .361 / .279, L1 + cGAN .753 / .412 / .328. So L1 < cGAN < L1 + cGAN here too,
by one seed; L1 and cGAN are close in pixels. The errors below rank otherwise, because they reward the mean of all
answers. No pictures are stored, because the photographs may not be passed on.
"""

from dataclasses import replace

from train.studies import Study, colour


def get_study() -> Study:
    """Return the study: the columns of colourisation, on other data."""
    return replace(
        colour.get_study(),
        recipe="pix2pix_camvid",
        rows={"L1": {"model.gan_weight": 0.0}, "cGAN": {"model.l1_weight": 0.0}, "L1 + cGAN": {}},
        seeds=(0,),
    )
