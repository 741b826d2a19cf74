"""How near does pix2pix bring noto's emoji to twemoji's?

The same name in both folders is the same emoji by two designers. The settings were chosen with one seed on the last 100
pairs of the train split. The rows in italics do nothing: "do nothing" copies the input, "nearest input" gives the
answer to the nearest training input.

The network beats the copy, and it equals the look-up by L1 while it beats it by the pooled error. It has learned
grounds and outlines of what it has seen; a new emoji becomes a blob in its colours, with a checkerboard.

In the picture the inputs are Google's Noto Emoji (Apache License 2.0) and the answers Twitter's Twemoji (CC BY 4.0).
"""

from dataclasses import replace

from train.studies import Study, colour


def get_study() -> Study:
    """Return the study: the columns of colourisation, on other data."""
    return replace(colour.get_study(), recipe="pix2pix_emoji", rows={"pix2pix (L1 + cGAN)": {}}, seeds=(0, 1, 2))
