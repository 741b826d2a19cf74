"""Two real processes on this machine train to the weights of one device."""

import json
import socket

from shared import assert_same_state, checkpoint, flags_of, python, tiny_config, trained

from train import config


def test_two_workers_train_as_one_device_with_the_whole_batch(tmp_path):
    settings = tiny_config("dcgan")
    for part in settings.optimizers:
        settings.optimizers[part] = config.sgd(0.01)
    flags = [f"--recipe={config.example_of('dcgan')}", "--strategy=multi_worker", f"--workdir={tmp_path / 'two'}"]
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
