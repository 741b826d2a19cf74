import numpy as np
import pytest

from zoo.metrics.ms_ssim import diversity, form, ms_ssim
from zoo.shared.errors import UserError

RNG = np.random.default_rng(0)
C1, C2 = 6.5025, 58.5225
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("side", [3, 8, 11, 28, 32, 176])
def test_identical_images_score_one(side):
    images = noise(2, side, side, 3)
    np.testing.assert_allclose(ms_ssim(images, images), 1, atol=1e-9)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(2, (1, 1)), (8, (1, 7)), (10, (1, 9)), (11, (1, 11)), (21, (1, 11)), (22, (2, 11)), (28, (2, 11)),
     (32, (2, 11)), (64, (3, 11)), (128, (4, 11)), (175, (4, 11)), (176, (5, 11)), (1024, (5, 11))],
)  # fmt: skip
def test_as_many_scales_as_fit(side, expected):
    assert form(side) == expected


def literal(x, y, window):
    """Return mean SSIM and mean contrast-structure of float images (height, width): the formulas, pixel by pixel."""
    offsets = np.arange(window) - window // 2
    bell = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (1.5 * window / 11) ** 2))
    bell /= bell.sum()
    values = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            p, q = (image[top : top + window, left : left + window] for image in (x, y))
            mean_p, mean_q = (bell * p).sum(), (bell * q).sum()
            variances = (bell * (p - mean_p) ** 2).sum() + (bell * (q - mean_q) ** 2).sum()
            structure = (2 * (bell * (p - mean_p) * (q - mean_q)).sum() + C2) / (variances + C2)
            values.append(((2 * mean_p * mean_q + C1) / (mean_p**2 + mean_q**2 + C1) * structure, structure))
    return np.mean(values, axis=0)


def alike(*shape):
    first = noise(*shape)
    return first, (first // 2 + noise(*shape) // 3).astype(np.uint8)


@pytest.mark.parametrize(("height", "width", "window"), [(11, 11, 11), (14, 20, 11), (8, 8, 7), (10, 30, 9)])
def test_one_scale_agrees_with_the_formula(height, width, window):
    a, b = alike(1, height, width, 2)
    ssim = [
        literal(a[0, :, :, channel].astype(float), b[0, :, :, channel].astype(float), window)[0] for channel in (0, 1)
    ]
    assert ms_ssim(a, b)[0] == pytest.approx(np.mean(ssim))


def test_two_scales_agree_with_the_formula():
    a, b = alike(1, 24, 22, 1)
    x, y = (image[0, :, :, 0].astype(float) for image in (a, b))
    fine = literal(x, y, 11)[1]
    coarse = literal(*(image.reshape(12, 2, 11, 2).mean(axis=(1, 3)) for image in (x, y)), 11)[0]
    weights = WEIGHTS[:2] / WEIGHTS[:2].sum()
    assert ms_ssim(a, b)[0] == pytest.approx(fine ** weights[0] * coarse ** weights[1])


def blank(side, value):
    return np.full((1, side, side, 1), value, np.uint8)


@pytest.mark.parametrize(("side", "scales"), [(8, 1), (16, 1), (32, 2), (64, 3), (176, 5)])
def test_blank_images_differ_in_the_luminance_of_the_coarsest_scale_only(side, scales):
    luminance = (2 * 50 * 200 + C1) / (50**2 + 200**2 + C1)
    share = WEIGHTS[scales - 1] / WEIGHTS[:scales].sum()
    assert ms_ssim(blank(side, 50), blank(side, 200))[0] == pytest.approx(luminance**share)


def test_the_finer_scale_sees_what_the_coarser_averages_away():
    """A chequered pattern against grey: halved it is grey, so that only the finest scale's contrast differs."""
    chequers = (100 + 100 * (np.indices((32, 32)).sum(axis=0) % 2)).astype(np.uint8)[None, :, :, None]
    contrast = C2 / (50**2 + C2)  # the variance of the pattern under the window is 50^2, nearly
    share = WEIGHTS[0] / WEIGHTS[:2].sum()
    assert ms_ssim(chequers, blank(32, 150))[0] == pytest.approx(contrast**share, rel=1e-3)


def test_negative_structure_counts_as_zero():
    images = noise(1, 16, 16, 1)
    assert ms_ssim(images, 255 - images)[0] == 0


def test_pairs_are_measured_one_by_one_and_odd_sides_are_cut():
    a, b = noise(3, 45, 47, 3), noise(3, 45, 47, 3) // 2
    together = ms_ssim(a, b)
    assert together.shape == (3,)
    np.testing.assert_allclose(together, [ms_ssim(a[i : i + 1], b[i : i + 1])[0] for i in range(3)])
    np.testing.assert_allclose(together, ms_ssim(b, a))


def test_diversity_is_the_mean_over_disjoint_pairs():
    images = np.concatenate([noise(200, 8, 8, 1) // 8 + 10 * i for i in range(2)])
    measured = diversity(images, seed=4)
    assert measured == diversity(images, seed=4)
    assert (measured["pairs"], measured["scales"], measured["window"]) == (200, 1, 7)
    order = np.random.default_rng(4).permutation(400)
    values = ms_ssim(images[order[:200]], images[order[200:]])
    assert measured["ms_ssim"] == pytest.approx(values.mean())
    assert measured["standard_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(200))
    assert measured["ms_ssim"] != diversity(images, seed=5)["ms_ssim"]


def test_collapse_shows():
    one, many = noise(1, 16, 16, 1), noise(41, 16, 16, 1)
    assert diversity(np.repeat(one, 7, axis=0))["ms_ssim"] == pytest.approx(1)
    assert diversity(many)["ms_ssim"] < 0.2
    assert diversity(many)["pairs"] == 20


def test_bad_images():
    with pytest.raises(UserError, match="makes no pair"):
        diversity(noise(1, 8, 8, 1))
    with pytest.raises(UserError, match="2 images cannot be paired with 3"):
        ms_ssim(noise(2, 8, 8, 1), noise(3, 8, 8, 1))
    with pytest.raises(UserError, match="uint8"):
        diversity(np.zeros((4, 8, 8, 1)))
