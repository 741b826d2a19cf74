"""How well does pix2pix colour small pictures (CIFAR-10), with and without its game?

The network keeps the luma of the grey picture, so that only colour is judged. The settings are those of the recipe,
chosen with one seed on 1,000 pictures of the train split. The rows in italics do nothing: "do nothing" leaves the
picture grey, "nearest input" gives the picture of the nearest grey one among 2,000 of the train split.

L1 alone comes nearer to the colours than grey does, by half a decibel of the pooled error, and it is pale: its
colourfulness is 8.8 where the truth has 34.2. The mean of PSNRs ranks it behind grey, because pictures that truly are
grey count without bound. The game doubles the colourfulness and costs a quarter of a decibel. Its colours are patchy.
"""

from train.studies import Column, Study


def get_study() -> Study:
    """Return the study."""
    return Study(
        recipe="pix2pix_colour",
        rows={"L1": {"model.gan_weight": 0.0}, "L1 + cGAN": {}},
        metrics=("pairs",),
        count=2000,
        seeds=(0, 1),
        columns={
            "PSNR, dB": Column("pairs", "psnr_db"),
            "PSNR of the pooled error, dB": Column("pairs", "psnr_pooled_db"),
            "L1 in [-1, 1]": Column("pairs", "l1", digits=4),
            "SSIM": Column("pairs", "ssim", digits=3),
            "colourfulness": Column("pairs", "colourfulness", digits=1),
        },
    )
