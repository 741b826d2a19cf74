"""The map "step" makes one row after another what "generate" makes at once, from a state that begins as zeros."""

import numpy as np
import pytest
import tensorflow as tf

import serving
import zoo
from serving.rows import check_step
from zoo import bundle
from zoo.noise import fill
from zoo.shared import files
from zoo.spec import TensorSpec

COUNT = 3
KINDS = {
    "pixel_cnn": ("pixel_cnn", {"depth": 2}),
    "conditional": ("gated_pixel_cnn", {"depth": 3, "first_size": 3, "conditional": True}),
    "row_lstm": ("pixel_rnn", {"depth": 2, "variant": "row_lstm"}),
    "diagonal_bilstm": ("pixel_rnn", {"depth": 2, "variant": "diagonal_bilstm"}),
}
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=2)


def randomised(kind, channels, **options):
    """Return a model of pictures 5 x 4 with random weights, far from 0."""
    name, own = KINDS[kind]
    columns = {"image": (5, 4, channels), "label": LABEL}
    options = {"base_channels": 4, "head_channels": 5, "mixtures": 2, **own, **options}
    model, random = zoo.create(name, columns=columns, **options), np.random.default_rng(0)
    for weight in model.network.weights:
        weight.assign(random.normal(0, 0.6, weight.shape))
    return model


def walked(step, generate, inputs):
    """Return the picture that the host of `step` makes, row by row."""
    run, noise = tf.function(step.network.call), [tensor.name for tensor in generate.spec.noise]
    state = np.zeros((COUNT, step.network.size), np.float32)
    rows = []
    for y in range(generate.spec.output.shape[0]):
        here = {name: inputs[name][:, y : y + 1] for name in noise}
        labels = {"label": inputs["label"]} if "label" in inputs else {}
        made = run({**here, **labels, "state": state})
        rows.append(made["row"].numpy())
        state = made["next_state"].numpy()
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("likelihood", "channels"), [("softmax", 3), ("logistic_mixture", 1)])
def test_row_after_row_is_the_picture(kind, likelihood, channels):
    model = randomised(kind, channels, likelihood=likelihood)
    step, generate = model.maps["step"], model.maps["generate"]
    check_step(step.spec, generate.spec)
    inputs = fill(generate.spec, COUNT, seed=1)
    whole = tf.function(generate.network.call)(inputs)["image"].numpy()
    np.testing.assert_allclose(walked(step, generate, inputs), whole, atol=1e-6)
    assert len(np.unique(whole)) > 2


def test_the_state_of_a_first_row_is_what_export_is_given():
    model = randomised("conditional", 1)
    filled = model.conditions(
        "step", {"image": np.zeros((2, 5, 4, 1), np.float32), "label": np.array([2, 3], np.int32)}
    )
    assert sorted(filled) == ["label", "state"]
    assert filled["state"].shape == (2, model.maps["step"].network.size)
    assert not filled["state"].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pixel_cnn", "diagonal_bilstm"])
def test_a_bundle_streams_the_rows_of_its_samples(kind, tmp_path):
    from export import onnx

    model = randomised(kind, 1, likelihood="softmax")
    maps = {name: model.maps[name] for name in ("generate", "step")}
    manifest = bundle.Manifest(kind, {name: made.spec for name, made in maps.items()}, {}, {}, 1, {}, {})
    for name, made in maps.items():
        data = bundle.describe(onnx.convert(made).SerializeToString(), manifest, name)
        (tmp_path / manifest.onnx_file(name)).write_bytes(data)
    files.write_json(tmp_path / bundle.MANIFEST, manifest.to_json() | {"files": files.checksums(tmp_path)})
    generator = serving.Generator(tmp_path)
    *_, pictures = generator.stream_rows(20, seed=3)
    np.testing.assert_array_equal(pictures, generator.sample(20, seed=3))
