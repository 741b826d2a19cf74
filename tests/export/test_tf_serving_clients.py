"""The example clients of TF Serving, against servers of our own that speak its formats and run a SavedModel."""

import socket
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tf_serving_stubs as stubs

from export import saved_model
from serving.tf_serving.clients import grpc_client, rest
from zoo.noise import fill


@pytest.fixture(scope="module")
def served(untrained, tmp_path_factory):
    """The SavedModel of three maps, served as "digits"; inputs of four rows for each signature, and what it makes."""
    directory = tmp_path_factory.mktemp("served") / "3"
    saved_model.write(untrained, directory)
    random = np.random.default_rng(0)
    inputs = {}
    for name, made in untrained.items():
        given = {t.name: random.uniform(0, 1, (4, *t.shape)) for t in made.spec.conditions if not t.is_class}
        inputs[name] = fill(made.spec, 4, 5, given=given)
    expected = {name: saved_model.load(directory, name)(values) for name, values in inputs.items()}
    return SimpleNamespace(
        server=stubs.Served(directory, "digits"),
        inputs={**inputs, "serving_default": inputs["generate"]},
        expected={**expected, "serving_default": expected["generate"]},
    )


@pytest.fixture(scope="module")
def url(served):
    with stubs.rest(served.server) as address:
        yield address


@pytest.fixture(scope="module")
def address(served):
    with stubs.by_grpc(served.server) as place:
        yield place


def assert_same_bits(outputs, expected):
    assert sorted(outputs) == sorted(expected)
    for name, values in expected.items():
        assert (outputs[name].dtype, outputs[name].shape) == (values.dtype, values.shape)
        assert outputs[name].tobytes() == values.tobytes(), name


# one output and several, one input and several, float32 and int32
@pytest.mark.parametrize("signature", ["serving_default", "generate", "fill_in", "log_prob"])
@pytest.mark.parametrize("which", [{}, {"version": 3}, {"label": "stable"}], ids=str)
def test_rest_brings_every_output_to_the_last_bit(served, url, signature, which):
    client = rest.Client(url, "digits", **which)
    assert_same_bits(client.predict(served.inputs[signature], signature), served.expected[signature])


@pytest.mark.parametrize("signature", ["serving_default", "generate", "fill_in", "log_prob"])
@pytest.mark.parametrize("which", [{}, {"version": 3}, {"label": "stable"}], ids=str)
def test_grpc_brings_every_output_to_the_last_bit(served, address, signature, which):
    client = grpc_client.Client(address, "digits", **which)
    assert_same_bits(client.predict(served.inputs[signature], signature), served.expected[signature])
    client.close()


def test_rest_sends_rows_too(served, url):
    client = rest.Client(url, "digits")
    rows = {name: values[1].tolist() for name, values in served.inputs["log_prob"].items()}
    answer = client.predict_row(rows, "log_prob")
    assert sorted(answer) == ["log_weight", "mean"]
    for name, values in served.expected["log_prob"].items():
        np.testing.assert_allclose(answer[name], values[1], rtol=1e-5)
    image = client.predict_row({name: values[0].tolist() for name, values in served.inputs["generate"].items()})
    np.testing.assert_allclose(image, served.expected["generate"]["image"][0], atol=1e-6)


@pytest.mark.parametrize(
    ("which", "signature", "words"),
    [
        ({"model": "cats"}, "generate", "404: Servable not found"),
        ({"model": "a/b c"}, "generate", "404: Servable not found for request: Specific(a/b c, None)"),
        ({"version": 9}, "generate", "404: Servable not found"),
        ({"label": "canary"}, "generate", "400: Unrecognized servable version label: canary"),
    ],
)
def test_rest_passes_a_refusal_on_in_the_server_s_words(served, url, which, signature, words):
    with pytest.raises(rest.Refused) as refusal:
        rest.Client(url, **{"model": "digits", **which}).predict(served.inputs[signature], signature)
    assert str(refusal.value).startswith(words)


def test_rest_knows_the_signatures_and_the_server_its_inputs(served, url):
    client = rest.Client(url, "digits")
    with pytest.raises(KeyError, match="no signature 'paint'; the model has fill_in, generate, log_prob"):
        client.predict({}, "paint")
    with pytest.raises(rest.Refused, match="input keys"):
        client.predict({"z": np.zeros((1, 3))}, "generate")


def test_grpc_passes_a_refusal_on_in_the_server_s_words(served, address):
    import grpc

    for which, code in (({"model": "cats"}, "NOT_FOUND"), ({"model": "digits", "label": "x"}, "INVALID_ARGUMENT")):
        with pytest.raises(grpc.RpcError) as refusal:
            grpc_client.Client(address, **which).predict(served.inputs["generate"])
        assert refusal.value.code().name == code


def test_grpc_takes_more_than_its_own_limit_of_4_mib(served, address):
    many = {name: np.repeat(values, 80_000, axis=0) for name, values in served.inputs["fill_in"].items()}
    made = grpc_client.Client(address, "digits").predict(many, "fill_in")["filled"]
    assert min(many["photo"].nbytes, made.nbytes) > 4 * 2**20
    np.testing.assert_allclose(made[::80_000], served.expected["fill_in"]["filled"], atol=1e-6)


@pytest.fixture(params=["rest", "grpc"])
def program(request, served, url, tmp_path, monkeypatch):
    """Run a client as a program, with more arguments, on the inputs of "log_prob"; return what it wrote."""
    if request.param == "grpc":
        module, server = grpc_client, f"--address={request.getfixturevalue('address')}"
    else:
        module, server = rest, f"--url={url}"
    np.savez(tmp_path / "in.npz", **served.inputs["log_prob"])

    def run(*arguments):
        files = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
        monkeypatch.setattr(sys, "argv", ["client", server, *arguments, *files])
        module.main()
        with np.load(tmp_path / "out.npz") as outputs:
            return dict(outputs)

    return run


def test_a_client_is_a_program_from_npz_to_npz(served, program):
    assert_same_bits(program("--model=digits", "--signature=log_prob"), served.expected["log_prob"])


def test_a_client_says_what_the_server_refused_in_one_line(program, tmp_path):
    with pytest.raises(SystemExit, match=r"\Aerror: (404|NOT_FOUND): Servable not found for request: [^\n]*\Z"):
        program("--model=cats", "--signature=log_prob")
    assert not (tmp_path / "out.npz").exists()


def test_a_server_that_is_not_there_is_one_line(served, tmp_path, monkeypatch):
    np.savez(tmp_path / "in.npz", **served.inputs["log_prob"])
    with socket.socket() as closed:  # bound, but deaf: nobody else gets the port
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        for module, server in ((rest, f"--url=http://{place}"), (grpc_client, f"--address={place}")):
            files = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
            monkeypatch.setattr(sys, "argv", ["client", server, "--model=digits", *files])
            with pytest.raises(SystemExit, match=r"\Aerror: [^\n]+\Z"):
                module.main()
