"""ADA's pipeline with known results: every step alone, their order, and how many samples they touch."""

from statistics import NormalDist

import numpy as np
import pytest
from draws import LEFT_OUT, TAKEN, drawn, given, pictures
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from zoo.adversarial.augmentations import ada_augment, recolour, resample

# what each column of the random numbers decides, in the order in which they are taken
COLUMNS = {
    "geometric": (
        *("move", "right", "down"),
        *("second_turn", "second_angle"),
        *("stretch", "log_stretch"),
        *("first_turn", "first_angle"),
        *("zoom", "log_zoom"),
    ),
    "blit": ("jump", "jump_right", "jump_down", "turn", "quarters", "mirror", "side"),
    "colour": (
        *("brighten", "brightness"),
        *("contrast", "log_contrast"),
        *("flip", "sign"),
        *("rotate", "hue"),
        *("saturate", "log_saturation"),
    ),
}


def after(images, *groups, **numbers):
    """Return the images after the steps of ADA whose columns are named, and no others."""
    columns = [name for group in groups for name in COLUMNS[group]]
    assert set(numbers) <= set(columns)
    row = [numbers.get(name, LEFT_OUT) for name in columns]
    return ada_augment(images, 0.5, given(*row), groups).numpy()


def quantile(deviations):
    """Return the uniform number that becomes `deviations` standard deviations of a normal one."""
    return NormalDist().cdf(deviations)


def angle(degrees):
    return 0.5 + degrees / 360


def moved_right(images, pixels):
    return np.pad(images, ((0, 0), (0, 0), (pixels, 0), (0, 0)), mode="reflect")[:, :, : images.shape[2]]


def turned(images, quarters=1):
    return np.rot90(images, quarters, axes=(1, 2))


def half_as_large(images, axes=(1, 2)):
    """Return pictures of 9 x 9 shrunk to a half about their centre, mirrored where nothing is left."""
    padded = np.pad(images, [(4, 4) if axis in axes else (0, 0) for axis in range(4)], mode="reflect")
    return padded[:, :: 2 if 1 in axes else 1, :: 2 if 2 in axes else 1]


def luma(images):
    return images.mean(axis=-1, keepdims=True)


# ---- pixel blitting


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 9, 3), (6, 10, 3), (1, 5, 1)])
def test_at_probability_0_nothing_changes(shape):
    images = pictures(4, *shape)
    np.testing.assert_array_equal(ada_augment(images, 0.0, drawn(), ("blit", "geometric")), images)
    np.testing.assert_allclose(ada_augment(images, 0.0, drawn()), images, atol=1e-6)


@pytest.mark.parametrize(("number", "pixels"), [(0.999, 2), (0.75, 1), (0.5, 0)], ids=["two", "one", "none"])
def test_translation_by_whole_pixels_mirrors_what_comes_in(number, pixels):
    images = pictures(2, 16, 16)
    right = after(images, "blit", jump=TAKEN, jump_right=number, jump_down=0.5)
    np.testing.assert_array_equal(right, moved_right(images, pixels))
    down = after(images, "blit", jump=TAKEN, jump_right=0.5, jump_down=number)
    np.testing.assert_array_equal(down, moved_right(images.swapaxes(1, 2), pixels).swapaxes(1, 2))
    left = after(images, "blit", jump=TAKEN, jump_right=1 - number, jump_down=0.5)
    np.testing.assert_array_equal(left, moved_right(images[:, :, ::-1], pixels)[:, :, ::-1])


def test_mirroring():
    images = pictures(height=8, width=6)
    np.testing.assert_array_equal(after(images, "blit", mirror=TAKEN, side=0.75), images[:, :, ::-1])
    np.testing.assert_array_equal(after(images, "blit", mirror=TAKEN, side=0.25), images)


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns(quarters):
    images = pictures()
    made = after(images, "blit", turn=TAKEN, quarters=(quarters + 0.5) / 4)
    np.testing.assert_array_equal(made, turned(images, quarters))


def test_half_a_turn_of_a_picture_that_is_not_square():
    images = pictures(height=8, width=6)
    np.testing.assert_array_equal(after(images, "blit", turn=TAKEN, quarters=0.625), images[:, ::-1, ::-1])


def test_blitting_mirrors_then_turns_then_moves():
    images = pictures()
    turn = {"mirror": TAKEN, "side": 0.75, "turn": TAKEN, "quarters": 0.375}
    made = after(images, "blit", jump=TAKEN, jump_right=0.999, jump_down=0.5, **turn)
    np.testing.assert_array_equal(made, moved_right(turned(images[:, :, ::-1]), 1))


# ---- general geometric transformations


def test_rotation():
    images = pictures()
    for step, number in (("first_turn", "first_angle"), ("second_turn", "second_angle")):
        made = after(images, "geometric", **{step: TAKEN, number: angle(90)})
        np.testing.assert_allclose(made, turned(images), atol=1e-5)
    both = {"first_turn": TAKEN, "first_angle": angle(120), "second_turn": TAKEN, "second_angle": angle(-30)}
    np.testing.assert_allclose(after(images, "geometric", **both), turned(images), atol=1e-5)


def test_translation_by_half_a_pixel_is_the_mean_of_neighbours():
    images = pictures()
    half = quantile(0.5 / 9 / 0.125)
    right = after(images, "geometric", move=TAKEN, right=half, down=0.5)
    np.testing.assert_allclose(right, (images + moved_right(images, 1)) / 2, atol=1e-5)
    down = after(images.swapaxes(1, 2), "geometric", move=TAKEN, right=0.5, down=half)
    np.testing.assert_allclose(down.swapaxes(1, 2), right, atol=1e-5)


def test_zoom_to_a_half():
    images = pictures()
    made = after(images, "geometric", zoom=TAKEN, log_zoom=quantile(-1 / 0.2))
    np.testing.assert_allclose(made, half_as_large(images), atol=1e-4)


def stretched(images):
    return after(images, "geometric", stretch=TAKEN, log_stretch=quantile(-1 / 0.2))


def test_stretch_makes_one_axis_half_as_long_and_the_other_twice():
    images = pictures()
    np.testing.assert_allclose(stretched(images)[:, ::2], half_as_large(images, axes=(2,))[:, 2:7], atol=1e-4)


def test_the_order_of_the_geometric_steps():
    images = pictures()
    stretch = {"stretch": TAKEN, "log_stretch": quantile(-1 / 0.2)}
    before = after(images, "geometric", first_turn=TAKEN, first_angle=angle(90), **stretch)
    np.testing.assert_allclose(before, stretched(turned(images)), atol=1e-4)
    behind = after(images, "geometric", second_turn=TAKEN, second_angle=angle(90), **stretch)
    np.testing.assert_allclose(behind, turned(stretched(images)), atol=1e-4)
    pixel = {"move": TAKEN, "right": quantile(1 / 9 / 0.125), "down": 0.5}
    moved = after(images, "geometric", zoom=TAKEN, log_zoom=quantile(-1 / 0.2), **pixel)
    np.testing.assert_allclose(moved[:, :, 1:], half_as_large(images)[:, :, :-1], atol=1e-4)


def test_blitting_comes_before_the_rest():
    images = pictures()
    made = after(images, "geometric", "blit", first_turn=TAKEN, first_angle=angle(90), mirror=TAKEN, side=0.75)
    np.testing.assert_allclose(made, turned(images[:, :, ::-1]), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 8), (9, 2)])
def test_resampling_agrees_with_scipy_far_beyond_the_border_too(shape):
    images = pictures(2, *shape, 1)
    rows, columns = np.random.default_rng(1).uniform(-30, 30, (2, 2, *shape)).astype(np.float32)
    expected = [
        map_coordinates(image[..., 0].astype(float), places, order=1, mode="mirror")
        for image, *places in zip(images, rows, columns, strict=True)
    ]
    np.testing.assert_allclose(resample(images, rows, columns)[..., 0], expected, atol=1e-4)


# ---- colours


def test_brightness_contrast_and_saturation_at_one_deviation():
    images = pictures()
    one = quantile(1.0)
    np.testing.assert_allclose(after(images, "colour", brighten=TAKEN, brightness=one), images + 0.2, atol=1e-5)
    np.testing.assert_allclose(after(images, "colour", contrast=TAKEN, log_contrast=one), images * 2**0.5, atol=1e-5)
    made = after(images, "colour", saturate=TAKEN, log_saturation=one)
    np.testing.assert_allclose(made, 2 * images - luma(images), atol=1e-5)


def test_contrast_comes_after_brightness():
    images = pictures()
    one = quantile(1.0)
    made = after(images, "colour", brighten=TAKEN, brightness=one, contrast=TAKEN, log_contrast=one)
    np.testing.assert_allclose(made, (images + 0.2) * 2**0.5, atol=1e-5)


def test_the_luma_flip_keeps_the_chroma():
    images = pictures()
    np.testing.assert_allclose(after(images, "colour", flip=TAKEN, sign=0.75), images - 2 * luma(images), atol=1e-5)
    np.testing.assert_allclose(after(images, "colour", flip=TAKEN, sign=0.25), images, atol=1e-6)


def test_a_third_of_the_hue_circle_permutes_the_channels():
    images = pictures()
    made = after(images, "colour", rotate=TAKEN, hue=angle(120))
    np.testing.assert_allclose(made, np.roll(images, 1, axis=-1), atol=1e-5)


@pytest.mark.parametrize("degrees", [-170, 10, 45])
def test_hue_is_a_rotation_about_the_grey_axis(degrees):
    images = pictures()
    made = after(images, "colour", rotate=TAKEN, hue=angle(degrees))
    np.testing.assert_allclose(luma(made), luma(images), atol=1e-6)
    rotation = Rotation.from_rotvec(np.radians(degrees) * np.ones(3) / 3**0.5)
    np.testing.assert_allclose(made.reshape(-1, 3), rotation.apply(images.reshape(-1, 3)), atol=1e-5)


def test_grey_images_have_neither_hue_nor_saturation():
    images = pictures(channels=1)
    made = after(images, "colour", rotate=TAKEN, hue=0.1, saturate=TAKEN, log_saturation=0.9)
    np.testing.assert_allclose(made, images, atol=1e-6)
    made = after(images, "colour", brighten=TAKEN, brightness=quantile(1.0), flip=TAKEN, sign=0.75)
    np.testing.assert_allclose(made, -(images + 0.2), atol=1e-5)


def test_each_sample_has_colours_of_its_own():
    images = pictures(2)
    shift = np.float32([0.0, 0.5]).reshape(2, 1, 1)
    one = np.ones_like(shift)
    made = recolour(images, brightness=shift, contrast=one, luma_flip=one, hue=0.0 * one, saturation=one)
    np.testing.assert_allclose(made, images + shift[..., None], atol=1e-6)


# ---- all together


def test_places_and_colours_change_together():
    images = pictures(height=8, width=8)
    numbers = {"mirror": TAKEN, "side": 0.75, "brighten": TAKEN, "brightness": quantile(1.0)}
    made = after(images, "geometric", "blit", "colour", **numbers)
    np.testing.assert_allclose(made, images[:, :, ::-1] + 0.2, atol=1e-5)


def test_the_geometric_map_is_linear():
    first, second = pictures(5, seed=1), pictures(5, seed=2)
    made = [ada_augment(x, 1.0, drawn(), ("blit", "geometric")) for x in (first, second, 2 * first - 3 * second)]
    np.testing.assert_allclose(made[2], 2 * made[0] - 3 * made[1], atol=1e-5)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(
    ("group", "untouched"),
    [
        # half of the mirrorings, a quarter of the turns and 1/16 of the translations move nothing
        ("blit", lambda p: (1 - p / 2) * (1 - 3 * p / 4) * (1 - 15 * p / 16)),
        # the two rotations count as one
        ("geometric", lambda p: (1 - p) ** 4),
        # half of the luma flips change nothing
        ("colour", lambda p: (1 - p) ** 4 * (1 - p / 2)),
    ],
)
def test_each_step_touches_a_sample_with_probability_p(group, untouched, p):
    images = pictures(4000, 16, 16)
    change = np.abs(ada_augment(images, p, drawn(), (group,)) - images).max(axis=(1, 2, 3))
    # the standard deviation of the share is at most 0.008
    assert np.mean(change < 1e-5) == pytest.approx(untouched(p), abs=0.03)
