"""What the server answers is what TensorFlow Serving would answer from the same bundle's SavedModel."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from export import build
from serving.server.app import App
from serving.server.limits import Limits
from serving.server.loading import load
from serving.server.metrics import Metrics
from serving.server.repository import Repository
from serving.server.service import Service
from zoo import bundle
from zoo.noise import fill

SIGNATURES = ("serving_default", "generate", "fill_in", "log_prob")


@pytest.fixture
def exported(three_maps, tmp_path):
    (tmp_path / "models").mkdir()
    build.build(tmp_path / "run", tmp_path / "models" / "m")
    return tmp_path / "models" / "m"


@pytest.fixture
def ask(exported):
    """Send one request to the application itself, and return its JSON."""
    limits, metrics = Limits(), Metrics()
    with ThreadPoolExecutor(1) as pool:
        repository = Repository(exported.parent, lambda *place: load(*place, limits, pool, metrics.ran))
        repository.poll()
        app = App(Service(repository, limits, pool), metrics)

        def send(method, path, value=None):
            sent = []

            async def receive():
                return {"type": "http.request", "body": json.dumps(value).encode(), "more_body": False}

            async def keep(message):
                sent.append(message)

            scope = {"type": "http", "method": method, "raw_path": path.encode(), "query_string": b"", "headers": []}
            asyncio.run(app(scope, receive, keep))
            assert sent[0]["status"] == 200, sent[1]["body"]
            return json.loads(sent[1]["body"])

        yield send


def test_every_signature_answers_as_the_saved_model_does(exported, ask, three_maps):
    served = tf.saved_model.load(str(exported / bundle.SAVED_MODEL))
    assert sorted(served.signatures) == sorted(SIGNATURES)
    for signature in SIGNATURES:
        name = "generate" if signature == "serving_default" else signature
        spec = three_maps.maps[name].spec
        conditions = {key: values[:3] for key, values in three_maps.examples[name].items() if key != "filled"}
        inputs = fill(spec, 3, 5, given=conditions)
        expected = served.signatures[signature](**{key: tf.constant(values) for key, values in inputs.items()})
        sent = {key: values.tolist() for key, values in inputs.items()}
        rows = [{key: values[k] for key, values in sent.items()} for k in range(3)]
        named = {} if signature == "serving_default" else {"signature_name": signature}
        by_column = ask("POST", "/v1/models/m:predict", {"inputs": sent, **named})["outputs"]
        by_row = ask("POST", "/v1/models/m:predict", {"instances": rows, **named})["predictions"]
        for tensor in spec.outputs:
            # a single output has no name, as in TF Serving
            column = by_column if len(spec.outputs) == 1 else by_column[tensor.name]
            row = by_row if len(spec.outputs) == 1 else [one[tensor.name] for one in by_row]
            wanted = expected[tensor.name].numpy()
            np.testing.assert_allclose(np.array(column), wanted, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(np.array(row), wanted, rtol=1e-4, atol=1e-4)


def test_the_metadata_are_those_of_the_saved_model(exported, ask):
    """Types, shapes, the method, and the names of inputs; outputs are named for nodes there."""
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((exported / bundle.SAVED_MODEL / "saved_model.pb").read_bytes())
    (graph,) = model.meta_graphs
    told = ask("GET", "/v1/models/m/metadata")["metadata"]["signature_def"]["signature_def"]
    assert sorted(told) == sorted(SIGNATURES)
    for signature in SIGNATURES:
        found = json_format.MessageToDict(graph.signature_def[signature], preserving_proto_field_name=True)
        assert told[signature]["method_name"] == found["method_name"]
        assert {key: tensor["name"] for key, tensor in told[signature]["inputs"].items()} == {
            key: tensor["name"] for key, tensor in found["inputs"].items()
        }
        for side in ("inputs", "outputs"):
            assert facts(told[signature][side]) == facts(found[side]), (signature, side)


def facts(tensors):
    return {
        key: (tensor["dtype"], [one["size"] for one in tensor["tensor_shape"].get("dim", ())])
        for key, tensor in tensors.items()
    }
