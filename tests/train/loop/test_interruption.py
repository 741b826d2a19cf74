"""Interrupted equals uninterrupted, bit for bit: real child processes, real signals."""

import os
import random
import signal
import time

import pytest
from shared import assert_same_state, checkpoint, flags_of, metrics, python, recipe_of, tiny_config

STEPS = 120
MEASURED = {"evaluate.metrics": "frechet,kernel:60", "evaluate.every": 30, "evaluate.count": 70}


def command(workdir):
    settings = tiny_config(
        "dcgan", train_steps=STEPS, log_every=7, checkpoint_every=30, sample_every=40, sample_count=1, **MEASURED
    )
    settings.checkpoint_minutes = 1e-9  # after each call, wherever it ends
    return ["-m", "train", f"--recipe={recipe_of('dcgan')}", f"--workdir={workdir}", *flags_of(settings)]


def newest(workdir) -> int:
    return max((int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*")), default=-1)


def wait_for(condition, process) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing happened for two minutes"
        time.sleep(0.001)


def stopped_in_a_save(workdir, process) -> bool:
    """Stop the process while half a checkpoint is there and return True; let it go on and return False otherwise."""
    if not saving(workdir):
        return False
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    # the save may have ended before the process stopped
    if not saving(workdir):
        process.send_signal(signal.SIGCONT)
        return False
    return True


def saving(workdir) -> bool:
    return any((workdir / "checkpoints").glob(".*"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("uninterrupted") / "run"
    process = python(*command(workdir))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return workdir


EACH_WAY = [signal.SIGTERM, "in a save", signal.SIGINT, signal.SIGKILL]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_signals_and_kills_change_nothing(uninterrupted, tmp_path, seed):
    workdir = tmp_path / "run"
    draw = random.Random(seed)
    for attempt, how in enumerate([signal.SIGKILL] * 5 if seed else EACH_WAY):
        start = newest(workdir)
        process = python(*command(workdir))
        wait_for(lambda: newest(workdir) >= start + (4 if attempt else 8), process)  # noqa: B023
        if how == "in a save":
            wait_for(lambda: stopped_in_a_save(workdir, process), process)  # noqa: B023
        elif how is signal.SIGKILL:
            time.sleep(draw.uniform(0, 0.2))
        before = newest(workdir)
        process.send_signal(signal.SIGKILL if how == "in a save" else how)
        output, _ = process.communicate()
        if how in (signal.SIGTERM, signal.SIGINT):
            assert process.returncode == 0, output
            assert "the same command resumes" in output
            assert newest(workdir) >= before
        else:
            assert process.returncode == -signal.SIGKILL
            assert saving(workdir) or how != "in a save", "the kill was meant to tear a save"
        assert newest(workdir) < STEPS, "the run was meant to be interrupted"
    process = python(*command(workdir))
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "resumed at step" in output
    assert_same_state(checkpoint(workdir, STEPS), checkpoint(uninterrupted, STEPS))
    for path in sorted((uninterrupted / "samples").iterdir()):
        assert path.read_bytes() == (workdir / "samples" / path.name).read_bytes(), path.name
    for kept in (
        "evaluations.jsonl",
        "examples.npz",
        *(f"best/{path.name}/checksums.json" for path in (uninterrupted / "best").iterdir()),
    ):
        assert (uninterrupted / kept).read_bytes() == (workdir / kept).read_bytes(), kept
    losses = [[{**line, "steps_per_second": 0} for line in metrics(run)] for run in (workdir, uninterrupted)]
    assert losses[0] == losses[1]
    assert not saving(workdir), "what a killed save leaves is swept up"


def test_resuming_a_finished_run_changes_nothing(uninterrupted):
    before = checkpoint(uninterrupted, STEPS)
    process = python(*command(uninterrupted))
    output, _ = process.communicate()
    assert process.returncode == 0
    assert f"trained to step {STEPS}" in output
    assert_same_state(checkpoint(uninterrupted, STEPS), before)


def test_another_configuration_is_refused_by_the_keys_that_differ(uninterrupted):
    process = python(*command(uninterrupted), "--config.batch_size=8", "--config.model.latent_dim=5")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "batch_size (4 -> 8), model.latent_dim (4 -> 5)" in output.splitlines()[-1]
