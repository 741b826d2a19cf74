"""A study trains its rows with its seeds, measures them alike, and survives interruption."""

import json
import os
import re
import signal
import time

import pytest
from shared import REPOSITORY, program, python, stand_in, tiny_config

from train import config, studies
from train.study import preparing, results
from zoo.shared import files
from zoo.shared.errors import UserError

study_program = program("train.study.__main__")

STEPS = 400
AVAILABLE = studies.available()
TEXT = '''"""Which width is better?

Twelve words of protocol.
"""

from train.studies import Column, Study


def get_study():
    return Study(
        recipe={recipe!r},
        rows={{"DCGAN": {overrides!r}, "Wide, or not": {{**{overrides!r}, "model.base_channels": 5}}}},
        metrics=("frechet",),
        columns={{"distance": Column("frechet", "frechet_distance", digits=3)}},
        seeds=(0, 1),
        count=80,
    )
'''
# counts its readers by the number of threads that they were given
RECIPE = """
import os
from pathlib import Path

from train import config


def get_config():
    with open(Path(__file__).with_name("threads"), "a") as file:
        file.write(os.environ.get("TF_NUM_INTRAOP_THREADS", "all") + os.linesep)
    return config.load("dcgan_digits")
"""


def overrides(**changes):
    settings = tiny_config(
        "dcgan", log_every=5, checkpoint_every=100, sample_every=200, sample_count=1, train_steps=STEPS, **changes
    )
    return {key: value for key, value in config.flatten(settings.to_dict()) if key != "seed"}


def written(directory, **changes):
    (directory / "recipe.py").write_text(RECIPE)
    path = directory / "width.py"
    path.write_text(TEXT.format(recipe=str(directory / "recipe.py"), overrides=overrides(**changes)))
    return path


def study(directory, *flags):
    """Start the study that is written in the directory; its environment names no number of threads."""
    places = [
        f"--study={directory / 'width.py'}",
        f"--workdir={directory / 'runs'}",
        f"--output={directory / 'results'}",
    ]
    return python("-m", "train.study", *places, *flags)


def said(process, status):
    output, _ = process.communicate()
    assert process.returncode == status, output
    return output


def of(directory):
    return json.loads((directory / "results" / "width.json").read_text())


def finished(directory):
    return {title: list(row["runs"]) for title, row in of(directory)["rows"].items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The directory of a study that was interrupted, in which one run failed, and that was then finished."""
    directory = tmp_path_factory.mktemp("study")
    written(directory)
    stray = directory / "runs" / "wide-or-not" / "1" / "stray.txt"
    files.write_bytes(stray, b"")

    process = study(directory, "--jobs=2")
    first, second = (directory / "runs" / row / "0" / "metrics.jsonl" for row in ("dcgan", "wide-or-not"))
    deadline = time.monotonic() + 600
    while not all(path.is_file() and path.stat().st_size for path in (first, second)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "two runs were meant to train within ten minutes"
        time.sleep(0.01)
    assert finished(directory) == {"DCGAN": [], "Wide, or not": []}, "two runs were meant to run at the same time"
    process.send_signal(signal.SIGINT)
    assert "the same command resumes" in said(process, 130)
    saved = [max(int(path.name) for path in (run.parent / "checkpoints").glob("[0-9]*")) for run in (first, second)]
    assert all(step > 0 for step in saved), "the children were meant to save their state"
    assert any(step < STEPS for step in saved), "and to be interrupted"

    failed = said(study(directory, "--jobs=2"), 2)
    assert "resumed at step" in (directory / "runs" / "dcgan" / "0.log").read_text()
    assert finished(directory) == {"DCGAN": ["0", "1"], "Wide, or not": ["0"]}
    before = of(directory)
    stray.unlink()
    return directory, failed, before, said(study(directory, "--jobs=2"), 0)


def test_a_failed_run_is_one_line_that_names_its_log_and_keeps_no_other_from_running(done):
    directory, failed, _, _ = done
    last = failed.splitlines()[-1]
    log = directory / "runs" / "wide-or-not" / "1.log"
    assert last.startswith(f"error: not all runs are finished; python -m train failed, see {log}: --workdir=")
    assert "holds other files and no config.json" in last
    assert "| Wide, or not |" in failed, "what is there is shown"
    assert re.search(r"^\| DCGAN \| [\d.]+ ± [\d.]+ \|$", failed, re.MULTILINE)
    assert re.search(r"^\| Wide, or not \| [\d.]+ \(n = 1\) \|$", failed, re.MULTILINE)


def test_the_same_command_finishes_what_is_missing_and_nothing_else(done):
    directory, _, before, _ = done
    after = of(directory)
    assert finished(directory) == {"DCGAN": ["0", "1"], "Wide, or not": ["0", "1"]}
    del after["rows"]["Wide, or not"]["runs"]["1"]
    assert after == before
    assert (directory / "runs" / "dcgan" / "0.log").read_text().count("resumed at step") == 1


def test_the_result_holds_its_protocol_and_no_place(done):
    directory, *_ = done
    result = of(directory)
    cores = len(os.sched_getaffinity(0))
    assert (result["title"], result["about"]) == ("Which width is better?", "Twelve words of protocol.")
    assert result["protocol"] == {
        "metrics": ["frechet"],
        "checkpoints": ["last"],
        "count": 80,
        "split": "test",
        "seed": 0,
        "cores": cores,
        "threads": max(1, cores // 2),
    }
    assert result["versions"].keys() == {"genzoo", "tensorflow", "keras", "onnxruntime", "numpy", "python"}
    row = result["rows"]["Wide, or not"]
    assert row["overrides"]["model.base_channels"] == row["settings"]["model.base_channels"] == 5
    for seed, run in row["runs"].items():
        own = json.loads((directory / "runs" / "wide-or-not" / seed / "config.json").read_text())
        checked = {**dict(config.flatten(config.LATER)), **row["settings"], "seed": int(seed)}
        assert checked == dict(config.flatten(own)), "checked is what was run"
        (line,) = run["lines"]["last"]
        assert (line["metric"], line["count_fake"], line["protocol"]["source"]["step"]) == ("frechet", 80, STEPS)
        assert run["step"] == STEPS
        assert 0 < run["seconds"] < 300
    distances = {
        run["lines"]["last"][0]["frechet_distance"] for row in result["rows"].values() for run in row["runs"].values()
    }
    assert len(distances) == 4, "each row with each seed is a run of its own"
    text = (directory / "results" / "width.json").read_text()
    assert str(directory) not in text and os.uname().nodename not in text
    assert row["recipe"] == "recipe.py"


def test_a_program_of_the_same_name_where_one_stands_is_not_run(tmp_path, monkeypatch):
    """`python -m` looks into the current directory first."""
    (tmp_path / "train.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    runner = study_program.Runner({"protocol": {"threads": 1}}, tmp_path, tmp_path / "x.json")
    with pytest.raises(UserError, match="train failed, see .*log: --workdir is missing"):
        runner._call(tmp_path / "log", "train")


def test_a_recipe_may_import_what_stands_where_the_study_was_started(tmp_path, monkeypatch):
    (tmp_path / "neighbour.py").write_text("STEPS = 123")
    (tmp_path / "own.py").write_text(f"import neighbour\n{RECIPE}")
    monkeypatch.chdir(tmp_path)
    runner = study_program.Runner({"protocol": {"threads": 1}}, tmp_path, tmp_path / "x.json")
    printed = runner._call(tmp_path / "log", "train", "--recipe=own.py", "--dry_run")
    assert any("dcgan" in line for line in printed)


def test_each_run_has_its_share_of_the_cores(done):
    directory, *_ = done
    lines = (directory / "threads").read_text().split()
    assert lines.count(str(max(1, len(os.sched_getaffinity(0)) // 2))) >= 4, "the children's"
    assert lines.count("all") >= 3, "the parent's"


def test_the_picture_of_a_row_is_the_last_one_of_its_first_seed(done):
    directory, *_ = done
    for title, name in (("DCGAN", "dcgan"), ("Wide, or not", "wide-or-not")):
        assert of(directory)["rows"][title]["picture"] == f"width/{name}.png"
        drawn = directory / "runs" / name / "0" / "samples" / f"{STEPS:08d}.png"
        assert (directory / "results" / "width" / f"{name}.png").read_bytes() == drawn.read_bytes()


def test_the_table_is_printed_after_the_runs_and_on_demand(done):
    directory, _, _, output = done
    result = of(directory)
    told = f"{results.table(result)}\n\n{results.caption(result)}\n"
    assert output.endswith(told)
    process = python("-m", "train.study", "--study=width", f"--output={directory / 'results'}", "--table")
    assert said(process, 0) == told


def test_another_definition_is_refused_by_what_differs(done):
    directory, *_ = done
    before = (directory / "results" / "width.json").read_bytes()
    good = (directory / "width.py").read_text()
    try:
        for old, new, message in (
            ("count=80", "count=90", "count (80 -> 90)"),
            ('"model.base_channels": 5', '"model.base_channels": 6', "Wide, or not: model.base_channels (5 -> 6)"),
            ('"Wide, or not"', '"Wider"', "the stored result has the row 'Wide, or not', the study has not"),
        ):
            (directory / "width.py").write_text(good.replace(old, new))
            refused = said(study(directory, "--jobs=2"), 2)
            assert message in refused.splitlines()[-1]
        if len(os.sched_getaffinity(0)) > 1:
            (directory / "width.py").write_text(good)
            assert "threads (" in said(study(directory, "--jobs=1"), 2)
    finally:
        (directory / "width.py").write_text(good)
    assert (directory / "results" / "width.json").read_bytes() == before


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('("frechet",)', '("frechet", "frechett")', "unknown metric 'frechett'; did you mean 'frechet'?"),
        ('Column("frechet",', 'Column("kernel",', "unknown metric of a column 'kernel'; known: frechet"),
        ("count=80", 'checkpoints=("last", "best")', "row 'DCGAN': --checkpoint=best: this run was not evaluated"),
        ("count=80", 'reference="digit"', "unknown data set 'digit'; did you mean 'digits'?"),
        ("count=80", 'split="tests"', "unknown split 'tests'; did you mean 'test'?"),
        ('"model.base_channels": 5', '"model.widht": 5', "row 'Wide, or not': unknown configuration key 'model.widht'"),
        (
            '"model.base_channels": 5',
            '"train_steps": 2.5',
            "row 'Wide, or not': Could not override field 'train_steps'",
        ),
        ('"model.base_channels": 5', '"batch_size": 0', "row 'Wide, or not': --config.batch_size=0: use a positive"),
        ('"model.base_channels": 5', '"recipe": "dcgan"', "row 'Wide, or not': unknown recipe 'dcgan'"),
        ('"model.base_channels": 5', '"seed": 5', "row 'Wide, or not': it sets the seed, which is the study's"),
        ('"Wide, or not"', '"dcgan."', "the study's rows are DCGAN, dcgan.: it needs different ones"),
        ("(0, 1)", "(0, 0)", "the study's seeds are 0, 0: it needs different ones"),
        ("(0, 1)", "(0, -1)", "row 'DCGAN': --config.seed=-1"),
        ("count=80", 'published={"other": ("1", "2")}', "published rows of other than 1 texts"),
        ("count=80", 'published={"other": ("1",)}', "published rows and no source"),
        ("def get_study", "def got_study", "is no study: it needs a docstring and a function get_study"),
        ("return Study", "return dict", "width.py returns dict, not a train.studies.Study"),
        (
            'Column("frechet", "frechet_distance", digits=3)',
            '("frechet", "x")',
            "the study's columns are no train.stud",
        ),
        ("count=80", "count=80.0", "the study's count is 80.0: use a whole number"),
        ('"distance"', '"|distance|"', "the title '|distance|' would break the table: use no |"),
        (
            '"model.base_channels": 5',
            '"seeds": (0, 2)',
            "row 'Wide, or not': its seeds are (0, 2): it needs",
        ),
        ('"model.base_channels": 5', '"seeds": (0, 0)', "row 'Wide, or not': its seeds are (0, 0): it needs"),
        ('"model.base_channels": 5', '"seeds": ()', "row 'Wide, or not': its seeds are (): it needs"),
        ('"model.base_channels": 5', '"recipe": 5', "row 'Wide, or not': its recipe is 5, not a name or a file"),
    ],
)
def test_what_cannot_be_run_or_shown_is_refused_before_anything_runs(tmp_path, old, new, message):
    path = written(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    refused = said(study(tmp_path), 2)
    assert refused.count("\n") == 1
    assert message in refused
    assert not (tmp_path / "runs").exists() and not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "body, told",
    [
        (b"raise KeyError('x')", "fails: KeyError: 'x'"),
        (b"import sys; sys.exit()", "fails: SystemExit"),
        (b"def get_study(:", "fails: SyntaxError"),
        (b"import no_such_package", "fails: ModuleNotFoundError"),
        (b"x = '\xff'", "fails: SyntaxError"),
        (b"'A study.'\ndef get_study(seeds): pass", "fails: TypeError: get_study"),
    ],
)
def test_a_study_file_that_fails_is_one_line(tmp_path, body, told):
    path = tmp_path / "own.py"
    path.write_bytes(body)
    with pytest.raises(UserError, match=f"own.py {told}"):
        studies.load(str(path))


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], f"--study is missing: name one of {', '.join(AVAILABLE)}, or a file x.py"),
        (["--study=rign", "--workdir=x"], "unknown study 'rign'; did you mean 'ring'?"),
        (
            ["--study=none.py", "--workdir=x"],
            f"no study file none.py; the studies that come along: {studies.available()[0]}",
        ),
        (["--study=ring"], "--workdir is missing"),
        (["--study=none", "--table"], "no result docs/results/none.json yet"),
        (["--study=ring", "--count=5"], "unknown flag '--count'"),
    ],
)
def test_flags_that_lead_nowhere_are_one_line(flags, message):
    refused = said(python("-m", "train.study", *flags), 2)
    assert refused.count("\n") == 1
    assert message in refused


@pytest.mark.parametrize("name", AVAILABLE)
def test_every_study_that_comes_along_could_be_run(name, tmp_path):
    """The working directory is locked by somebody else, which is found out once all else is checked."""
    stand_in(studies.load(name)[0].recipe, tmp_path)
    places = f"--workdir={tmp_path}", f"--output={tmp_path / 'results'}"
    with files.lock(tmp_path / ".lock"):
        here = {"cwd": tmp_path, "environment": {"PYTHONPATH": str(REPOSITORY)}}
        process = python("-m", "train.study", f"--study={name}", *places, **here)
        assert f"another study runs in --workdir={tmp_path}" in said(process, 2)
    assert not (tmp_path / "results").exists()


def test_the_curves_lie_beside_the_pictures_and_stay_when_a_study_goes_on(tmp_path):
    run = {"step": 100, "seconds": 1.0, "lines": {}, "evaluations": [[50, 2.0], [100, 1.0]]}
    told = {"evaluate.metrics": "frechet", "evaluate.every": 50, "evaluate.count": 9}
    row = {"recipe": "x", "overrides": {}, "settings": told, "picture": None, "runs": {"0": run}}
    result = {"protocol": {"threads": 1}, "versions": {}, "seeds": [0], "rows": {"a": row}}
    path = tmp_path / "x.json"
    assert study_program.Runner(result, tmp_path, path).run(1) == []
    old = json.loads(path.read_text())
    assert old["curves"] == "x/curves.png" and (tmp_path / "x" / "curves.png").read_bytes().startswith(b"\x89PNG")
    new = {**result, "rows": {"a": {**row, "runs": {}}}}
    preparing.restore(old, new)
    assert new["curves"] == old["curves"] and new["rows"]["a"]["runs"] == row["runs"]


def test_an_evaluation_is_asked_for_the_map_and_the_reference_of_the_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stand_in("cyclegan_emoji", tmp_path)
    flags = preparing.asked(preparing.prepare("unpaired_emoji", 1)["protocol"])
    assert {"--map=a_to_b", "--reference=pairs:emoji", "--split=test", "--metrics=pairs"} <= set(flags)
    flags = study_program.asked(study_program.prepare("ring", 1)["protocol"])
    assert not [flag for flag in flags if flag.startswith(("--map", "--reference"))]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "docs" / "results").glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_result_has_the_settings_of_today_s_study(path, tmp_path, monkeypatch):
    """So that runs can be added to it."""
    stored, (study, _) = results.read(path), studies.load(path.stem)
    stand_in(study.recipe, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert list(stored["rows"]) == list(study.rows)
    for title, row in stored["rows"].items():
        settings, today = config.renamed(row["settings"]), preparing._row(study, title)
        for one, found in zip(today.get("search", []), row.get("search", []), strict=True):
            one.update(figure=found["figure"], failed=found["failed"])
        preparing.settle({**stored, "rows": {title: today}}, title)  # takes the best of what was tried
        assert {**row, "settings": settings, "picture": None, "runs": {}} == today, title
