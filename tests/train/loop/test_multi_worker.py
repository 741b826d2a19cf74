"""Two real processes on this machine train to the weights of one device."""

import json
import socket

import numpy as np
from shared import assert_same_state, checkpoint, flags_of, python, recipe_of, tiny_config, trained

from train import config
from train.rundir.logs import EVALUATIONS, read_lines


def test_two_workers_train_as_one_device_with_the_whole_batch(tmp_path):
    measured = {"evaluate.metrics": "frechet", "evaluate.every": 2, "evaluate.count": 70}
    settings = tiny_config("dcgan", **measured)
    for part in settings.optimizers:
        settings.optimizers[part] = config.sgd(0.01)
    flags = [f"--recipe={recipe_of('dcgan')}", "--strategy=multi_worker", f"--workdir={tmp_path / 'two'}"]
    names = [f"--config.optimizers.{part}.name=sgd" for part in settings.optimizers]
    with socket.socket() as first, socket.socket() as second:
        for port in (first, second):
            port.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{port.getsockname()[1]}" for port in (first, second)]

    def worker(index):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        return python("-m", "train", *flags, *names, *flags_of(settings), environment={"TF_CONFIG": json.dumps(task)})

    workers = [worker(index) for index in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in workers]
    assert [process.returncode for process in workers] == [0, 0], "\n".join(outputs)
    trained(settings, tmp_path / "one")
    assert_same_state(checkpoint(tmp_path / "two", 4), checkpoint(tmp_path / "one", 4), tolerance=1e-6)
    two, one = (read_lines(tmp_path / run / EVALUATIONS) for run in ("two", "one"))
    assert [line["step"] for line in two] == [line["step"] for line in one] == [0, 2, 4]
    figures = ([line["frechet_distance"] for line in lines] for lines in (two, one))
    np.testing.assert_allclose(*figures, rtol=1e-3)
