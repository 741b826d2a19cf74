"""The published protocol of super-resolution: by hand, and by its bicubic rows where the sets are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from zoo import images
from zoo.metrics import super_resolution
from zoo.shared.errors import UserError

# a directory with the folders set5, set14 and bsd100
DATA = os.environ.get("GENZOO_SR_DATA", "")
# as papers print them, PSNR and SSIM, None where no source was at hand
PUBLISHED = {
    ("set5", 2): (33.66, 0.9299),
    ("set5", 3): (30.39, 0.8682),
    ("set5", 4): (28.42, 0.8104),
    ("set14", 2): (30.24, 0.8688),
    ("set14", 3): (27.54, None),
    ("set14", 4): (26.00, None),
    ("bsd100", 2): (29.56, 0.8431),
    ("bsd100", 3): (27.21, None),
    ("bsd100", 4): (25.96, 0.6675),
}


@pytest.mark.skipif(not DATA, reason="GENZOO_SR_DATA names no directory with set5, set14 and bsd100")
@pytest.mark.parametrize(("name", "factor"), PUBLISHED)
def test_the_bicubic_rows_are_the_published_ones(name, factor):
    psnr, ssim = PUBLISHED[name, factor]
    rows = []
    for path in sorted(path for path in (Path(DATA) / name).iterdir() if path.suffix in images.ENDINGS):
        picture = images.decode(path, None, 1 if images.is_grey(path) else 3)
        truth = super_resolution.cropped(picture, factor)
        rows.append(super_resolution.scores(super_resolution.bicubic(truth, factor), truth, factor))
    assert np.mean([row["psnr_db"] for row in rows]) == pytest.approx(psnr, abs=0.01)
    if ssim:
        assert np.mean([row["ssim"] for row in rows]) == pytest.approx(ssim, abs=2e-4)


def photo(height=32, width=40, channels=3):
    return np.random.default_rng(0).integers(256, size=(height, width, channels), dtype=np.uint8)


def test_luma_of_known_colours():
    """MATLAB's rgb2ycbcr: black 16, white 235, red 81, green 145, blue 41."""
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert super_resolution.luma(colours).ravel().tolist() == [16, 235, 81, 145, 41]
    grey = np.array([[[3], [250]]], np.uint8)
    assert super_resolution.luma(grey).ravel().tolist() == [3, 250]
    assert super_resolution.luma(np.array([[[-7.0], [99.5001], [256.0]]])).ravel().tolist() == [0, 100, 255]


def test_psnr_by_hand_and_without_the_border():
    truth = np.full((20, 20, 1), 100, np.uint8)
    output = truth + np.uint8(5)
    assert super_resolution.scores(output, truth, 2)["psnr_db"] == pytest.approx(10 * np.log10(255**2 / 25))
    output = truth.copy()
    output[:2], output[:, -2:] = 0, 0  # the border alone
    assert super_resolution.scores(output, truth, 2) == {"psnr_db": 100.0, "ssim": pytest.approx(1)}
    output[2, 5] = 101
    assert super_resolution.scores(output, truth, 2)["psnr_db"] == pytest.approx(10 * np.log10(255**2 * 16**2))


def test_a_shift_of_luma_counts_and_one_of_chroma_does_not():
    grey = np.full((20, 20, 3), 128.0)
    chroma = grey + np.array([0.114, 0.0, -0.299]) * 100  # the luma stays
    assert super_resolution.scores(chroma, grey, 2)["psnr_db"] == 100
    assert super_resolution.scores(grey + 10, grey, 2)["psnr_db"] == pytest.approx(10 * np.log10(255**2 / 9**2))


def test_ssim_by_hand():
    """Of two constants x and y it is the luminance term alone, (2 x y + c) / (x^2 + y^2 + c)."""
    truth, output = np.full((17, 15, 1), 100.0), np.full((17, 15, 1), 90.0)
    constant = (0.01 * 255) ** 2
    expected = (2 * 100 * 90 + constant) / (100**2 + 90**2 + constant)
    assert super_resolution.scores(output, truth, 2)["ssim"] == pytest.approx(expected)


def test_bicubic_keeps_what_is_smooth_and_loses_noise():
    ramp = (np.arange(48)[:, None] * 2 + np.arange(60) * 2)[..., None].astype(np.uint8)
    for factor in (2, 3, 4):
        smooth, noisy = (
            super_resolution.scores(super_resolution.bicubic(picture, factor), picture, factor)["psnr_db"]
            for picture in (ramp, photo(48, 60, 1))
        )
        assert smooth > 45 > 15 > noisy


def test_sides_are_cropped_to_multiples_and_too_small_ones_refused():
    assert super_resolution.cropped(photo(32, 41), 3).shape == (30, 39, 3)
    np.testing.assert_array_equal(super_resolution.cropped(photo(32, 41), 3), photo(32, 41)[:30, :39])
    with pytest.raises(UserError, match="40 x 15 pixels are too few .* at factor 3: use sides of 18 or more"):
        super_resolution.cropped(photo(15, 40), 3)
    assert super_resolution.cropped(photo(18, 40), 3).shape == (18, 39, 3)
