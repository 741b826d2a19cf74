"""Draw samples from an exported bundle.

    python -m serving.sample --bundle=exports/dcgan --count=64 --seed=0 --output=grid.png

The same seed gives the same samples, whatever their count. A class-conditional generator shows its classes in turn
unless --condition chooses one.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from serving.generator import Generator, is_picture
from zoo import images
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown
from zoo.spec import TensorSpec

_BUNDLE = flags.DEFINE_string("bundle", None, "A bundle directory or an .onnx file of ours. Required.")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "What to write: a grid (.png), the float32 array (.npy), or a new directory of numbered PNG files (a path that "
    "ends in /). An existing file is replaced, an existing directory refused. Required.",
)
_COUNT = flags.DEFINE_integer("count", 64, "How many samples.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "The seed of the noise, from 0 to 2^63 - 1.", lower_bound=0)
_CONDITION = flags.DEFINE_multi_string(
    "condition",
    [],
    "A condition as name=number, such as label=3; may be repeated. Without it, a class-conditional generator shows its "
    "classes in turn.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "How many samples are in memory at a time.", lower_bound=1)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "How many cores to use; for small networks one is fastest.", lower_bound=1
)

MAX_GRID_IMAGES = 10_000
_MAX_GRID_PIXELS = 2**27

Chunks = Iterator[np.ndarray]


def main() -> None:
    """Do what the flags say."""
    if not _BUNDLE.value or not _OUTPUT.value:
        raise UserError(f"--{'bundle' if not _BUNDLE.value else 'output'} is missing; see --help")
    write, dtype = _writer(_OUTPUT.value)
    generator = Generator(_BUNDLE.value, _THREADS.value)
    conditions = _conditions(_CONDITION.value, [tensor.name for tensor in generator.spec.conditions])
    tensor = generator.spec.output
    if dtype == "uint8":
        _check_pictures(tensor, _OUTPUT.value, _COUNT.value)
    begin = time.perf_counter()
    chunks = generator.stream(_COUNT.value, _SEED.value, batch_size=_BATCH_SIZE.value, dtype=dtype, **conditions)
    write(_OUTPUT.value, _with_progress(chunks, _COUNT.value), _COUNT.value, tensor)
    rate = _COUNT.value / (time.perf_counter() - begin)
    print(f"wrote {_OUTPUT.value}: {_COUNT.value} samples at {rate:.3g} samples/s")


def run() -> None:
    """The console entry point: takes its arguments from the command line and exits with a status."""
    program.run(main)


def _writer(output: str) -> tuple[Callable[[str, Chunks, int, TensorSpec], None], str]:
    """Return the function that writes `output`, and the type of the samples that it takes."""
    if output.endswith("/"):
        if Path(output).exists():
            raise UserError(f"{output} exists already; name a new directory")
        return _write_directory, "uint8"
    if Path(output).is_dir():
        raise UserError(f"{output} is a directory; end --output in .png, .npy or, for a new directory, /")
    if output.endswith(".png"):
        return _write_grid, "uint8"
    if output.endswith(".npy"):
        return _write_array, "float32"
    raise UserError(f"--output={output}: end it in .png (a grid), .npy (an array) or / (a new directory)")


def _write_grid(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    files.write_bytes(output, images.encode_png(images.grid(np.concatenate(list(chunks)))))


def _write_array(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, *tensor.shape)}
    with files.new_file(output) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk.astype("<f4", copy=False).tobytes())


def _write_directory(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    with files.new_directory(output) as directory:
        pictures = (picture for chunk in chunks for picture in chunk)
        for number, picture in enumerate(pictures):
            (directory / f"{number:06}.png").write_bytes(images.encode_png(picture))


def _check_pictures(tensor: TensorSpec, output: str, count: int) -> None:
    if not is_picture(tensor) or len(tensor.shape) != 3:
        raise UserError(f"samples of shape {tensor.shape} are no pictures; use --output=samples.npy")
    height, width, _ = tensor.shape
    if output.endswith(".png") and (count > MAX_GRID_IMAGES or count * height * width > _MAX_GRID_PIXELS):
        raise UserError(
            f"{count:,} images are too many for one grid (at most {MAX_GRID_IMAGES:,} images or "
            f"{_MAX_GRID_PIXELS:,} pixels); use --output=samples.npy, or --output=samples/ for single files"
        )


def _conditions(texts: list[str], known: list[str]) -> dict[str, Any]:
    """Return the numbers in texts like label=3 by their names; an int32 condition takes 3.0 as well as 3."""
    conditions: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise unknown("condition", name, known)
        if name in conditions:
            raise UserError(f"--condition={text}: {name} was given before")
        try:
            conditions[name] = float(value)
        except ValueError:
            raise UserError(f"--condition={text}: write it as name=number, such as label=3") from None
    return conditions


def _with_progress(chunks: Chunks, count: int) -> Chunks:
    """Pass the chunks on, with a progress bar on stderr if that is a terminal."""
    from tqdm import tqdm

    with tqdm(total=count, unit="sample", disable=None) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


if __name__ == "__main__":
    run()
