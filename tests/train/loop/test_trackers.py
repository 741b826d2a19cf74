"""--logger: a function of the user's own hears of a run, and cannot harm it."""

import json
import re
import sys
import types

import pytest
from shared import REPOSITORY, flags_of, metrics, python, recipe_of, tiny_config

from train.loop import trackers
from zoo.shared.errors import UserError

# counts, so that it can fail in the middle
RECORDER = """
import json, os

def record(event, values):
    with open(os.environ["RECORDED"], "a") as file:
        file.write(json.dumps([event, values]) + "\\n")

def fails(event, values):
    record(event, values)
    if event == "metrics":
        raise SystemExit("no\\nnetwork")

def one(event): ...
NUMBER = 3
"""
MEASURED = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 2, "evaluate.count": 8}


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv("RECORDED", str(tmp_path / "recorded.jsonl"))
    path = tmp_path / "recorder.py"
    path.write_text(RECORDER.replace("\\\\", "\\"))
    return path


def recorded(tmp_path):
    return [json.loads(line) for line in (tmp_path / "recorded.jsonl").read_text().splitlines()]


def trained(tmp_path, logger, **changes):
    settings = tiny_config("dcgan", **changes)
    flags = [f"--recipe={recipe_of('dcgan')}", f"--workdir={tmp_path / 'run'}", *flags_of(settings)]
    process = python("-m", "train", *flags, f"--logger={logger}")
    output, _ = process.communicate()
    return process.returncode, output


def test_a_run_tells_its_start_its_lines_and_its_end(recorder, tmp_path):
    status, output = trained(tmp_path, f"{recorder}:record", **MEASURED)
    assert status == 0, output
    told = recorded(tmp_path)
    assert [event for event, _ in told] == [
        *("start", "evaluation", "metrics", "evaluation", "metrics", "evaluation", "end"),
    ]
    run = tmp_path / "run"
    start = told[0][1]
    assert start["config"] == json.loads((run / "config.json").read_text())
    assert (start["workdir"], start["step"]) == (str(run), 0)
    assert [values for event, values in told if event == "metrics"] == metrics(run)
    lines = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
    unsealed = [{key: value for key, value in line.items() if key != "sha256"} for line in lines]
    assert [values for event, values in told if event == "evaluation"] == unsealed
    assert told[-1] == ["end", {"step": 4, "status": "done"}]


def test_one_that_raises_costs_one_line_and_not_the_run(recorder, tmp_path):
    status, output = trained(tmp_path, f"{recorder}:fails")
    assert status == 0 and "trained to step 4" in output
    assert re.findall(r"--logger=.*", output) == [
        f"--logger={recorder}:fails raised at 'metrics', and hears no more of this run: SystemExit: no"
    ]
    assert [event for event, _ in recorded(tmp_path)] == ["start", "metrics"]
    assert len(metrics(tmp_path / "run")) == 2


def test_one_that_raised_is_not_called_again(caplog):
    heard = []

    def hears(event, values):
        heard.append((event, values))
        raise ValueError("full")

    tracker = trackers.Tracker(hears, "x.py:hears")
    for step in (1, 2):
        tracker.tell("metrics", {"step": step})
    assert heard == [("metrics", {"step": 1})]
    assert [record.getMessage() for record in caplog.records] == [
        "--logger=x.py:hears raised at 'metrics', and hears no more of this run: ValueError: full"
    ]


def test_none_hears_nothing():
    trackers.load("").tell("start", {})


def test_a_function_of_a_module_is_found(tmp_path, monkeypatch):
    package = tmp_path / "of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "recorder.py").write_text("heard = []\ndef record(event, values):\n    heard.append((event, values))\n")
    monkeypatch.syspath_prepend(tmp_path)
    trackers.load("of_mine.recorder:record").tell("metrics", {"step": 1, "sha256": "seal"})
    import of_mine.recorder

    assert of_mine.recorder.heard == [("metrics", {"step": 1})]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recorder", "give package.module:function, or file.py:function"),
        (":record", "give package.module:function"),
        ("nowhere.py:record", "there is no file nowhere.py; give package.module:function, or file.py:function"),
        ("no_such_package.x:record", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("{file}:recrd", "recorder.py has no function recrd"),
        ("{file}:NUMBER", "has no function NUMBER"),
        ("{file}:one", r"it must take two arguments, one\(event, values\)"),
    ],
)
def test_what_cannot_be_called_is_refused_in_one_line(recorder, name, words):
    with pytest.raises(UserError, match=words) as error:
        trackers.load(name.format(file=recorder))
    assert "\n" not in str(error.value)


def test_a_broken_file_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "broken.py").write_text("raise ValueError('first\\nsecond')")
    status, output = trained(tmp_path, f"{tmp_path / 'broken.py'}:record")
    assert status == 2
    assert output.splitlines() == [
        f"error: --logger={tmp_path / 'broken.py'}:record cannot be imported: ValueError: first"
    ]
    assert not (tmp_path / "run").exists()


def test_the_example_in_the_docs_hands_numbers_to_its_tracker(monkeypatch):
    text = (REPOSITORY / "docs" / "watching.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    calls = []
    mlflow = types.SimpleNamespace(
        start_run=lambda run_name: calls.append(run_name),
        log_dict=lambda values, path: calls.append((values, path)),
        log_metrics=lambda numbers, step: calls.append((numbers, step)),
        end_run=lambda status: calls.append(status),
    )
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    names = {}
    exec(example, names)
    tracker = trackers.Tracker(names["record"], "example")
    tracker.tell("start", {"config": {"seed": 0}, "workdir": "runs/x", "step": 0})
    tracker.tell("metrics", {"step": 20, "loss": 0.5})
    tracker.tell("evaluation", {"step": 20, "metric": "frechet", "frechet_distance": 9.0, "protocol": {}, "sha256": ""})
    tracker.tell("end", {"step": 40, "status": "stopped"})
    assert calls == [
        "runs/x",
        ({"seed": 0}, "config.json"),
        ({"step": 20, "loss": 0.5}, 20),
        ({"frechet/step": 20, "frechet/frechet_distance": 9.0}, 20),
        "KILLED",
    ]
