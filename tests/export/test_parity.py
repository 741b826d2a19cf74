"""The proof that runtimes agree: what each kind of output may differ by, and every fault that it must see."""

import dataclasses

import numpy as np
import pytest

from export import parity
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

IMAGE = TensorSpec("image", (2, 2, 1), "output", "image")
SPEC = MapSpec((TensorSpec("z", (3,), "normal"),), (IMAGE,))
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
PHOTO = TensorSpec("photo", (2, 2, 1), "condition", "image")
NATS = TensorSpec("log_prob", (), "output", "nats")
LATENT = TensorSpec("mean", (2, 2, 1), "output")
TOTAL = 1 + 5 + 16


def maker(change=lambda values: values, name="image"):
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    return lambda inputs: {name: change(np.tanh(inputs["z"] @ weights).reshape(-1, 2, 2, 1))}


def test_the_largest_difference_over_all_batches():
    far = maker(lambda image: image * np.float32(1 - 5e-5 * (len(image) == 16)))
    measured = parity.measure(maker(), {"same": maker(), "far": far}, SPEC, seed=1)
    assert measured["same"] == 0
    assert measured["far"] == pytest.approx(5e-5, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image - np.float32(2e-4) * image, "differs from Keras in image: difference 0.0002"),
        (lambda image: image[::-1], "differs from Keras in image"),
        (lambda image: image.swapaxes(1, 2), "differs from Keras in image"),
        (lambda image: image.astype(np.float64), "float64"),
        (lambda image: image[:1], "shape"),
        (lambda image: image[..., 0], "shape"),
        (lambda image: image * np.float32("nan"), "NaN"),
        (lambda image: image / np.float32(0), "NaN or infinity"),
        (lambda image: image + np.float32(1), r"outside of \[-1, 1\]"),
    ],
)
def test_runtimes_that_disagree_are_named(change, message):
    with pytest.raises(parity.NotEqual, match=message), np.errstate(divide="ignore"):
        parity.measure(maker(), {"other": maker(change)}, SPEC, seed=1)


def steep(slope, change=0.0):
    """Return a map that amplifies the last bits of its input by the slope, and one that differs from it by `change`."""

    def run(inputs):
        phase = inputs["z"].astype(np.float64).sum(axis=1) * slope
        return {"image": (np.sin(phase)[:, None, None, None] * np.full((1, 2, 2, 1), 0.9) + change).astype(np.float32)}

    return run


def test_a_map_that_amplifies_last_bits_may_differ_by_some_of_its_own_answer_to_them():
    # numbers near 1 have last bits of 6e-8 to 1.2e-7, so that the answer to another one is about 1e-4
    measured = parity.measure(steep(1e3), {"other": steep(1e3, 3e-4)}, SPEC, seed=1)
    assert measured["other"] == pytest.approx(3e-4, rel=0.01)
    with pytest.raises(parity.NotEqual, match="difference 0.0003"):
        parity.measure(steep(1.0), {"other": steep(1.0, 3e-4)}, SPEC, seed=1)
    with pytest.raises(parity.NotEqual, match=r"difference 0.0045 \(at most 0.0039 is allowed\)"):
        parity.measure(steep(1e5), {"other": steep(1e5, 4.5e-3)}, SPEC, seed=1)


def test_a_fault_in_keras_itself_is_seen():
    with pytest.raises(parity.NotEqual, match="was the model trained"):
        parity.measure(maker(lambda image: image * np.float32("nan")), {"other": maker()}, SPEC, seed=1)


def fails(error):
    """Return a runtime that fails on a batch of five, as one does whose batch axis was frozen inside the graph."""

    def run(inputs):
        if len(inputs["z"]) == 5:
            raise error
        return maker()(inputs)

    return run


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("cannot reshape\ninto (1, 3)"), "on a batch of 5: cannot reshape into (1, 3)"),
        (
            RuntimeError("[ONNXRuntimeError] : 1 : FAIL : In Add. Status Message: /x/y.h:3 void f(int) 2 by 4"),
            "on a batch of 5: In Add. Status Message: 2 by 4",
        ),
        (MemoryError(), "on a batch of 5: MemoryError"),
    ],
)
def test_a_runtime_that_fails_is_named(error, line):
    with pytest.raises(parity.NotEqual) as refused:
        parity.measure(maker(), {"same": maker(), "onnxruntime": fails(error)}, SPEC, seed=1)
    assert str(refused.value) == f"onnxruntime fails {line}"
    with pytest.raises(parity.NotEqual, match="^Keras fails on a batch of 5"):
        parity.measure(fails(error), {"same": maker()}, SPEC, seed=1)


def test_a_missing_output_is_named():
    with pytest.raises(parity.NotEqual, match="other gives nothing for 'image'"):
        parity.measure(maker(), {"other": lambda _: {}}, SPEC, seed=1)


@pytest.mark.parametrize("batch", parity.BATCHES)
def test_every_size_of_a_batch_is_compared(batch):
    """A batch axis that was frozen at any of them shows at the others."""
    wrong = maker(lambda image: image if len(image) != batch else -image)
    with pytest.raises(parity.NotEqual, match="other differs"):
        parity.measure(maker(), {"other": wrong}, SPEC, seed=1)
    frozen = maker(lambda image: np.resize(image, (batch, 2, 2, 1)))
    with pytest.raises(parity.NotEqual, match="other gives float32 of shape"):
        parity.measure(maker(), {"other": frozen}, SPEC, seed=1)


def test_the_noise_is_fresh_in_every_batch():
    seen = []
    parity.measure(lambda inputs: seen.append(inputs["z"]) or maker()(inputs), {"same": maker()}, SPEC, seed=1)
    rows = np.concatenate(seen)
    assert len(np.unique(rows, axis=0)) == len(rows) == TOTAL


def test_a_runtime_that_ignores_the_class_is_named():
    spec = dataclasses.replace(SPEC, inputs=(*SPEC.inputs, LABEL))

    def by_class(inputs):
        return {"image": np.tanh(inputs["label"].astype(np.float32)).repeat(4).reshape(-1, 2, 2, 1)}

    assert parity.measure(by_class, {"same": by_class}, spec, seed=1) == {"same": 0}
    with pytest.raises(parity.NotEqual, match="other differs from Keras in image: difference 1 "):
        parity.measure(by_class, {"other": lambda inputs: by_class({"label": 0 * inputs["label"]})}, spec, seed=1)


# --- conditions --------------------------------------------------------------------------------------------------


def test_conditions_are_the_given_rows_begun_anew():
    spec = MapSpec((PHOTO,), (IMAGE,))
    photos = np.random.default_rng(0).uniform(-1, 1, (4, 2, 2, 1)).astype(np.float32)
    seen = []

    def copy(inputs):
        seen.append(inputs["photo"])
        return {"image": inputs["photo"]}

    assert parity.measure(copy, {"same": lambda inputs: {"image": inputs["photo"]}}, spec, 1, {"photo": photos})
    np.testing.assert_array_equal(np.concatenate(seen), photos[np.arange(TOTAL) % 4])
    with pytest.raises(parity.NotEqual, match="other differs"):
        parity.measure(copy, {"other": lambda inputs: {"image": 0 * inputs["photo"]}}, spec, 1, {"photo": photos})


def test_a_condition_without_rows_is_refused():
    with pytest.raises(UserError, match="missing condition photo"):
        parity.measure(maker(), {"same": maker()}, MapSpec((*SPEC.inputs, PHOTO), (IMAGE,)), seed=1)


# --- numbers without bounds --------------------------------------------------------------------------------------


def nats(size, error=0.0):
    """Log-probabilities of about `size`, the last row of which is off by `error`."""

    def run(inputs):
        values = np.float32(size) - np.abs(inputs["z"]).sum(axis=1) / 100
        values[-1] += np.float32(error)
        return {"log_prob": values.astype(np.float32)}

    return run


@pytest.mark.parametrize(
    ("size", "allowed", "refused"),
    # 1e-4 + 1e-6 |x|, and the spacing of float32 numbers, which is 6e-5 at 1000 and 0.004 at 40,000
    [(0, 9e-5, 1.3e-4), (-100, 1.8e-4, 2.3e-4), (-1000, 1.0e-3, 1.3e-3), (-40_000, 0.035, 0.05)],
)
def test_nats_may_differ_by_a_millionth_of_their_size_too(size, allowed, refused):
    spec = MapSpec(SPEC.inputs, (NATS,))
    measured = parity.measure(nats(size), {"other": nats(size, allowed)}, spec, seed=1)
    assert 0 < measured["other"] <= parity.TOLERANCE
    for error in (refused, -refused):
        with pytest.raises(parity.NotEqual, match="other differs from Keras in log_prob: difference"):
            parity.measure(nats(size), {"other": nats(size, error)}, spec, seed=1)


def test_latents_too_but_not_values_with_bounds():
    latents = MapSpec(SPEC.inputs, (LATENT,))
    large, off = (maker(lambda values, by=by: values * 1000 + np.float32(by), "mean") for by in (0, 2e-4))
    with pytest.raises(parity.NotEqual, match="mean"):  # some value is near to zero
        parity.measure(large, {"other": off}, latents, seed=1)
    far, near = (maker(lambda values, by=by: values / 8 + np.float32(1000 + by), "mean") for by in (0, 5e-4))
    assert parity.measure(far, {"other": near}, latents, seed=1)["other"] < 1e-4
    bounded = MapSpec(SPEC.inputs, (dataclasses.replace(LATENT, low=-2000.0, high=2000.0),))
    with pytest.raises(parity.NotEqual, match="mean"):
        parity.measure(far, {"other": near}, bounded, seed=1)


def test_numbers_that_are_not_finite_have_no_distance():
    for bad in (np.inf, -np.inf, np.nan):
        with pytest.raises(parity.NotEqual, match="NaN or infinity"):
            parity.measure(nats(0), {"other": nats(0, bad)}, MapSpec(SPEC.inputs, (NATS,)), seed=1)


def test_whole_numbers_must_agree():
    attributes = TensorSpec("attributes", (3,), "output", "attributes")
    spec = MapSpec(SPEC.inputs, (attributes,))

    def run(inputs, flip=0):
        return {"attributes": ((inputs["z"] > 0) ^ (np.arange(3) < flip)).astype(np.int32)}

    assert parity.measure(run, {"same": run}, spec, seed=1) == {"same": 0}
    with pytest.raises(parity.NotEqual, match="attributes: difference 1 "):
        parity.measure(run, {"other": lambda inputs: run(inputs, 1)}, spec, seed=1)
    with pytest.raises(parity.NotEqual, match="not int32"):
        parity.measure(run, {"other": lambda inputs: {"attributes": inputs["z"]}}, spec, seed=1)


def test_every_output_is_compared():
    spec = MapSpec(SPEC.inputs, (IMAGE, NATS))

    def both(error):
        return lambda inputs: maker()(inputs) | nats(-10, error)(inputs)

    assert parity.measure(both(0), {"same": both(0)}, spec, seed=1) == {"same": 0}
    with pytest.raises(parity.NotEqual, match="other differs from Keras in log_prob"):
        parity.measure(both(0), {"same": both(0), "other": both(1e-2)}, spec, seed=1)


# --- sampling loops ----------------------------------------------------------------------------------------------

LOOP = MapSpec(SPEC.inputs, (dataclasses.replace(IMAGE, levels=2),))
CHOICE = MapSpec(SPEC.inputs, (dataclasses.replace(IMAGE, chosen=True),))


def sampled(differing=()):
    """A binary image a row; the rows of those numbers differ from some pixel on."""
    numbers = iter([0, 1, 6])  # the first row of each batch

    def run(inputs):
        image = np.where(maker()(inputs)["image"] > 0, 1, -1).astype(np.float32)
        first = next(numbers)
        for row in set(differing) & set(range(first, first + len(image))):
            image[row - first, 1:] *= -1
        return {"image": image}

    return run


@pytest.mark.parametrize("spec", [LOOP, CHOICE])
@pytest.mark.parametrize("rows", [(), (3,), (8, 21)])
def test_a_threshold_may_flip_in_a_tenth_of_the_rows(rows, spec):
    measured = parity.measure(sampled(), {"other": sampled(rows)}, spec, seed=1)
    assert measured == {"other": pytest.approx(len(rows) / TOTAL)}


def test_of_long_rows_more_may_have_such_a_threshold():
    """One value in 10,000 has one: 1 - .9999^4096 of rows of 4,096 values; of short ones a tenth is allowed anyway."""
    short, long = (TensorSpec("audio", (n,), "output", "audio", levels=256) for n in (500, 4096))
    assert [parity.differing(tensor) for tensor in (short, long)] == [0.1, 0.336]
    assert parity.protocol(MapSpec(SPEC.inputs, (long,)), 1)["tolerance"] == 0.336
    assert parity.differing(TensorSpec("plan", (4096,), "output", chosen=True)) == 0.1


@pytest.mark.parametrize("spec", [LOOP, CHOICE])
@pytest.mark.parametrize("rows", [(0, 3, 8), range(6, 22), range(22)])
def test_more_rows_that_differ_are_refused(rows, spec):
    message = "other differs from Keras in image: share of rows"
    with pytest.raises(parity.NotEqual, match=message):
        parity.measure(sampled(), {"other": sampled(rows)}, spec, seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image[..., 0], "shape"),
        (lambda image: 3 * image, r"outside of \[-1, 1\]"),
        (lambda image: image * np.float32("nan"), "NaN"),
        (lambda image: image * np.float32(0.99), "share of rows 1 "),
    ],
)
def test_shape_and_range_of_a_loop_are_checked(change, message):
    runs = [sampled(), sampled()]
    with pytest.raises(parity.NotEqual, match=message):
        parity.measure(runs[0], {"other": lambda inputs: {"image": change(runs[1](inputs)["image"])}}, LOOP, seed=1)


def test_the_protocol_tells_the_tolerance_that_was_used():
    assert parity.protocol(SPEC, 7) == {"tolerance": 1e-4, "last_bits": 10, "batches": [1, 5, 16], "noise_seed": 7}
    assert "last_bits" not in parity.protocol(LOOP, 7)
    assert parity.protocol(LOOP, 7)["tolerance"] == 0.1
