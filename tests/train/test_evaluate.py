"""Evaluation prints JSON lines that carry their protocol."""

import json

import pytest
from shared import python, tiny_config, trained

from train import evaluate
from zoo.errors import UserError


def test_a_likelihood_model_is_measured_on_held_out_data(tmp_path):
    trained(tiny_config("nade"), tmp_path)
    process = python("-m", "train.evaluate", f"--source={tmp_path}", stderr=None)
    output, _ = process.communicate()
    assert process.returncode == 0
    (line,) = map(json.loads, output.splitlines())
    assert line["metric"] == "log_likelihood"
    assert line["count"] == 299
    assert line["nats"] < 0
    assert line["baseline_nats"] == pytest.approx(-27.2, abs=0.3), "8x8 digits, dynamic, under independent pixels"
    assert line["protocol"]["split"] == "test"
    assert line["protocol"]["step"] == 4


def test_a_model_without_likelihood_says_so(tmp_path):
    trained(tiny_config("dcgan"), tmp_path)
    with pytest.raises(UserError, match="dcgan has no likelihood"):
        evaluate.measure_log_likelihood(str(tmp_path))


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--metrics=log_likelihood", "--source is missing"),
        ("--source=/nowhere", "/nowhere holds no run"),
    ],
)
def test_mistakes_are_one_line(flag, message):
    process = python("-m", "train.evaluate", flag)
    output, _ = process.communicate()
    assert process.returncode == 2
    assert message in output
    assert output.count("\n") == 1
