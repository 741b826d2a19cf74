"""DiffAugment's steps with known results, and what holds for ADA's pipeline (`test_ada_augment`) as well."""

import numpy as np
import pytest
import tensorflow as tf
from draws import drawn, given, pictures

from zoo.adversarial import augmentations
from zoo.adversarial.augmentations import ADA_AUGMENT, DIFF_AUGMENT, ada_augment, diff_augment
from zoo.adversarial.penalties import r1
from zoo.shared.errors import UserError

NEUTRAL = {"brightness": 0.5, "saturation": 0.5, "contrast": 0.5, "down": 0.5, "right": 0.5, "row": 0.5, "column": 0.5}


def diff_augmented(images, policy, **numbers):
    assert set(numbers) <= set(NEUTRAL)
    return diff_augment(images, given(*(NEUTRAL | numbers).values()), (policy,)).numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_of_diff_augment(channels):
    images = pictures(channels=channels)
    np.testing.assert_allclose(diff_augmented(images, "colour"), images, atol=1e-6)
    np.testing.assert_allclose(diff_augmented(images, "colour", brightness=0.9), images + 0.4, atol=1e-6)
    grey = np.broadcast_to(images.mean(axis=-1, keepdims=True), images.shape)
    np.testing.assert_allclose(diff_augmented(images, "colour", saturation=0.0), grey, atol=1e-6)
    np.testing.assert_allclose(diff_augmented(images, "colour", saturation=0.75), 1.5 * images - 0.5 * grey, atol=1e-6)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(diff_augmented(images, "colour", contrast=0.0), 0.5 * images + 0.5 * mean, atol=1e-6)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_translation_of_diff_augment_goes_an_eighth_either_way_and_zeros_come_in(side):
    images = pictures(1, side, side)
    most = side // 8
    for shift in range(-most, most + 1):
        number = (shift + most + 0.5) / (2 * most + 1)
        expected = np.zeros_like(images)
        expected[:, max(shift, 0) : side + min(shift, 0)] = images[:, max(-shift, 0) : side - max(shift, 0)]
        np.testing.assert_array_equal(diff_augmented(images, "translation", down=number), expected)
        made = diff_augmented(images.swapaxes(1, 2), "translation", right=number)
        np.testing.assert_array_equal(made.swapaxes(1, 2), expected)


def test_cutout_is_half_of_each_side():
    images = 1 + np.abs(pictures(2, 8, 12))
    made = diff_augmented(images, "cutout")
    expected = images.copy()
    expected[:, 2:6, 3:9] = 0
    np.testing.assert_array_equal(made, expected)
    # the last one's border goes through the centres of pixels
    for row, column in [*np.random.default_rng(0).uniform(0.25, 0.75, (20, 2)), (4.5 / 8, 5.5 / 12)]:
        made = diff_augmented(images, "cutout", row=row, column=column)
        assert (made == 0).sum() == 2 * 4 * 6 * 3, "inside, the area is always the same"
        np.testing.assert_array_equal(made[made != 0], images[made != 0])


def test_the_centre_of_the_cutout_may_lie_at_the_border():
    images = np.ones((1, 8, 8, 1), np.float32)
    for row, column, rows, columns in ((0.0, 0.0, slice(0, 2), slice(0, 2)), (0.999, 0.5, slice(6, 8), slice(2, 6))):
        expected = images.copy()
        expected[:, rows, columns] = 0
        np.testing.assert_array_equal(diff_augmented(images, "cutout", row=row, column=column), expected)


def test_colours_change_before_the_picture_moves_and_is_cut():
    images = pictures(height=8, width=8)
    row = NEUTRAL | {"brightness": 0.9, "down": 0.999, "row": 0.999}
    expected = np.pad(images + 0.4, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    expected[:, 6:, 2:6] = 0
    np.testing.assert_allclose(diff_augment(images, given(*row.values()), DIFF_AUGMENT), expected, atol=1e-6)


# ---- both pipelines


def pipelines():
    return [
        pytest.param(lambda images, uniform: diff_augment(images, uniform, DIFF_AUGMENT), id="diff_augment"),
        pytest.param(lambda images, uniform: ada_augment(images, 0.8, uniform, ADA_AUGMENT), id="ada_augment"),
    ]


@pytest.mark.parametrize("augment", pipelines())
def test_it_is_affine_in_the_images(augment):
    first, second = pictures(5, seed=1), pictures(5, seed=2)
    mixed = augment(0.3 * first + 0.7 * second, drawn())
    np.testing.assert_allclose(mixed, 0.3 * augment(first, drawn()) + 0.7 * augment(second, drawn()), atol=1e-5)


@pytest.mark.parametrize("augment", pipelines())
def test_the_gradient_is_that_of_the_affine_map(augment):
    """<grad <w, A(x)>, y - x> = <w, A(y) - A(x)>, for any w, x and y."""
    x, y, w = (tf.constant(pictures(5, seed=seed)) for seed in range(3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        made = augment(x, drawn())
        value = tf.reduce_sum(w * made)
    slope = tape.gradient(value, x)
    np.testing.assert_allclose(
        tf.reduce_sum(slope * (y - x), axis=[1, 2, 3]),
        tf.reduce_sum(w * (augment(y, drawn()) - made), axis=[1, 2, 3]),
        atol=1e-3,
    )


@pytest.mark.parametrize("augment", pipelines())
def test_r1_of_what_comes_before_the_augmentation_has_a_gradient(augment):
    """R1 of k <w, A(x)> is k^2 times that of k = 1, so that d/dk is twice as much at k = 1."""
    x, w, k = tf.constant(pictures(5)), pictures(5, seed=1), tf.Variable(1.0)
    with tf.GradientTape() as tape:
        value = r1(lambda x: k * tf.reduce_sum(w * augment(x, drawn()), axis=[1, 2, 3])[:, None], x, x, drawn())
    assert float(value) > 0
    assert float(tape.gradient(value, k)) == pytest.approx(2 * float(value), rel=1e-5)


@pytest.mark.parametrize("augment", pipelines())
def test_a_sample_depends_on_its_own_pixels_and_numbers_only(augment):
    images, order = pictures(6), [3, 0, 5, 1, 4, 2]
    made = augment(images, drawn()).numpy()
    shuffled = augment(images[order], lambda shape: tf.gather(drawn()(shape), order))
    np.testing.assert_allclose(shuffled, made[order], atol=1e-6)
    other = augment(np.concatenate([images[:3], 5 + images[3:]]), drawn())
    np.testing.assert_array_equal(other[:3], made[:3])
    same = augment(np.repeat(images[:1], 6, axis=0), drawn()).numpy()
    assert np.abs(same[1:] - same[:-1]).max(axis=(1, 2, 3)).min() > 1e-3, "each sample has numbers of its own"


@pytest.mark.parametrize("augment", pipelines())
@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 10, 3)])
def test_xla_makes_the_same_pictures(augment, shape):
    images, numbers = tf.constant(pictures(4, *shape)), drawn()((4, 28))

    def made(images, numbers):
        return augment(images, lambda shape: numbers[:, : shape[1]])

    compiled = tf.function(made, jit_compile=True)
    np.testing.assert_allclose(compiled(images, numbers), made(images, numbers), atol=1e-4)


@pytest.mark.parametrize("augment", pipelines())
def test_one_draw_makes_finite_pictures_at_both_ends_of_the_range(augment):
    for number in (0.0, 1.0 - 2.0**-24):
        calls = []

        def uniform(shape, number=number, calls=calls):
            calls.append(shape)
            return tf.fill(shape, number)

        assert np.isfinite(augment(pictures(), uniform)).all()
        assert len(calls) == 1


def test_only_the_named_steps_are_taken():
    images = pictures(8)
    for policy in DIFF_AUGMENT:
        made = diff_augment(images, drawn(), (policy,)).numpy()
        kept = np.isin(made, [0, *images.ravel()]).mean()
        assert (kept == 1) == (policy != "colour")
        assert ((made == 0).mean() > 0.15) == (policy == "cutout")
    blitted = ada_augment(images, 1.0, drawn(), ("blit",)).numpy()
    assert np.isin(blitted, images).all()
    for groups in (("blit",), ("geometric",)):
        flat = ada_augment(np.full_like(images, 0.5), 1.0, drawn(), groups)
        np.testing.assert_allclose(flat, 0.5, atol=1e-6)


def test_names_come_in_the_order_of_the_pipeline():
    assert augmentations.parse("augment", "colour, blit", ADA_AUGMENT) == ("blit", "colour")
    with pytest.raises(UserError, match=r"unknown name in model.policy 'color'; did you mean 'colour'"):
        augmentations.parse("policy", "cutout,color", DIFF_AUGMENT)
    with pytest.raises(UserError, match=r"unknown name in model.policy ''; known: colour, cutout, translation"):
        augmentations.parse("policy", "", DIFF_AUGMENT)
