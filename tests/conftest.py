"""One TensorFlow for the whole session: started as the programs start it, with two virtual CPU devices."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for tests/shared.py


def pytest_collection_finish(session: pytest.Session) -> None:
    if "tensorflow" not in sys.modules:
        return  # no collected test needs it
    import tensorflow as tf

    from train import backend

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    backend.start()


@pytest.fixture(scope="session")
def mirrored():
    """Two replicas on the virtual devices; one strategy for all tests, because each new one reuses collective keys."""
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
    assert strategy.num_replicas_in_sync == 2
    return strategy
