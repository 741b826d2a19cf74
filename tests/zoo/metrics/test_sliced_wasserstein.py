import numpy as np
import pytest
from scipy.signal import convolve2d
from scipy.stats import wasserstein_distance

from zoo.metrics.sliced_wasserstein import laplacian_pyramid, sliced_distance, sliced_wasserstein, upsample
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)
FEW = {"patches": 8, "directions": 64}


def noise(count, side=32, channels=3):
    return RNG.integers(0, 256, (count, side, side, channels), np.uint8)


def unit(*shape):
    directions = RNG.normal(size=shape)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_a_shift_is_seen_as_its_projections():
    points, shift, directions = RNG.normal(size=(50, 4)), RNG.normal(size=4), unit(19, 4)
    expected = np.abs(directions @ shift).mean()
    assert sliced_distance(points, points[::-1] + shift, directions) == pytest.approx(expected)
    assert sliced_distance(points, points[::-1], directions) == 0


def test_each_direction_agrees_with_scipy():
    a, b, directions = RNG.normal(size=(40, 3)), 2 * RNG.normal(size=(40, 3)), unit(11, 3)
    expected = [wasserstein_distance(a @ direction, b @ direction) for direction in directions]
    assert sliced_distance(a, b, directions) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("shape", "sides"), [((64, 64), [64, 32, 16]), ((51, 37), [51, 26, 13]), ((8, 8), [8])])
def test_the_pyramid_gives_back_the_image(shape, sides):
    images = RNG.integers(0, 256, (2, *shape, 3), np.uint8)
    pyramid = laplacian_pyramid(images, len(sides))
    assert [level.shape[1] for level in pyramid] == sides
    whole = pyramid[-1]
    for level in pyramid[-2::-1]:
        whole = level + upsample(whole, level.shape)
    np.testing.assert_allclose(whole, images, atol=1e-10)


@pytest.mark.parametrize("side", [32, 33])
def test_a_blank_image_has_no_detail_up_to_its_border(side):
    detail, coarse = laplacian_pyramid(np.full((1, side, side, 1), 200, np.uint8), 2)
    np.testing.assert_allclose(detail, 0, atol=1e-10)
    np.testing.assert_allclose(coarse, 200)


def test_a_step_down_and_a_step_up_agree_with_plain_convolutions():
    image = RNG.normal(size=(16, 16))
    window = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    detail, coarse = (level[0, :, :, 0] for level in laplacian_pyramid(image[None, :, :, None], 2))

    def blurred(x):
        return convolve2d(np.pad(x, 2, mode="reflect"), window, mode="valid")

    np.testing.assert_allclose(coarse, blurred(image)[::2, ::2])
    spread = np.zeros((16, 16))
    spread[::2, ::2] = coarse
    np.testing.assert_allclose(detail, image - 4 * blurred(spread))


def test_protocol():
    real, fake = noise(20), noise(20)
    measured = sliced_wasserstein(real, fake, **FEW)
    assert measured == sliced_wasserstein(real, fake, **FEW)
    assert measured["average"] != sliced_wasserstein(real, fake, **FEW, seed=1)["average"]
    assert list(measured["levels"]) == ["32", "16"]
    assert measured["average"] == pytest.approx(np.mean(list(measured["levels"].values())))
    assert {name: measured[name] for name in ("patches", "patch_size", "directions", "count")} == {
        "patches": 8, "patch_size": 7, "directions": 64, "count": 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("side", "levels"), [(8, ["8"]), (16, ["16"]), (28, ["28"]), (31, ["31", "16"]), (128, ["128", "64", "32", "16"])]
)
def test_levels(side, levels):
    images = noise(2, side, 1)
    assert list(sliced_wasserstein(images, images, patches=2, directions=2)["levels"]) == levels


def test_whole_images_as_patches_have_a_known_distance():
    """One place per image: the descriptors are the images themselves, each set scaled to mean 0 and deviation 1."""
    real, fake = noise(40, 5, 2), noise(40, 5, 2) // 4 + 9

    def scaled(x):
        x = x.astype(np.float64)
        x = (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))
        return x.transpose(0, 3, 1, 2).reshape(40, -1)

    expected = 1000 * sliced_distance(scaled(real), scaled(fake), unit(4000, 50))
    measured = sliced_wasserstein(real, fake, patches=1, patch_size=5, directions=4000)
    assert measured["levels"]["5"] == pytest.approx(expected, rel=0.02)
    # what is equal but for tint and contrast is at distance 0 then
    even = real // 4 * 4
    tinted = np.stack([even[..., 0] // 2 + 20, even[..., 1] // 4 + 100], axis=-1)
    same = sliced_wasserstein(even, tinted, patches=1, patch_size=5)
    assert same["average"] == pytest.approx(0, abs=1e-2)


def test_brightness_is_no_detail():
    """Images that are bright or dark as a whole differ in the coarsest level only, and there by a known distance."""
    real = noise(40, channels=1) // 4
    lit = real + 128 * RNG.integers(0, 2, (40, 1, 1, 1), np.uint8)
    options = {"patches": 1, "patch_size": 16, "directions": 2000}
    same, different = (sliced_wasserstein(real, fake, **options)["levels"] for fake in (real, lit))
    assert different["32"] == pytest.approx(same["32"], rel=1e-5)
    # a patch of 16 pixels is the whole level
    coarse = [laplacian_pyramid(x, 2)[1].reshape(40, 256) for x in (real, lit)]
    scaled = [(x - x.mean()) / x.std() for x in coarse]
    assert same["16"] == 0
    assert different["16"] == pytest.approx(1000 * sliced_distance(*scaled, unit(2000, 256)), rel=0.05)


def test_equal_laws_are_near_and_changes_show_at_their_scale():
    def smooth(count):
        return upsample(noise(count, 16, 1), (count, 32, 32, 1)).clip(0, 255).astype(np.uint8)

    real = smooth(150)
    floor = sliced_wasserstein(real, smooth(150), **FEW)
    # a fine chequered pattern: the coarser level cannot show it
    chequers = (np.indices((32, 32)).sum(axis=0) % 2)[None, :, :, None].astype(np.uint8)
    detailed = sliced_wasserstein(real, smooth(150) // 2 + 64 * chequers, **FEW)
    assert floor["average"] < 80  # what 1,200 patches of equal laws are apart
    assert detailed["levels"]["32"] > 5 * floor["levels"]["32"]
    assert detailed["levels"]["16"] < 2 * floor["levels"]["16"]


def test_collapse_to_one_blank_image_is_finite_and_far():
    real, blank = noise(30, 16, 1), np.full((30, 16, 16, 1), 77, np.uint8)
    # |N(0, 1)| has mean 0.8: blank patches are all 0
    assert sliced_wasserstein(real, blank)["average"] == pytest.approx(1000 * np.sqrt(2 / np.pi), rel=0.1)
    flat = np.full((30, 32, 32, 1), 77, np.uint8)
    assert sliced_wasserstein(flat, flat, **FEW)["average"] < 1e-3


def test_bad_sets():
    with pytest.raises(UserError, match="3 real and 2 fake"):
        sliced_wasserstein(noise(3), noise(2))
    with pytest.raises(UserError, match="patches of 7 pixels do not fit into 4: use a patch_size of 4"):
        sliced_wasserstein(noise(3, 4), noise(3, 4))
