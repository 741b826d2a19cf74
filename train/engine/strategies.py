"""Where training runs: one device, all devices of this machine, or several machines."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from train.engine import backend, cluster, rendezvous
from zoo.shared.errors import UserError, first_line, unknown

if TYPE_CHECKING:
    import tensorflow as tf

NAMES = ("auto", "one_device", "mirrored", "multi_worker")


def check(name: str) -> None:
    """Raise a `UserError` for a strategy that cannot be had; needs no TensorFlow."""
    if name not in NAMES:
        raise unknown("strategy", name, NAMES)
    workers = cluster.found()
    if name == "multi_worker" and not workers.addresses:
        raise UserError(f"--strategy=multi_worker needs {cluster.HOW}")
    if name in ("one_device", "mirrored") and len(workers.addresses) > 1:
        raise UserError(
            f"{workers.source} names {len(workers.addresses)} workers, but --strategy={name} uses one: take "
            f"multi_worker, or unset {workers.source}"
        )


def create(name: str) -> "tf.distribute.Strategy":
    """Return the strategy; auto is multi_worker where there is a cluster, mirrored on several GPUs, else one_device.

    mirrored takes all GPUs, or where there is none all (virtual) CPU devices. Multi-worker must come before any
    other TensorFlow operation.
    """
    import tensorflow as tf

    workers = cluster.found()
    if name == "multi_worker" or (name == "auto" and workers.addresses):
        return _joined(workers)
    if name == "mirrored" or (name == "auto" and len(tf.config.list_logical_devices("GPU")) > 1):
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(kind)])
    return tf.distribute.get_strategy()


def _joined(workers: cluster.Cluster) -> "tf.distribute.Strategy":
    """Return the strategy of all workers, once all are there."""
    import tensorflow as tf

    rendezvous.meet(workers.addresses, workers.index)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(workers.addresses)}),
        task_type="worker",
        task_id=workers.index,
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


@contextlib.contextmanager
def all_workers_alive() -> Iterator[None]:
    """Turn what TensorFlow raises inside the block when another worker is lost into a `UserError`."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if len(cluster.found().addresses) < 2:
            raise
        found = re.search(r"aborted by: (.*)", str(error))
        raise UserError(
            f"another worker ended or cannot be reached ({found[1] if found else first_line(error)}): start all "
            "workers again with the same commands, and the run goes on from its last checkpoint"
        ) from error


def use_jit(setting: str, precision: str, strategy: "tf.distribute.Strategy") -> bool:
    """Return whether to compile the step with XLA; true for replicas, however many, is a `UserError`.

    auto: on a GPU, where a DCGAN's step took 3.45 ms instead of 11.4; and for bfloat16 on the CPU, which is ten times
    slower without, and whose gradients of convolutions are then NaN now and then. Not for float32 on the CPU. There XLA
    is faster for recurrences and for networks of a few channels, at most 1.8 times as slow for other convolutions and
    their gradients, and 6 to 22 times as slow for a convolution with more than a few channels whose kernel is larger
    than its map, such as DCGAN's of 5 x 5 on 4 x 4.
    """
    import tensorflow as tf

    is_replicated = isinstance(strategy, tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy)
    if setting == "true" and is_replicated:
        raise UserError(
            "--config.jit=true compiles the step of one device, and XLA does not compile that of replicas in "
            "TensorFlow 2.21: use auto or false, or --strategy=one_device"
        )
    if setting != "auto":
        return setting == "true"
    return not is_replicated and (backend.has_gpu() or precision == "mixed_bfloat16")


def device_of_data(strategy: "tf.distribute.Strategy") -> str:
    """Return the device that data may lie on: the only GPU; "" for none, since the CPU reads its own memory as fast."""
    return "GPU:0" if backend.has_gpu() and strategy.num_replicas_in_sync == 1 else ""


def accelerators(strategy: "tf.distribute.Strategy") -> list[str]:
    """Return the names of the GPUs of this machine that the strategy uses: all of a replicated one, else the first."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    used = gpus if strategy.num_replicas_in_sync > 1 else gpus[:1]
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in used]


def is_chief() -> bool:
    """Return whether this process is the one that writes files: the only one, or the first worker."""
    return cluster.found().index == 0
