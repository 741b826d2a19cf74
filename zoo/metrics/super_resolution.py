"""Super-resolution as its papers measure it, so that figures stand beside the published ones.

The protocol is that of Timofte, De Smet and Van Gool (2013), Dong, Loy, He and Tang (2014) and nearly all since. A
picture is cropped to multiples of the factor and reduced by MATLAB's bicubic imresize, without rounding. PSNR and SSIM
compare the luma of BT.601 in its studio range (16 to 235), rounded to bytes, with peak 255, without a border of
`factor` pixels. Other choices move figures by as much as models differ. PSNR over red, green and blue is 1 to 2 dB
lower, small pictures that alias change it by up to 1 dB, and the border by up to 0.2 dB.

Pictures are bytes, or float numbers on their scale: (height, width, 1 or 3).
"""

from fractions import Fraction

import numpy as np

from zoo.bicubic import resized
from zoo.metrics.ms_ssim import similarity
from zoo.metrics.pairs import PSNR_CAP_DB
from zoo.shared.errors import UserError

PROTOCOL = {
    "reduced": "sides cropped to multiples of the factor, MATLAB's bicubic imresize, not rounded",
    "compared": "luma of BT.601, 16 to 235, of grey pictures their own bytes; rounded; border of `factor` pixels cut",
    "psnr": "peak 255",
    "ssim": "Gaussian window of 11 pixels, deviation 1.5, only where it fits; K 0.01 and 0.03",
    "means": "over pictures",
}
_WINDOW = 11  # pixels, of SSIM
_LUMA = np.array([[0.299], [0.587], [0.114]])


def luma(picture: np.ndarray) -> np.ndarray:
    """Return the luma (height, width, 1) of a picture, whole numbers from 0 to 255; a grey picture is its own."""
    picture = np.asarray(picture, np.float64)
    values = studio_range(whole_range_luma(picture)) if picture.shape[-1] == 3 else picture
    return np.clip(np.rint(values), 0, 255)


def whole_range_luma(colours: np.ndarray) -> np.ndarray:
    """Return the luma of colours (height, width, 3) over the whole range, 0 to 255, not rounded."""
    return colours @ _LUMA


def studio_range(values: np.ndarray) -> np.ndarray:
    """Return luma over the whole range, 0 to 255, as luma in the studio range, 16 to 235."""
    return 16 + values * (219 / 255)


def cropped(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return the upper left part of a picture whose sides are the largest multiples of the factor.

    A picture that leaves no room for SSIM's window is a `UserError`.
    """
    height, width = (side - side % factor for side in picture.shape[:2])
    if min(height, width) < (least := 2 * factor + _WINDOW):
        raise UserError(
            f"{picture.shape[1]} x {picture.shape[0]} pixels are too few to be measured at factor {factor}: use sides "
            f"of {-(-least // factor) * factor} or more"
        )
    return picture[:height, :width]


def reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return a cropped picture `factor` times smaller, float64, not rounded."""
    return resized(picture, Fraction(1, factor))


def bicubic(picture: np.ndarray, factor: int) -> np.ndarray:
    """Return the luma of a cropped picture reduced and enlarged again: the row of every table that does nothing."""
    return resized(reduced(luma(picture), factor), factor)


def scores(output: np.ndarray, truth: np.ndarray, factor: int) -> dict[str, float]:
    """Return the "psnr_db", at most `PSNR_CAP_DB`, and the "ssim" (Wang, Bovik, Sheikh and Simoncelli 2004).

    Output and truth are pictures of one size, each in colour or grey.
    """
    ours, true = (luma(picture)[None, factor:-factor, factor:-factor] for picture in (output, truth))
    error = np.square(ours - true).mean()
    luminance, contrast_structure = similarity(ours, true, _WINDOW)
    return {
        "psnr_db": float(min(PSNR_CAP_DB, 10 * np.log10(255**2 / error))) if error else PSNR_CAP_DB,
        "ssim": float((luminance * contrast_structure).mean()),
    }
