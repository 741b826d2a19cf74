"""The requests that TF Serving warms a version up by: their bytes, their inputs, and that the signatures run them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from export import build, saved_model, warmup
from serving.tf_serving import repository
from zoo import bundle
from zoo.noise import fill
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SIGNATURES = ["generate", "fill_in", "log_prob", "serving_default"]


@pytest.fixture
def exported(three_maps, tmp_path):
    """The bundle of three maps, at a path that TensorFlow reads as a pattern."""
    build.build(tmp_path / "run", tmp_path / "bundle[1]")
    return tmp_path / "bundle[1]"


def records(directory):
    """Return the records of a SavedModel's warm-up file, by the framing that TensorFlow itself reads."""
    return list(tf.compat.v1.io.tf_record_iterator(str(directory / warmup.FILE)))


def fields(message):
    """Return what a protobuf message holds as [(field's number, bytes)], read by hand: all of it length-delimited."""
    found = []
    while message:
        (tag, message), size, shift = (message[0], message[1:]), 0, 0
        assert tag & 7 == 2
        while True:
            byte, message = message[0], message[1:]
            size, shift = size | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        found, message = [*found, (tag >> 3, message[:size])], message[size:]
    return found


def request_of(record):
    """Return the model's name, the signature's and the inputs that a record asks for."""
    ((number, log),) = fields(record)
    ((request, content),) = fields(log)
    assert (number, request) == (6, 1)  # PredictionLog.predict_log, PredictLog.request
    spec = dict(fields(next(value for field, value in fields(content) if field == 1)))
    inputs = {}
    for entry in (dict(fields(value)) for field, value in fields(content) if field == 2):
        inputs[entry[1].decode()] = tf.make_ndarray(tensor_pb2.TensorProto.FromString(entry[2]))
    return spec[1].decode(), spec[3].decode(), inputs


def test_a_request_has_the_bytes_that_its_protos_say():
    """Worked out from prediction_log.proto, predict.proto, model.proto, tensor.proto: one int32, 7, in a batch of 1."""
    tensor = b"\x08\x03" + b"\x12\x04\x12\x02\x08\x01" + b"\x3a\x01\x07"  # DT_INT32; dim { size: 1 }; int_val: 7
    entry = b"\x0a\x01k" + b"\x12\x0b" + tensor
    request = b"\x0a\x06" + (b"\x0a\x01m" + b"\x1a\x01s") + b"\x12\x10" + entry
    log = b"\x32\x1c" + b"\x0a\x1a" + request
    assert warmup.prediction_log("m", "s", {"k": np.array([7], np.int32)}) == log


@pytest.mark.parametrize("size", [1, 100, 127, 128, 16383, 16384, 300_000])
def test_lengths_of_one_to_three_bytes_are_read_again(size):
    values = np.arange(size, dtype=np.float32)[None]
    model, signature, inputs = request_of(warmup.prediction_log("gan", "s" * 200, {"z": values}))
    assert (model, signature, list(inputs)) == ("gan", "s" * 200, ["z"])
    np.testing.assert_array_equal(inputs["z"], values)


def test_the_official_protos_read_what_was_written_by_hand():
    inputs = {"z": np.array([[0.5, -1.25, 3e38]], np.float32), "label": np.array([3], np.int32)}
    record = warmup.prediction_log("gan", "generate", inputs)
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    request = log.predict_log.request
    assert (request.model_spec.name, request.model_spec.signature_name) == ("gan", "generate")
    assert not request.model_spec.HasField("version") and not request.model_spec.version_label
    assert sorted(request.inputs) == ["label", "z"]
    for name, values in inputs.items():
        read = tf.make_ndarray(request.inputs[name])
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)
    assert log.ByteSize() == len(record), "a field that the protos do not know"


def test_every_signature_is_warmed_up_once_and_runs_its_request(exported, three_maps):
    directory = exported / bundle.SAVED_MODEL
    asked = [request_of(record) for record in records(directory)]
    assert [signature for _, signature, _ in asked] == SIGNATURES
    assert {model for model, _, _ in asked} == {"nade"}
    for _, signature, inputs in asked:
        name = "generate" if signature == "serving_default" else signature
        made = three_maps.maps[name]
        given = build.conditions_of(made.spec, three_maps.examples[name])
        expected = fill(made.spec, 1, 0, given={key: values[:1] for key, values in given.items()})
        assert sorted(inputs) == sorted(expected)
        for key, values in expected.items():
            assert inputs[key].dtype == values.dtype
            np.testing.assert_array_equal(inputs[key], values)
        outputs = saved_model.load(directory, signature)(inputs)
        for key, values in made(expected).items():
            np.testing.assert_allclose(outputs[key], values, rtol=1e-5, atol=1e-5)


def test_a_version_in_a_model_repository_loads_and_brings_its_requests(exported, three_maps, tmp_path):
    repository.apply(tmp_path / "models", repository.Change("digits", exported))
    version = tmp_path / "models" / "digits" / "1"
    served = tf.saved_model.load(str(version))
    assert len(records(version)) == len(SIGNATURES)
    for record in records(version):
        _, signature, inputs = request_of(record)
        outputs = served.signatures[signature](**{key: tf.constant(values) for key, values in inputs.items()})
        made = three_maps.maps["generate" if signature == "serving_default" else signature]
        assert {key: values.shape[1:] for key, values in outputs.items()} == {
            t.name: t.shape for t in made.spec.outputs
        }


def test_the_saved_model_is_what_tensorflow_serving_looks_for(exported):
    """The tag "serve", and in each signature placeholders with a free batch axis that the method `predict` feeds."""
    saved = saved_model_pb2.SavedModel.FromString((exported / bundle.SAVED_MODEL / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    signatures = {key: value for key, value in graph.signature_def.items() if not key.startswith("__")}
    assert sorted(signatures) == sorted(SIGNATURES)
    for signature in signatures.values():
        assert signature.method_name == "tensorflow/serving/predict"
        for tensor in (*signature.inputs.values(), *signature.outputs.values()):
            assert tensor.tensor_shape.dim[0].size == -1
            assert tensor.dtype in (tf.float32.as_datatype_enum, tf.int32.as_datatype_enum)


def test_the_requests_are_sealed_with_the_bundle(exported):
    path = exported / bundle.SAVED_MODEL / warmup.FILE
    assert f"{bundle.SAVED_MODEL}/{warmup.FILE}" in bundle.read_manifest(exported).files
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="tf_serving_warmup_requests is corrupt"):
        bundle.read(exported)


def test_free_sides_are_warmed_up_at_their_smallest():
    """Multiples of 4 from 10 pixels: 12; any number from 3: 3; the mask stays as it is."""
    photo = TensorSpec("photo", (16, 24, 3), "condition", "image", multiple=4, least=10)
    style = TensorSpec("style", (8, 8, 3), "condition", "image", multiple=1, least=3)
    whole = TensorSpec("whole", (4, 4, 1), "condition", "mask")
    spec = MapSpec((photo, style, whole), (TensorSpec("made", (16, 24, 3), "output", "image", follows="photo"),))
    random = np.random.default_rng(0)
    given = {t.name: random.uniform(0, 1, (5, *t.shape)).astype(np.float32) for t in spec.conditions}
    inputs = warmup.inputs_of(spec, given)
    assert {key: values.shape for key, values in inputs.items()} == {
        "photo": (1, 12, 12, 3),
        "style": (1, 3, 3, 3),
        "whole": (1, 4, 4, 1),
    }
    np.testing.assert_array_equal(inputs["photo"][0], given["photo"][0, :12, :12])
    assert given["photo"].shape == (5, 16, 24, 3), "the examples stay as they are"


def test_a_request_that_fails_keeps_the_bundle_from_being_written(three_maps, tmp_path, monkeypatch):
    honest = warmup.inputs_of
    monkeypatch.setattr(
        warmup, "inputs_of", lambda spec, given: {k: v[..., None] for k, v in honest(spec, given).items()}
    )
    with pytest.raises(UserError, match="nade was not exported: saved_model fails on a batch of 1"):
        build.build(tmp_path / "run", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
