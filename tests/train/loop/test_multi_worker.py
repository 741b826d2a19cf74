"""Real processes on this machine: two train to the weights of one device; one alone waits, or ends in one line."""

import json
import socket
import time

import numpy as np
import pytest
from shared import assert_same_state, checkpoint, flags_of, python, recipe_of, tiny_config, trained

from train import config
from train.rundir.logs import EVALUATIONS, read_lines


@pytest.fixture
def hosts():
    """Two addresses that nobody listens at."""
    with socket.socket() as first, socket.socket() as second:
        for port in (first, second):
            port.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{port.getsockname()[1]}" for port in (first, second)]


def start(hosts, index, workdir, *flags):
    task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
    command = ["-m", "train", f"--recipe={recipe_of('dcgan')}", "--strategy=multi_worker", f"--workdir={workdir}"]
    return python(*command, *flags, environment={"TF_CONFIG": json.dumps(task)})


def read_until(process, word):
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"no {word!r} was printed")


def test_a_worker_says_whom_it_waits_for_and_can_be_ended(hosts, tmp_path):
    alone = start(hosts, 1, tmp_path / "run")
    read_until(alone, f"worker 1 waits for {hosts[0]}")
    alone.terminate()
    rest, _ = alone.communicate(timeout=60)
    assert (alone.returncode, rest) == (143, "")


@pytest.mark.slow
def test_where_one_worker_dies_the_other_ends_in_one_line(hosts, tmp_path):
    settings = tiny_config("dcgan", train_steps=10**6, checkpoint_every=10)
    workers = [start(hosts, index, tmp_path / "run", *flags_of(settings)) for index in range(2)]
    deadline = time.monotonic() + 240
    while not (tmp_path / "run/checkpoints/00000010").is_dir():
        assert time.monotonic() < deadline and all(worker.poll() is None for worker in workers)
        time.sleep(0.2)
    workers[1].kill()
    told, _ = workers[0].communicate(timeout=240)
    assert workers[0].returncode == 2
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith("error: another worker ended or cannot be reached (")
    workers[1].communicate()


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both_at_one_step_which_is_saved(hosts, tmp_path):
    settings = tiny_config("dcgan", train_steps=10**6, log_every=10**6, checkpoint_every=10**6, sample_every=10**6)
    settings.checkpoint_minutes = 1e-9  # by the chief's clock, after each call
    workers = [start(hosts, index, tmp_path / "run", *flags_of(settings)) for index in range(2)]
    deadline = time.monotonic() + 240
    while (newest := max((int(path.name) for path in tmp_path.glob("run/checkpoints/[0-9]*")), default=0)) < 5:
        assert time.monotonic() < deadline and all(worker.poll() is None for worker in workers)
        time.sleep(0.2)
    workers[1].terminate()
    outputs = [worker.communicate(timeout=240)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(outputs)
    (told,) = {line for output in outputs for line in output.splitlines() if line.startswith("stopped at step ")}
    (_, saved) = sorted(path.name for path in tmp_path.glob("run/checkpoints/[0-9]*"))
    assert told == f"stopped at step {int(saved)}, which is saved; the same command resumes"
    assert int(saved) >= newest


def test_two_workers_train_as_one_device_with_the_whole_batch(hosts, tmp_path):
    measured = {"evaluate.metrics": "frechet", "evaluate.every": 2, "evaluate.count": 70}
    settings = tiny_config("dcgan", **measured)
    for part in settings.optimizers:
        settings.optimizers[part] = config.sgd(0.01)
    names = [f"--config.optimizers.{part}.name=sgd" for part in settings.optimizers]
    flags = [*names, *flags_of(settings)]
    workers = [start(hosts, index, tmp_path / "two", *flags) for index in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in workers]
    assert [process.returncode for process in workers] == [0, 0], "\n".join(outputs)
    trained(settings, tmp_path / "one")
    assert_same_state(checkpoint(tmp_path / "two", 4), checkpoint(tmp_path / "one", 4), tolerance=1e-6)
    two, one = (read_lines(tmp_path / run / EVALUATIONS) for run in ("two", "one"))
    assert [line["step"] for line in two] == [line["step"] for line in one] == [0, 2, 4]
    figures = ([line["frechet_distance"] for line in lines] for lines in (two, one))
    np.testing.assert_allclose(*figures, rtol=1e-3)
