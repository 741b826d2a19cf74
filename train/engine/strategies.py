"""Where training runs: one device, all devices of this machine, or several machines."""

import contextlib
import functools
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from train.engine import rendezvous
from zoo.shared.errors import UserError, first_line, unknown

if TYPE_CHECKING:
    import tensorflow as tf

_ADDRESS = re.compile(r"\S+:[0-9]{1,5}")
_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'

NAMES = ("auto", "one_device", "mirrored", "multi_worker")


def check(name: str) -> None:
    """Raise a `UserError` for a strategy that cannot be had; needs no TensorFlow."""
    if name not in NAMES:
        raise unknown("strategy", name, NAMES)
    workers = _workers()
    if name == "multi_worker" and not workers:
        raise UserError(f"--strategy=multi_worker needs TF_CONFIG in the environment, such as {_EXAMPLE}")
    if name in ("one_device", "mirrored") and workers > 1:
        raise UserError(
            f"TF_CONFIG names {workers} workers, but --strategy={name} uses one: take multi_worker or unset it"
        )


def create(name: str) -> "tf.distribute.Strategy":
    """Return the strategy; auto is multi_worker under TF_CONFIG, mirrored on several GPUs, else one_device.

    mirrored takes all GPUs, or where there is none all (virtual) CPU devices. Multi-worker must come before any
    other TensorFlow operation.
    """
    import tensorflow as tf

    if name == "multi_worker" or (name == "auto" and _workers()):
        return _joined()
    if name == "mirrored" or (name == "auto" and len(tf.config.list_logical_devices("GPU")) > 1):
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
    return tf.distribute.get_strategy()


def _joined() -> "tf.distribute.Strategy":
    """Return the strategy of all workers, once all are there."""
    import tensorflow as tf

    addresses, index = _tf_config()
    rendezvous.meet(addresses, index)
    return tf.distribute.MultiWorkerMirroredStrategy()


def total(strategy: "tf.distribute.Strategy", value: float) -> float:
    """Return the sum of the values of all replicas; every worker waits for the others."""
    import tensorflow as tf

    # in a function, since several workers are slow at it outside of one
    return float(_summed(strategy)(tf.constant(value)))


@functools.cache
def _summed(strategy: "tf.distribute.Strategy") -> Callable[["tf.Tensor"], "tf.Tensor"]:
    import tensorflow as tf

    def summed(value: tf.Tensor) -> tf.Tensor:
        return strategy.reduce("SUM", strategy.run(lambda: value), axis=None)

    return tf.function(summed, autograph=False)


@contextlib.contextmanager
def all_workers_alive() -> Iterator[None]:
    """Turn what TensorFlow raises inside the block when another worker is lost into a `UserError`."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if _workers() < 2:
            raise
        found = re.search(r"aborted by: (.*)", str(error))
        raise UserError(
            f"another worker ended or cannot be reached ({found[1] if found else first_line(error)}): start all "
            "workers again with the same commands, and the run goes on from its last checkpoint"
        ) from error


def use_jit(setting: str, precision: str, strategy: "tf.distribute.Strategy") -> bool:
    """Return whether to compile the step with XLA; true on several replicas is a `UserError`.

    auto: not in float32 on the CPU, where oneDNN alone is as fast or faster and compiles in a tenth of the time;
    always for bfloat16 on the CPU, which is ten times slower without. GPUs were not measured: off.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    if setting == "true" and replicas > 1:
        raise UserError(f"--config.jit=true does not work on {replicas} replicas in TensorFlow 2.21: use auto or false")
    if setting != "auto":
        return setting == "true"
    return replicas == 1 and precision == "mixed_bfloat16" and not tf.config.list_logical_devices("GPU")


def is_chief() -> bool:
    """Return whether this process is the one that writes files: the only one, or the first worker."""
    return _tf_config()[1] == 0


def _workers() -> int:
    return len(_tf_config()[0])


def _tf_config() -> tuple[list[str], int]:
    """Return the addresses of the workers that TF_CONFIG names (none without it) and the index of this one."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return [], 0
    try:
        value = json.loads(text)
        workers, task = value["cluster"]["worker"], value["task"]
        index = task["index"]
        is_whole = (
            list(value["cluster"]) == ["worker"]
            and task["type"] == "worker"
            and isinstance(workers, list)
            and all(_ADDRESS.fullmatch(worker) and int(worker.rpartition(":")[2]) < 2**16 for worker in workers)
            and type(index) is int
            and 0 <= index < len(workers)
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UserError(f"TF_CONFIG must be like {_EXAMPLE}, with a worker's own index; it is {text!r:.200}")
    return workers, index
