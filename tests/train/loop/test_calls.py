"""Calls as long as a step's time allows, stops and checkpoints at any step: no bit of the result depends on them."""

import json
import os
import signal
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from shared import TWO_PARTS, assert_same_state, checkpoint, metrics, tiny_config, trained, trainer

import zoo
from train import config
from train.check import check
from train.loop import pace, sheets
from train.loop.cells import Cell
from train.loop.pace import Pace
from train.loop.trainer import Trainer
from train.loop.workers import Agreed, Workers
from train.rundir import logs, pictures

ALWAYS = 1e-9  # minutes: a checkpoint after each call
MEASURED = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 12, "evaluate.count": 8}


class Killed(Exception):
    """Stands for a kill: nothing is written after it."""


LINES = [5, 8, 10, 12, 13, 15, 16, 20, 24]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The name of a model that is cheap to trace, in a file."""
    path = tmp_path_factory.mktemp("model") / "two_parts.py"
    path.write_text(TWO_PARTS)
    return f"{path}:TwoParts"


@pytest.fixture(scope="module")
def settings(model):
    """Make a run of 24 steps whose lines are of 5 steps, cut short by checkpoints, sheets and a phase from 13 on."""

    def made(**changes):
        made = config.load("nade_digits", [f"--config.model.name={model}"])
        made.update(train_steps=24, log_every=5, checkpoint_every=12, sample_every=8, keep_checkpoints=2)
        made.update(checkpoint_minutes=0.0, batch_size=4, sample_count=4, ema=0.9)
        made.data.binarize = "none"
        made.phases = changes.pop("phases", {"first": config.phase(0, part=0), "second": config.phase(13, part=1)})
        made.update_from_flattened_dict(changes)
        check(made)
        return made

    return made


@pytest.fixture
def calls(monkeypatch):
    """The steps that each call of any trainer led to."""
    made, train_until = [], Trainer.train_until

    def noted(self, target):
        made.append(target)
        return train_until(self, target)

    monkeypatch.setattr(Trainer, "train_until", noted)
    return made


def of_one_step(monkeypatch):
    monkeypatch.setattr(pace, "SECONDS", 0.0)


def as_long_as_can_be(monkeypatch):
    monkeypatch.setattr(pace, "SECONDS", 1e9)


def signalled_at(monkeypatch, step, method="train_until"):
    """Have the process ask itself, once, to stop in the call that leads to the step, or in a sheet or measurement."""
    original, sent = getattr(Trainer, method), []

    def signalled(self, *arguments, **keywords):
        if (arguments[0] if method == "train_until" else self.step) == step and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(Trainer, method, signalled)


def without_speeds(workdir):
    return [{name: value for name, value in line.items() if name != logs.SPEED} for line in metrics(workdir)]


def assert_same_run(workdir, whole, stopped=None):
    """Compare all that two finished runs left; one that was `stopped` at a step has its sheet, too."""
    assert without_speeds(workdir) == without_speeds(whole)
    names = [sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (workdir, whole)]
    assert names[0] == names[1]
    for name in names[0]:
        assert_same_state(checkpoint(workdir, int(name)), checkpoint(whole, int(name)))
        held = [sorted(path.name for path in (run / "checkpoints" / name).iterdir()) for run in (workdir, whole)]
        assert held[0] == held[1]
        records = [(run / "checkpoints" / name / "run.json").read_bytes() for run in (workdir, whole)]
        assert records[0] == records[1]
    drawn = [{step: path.read_bytes() for step, path in pictures.steps_drawn(run)} for run in (workdir, whole)]
    assert drawn[0].keys() - drawn[1].keys() <= {stopped}
    assert {step: drawn[0][step] for step in drawn[1]} == drawn[1]
    assert logs.read_lines(workdir / logs.EVALUATIONS) == logs.read_lines(whole / logs.EVALUATIONS)


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """A run in calls of one step."""
    workdir = tmp_path_factory.mktemp("calls") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        of_one_step(patch)
        trained(settings(**MEASURED), workdir)
    assert [line["step"] for line in metrics(workdir)] == LINES
    return workdir


# ---- the pieces


def test_a_call_is_of_half_a_second_and_the_first_tells_nothing():
    made = Pace()
    assert made.steps == 1
    made.note(1, 30.0)  # traced
    assert made.steps == 1
    lengths = []
    for _ in range(8):
        made.note(made.steps, 0.01 * made.steps)
        lengths.append(made.steps)
    assert lengths == [2, 4, 8, 16, 32, 50, 50, 50]
    made.note(3, 0.03 * 3)  # a short call, since a cell ended: what counts is the time of a step
    assert made.steps == 16
    made.note(16, 64.0)
    assert made.steps == 1
    for _ in range(20):
        made.note(made.steps, 0.0)
    assert made.steps == 4096
    made.begin()
    assert (made.steps, made.is_traced) == (1, False)


def test_the_means_of_a_cell_are_those_of_its_steps_at_once_in_whatever_parts_it_was_taken():
    random = np.random.default_rng(0)
    for count in (1, 2, 7, 20, 131):
        rows = random.normal(size=(count, 3)).astype(np.float32)
        logged = dict(zip("abc", rows.T, strict=True))
        expected = {name: float(f"{values.mean():.6g}") for name, values in logged.items()}
        for _ in range(5):
            ends = np.unique([0, *random.integers(0, count, 4), count])
            cell, again = Cell(3), Cell(3)
            for start, end in pairwise(ends):
                for one in (cell, again):
                    one.add({name: values[start:end] for name, values in logged.items()}, 0.5)
                again = Cell(**json.loads(json.dumps(again.to_json())))  # saved, and read back
            assert cell.means() == again.means() == expected
            assert (again.start, again.seconds) == (3, 0.5 * (len(ends) - 1))


def test_workers_do_what_the_chief_measured_and_stop_if_any_is_to(monkeypatch):
    """Two workers of three replicas each; every worker adds its values once for each of its own."""
    workers = [Workers(tf.distribute.get_strategy()) for _ in range(2)]
    told = [(False, True, True, False, 16), (True, False, False, True, 5)]
    sent = []
    for worker, is_chief in zip(workers, (True, False), strict=True):
        worker.are_several, worker.is_chief = True, is_chief
        monkeypatch.setattr(worker, "_sums", lambda *values: sent.append(values) or [1.0] * len(values))
    for worker, own in zip(workers, told, strict=True):
        worker.agree(*own)
    sums = [3.0 * sum(map(float, values)) for values in zip(*sent, strict=True)]
    for worker, own in zip(workers, told, strict=True):
        monkeypatch.setattr(worker, "_sums", lambda *values: sums)
        assert worker.agree(*own) == Agreed(True, is_saving=True, is_drawing=True, has_settled=False, steps=16)


# ---- calls


def test_long_calls_and_calls_of_one_step_are_one_run(settings, whole, tmp_path, monkeypatch, calls):
    as_long_as_can_be(monkeypatch)
    trained(settings(**MEASURED), tmp_path / "run")
    assert calls == [1, 2, 4, 5, 8, 10, 12, 13, 14, 15, 16, 20, 24], "the second phase is traced anew"
    assert_same_run(tmp_path / "run", whole)


def test_a_call_after_the_first_is_as_long_as_the_time_of_a_step_allows(settings, tmp_path, monkeypatch, calls):
    """A step takes a tenth of a second by the clock, and the first, with its tracing, 40 seconds."""
    now = [0.0]
    monkeypatch.setattr("train.loop.trainer.time.monotonic", lambda: now[0])
    train_until = Trainer.train_until

    def slow(self, target):
        now[0] += 40.0 if self.step == 0 else 0.1 * (target - self.step)
        return train_until(self, target)

    monkeypatch.setattr(Trainer, "train_until", slow)
    trained(settings(log_every=24, checkpoint_every=24, sample_every=24, phases={}), tmp_path)
    lengths = np.diff([0, *calls]).tolist()
    assert lengths[:4] == [1, 1, 2, 4]
    assert all(4 <= length <= 5 for length in lengths[3:-1])


# ---- stops


@pytest.mark.parametrize("step", [3, 7, 12, 13, 16, 24])
def test_a_run_that_was_stopped_anywhere_ends_as_one_that_was_not(settings, whole, tmp_path, monkeypatch, step):
    """In the middle of a cell; where a checkpoint, a sheet and a measurement are due, which are left for later."""
    with monkeypatch.context() as patch:
        of_one_step(patch)
        signalled_at(patch, step)
        stopped = trainer(settings(**MEASURED), tmp_path / "run")
        assert not stopped.run()
    assert stopped.step == step
    assert (tmp_path / "run" / "checkpoints" / f"{step:08d}" / "cell.json").exists() == (step not in (12, 24))
    assert [line["step"] for line in metrics(tmp_path / "run")] == [line for line in LINES if line <= step]
    assert pictures.path_of(tmp_path / "run", step).exists(), "the last sheet"
    assert step not in {line["step"] for line in logs.read_lines(tmp_path / "run" / logs.EVALUATIONS)}
    trained(settings(**MEASURED), tmp_path / "run")
    assert_same_run(tmp_path / "run", whole, stopped=step)


@pytest.mark.parametrize("step", [0, 8, 12, 24])
def test_a_signal_ends_a_sheet_and_a_measurement_and_the_weights_stay(
    settings, whole, tmp_path, monkeypatch, capsys, step
):
    """Step 8 has a sheet and no checkpoint, 12 a measurement alone, 24 both, and 0 nothing is saved before.

    A sheet that was left is not begun again where the run stops; one beside a measurement is drawn.
    """
    with monkeypatch.context() as patch:
        of_one_step(patch)
        signalled_at(patch, step, "run_map")
        stopped = trainer(settings(**MEASURED), tmp_path / "run")
        assert not stopped.run()
    assert stopped.step == step == stopped.checkpoints.steps()[-1]
    assert pictures.path_of(tmp_path / "run", step).exists() == (step == 12)
    told = "no last sheet: how long one takes is not known yet\n"
    assert (told in capsys.readouterr().err) == (step != 12)
    trained(settings(**MEASURED), tmp_path / "run")
    assert_same_run(tmp_path / "run", whole, stopped=step)


def test_where_the_sheet_of_the_first_map_is_all_are(tmp_path, monkeypatch):
    """A signal comes after the sheet of reconstructions, in that of samples."""
    run_map = Trainer.run_map

    def signalled(self, name, inputs):
        if name == "generate":
            os.kill(os.getpid(), signal.SIGTERM)
        return run_map(self, name, inputs)

    made = tiny_config("vae", train_steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_map", signalled)
        assert not trainer(made, tmp_path).run()
    assert [path.parent.name for _, path in pictures.steps_drawn(tmp_path)] == ["reconstruct"]
    trained(made, tmp_path)
    assert sorted(step for step, _ in pictures.steps_drawn(tmp_path)) == [0, 0, 2, 2]


# ---- sheets by the clock, and the last one


def slow_sheets(monkeypatch, now, seconds):
    """Have each run of a map take so many seconds by the clock `now`, and each step a minute."""
    monkeypatch.setattr("train.loop.trainer.time.monotonic", lambda: now[0])
    train_until, run_map = Trainer.train_until, Trainer.run_map

    def slow(self, target):
        now[0] += 60.0 * (target - self.step)
        return train_until(self, target)

    def drawn(self, name, inputs):
        now[0] += seconds
        return run_map(self, name, inputs)

    monkeypatch.setattr(Trainer, "train_until", slow)
    monkeypatch.setattr(Trainer, "run_map", drawn)


@pytest.mark.parametrize(
    ("minutes", "seconds", "drawn"),
    [
        (0.0, 0.0, [0, 20, 24]),
        (5.0, 0.0, [0, 5, 10, 15, 20, 24]),
        (3.0, 1.0, [0, 3, 6, 9, 12, 15, 18, 20, 23, 24]),
        # a sheet of 21 s is a twentieth of seven minutes
        (3.0, 21.0, [0, 7, 14, 20, 24]),
    ],
)
def test_sheets_by_the_clock_count_from_the_last_of_any_kind(settings, tmp_path, monkeypatch, minutes, seconds, drawn):
    of_one_step(monkeypatch)
    slow_sheets(monkeypatch, [0.0], seconds)
    trained(settings(sample_minutes=minutes, sample_every=20, phases={}), tmp_path)
    assert sorted(step for step, _ in pictures.steps_drawn(tmp_path)) == drawn


def test_sheets_by_the_clock_change_no_bit(settings, whole, tmp_path, monkeypatch):
    of_one_step(monkeypatch)
    monkeypatch.setattr(sheets, "_MOST_BY_CLOCK", 1e9)
    trained(settings(sample_minutes=ALWAYS, **MEASURED), tmp_path / "run")
    assert sorted(step for step, _ in pictures.steps_drawn(tmp_path / "run")) == list(range(25))
    for step, path in pictures.steps_drawn(tmp_path / "run"):
        if step % 8:
            path.unlink()
    assert_same_run(tmp_path / "run", whole)


@pytest.mark.parametrize(("seconds", "words"), [(9.0, ""), (11.0, "no last sheet: the one before took 11 seconds\n")])
def test_a_sheet_that_takes_long_is_not_drawn_where_a_run_stops(
    settings, tmp_path, monkeypatch, capsys, seconds, words
):
    of_one_step(monkeypatch)
    slow_sheets(monkeypatch, [0.0], seconds)
    signalled_at(monkeypatch, 3)
    assert not trainer(settings(phases={}), tmp_path).run()
    assert pictures.path_of(tmp_path, 3).exists() == (not words)
    assert words in capsys.readouterr().err
    assert (tmp_path / pictures.ANIMATION).exists()


# ---- checkpoints by the clock


def test_a_run_that_was_killed_goes_on_from_a_checkpoint_by_the_clock(settings, whole, tmp_path, monkeypatch, calls):
    of_one_step(monkeypatch)
    run = settings(checkpoint_minutes=ALWAYS, **MEASURED)
    for step in (4, 5, 8, 15, 20, 23):
        with monkeypatch.context() as patch:
            train_until = Trainer.train_until

            def killed(self, target, at=step, original=train_until):
                if target == at:
                    raise Killed
                return original(self, target)

            patch.setattr(Trainer, "train_until", killed)
            begun = trainer(run, tmp_path / "run")
            with pytest.raises(Killed):
                begun.run()
        assert begun.step == step - 1 == begun.checkpoints.steps()[-1], "nothing was lost"
    trained(run, tmp_path / "run")
    assert sorted(calls) == list(range(1, 25)), "and no step was taken twice"
    assert_same_run(tmp_path / "run", whole)


def test_the_clock_counts_from_the_last_checkpoint_of_any_kind(settings, tmp_path, monkeypatch):
    now, saved, save = [0.0], [], Trainer.save
    monkeypatch.setattr("train.loop.trainer.time.monotonic", lambda: now[0])
    train_until = Trainer.train_until

    def slow(self, target):
        now[0] += 60.0 * (target - self.step)
        return train_until(self, target)

    monkeypatch.setattr(Trainer, "train_until", slow)
    monkeypatch.setattr(Trainer, "save", lambda self: saved.append(self.step) or save(self))
    of_one_step(monkeypatch)
    trained(settings(checkpoint_minutes=5.0), tmp_path / "five")
    assert saved == [0, 5, 10, 12, 17, 22, 24]
    saved.clear()
    trained(settings(), tmp_path / "never")
    assert saved == [0, 12, 24]


@pytest.mark.parametrize("minutes", [ALWAYS, 0.0])
def test_a_nan_goes_back_to_the_schedule_whatever_the_clock_saved(settings, model, tmp_path, monkeypatch, minutes):
    of_one_step(monkeypatch)
    own = zoo.model_class(model)
    train_step, seen = own.train_step, []

    def broken(self, data):
        now, attempt = self.step, self.noise_key[1]
        values = train_step(self, data)
        return {**values, "loss": tf.where((now + 1 == 17) & (attempt < 1), float("nan"), values["loss"])}

    forget = Trainer._forget_after
    monkeypatch.setattr(own, "train_step", broken)
    monkeypatch.setattr(Trainer, "_forget_after", lambda self, step: seen.append(step) or forget(self, step))
    made = trained(settings(checkpoint_minutes=minutes), tmp_path)
    assert seen == [-1, 12]
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert made.checkpoints.steps() == [12, 24]
    assert [line["step"] for line in metrics(tmp_path)] == LINES


def test_a_run_that_has_settled_and_is_stopped_at_once_still_ends_there(settings, tmp_path, monkeypatch):
    rule = {"stop.log": "rows", "stop.near": 4.0, "stop.steps": 6, "checkpoint_every": 24}
    as_long_as_can_be(monkeypatch)
    trained(settings(**rule), tmp_path / "whole")
    with monkeypatch.context() as patch:
        signalled_at(patch, 8)
        of_one_step(patch)
        assert not trainer(settings(**rule), tmp_path / "run").run()
    assert trained(settings(**rule), tmp_path / "run").step == 8
    assert_same_run(tmp_path / "run", tmp_path / "whole")


# ---- cost


def test_a_step_costs_the_same_late_in_a_run(settings, tmp_path, monkeypatch):
    """Lines of the logs that are read, and names in directories that are listed, in two stretches of as many steps."""
    counts = {"lines": 0, "names": 0}
    parse, scandir, listdir = logs._parsed, os.scandir, os.listdir

    def counted(line):
        counts["lines"] += 1
        return parse(line)

    class Scanned:
        def __init__(self, *arguments):
            self.entries = list(scandir(*arguments))
            counts["names"] += len(self.entries)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

        def __iter__(self):
            return iter(self.entries)

    def listed(*arguments):
        names = listdir(*arguments)  # of the sheets, those that a kill left are looked at
        counts["names"] += sum(name.startswith(".") for name in names) if arguments else len(names)
        return names

    monkeypatch.setattr(logs, "_parsed", counted)
    monkeypatch.setattr(os, "scandir", Scanned)
    monkeypatch.setattr(os, "listdir", listed)
    of_one_step(monkeypatch)
    marks, train_until = {}, Trainer.train_until

    def marked(self, target):
        marks[target] = dict(counts)
        return train_until(self, target)

    monkeypatch.setattr(Trainer, "train_until", marked)
    measured = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 8, "evaluate.count": 8}
    grid = {"train_steps": 97, "log_every": 1, "checkpoint_every": 4, "sample_every": 4, "stop.steps": 4}
    rule = {"stop.log": "rows", "stop.near": 9.0, "phases": {}}
    trained(settings(**grid, **measured, **rule), tmp_path)
    for kind in counts:
        early, late = (marks[end][kind] - marks[end - 32][kind] for end in (64, 96))
        assert 0 < late <= early, kind
