"""Clients that others wrote for TF Serving and for the open inference protocol. Each is skipped where it is missing.

They need other versions of packages than training does: install each beside the rest, `pip install --target DIR
ovmsclient` and `pip install --target DIR 'tritonclient[http]'`, and put DIR on PYTHONPATH.
"""

import numpy as np
import pytest

import serving
from zoo.noise import fill

INPUTS = {"photo": np.linspace(-1, 1, 24).reshape(2, 2, 2, 3).astype(np.float32), "label": np.array([3, 9], np.int32)}


@pytest.fixture(scope="module")
def bundle(shared_several):
    return serving.load(shared_several)


@pytest.fixture
def ovms(tiny):
    ovmsclient = pytest.importorskip("ovmsclient", reason="ovmsclient is not installed")
    return ovmsclient.make_http_client(f"127.0.0.1:{tiny.port}")


def test_ovmsclient_predicts(ovms, bundle):
    z = fill(bundle["generate"].spec, 3, 1)["z"]
    made = ovms.predict({"z": z}, "tiny", model_version=1)
    np.testing.assert_array_equal(np.asarray(made, np.float32), bundle["generate"].run({"z": z})["image"])


def test_ovmsclient_reads_status_and_metadata(ovms):
    assert ovms.get_model_status("tiny", model_version=1) == {
        1: {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
    }
    signatures = ovms.get_model_metadata("tiny", model_version=1)["metadata"]["signature_def"]["signature_def"]
    assert list(signatures["encode"]["outputs"]) == ["mean", "log_variance"]


def test_ovmsclient_is_told_what_it_does_wrong(ovms):
    from ovmsclient.tfs_compat.base.errors import InvalidInputError, ModelNotFoundError

    with pytest.raises(ModelNotFoundError, match=r"Servable not found for request: Specific\(nope, 1\)"):
        ovms.predict({"z": np.zeros((1, 8), np.float32)}, "nope", model_version=1)
    with pytest.raises(InvalidInputError, match="z: needs shape"):
        ovms.predict({"z": np.zeros((1, 7), np.float32)}, "tiny", model_version=1)


@pytest.fixture
def http():
    return pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")


@pytest.fixture
def triton(http, tiny):
    with http.InferenceServerClient(f"127.0.0.1:{tiny.port}") as client:
        yield client


def test_tritonclient_sees_what_there_is(triton):
    assert triton.is_server_live() and triton.is_server_ready()
    assert triton.is_model_ready("tiny") and triton.is_model_ready("tiny:encode", "1")
    assert not triton.is_model_ready("nope")
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    assert triton.get_model_metadata("tiny")["inputs"] == [{"name": "z", "datatype": "FP32", "shape": [-1, 8]}]
    assert triton.get_model_repository_index()[0]["state"] == "READY"


@pytest.mark.parametrize("sends_binary", [True, False])
@pytest.mark.parametrize("wants_binary", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip"])
def test_tritonclient_infers(http, triton, bundle, sends_binary, wants_binary, packing):
    given = fill(bundle["translate"].spec, 2, 1, 0, INPUTS)
    inputs = []
    for name, values in given.items():
        inputs.append(http.InferInput(name, values.shape, {"float32": "FP32", "int32": "INT32"}[values.dtype.name]))
        inputs[-1].set_data_from_numpy(values, binary_data=sends_binary)
    wanted = [http.InferRequestedOutput("translated", binary_data=wants_binary)]
    made = triton.infer(
        "tiny:translate", inputs, outputs=wanted, request_id="seven", request_compression_algorithm=packing
    )
    np.testing.assert_array_equal(made.as_numpy("translated"), bundle["translate"].run(given)["translated"])
    assert made.get_response()["id"] == "seven"


def test_tritonclient_is_told_what_it_does_wrong(http, triton):
    from tritonclient.utils import InferenceServerException

    z = http.InferInput("z", (1, 7), "FP32")
    z.set_data_from_numpy(np.zeros((1, 7), np.float32))
    with pytest.raises(InferenceServerException, match="unexpected shape for input 'z' for model 'tiny'"):
        triton.infer("tiny", [z])
    with pytest.raises(InferenceServerException, match="Request for unknown model: 'nope' is not found"):
        triton.get_model_metadata("nope")
