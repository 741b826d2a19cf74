"""A new run may begin with the weights of another: with all of them, and with nothing else of it."""

import numpy as np
import pytest
from shared import checkpoint, tiny_config, trained, trainer

from zoo.shared.errors import UserError


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("first") / "run"
    trained(tiny_config("dcgan"), workdir)
    return workdir


def parts(values, *prefixes):
    return {key: value for key, value in values.items() if key.startswith(prefixes)}


def test_weights_and_averages_are_those_of_the_other_run_and_the_rest_is_new(first, tmp_path):
    trained(tiny_config("dcgan", init_from=str(first), train_steps=2, seed=5), tmp_path / "second")
    old, begun = checkpoint(first, 4), checkpoint(tmp_path / "second", 0)
    taken = parts(old, "weights", "averages")
    assert taken.keys() == parts(begun, "weights", "averages").keys() and len(taken) > 10
    for name, value in taken.items():
        np.testing.assert_array_equal(begun[name], value, err_msg=name)
    for name, value in parts(begun, "optimizers").items():
        assert not np.any(value) or np.array_equal(value, old[name]), f"{name} is neither new nor constant"
    assert any(np.any(old[name] != value) for name, value in parts(begun, "optimizers").items())
    assert begun["step/.ATTRIBUTES/VARIABLE_VALUE"] == 0
    trained_on = checkpoint(tmp_path / "second", 2)
    assert any(np.any(trained_on[name] != value) for name, value in parts(begun, "weights").items())


def test_a_run_that_resumes_does_not_begin_anew(first, tmp_path, monkeypatch):
    settings = tiny_config("dcgan", init_from=str(first), train_steps=2)
    trained(settings, tmp_path / "run")
    settings.train_steps, settings.init_from = 4, "a place that is gone"
    trained(settings, tmp_path / "run")


def test_without_averages_the_weights_begin_them(first, tmp_path):
    trained(tiny_config("dcgan", ema=0.0), tmp_path / "plain")
    made = trainer(tiny_config("dcgan", init_from=str(tmp_path / "plain"), seed=3), tmp_path / "run")
    made._resume()
    for shadow, weight in zip(made.averages.shadows, made.averages.weights, strict=True):
        np.testing.assert_array_equal(shadow, weight)


@pytest.mark.parametrize(
    ("model", "changes", "told"),
    [
        ("dcgan", {"model.base_channels": 3}, "the weights of .* do not fit: it has .*kernel .* where this model has"),
        ("lsgan", {}, "is a run of dcgan: a run of lsgan cannot begin with its weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(first, tmp_path, model, changes, told):
    made = trainer(tiny_config(model, init_from=str(first), **changes), tmp_path / "run")
    with pytest.raises(UserError, match=told):
        made.run()


def test_what_is_no_run_is_refused(tmp_path):
    made = trainer(tiny_config("dcgan", init_from=str(tmp_path)), tmp_path / "run")
    with pytest.raises(UserError, match="holds no run"):
        made.run()
