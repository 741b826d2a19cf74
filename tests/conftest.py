"""One TensorFlow for the whole session: started as the programs start it, with two virtual CPU devices."""

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes says more of the machine than of the code
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

sys.path.insert(0, str(Path(__file__).parent))  # for tests/shared.py

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell makes what it starts in the background deaf to SIGINT; the programs that tests interrupt would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    if "tensorflow" not in sys.modules:
        return  # no collected test needs it
    import tensorflow as tf

    from train.engine import backend

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
