"""Call a model of TF Serving over gRPC: pip install tensorflow-serving-api numpy (which brings TensorFlow).

    python grpc_client.py --model=digits inputs.npz outputs.npz
    python grpc_client.py --address=host:8500 --model=digits --label=canary --signature=log_prob inputs.npz outputs.npz

inputs.npz has an array (count, ...) for each input of the signature, by name; there may be one or several. What has to
be installed is imported where it is first needed, so that --help shows without it.
"""

import argparse
from collections.abc import Mapping

import numpy as np

MAX_BYTES = 1 << 30  # of a message; gRPC itself stops at 4 MiB, which 22 float32 pictures of 128 x 128 pixels exceed


class Client:
    """A model at the address of a server: a version by its number or label, or else the newest that it serves."""

    def __init__(
        self, address: str, model: str, version: int | None = None, label: str | None = None, timeout: float = 30
    ) -> None:
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        limits = [("grpc.max_send_message_length", MAX_BYTES), ("grpc.max_receive_message_length", MAX_BYTES)]
        self._channel = grpc.insecure_channel(address, options=limits)
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model, self._version, self._label, self._timeout = model, version, label, timeout

    def predict(self, inputs: Mapping[str, np.ndarray], signature: str = "serving_default") -> dict[str, np.ndarray]:
        """Return every output by name, (count, ...); the server's refusal is a `grpc.RpcError`.

        The inputs need the signature's own types, which for these models are float32 and int32.
        """
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, signature
        if self._version is not None:
            request.model_spec.version.value = self._version
        elif self._label:
            request.model_spec.version_label = self._label
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(np.asarray(values)))
        response = self._service.Predict(request, timeout=self._timeout)
        return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description="Call a model of TF Serving over gRPC.")
    parser.add_argument("--address", default="localhost:8500", help="of the server (default: %(default)s)")
    parser.add_argument("--model", required=True, help="its name on the server")
    parser.add_argument("--version", type=int, help="a version of the model; by default its newest")
    parser.add_argument("--label", help="a label of a version instead")
    parser.add_argument("--signature", default="serving_default", help="the map (default: the model's first)")
    parser.add_argument("inputs", help="an .npz file: the inputs by name")
    parser.add_argument("outputs", help="the .npz file to write: the outputs by name")
    given = parser.parse_args()
    try:
        import grpc

        client = Client(given.address, given.model, given.version, given.label)
        with np.load(given.inputs, allow_pickle=False) as inputs:
            outputs = client.predict(inputs, given.signature)
    except ModuleNotFoundError as error:
        raise SystemExit(f"error: needs {error.name}: pip install tensorflow-serving-api numpy") from None
    except grpc.RpcError as error:
        raise SystemExit(f"error: {error.code().name}: {error.details()}") from None
    except OSError as error:
        raise SystemExit(f"error: {error}") from None
    np.savez(given.outputs, **outputs)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
