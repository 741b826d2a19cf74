"""Where training runs: one device, all devices of this machine, or several machines."""

import json
import os
import re
from typing import TYPE_CHECKING

from zoo.shared.errors import UserError, unknown

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
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored" or (name == "auto" and len(tf.config.list_logical_devices("GPU")) > 1):
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
    return tf.distribute.get_strategy()


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
    return _tf_config()[0]


def _tf_config() -> tuple[int, int]:
    """Return the number of workers that TF_CONFIG names (0 without it) and the index of this one."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 0, 0
    try:
        value = json.loads(text)
        workers, task = value["cluster"]["worker"], value["task"]
        index = task["index"]
        is_whole = (
            list(value["cluster"]) == ["worker"]
            and task["type"] == "worker"
            and isinstance(workers, list)
            and all(_ADDRESS.fullmatch(worker) for worker in workers)
            and type(index) is int
            and 0 <= index < len(workers)
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        is_whole = False
    if not is_whole:
        raise UserError(f"TF_CONFIG must be like {_EXAMPLE}, with a worker's own index; it is {text!r:.200}")
    return len(workers), index
