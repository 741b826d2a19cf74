"""The program `python -m train`, as it is typed: where a run may begin, how it goes on, what it refuses."""

import json
import re
import shutil

import numpy as np
import pytest
from shared import program, python

from train import config, explain
from zoo import images
from zoo.shared.errors import UserError

SMALL = [f"--config.{flag}" for flag in ("batch_size=4", "sample_count=4", "checkpoint_every=2", "log_every=2")]


def train(workdir, *flags, status=0):
    process = python("-m", "train", f"--workdir={workdir}", *flags)
    output, _ = process.communicate()
    assert process.returncode == status, output
    return output


def steps(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose path is a pattern: begun beside a torn file, resumed by its directory with other bookkeeping."""
    workdir = tmp_path_factory.mktemp("program") / "lr[1e-4]"
    workdir.mkdir()
    (workdir / ".config.json.0123456789abcdef").write_text('{"seed": ')
    (workdir / ".lock").touch()
    begun = train(workdir, "--recipe=nade_digits", *SMALL, "--config.model.hidden_units=4", "--config.train_steps=4")
    before = sorted(path.name for path in workdir.iterdir())
    flags = "--config.train_steps=6", "--config.sample_every=3", "--config.keep_checkpoints=2"
    return workdir, begun, before, train(workdir, *flags)


def test_what_a_killed_start_left_does_not_keep_a_run_from_starting(run):
    _, begun, before, _ = run
    assert "trained to step 4" in begun
    assert 0.1 < float(re.search(r"^peak memory: ([0-9.]+) GiB$", begun, re.MULTILINE)[1]) < 64
    assert {"config.json", "model.json", "examples.npz", "checkpoints", "samples"} <= set(before)
    assert not [name for name in before if name.startswith(".config")]


def test_a_new_run_tells_what_its_recipe_says_of_the_time_and_a_resumed_one_does_not(run):
    _, begun, _, resumed = run
    assert f"recipe nade_digits as it stands. Time: {config.remarks('nade_digits')['Time']}\n" in begun
    assert "Time:" not in resumed


def test_a_run_begins_with_one_short_paragraph_and_not_with_its_configuration(run):
    workdir, begun, _, resumed = run
    goes = f"All goes to {workdir}, the settings to its config.json; --dry_run explains them."
    assert f"recipe nade_digits: nade learns from digits, 4 steps of 4 examples.\n{goes}\n" in begun
    assert f"run: nade learns from digits, 6 steps of 4 examples.\n{goes}\n" in resumed
    assert "hidden_units" not in begun + resumed


def test_the_dry_run_and_help_explain_every_key():
    flags = "--recipe=classes", "--config.data.name=digits", "--config.train_steps=7"
    shown = python("-m", "train", *flags, "--dry_run").communicate()[0]
    settings = config.load("classes", flags)
    said = explain.lines(settings)
    for key in said:
        assert re.search(rf"^  --config\.{re.escape(key)}=\S*  +{re.escape(said[key])}$", shown, re.MULTILINE), key
    assert "--config.train_steps=7 " in shown
    assert "label: 10 classes: 0 0, 1 1, " in shown, "the layers follow"
    helped = python("-m", "train", *flags, "--help").communicate()[0]
    assert explain.text(settings) in helped


def test_a_directory_alone_resumes_its_run_and_bookkeeping_may_change(run):
    workdir, _, _, resumed = run
    assert "resumed at step 4" in resumed and "trained to step 6" in resumed
    assert steps(workdir) == [4, 6]
    stored = json.loads((workdir / "config.json").read_text())
    assert (stored["train_steps"], stored["sample_every"], stored["model"]["hidden_units"]) == (6, 3, 4)
    assert sorted(path.stem for path in (workdir / "samples").iterdir()) == ["00000000", "00000004", "00000006"]


def test_a_path_that_is_a_pattern_is_exported_and_judged(run, tmp_path):
    from export import build
    from train.evaluate import makers

    workdir, *_ = run
    build.build(workdir, tmp_path / "bundle[1]")
    drawn = [makers.create(str(path)).samples("generate", 20, 0) for path in (workdir, tmp_path / "bundle[1]")]
    np.testing.assert_array_equal(*drawn)


def test_another_configuration_is_refused_and_changes_nothing(run):
    workdir, *_ = run
    before = (workdir / "config.json").read_bytes()
    refused = train(workdir, "--config.model.hidden_units=5", status=2)
    assert refused.splitlines()[-1].startswith("error: cannot resume under another configuration: model.hidden_units")
    refused = train(workdir, "--config.data.name=shapes", "--config.data.binarize=none", status=2)
    assert "data.binarize (dynamic -> none)" in refused.splitlines()[-1]
    assert (workdir / "config.json").read_bytes() == before


@pytest.mark.parametrize("damage", ["missing", "torn", "another"])
def test_a_lost_configuration_keeps_nobody_from_going_on_by_the_whole_command(run, tmp_path, damage):
    workdir = tmp_path / "run"
    shutil.copytree(run[0], workdir)
    settings, path = config.read(workdir), workdir / config.CONFIG
    whole = path.read_text()
    if damage == "missing":
        path.unlink()
    else:
        path.write_text(whole[:40] if damage == "torn" else whole.replace('"batch_size": 4', '"batch_size": 5'))
    main = program("train.__main__")
    if damage != "missing":
        with pytest.raises(UserError, match=r"config.json (is corrupt|was changed since step 6 .*batch_size)"):
            main._stored(str(workdir))
    with main._claimed(workdir, settings):
        main._write_config(workdir, settings)
    assert path.read_text() == whole
    settings.model.hidden_units = 5
    with pytest.raises(UserError, match=r"model.hidden_units \(4 -> 5\)"), main._claimed(workdir, settings):
        pass


def test_what_could_not_begin_is_no_run_and_its_flags_do_not_stay(tmp_path):
    workdir = tmp_path / "run"
    flags = ["--recipe=nade_digits", *SMALL, "--config.model.hidden_units=4", "--config.train_steps=2"]
    refused = train(workdir, *flags, f"--init_from={tmp_path / 'none'}", status=2)
    assert refused.splitlines()[-1].endswith(
        "holds no run: it has no config.json (make one with: python -m train --workdir=...)"
    )
    refused = train(workdir, *flags, f"--config.init_from={tmp_path / 'none'}", status=2)
    assert "holds no run" in refused.splitlines()[-1]
    assert [path.name for path in workdir.iterdir()] == [".lock"]
    train(workdir, *flags)
    assert json.loads((workdir / "config.json").read_text())["init_from"] == ""


def test_a_run_that_lost_its_checkpoints_is_not_begun_anew(tmp_path):
    for name in ("best/00000004", "samples"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.json").write_text(config.to_json(config.load("nade_digits")))
    (tmp_path / "metrics.jsonl").touch()
    before = sorted(path.name for path in tmp_path.iterdir())
    refused = train(tmp_path, "--recipe=nade_digits", status=2)
    assert "holds a run that lost its checkpoints" in refused.splitlines()[-1]
    shutil.rmtree(tmp_path / "best")
    train(tmp_path, "--recipe=nade_digits", "--config.data.name=folder:nowhere", status=2)
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock")
    assert left == [name for name in before if name != "best"]


def test_a_directory_of_other_files_is_no_place_for_a_run(tmp_path):
    (tmp_path / "notes.txt").touch()
    refused = train(tmp_path, status=2)
    assert "holds other files and no config.json: name a new or empty directory" in refused
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert "--workdir is missing" in train("", status=2)


def test_a_moved_folder_resumes_where_its_pictures_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (12, 16, 16, 1), np.uint8)):
        (first / f"{number}.png").write_bytes(images.encode_png(picture))
    workdir = tmp_path / "run"
    sized = ["--config.data.image_size=8", "--config.model.hidden_units=4", "--config.train_steps=2"]
    train(workdir, "--recipe=nade_digits", *SMALL, f"--config.data.name=folder:{first}", *sized)
    shutil.move(first, second)
    gone = train(workdir, status=2).splitlines()[-1]
    assert str(first) in gone, "the place that the run knows is empty"
    flags = f"--config.data.name=folder:{second}", "--config.train_steps=4"
    assert "resumed at step 2" in train(workdir, *flags)
    stored = json.loads((workdir / "config.json").read_text())["data"]
    assert (stored["name"], stored["image_size"]) == (f"folder:{second}", 8)

    before = (workdir / "config.json").read_bytes()
    third = tmp_path / "third"
    shutil.copytree(second, third)
    (third / "0.png").unlink()
    refused = train(workdir, f"--config.data.name=folder:{third}", status=2).splitlines()[-1]
    assert "the data or the model changed since" in refused
    assert (workdir / "config.json").read_bytes() == before, "the run still knows its own data"
