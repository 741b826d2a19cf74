import json

import numpy as np
import pytest
from PIL import Image

from zoo.metrics.pairs import (
    colourfulness,
    do_nothing,
    grey_of,
    l1,
    mean_colour,
    mean_image,
    nearest_input,
    pairs,
    psnr,
    ssim,
)
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def blank(count, side, *colour):
    return np.full((count, side, side, len(colour)), colour, np.uint8)


def test_psnr_is_the_formula_image_by_image():
    targets = blank(2, 4, 100, 100, 100)
    outputs = targets.copy()
    outputs[0] += 5  # mean squared error 25
    outputs[1, 0, 0, 0] = 88  # 144 in one of 48 values: 3
    np.testing.assert_allclose(psnr(outputs, targets), [10 * np.log10(65025 / 25), 10 * np.log10(65025 / 3)])
    np.testing.assert_allclose(psnr(outputs, targets), psnr(targets, outputs))  # bytes do not wrap around
    assert psnr(blank(1, 2, 0), blank(1, 2, 255))[0] == pytest.approx(0, abs=1e-12)


def test_psnr_has_a_cap():
    targets = noise(1, 400, 400, 1)
    outputs = targets.copy()
    assert psnr(outputs, targets)[0] == pytest.approx(100)
    outputs[0, 0, 0] ^= 1  # 1 of 160,000: 48.13 + 52.04
    assert psnr(outputs, targets)[0] == pytest.approx(100)
    outputs[0, 0, 1] ^= 1
    assert psnr(outputs, targets)[0] == pytest.approx(10 * np.log10(65025 * 80_000))


def test_l1_is_in_units_of_minus_one_to_one():
    targets = blank(3, 4, 0)
    outputs = np.concatenate([blank(1, 4, 255), blank(1, 4, 0), blank(1, 4, 51)])
    outputs[1, 0] = 102  # a quarter of the pixels
    np.testing.assert_allclose(l1(outputs, targets), [2, 0.2, 0.4])
    np.testing.assert_allclose(l1(targets, outputs), l1(outputs, targets))


def literal_ssim(x, y, window, sigma):
    """Return the mean SSIM of float images (height, width), window by window."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    offsets = np.arange(window) - window // 2
    bell = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    bell /= bell.sum()
    values = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            p, q = (image[top : top + window, left : left + window] for image in (x, y))
            mean_p, mean_q = (bell * p).sum(), (bell * q).sum()
            var_p, var_q = (bell * (p - mean_p) ** 2).sum(), (bell * (q - mean_q) ** 2).sum()
            covariance = (bell * (p - mean_p) * (q - mean_q)).sum()
            values.append(
                (2 * mean_p * mean_q + c1)
                * (2 * covariance + c2)
                / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
            )
    return np.mean(values)


@pytest.mark.parametrize(
    ("height", "width", "channels", "window", "sigma"),
    [(11, 11, 1, 11, 1.5), (13, 17, 3, 11, 1.5), (8, 20, 1, 7, 1.5 * 7 / 11)],
)
def test_ssim_agrees_with_the_formula(height, width, channels, window, sigma):
    targets = noise(2, height, width, channels)
    outputs = (targets // 2 + noise(2, height, width, channels) // 3).astype(np.uint8)
    expected = [
        np.mean(
            [literal_ssim(o[..., c].astype(float), t[..., c].astype(float), window, sigma) for c in range(channels)]
        )
        for o, t in zip(outputs, targets, strict=True)
    ]
    np.testing.assert_allclose(ssim(outputs, targets), expected)


def test_ssim_of_equal_blank_and_inverted_images():
    images = noise(70, 12, 12, 3)  # more than are measured at once
    np.testing.assert_allclose(ssim(images, images), 1)
    assert (ssim(images, 255 - images) < 0).all()
    luminance = (2 * 50 * 200 + 6.5025) / (50**2 + 200**2 + 6.5025)  # blank images differ in nothing else
    assert ssim(blank(1, 16, 50), blank(1, 16, 200))[0] == pytest.approx(luminance)


def test_colourfulness_by_hand():
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[0] = noise(2, 2, 1)  # grey
    images[1] = (200, 100, 50)  # blank: rg = 100, yb = 100
    images[2, 0] = (100, 0, 0)  # half is red: rg is 100 or 0, yb is 50 or 0
    images[3] = [[(10, 20, 0), (20, 10, 0)], [(10, 20, 30), (20, 10, 30)]]  # rg = -10, 10, -10, 10; yb = +-15
    expected = [0, 0.3 * np.hypot(100, 100), np.hypot(50, 25) + 0.3 * np.hypot(50, 25), np.hypot(10, 15)]
    np.testing.assert_allclose(colourfulness(images), expected)


def test_pairs_are_means_with_standard_errors():
    targets = noise(5, 12, 12, 3)
    outputs = (targets // 2 + 30).astype(np.uint8)
    outputs[2] = targets[2]
    found = pairs(outputs, targets)
    measures = {
        "psnr_db": psnr(outputs, targets),
        "l1": l1(outputs, targets),
        "ssim": ssim(outputs, targets),
        "colourfulness": colourfulness(outputs),
        "colourfulness_target": colourfulness(targets),
    }
    expected = {}
    for name, values in measures.items():
        assert type(found[name]) is float
        expected[name] = pytest.approx(np.mean(values))
        expected[f"{name}_standard_error"] = pytest.approx(np.std(values, ddof=1) / np.sqrt(5))
    expected["psnr_pooled_db"] = pytest.approx(10 * np.log10(255**2 / np.mean((outputs.astype(float) - targets) ** 2)))
    assert found == {**expected, "identical": 1, "ssim_window": 11, "count": 5}
    assert found["colourfulness"] < found["colourfulness_target"]
    json.dumps(found, allow_nan=False)


def test_grey_pairs_have_no_colourfulness_and_one_pair_no_standard_error():
    images = noise(1, 8, 8, 1)
    found = pairs(images, images)
    assert found == {
        "psnr_db": pytest.approx(100), "psnr_db_standard_error": None, "l1": 0, "l1_standard_error": None,
        "ssim": pytest.approx(1), "ssim_standard_error": None, "identical": 1, "ssim_window": 7, "count": 1,
        "psnr_pooled_db": 100,
    }  # fmt: skip


def test_nearest_input_has_the_target_of_the_nearest_training_input():
    inputs, targets = noise(6, 3, 3, 1), noise(6, 5, 5, 3)
    found = nearest_input(inputs, targets, inputs[[4, 1]] ^ 1)
    np.testing.assert_array_equal(found, targets[[4, 1]])


def test_nearest_input_tells_pictures_apart_that_differ_in_one_value():
    """The squares of 12,000 bright bytes add up to more than float32 counts."""
    inputs = np.full((20, 64, 64, 3), 255, np.uint8)
    inputs.reshape(20, -1)[np.arange(20), 500 * np.arange(20)] = 254
    np.testing.assert_array_equal(nearest_input(inputs, np.arange(20), inputs[::-1]), np.arange(20)[::-1])


def test_grey_of_is_the_luma():
    images = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    grey = grey_of(images)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey[0, 0], np.array([[76], [150], [29], [255]]).repeat(3, axis=1))
    photos = noise(3, 9, 7, 3)
    pillow = np.stack([np.array(Image.fromarray(photo).convert("L"), int) for photo in photos])
    assert np.abs(grey_of(photos)[..., 0] - pillow).max() <= 1  # Pillow's weights are rounded to 16 bits
    np.testing.assert_allclose(colourfulness(grey_of(photos)), 0)


def test_the_rows_that_know_the_training_targets_only():
    train = np.concatenate([blank(1, 2, 10, 20, 30), blank(2, 2, 40, 20, 1)])
    train[0, 0, 0, 0] = 130
    colour = mean_colour(train, 4)
    assert (colour.dtype, colour.shape) == (np.uint8, (4, 2, 2, 3))
    np.testing.assert_array_equal(np.unique(colour.reshape(-1, 3), axis=0), [[40, 20, 11]])  # of 480, 240, 128 by 12
    image = mean_image(train, 4)
    assert (image.dtype, image.shape) == (np.uint8, (4, 2, 2, 3))
    np.testing.assert_array_equal(image, np.stack([[[[70, 20, 11], [30, 20, 11]], [[30, 20, 11]] * 2]] * 4))


def test_do_nothing_copies():
    inputs, targets = noise(2, 4, 6, 3), noise(2, 4, 6, 3)
    copies = do_nothing(inputs, targets)
    np.testing.assert_array_equal(copies, inputs)
    assert not np.shares_memory(copies, inputs)
    grey = noise(2, 4, 6, 1)
    np.testing.assert_array_equal(do_nothing(grey, targets), grey.repeat(3, axis=-1))
    np.testing.assert_array_equal(do_nothing(grey, targets[..., :1]), grey)


def test_do_nothing_enlarges():
    inputs = noise(2, 3, 4, 3)
    enlarged = do_nothing(inputs, noise(2, 6, 8, 3))
    for image, picture in zip(enlarged, inputs, strict=True):
        np.testing.assert_array_equal(image, Image.fromarray(picture).resize((8, 6), Image.Resampling.BICUBIC))
    grey = do_nothing(inputs[..., :1], noise(2, 6, 8, 3))
    np.testing.assert_array_equal(grey, enlarged[..., :1].repeat(3, axis=-1))
    # Keys' cubic with a = -1/2 at a quarter of a pixel: -9/128, 111/128, 29/128 and -3/128 of the four around
    row = np.array([0, 0, 128, 128, 0, 0, 0, 0], np.uint8)
    found = do_nothing(row[None, None, :, None], noise(1, 1, 16, 1))[0, 0, :, 0]
    assert list(found[3:6]) == [29 - 3, 111 - 9, 111 + 29]


def test_what_cannot_be_paired_or_copied():
    with pytest.raises(UserError, match="2 images cannot be paired with 3 targets"):
        pairs(noise(2, 8, 8, 1), noise(3, 8, 8, 1))
    with pytest.raises(UserError, match="different shapes"):
        pairs(noise(2, 8, 8, 1), noise(2, 8, 8, 3))
    with pytest.raises(UserError, match="use uint8"):
        pairs(np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 1)))
    with pytest.raises(UserError, match="1 channels: colour needs 3"):
        colourfulness(noise(2, 8, 8, 1))
    with pytest.raises(UserError, match="1 channels: colour needs 3"):
        grey_of(noise(2, 8, 8, 1))
    with pytest.raises(UserError, match="3 images cannot be paired with 2 targets"):
        do_nothing(noise(3, 4, 4, 1), noise(2, 8, 8, 1))
    with pytest.raises(UserError, match="3 channels have no copy in 1"):
        do_nothing(noise(2, 4, 4, 3), noise(2, 4, 4, 1))
    with pytest.raises(UserError, match="8 x 4 are larger than targets of 4 x 4"):
        do_nothing(noise(2, 8, 4, 3), noise(2, 4, 4, 3))
