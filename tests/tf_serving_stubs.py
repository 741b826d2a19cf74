"""Two servers in this process that answer as TF Serving does, from a SavedModel: REST and gRPC, for the clients' tests.

Written from TF Serving's api_rest.md, json_tensor.cc and predict.proto; they are no TF Serving.
"""

import contextlib
import json
import re
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

ASKED = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict|/metadata)", re.IGNORECASE)
DTYPES = {tf.float32: "DT_FLOAT", tf.int32: "DT_INT32"}


class Refusal(Exception):
    """A status and a message."""


class Served:
    """A SavedModel under a name, as version 3 alone, which is called "stable" too."""

    def __init__(self, directory, name):
        self.name = name
        self.loaded = tf.saved_model.load(str(directory))

    def signature(self, name, version, label, signature):
        """Return the signature that a request is for."""
        if name != self.name or version not in (None, 3):
            raise Refusal(404, f"Servable not found for request: Specific({name}, {version})")
        if label not in (None, "", "stable"):
            raise Refusal(400, f"Unrecognized servable version label: {label}")
        if signature not in self.loaded.signatures:
            raise Refusal(400, f'Serving signature name: "{signature}" not found in signature def')
        return self.loaded.signatures[signature]

    def metadata(self):
        """Return what GET .../metadata tells of the signatures."""

        def told(specs):
            return {
                name: {
                    "dtype": DTYPES[spec.dtype],
                    "tensor_shape": {
                        "dim": [{"size": str(size or -1), "name": ""} for size in spec.shape.as_list()],
                        "unknown_rank": False,
                    },
                    "name": f"{name}:0",
                }
                for name, spec in specs.items()
            }

        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": "3"},
            "metadata": {
                "signature_def": {
                    "signature_def": {
                        name: {
                            "inputs": told(signature.structured_input_signature[1]),
                            "outputs": told(signature.structured_outputs),
                            "method_name": "tensorflow/serving/predict",
                            "defaults": {},
                        }
                        for name, signature in self.loaded.signatures.items()
                    }
                }
            },
        }


def run(signature, inputs):
    """Return what a signature makes of numpy arrays, which must be exactly its inputs, of its types."""
    specs = signature.structured_input_signature[1]
    if inputs.keys() != specs.keys():
        raise Refusal(400, f"input keys {sorted(inputs)} are not {sorted(specs)}")
    for name, values in inputs.items():
        if values.dtype != specs[name].dtype.as_numpy_dtype:
            raise Refusal(400, f"{name} has type {values.dtype}, not {specs[name].dtype.name}")
    return {name: value.numpy() for name, value in signature(**{k: tf.constant(v) for k, v in inputs.items()}).items()}


def predicted(signature, body):
    """Return the answer to the JSON of a predict request, in the format of its own: rows or columns."""
    if ("instances" in body) == ("inputs" in body):
        raise Refusal(400, "Missing 'inputs' or 'instances' key")
    specs = signature.structured_input_signature[1]
    rows = body.get("instances")
    if rows is None:
        columns = body["inputs"] if isinstance(body["inputs"], dict) else dict.fromkeys(specs, body["inputs"])
    elif len(specs) == 1 and not isinstance(rows[0], dict):
        columns = dict.fromkeys(specs, rows)
    else:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    inputs = {}
    for name, values in columns.items():
        dtype = specs[name].dtype.as_numpy_dtype if name in specs else np.float32
        inputs[name] = np.asarray(values, dtype)
        if dtype == np.int32 and any(type(number) is not int for number in np.asarray(values, object).ravel()):
            raise Refusal(400, "JSON Value: Type: Number is not of expected type: int32")
    outputs = {name: values.tolist() for name, values in run(signature, inputs).items()}
    alone = next(iter(outputs.values())) if len(outputs) == 1 else None
    if rows is None:
        return {"outputs": outputs if alone is None else alone}
    whole = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return {"predictions": whole if alone is None else alone}


@contextlib.contextmanager
def rest(served):
    """Yield the URL of a server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(b"")

        def do_POST(self):
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def answer(self, body):
            asked = ASKED.fullmatch(self.path)
            try:
                if asked is None or (asked[4] == "/metadata") != (self.command == "GET"):
                    raise Refusal(400, f"Malformed request: {self.command} {self.path}")
                given = json.loads(body) if body else {}
                signature = given.get("signature_name", "serving_default")
                label, version = unquote(asked[3] or ""), int(asked[2]) if asked[2] else None
                found = served.signature(unquote(asked[1]), version, label, signature)
                status, told = 200, predicted(found, given) if body else served.metadata()
            except Refusal as refusal:
                status, told = refusal.args[0], {"error": refusal.args[1]}
            answer = json.dumps(told, indent=4).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def by_grpc(served):
    """Yield the address of a server that has tensorflow-serving-api's PredictionService."""
    codes = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND}

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            spec, response = request.model_spec, predict_pb2.PredictResponse()
            version = spec.version.value if spec.HasField("version") else None
            try:
                signature = served.signature(spec.name, version, spec.version_label, spec.signature_name)
                inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
                for name, values in run(signature, inputs).items():
                    response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
            except Refusal as refusal:
                context.abort(codes[refusal.args[0]], refusal.args[1])
            return response

    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
