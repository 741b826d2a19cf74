"""Start TensorFlow: after the configuration was checked, quietly, and always in the same way."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

from zoo.shared.errors import UserError, first_line


def start(precision: str = "float32", seed: int = 0, deterministic: bool = False) -> None:
    """Import TensorFlow and set what must be set before any model exists: precision, seed, determinism.

    On the CPU a run is always `deterministic`, in the same bits each time. On a GPU it forbids some fast kernels.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # oneDNN halves a step on the CPU; it is on by default on some builds and machines only
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # its C++ logs harmless errors (no GPU driver, an optimiser pass that gives up); what matters comes as an exception
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras imports them, a third of the time of a start, for wrappers and plots that nothing here uses
    with _stderr_silenced(), _absent("sklearn", "matplotlib.pyplot"):
        import keras
        import tensorflow as tf

        on_gpu = has_gpu()
    if deterministic or not on_gpu:
        tf.config.experimental.enable_op_determinism()
        # Of the graph optimiser's passes dependency_optimization, and no other, makes another graph from one tracing of
        # a function to the next, and with it other last bits: of 20 tracings of a WGAN-GP step 15 were alike; with all
        # passes but this one, 42 of 42. On the CPU no setting was faster than none of them beyond the noise, since
        # oneDNN's fusion is no pass of it; on a GPU the layout of convolutions is one.
        off = {"dependency_optimization": False} if on_gpu else {"disable_meta_optimizer": True}
        tf.config.optimizer.set_experimental_options(off)
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_dtype_policy(precision)


def has_gpu() -> bool:
    """Return whether TensorFlow sees a GPU; this starts none, which must wait until several workers have met."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@contextlib.contextmanager
def within_memory(settings: str) -> Iterator[None]:
    """Turn what memory has no room for inside the block into a `UserError`, which names the `settings` to make smaller.

    A process that the system's kernel ends, since it gave away more memory than there is, can tell nothing.
    """
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        found = re.search(r"tensor with (shape\[[\d,]*\])", str(error))
        what = f"a tensor of {found[1]}" if found else first_line(error)
        raise UserError(f"this does not fit into memory: make {settings} smaller ({what})") from error
    except (tf.errors.InvalidArgumentError, ValueError) as error:
        if not re.search(r"more than 2\*\*63|out-of-range integer", str(error)):
            raise
        raise UserError(f"this does not fit into memory: make {settings} smaller") from error


@contextlib.contextmanager
def _absent(*modules: str) -> Iterator[None]:
    """Let what is imported inside the block find none of these modules, unless they are imported already."""
    missing = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None is Python's word for "not to be found"
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


@contextlib.contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Drop what TensorFlow's C++ prints while it starts (missing GPU drivers and the like), but no Python error."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
