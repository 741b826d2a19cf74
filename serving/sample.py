"""Run a map of an exported bundle: draw samples, or change what is given.

    python -m serving.sample --preset=list
    python -m serving.sample --bundle=bundles/digits --count=64 --seed=0 --output=grid.png
    python -m serving.sample --bundle=bundles/colour --condition=input=photo.png --full_size --output=coloured.png
    python -m serving.sample --bundle=bundles/digits --interpolate=1,2,3 --output=walk.gif
    python -m serving.sample --bundle=bundles/digits --real=pictures/ --output=beside.png

The same seed gives the same samples, whatever their count. A class-conditional generator shows its classes in turn
unless --condition chooses one, by number or name. Other conditions come from files.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from serving import beside, colouring, walks
from serving.generator import Generator, is_picture
from serving.sides import Sides
from zoo import images, media, presets
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown
from zoo.shared.inference import CPU
from zoo.spec import MapSpec, TensorSpec

_BUNDLE = flags.DEFINE_string(
    "bundle", None, "A bundle directory or an .onnx file of ours. This or --preset is required."
)
_PRESET = flags.DEFINE_string(
    "preset",
    None,
    "A trained model that comes along, by its name, or 'list': print them all, and what each is. One that is not on "
    f"this machine is fetched. ${presets.VARIABLE} names a directory of presets of your own.",
)
_MAP = flags.DEFINE_string("map", None, "Which map of the bundle; by default its first. Its README.md lists them.")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "What to write: a grid of pictures (.png), a video (.gif), a sound (.wav), the array that the map makes (.npy), or "
    "a new directory of numbered files (a path that ends in /). An existing file is replaced, an existing directory "
    "refused. Required.",
)
_COUNT = flags.DEFINE_integer(
    "count", None, "How many samples; by default 64, or as many as a file of conditions has.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "The seed of the noise, from 0 to 2^63 - 1.", lower_bound=0)
_CONDITION = flags.DEFINE_multi_string(
    "condition",
    [],
    "A condition as name=number, name=number,number of a vector, name=NAME of a class, name=NAME,NAME of all "
    "attributes that are to be present (name= for none), or name=FILE (a picture, a .wav or a .npy), such as label=3 "
    "or input=photo.png; may be repeated. Without it, a class-conditional generator shows its classes in turn.",
)
_TRUNCATION = flags.DEFINE_float(
    "truncation",
    None,
    "Draw normal noise anew where its magnitude exceeds this, such as 0.5: less varied samples, nearer to the usual.",
)
_INTERPOLATE = flags.DEFINE_list(
    "interpolate",
    None,
    "Walk through the first samples of these seeds, such as 1,2,3: --output is a .gif or .webp that moves, or a .png "
    "with a row for each way from one seed to the next.",
)
_STEPS = flags.DEFINE_integer(
    "steps", 8, "With --interpolate: pictures from one seed to the next, both included.", lower_bound=2
)
_LOOP = flags.DEFINE_bool("loop", False, "With --interpolate: walk back from the last seed to the first.")
_REAL = flags.DEFINE_string(
    "real",
    None,
    "Show as many real pictures on the right of a .png, each resized to the samples' size: a folder of pictures, of "
    "which --seed chooses, or examples for those that the bundle holds.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "How many samples are in memory at a time.", lower_bound=1)
_TILE = flags.DEFINE_integer(
    "tile",
    0,
    "Of maps that take pictures of any size: run larger ones in tiles of this side, in less memory. 0 = whole.",
    lower_bound=0,
)
_OVERLAP = flags.DEFINE_integer(
    "overlap",
    None,
    "With --tile: pixels that neighbouring tiles share on each side; by default as far as the network sees.",
    lower_bound=0,
)
_FULL_SIZE = flags.DEFINE_bool(
    "full_size",
    False,
    "Of maps that colour small grey pictures: give their colours to the whole photograph of --condition, at its own "
    "size. Without this flag its centre is coloured at the map's size.",
)
_THREADS = flags.DEFINE_integer(
    "threads", 1, "How many cores to use; for small networks one is fastest.", lower_bound=1
)

_PROVIDERS = flags.DEFINE_list(
    "providers", [CPU], "onnxruntime's execution providers, the preferred first, such as CUDAExecutionProvider."
)

MAX_GRID_IMAGES = 10_000
_MAX_GRID_PIXELS = 2**27
_DEFAULT_COUNT = 64

Chunks = Iterator[np.ndarray]
Writer = Callable[[str, Chunks, int, TensorSpec], None]


def main() -> None:
    """Do what the flags say."""
    if _PRESET.value == "list":
        print("\n".join(presets.lines()) or "there are no presets")
        return
    if _BUNDLE.value and _PRESET.value:
        raise UserError("give either --bundle or --preset, not both")
    if not (_BUNDLE.value or _PRESET.value) or not _OUTPUT.value:
        raise UserError(f"--{'output' if _BUNDLE.value or _PRESET.value else 'bundle'} is missing; see --help")
    seeds, write = _seeds(), None if _INTERPOLATE.value is not None else _writer(_OUTPUT.value)
    sides = Sides(tile=_TILE.value, overlap=_OVERLAP.value, progress=True)
    place = presets.find(_PRESET.value) if _PRESET.value else Path(str(_BUNDLE.value))
    make: Callable[..., int] = functools.partial(_draw, write, place) if write else functools.partial(_walk, seeds)
    generator = Generator(place, _MAP.value, _THREADS.value, sides, _PROVIDERS.value)
    if _FULL_SIZE.value:
        make, conditions = _colour, _photograph(_CONDITION.value, generator.spec, _OUTPUT.value)
    else:
        conditions = _conditions(_CONDITION.value, generator.spec)
    begin = time.perf_counter()
    try:
        count = make(generator, conditions, _OUTPUT.value)
    except OSError as error:  # a full disk is told without the file's name
        error.filename = error.filename or _OUTPUT.value
        raise
    rate = count / (time.perf_counter() - begin)
    print(f"wrote {_OUTPUT.value}: {count} {'sample' if count == 1 else 'samples'} at {rate:.3g} samples/s")


def _draw(write: Writer, place: Path, generator: Generator, conditions: dict[str, Any], output: str) -> int:
    """Write samples of one seed, perhaps beside real pictures, and return how many."""
    count = _COUNT.value or _count_of(generator.spec, conditions)
    tensor = generator.spec.output
    shapes = generator.spec.shapes({name: np.shape(value)[-3:] for name, value in conditions.items()})
    _check_output(tensor, output, count, shapes[tensor.name])
    if _REAL.value is not None:
        real = _real(_REAL.value, place, generator, count, shapes[tensor.name], output)
        count, write = len(real), functools.partial(_write_beside, real)
    chunks = generator.stream(
        count,
        _SEED.value,
        batch_size=_BATCH_SIZE.value,
        dtype="float32",
        truncation=_TRUNCATION.value,
        **conditions,
    )
    write(output, _with_progress(chunks, count), count, tensor)
    return count


def _walk(seeds: list[int], generator: Generator, conditions: dict[str, Any], output: str) -> int:
    """Write the walk through the seeds, and return how many pictures were made."""
    walks.check(generator, output, seeds, _STEPS.value)
    legs = walks.legs(generator, seeds, _STEPS.value, _LOOP.value, _TRUNCATION.value, **conditions)
    files.write_bytes(output, walks.encode(legs, Path(output).suffix, _LOOP.value))
    return len(legs) * _STEPS.value


def _photograph(texts: list[str], spec: MapSpec, output: str) -> dict[str, Any]:
    """Return the path of the photograph that --full_size colours, by its condition's name; all else is refused."""
    source = colouring.check(spec)
    for flag in (_COUNT, _INTERPOLATE, _REAL, _TILE, _TRUNCATION):
        if flag.present:
            raise UserError(f"--{flag.name} does not go with --full_size, which makes one picture of one photograph")
    if Path(output).suffix != ".png":
        raise UserError(f"--full_size makes one picture: end --output={output} in .png")
    name, _, path = texts[0].partition("=") if len(texts) == 1 else ("", "", "")
    if name != source.name or Path(path).suffix.lower() not in images.ENDINGS:
        raise UserError(f"--full_size: give the photograph as --condition={source.name}=FILE, a PNG, JPEG or WebP")
    return {name: Path(path)}


def _colour(generator: Generator, conditions: dict[str, Any], output: str) -> int:
    """Write the photograph in colour, as large as it is."""
    (path,) = conditions.values()
    files.write_bytes(output, images.encode_png(colouring.colour(generator, path, _SEED.value)))
    return 1


def _seeds() -> list[int]:
    """Return the seeds of --interpolate, none where that is not asked for, and refuse flags that do not go together."""
    if _INTERPOLATE.value is None:
        if _LOOP.value or _STEPS.present:
            raise UserError(f"--{'loop' if _LOOP.value else 'steps'} is for --interpolate=SEED,SEED,...")
        return []
    for flag in (_COUNT, _SEED, _REAL):
        if flag.present:
            raise UserError(f"--{flag.name} does not go with --interpolate, whose seeds and --steps say what is drawn")
    return walks.seeds_in(_INTERPOLATE.value)


def _real(
    source: str, bundle: Path, generator: Generator, count: int, shape: tuple[int, ...], output: str
) -> np.ndarray:
    """Return the pictures of --real, at most `count` of this shape; fewer than --count asks for are a `UserError`."""
    if generator.spec.output.kind != "image" or Path(output).suffix != ".png":
        raise UserError("--real is for a map that makes pictures and --output=FILE.png: it shows both in one grid")
    if source == beside.EXAMPLES:
        real = beside.of_bundle(bundle, generator.manifest.maps, count, shape)
    else:
        real = beside.of_folder(Path(source), count, _SEED.value, shape)
    if _COUNT.present and len(real) < count:
        raise UserError(f"--real={source} has {len(real)} pictures, fewer than --count={count}: lower it")
    return real


def run() -> None:
    """The console entry point: takes its arguments from the command line and exits with a status."""
    program.run(main)


def _writer(output: str) -> Writer:
    """Return the function that writes `output`."""
    if output.endswith("/"):
        if Path(output).exists():
            raise UserError(f"{output} exists already; name a new directory")
        return _write_directory
    if Path(output).is_dir():
        raise UserError(f"{output} is a directory; end --output in .png, .gif, .wav, .npy or, for a new directory, /")
    writers = {".png": _write_grid, ".gif": _write_one, ".wav": _write_one, ".npy": _write_array}
    if Path(output).suffix not in writers:
        raise UserError(f"--output={output}: end it in .png, .gif, .wav, .npy or / (a new directory)")
    return writers[Path(output).suffix]


def _write_grid(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    pictures = np.concatenate([media.stored(tensor, chunk) for chunk in chunks])
    # a single picture is the answer itself, as large as the map makes it
    files.write_bytes(output, images.encode_png(pictures[0] if count == 1 else images.grid(pictures)))


def _write_beside(real: np.ndarray, output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    samples = np.concatenate([media.stored(tensor, chunk) for chunk in chunks])
    files.write_bytes(output, images.encode_png(beside.sheet(samples, real)))


def _write_one(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    (value,) = np.concatenate(list(chunks))
    files.write_bytes(output, media.encode(tensor, value))


def _write_array(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    with files.new_file(output) as file:
        for number, chunk in enumerate(chunks):
            if number == 0:
                header = {"descr": "<f4", "fortran_order": False, "shape": (count, *chunk.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(chunk.astype("<f4", copy=False).tobytes())


def _write_directory(output: str, chunks: Chunks, count: int, tensor: TensorSpec) -> None:
    with files.new_directory(output) as directory:
        values = (value for chunk in chunks for value in chunk)
        for number, value in enumerate(values):
            (directory / f"{number:06}{media.ending(tensor)}").write_bytes(media.encode(tensor, value))


def _check_output(tensor: TensorSpec, output: str, count: int, shape: tuple[int, ...]) -> None:
    """Refuse a file that cannot hold what the map makes, values of this shape."""
    ending = Path(output).suffix if not output.endswith("/") else ""
    wanted = media.ending(tensor)
    if ending not in ("", media.ARRAY, wanted):
        raise UserError(f"{tensor.name} of kind {tensor.kind} is no {ending} file; use --output=samples{wanted}")
    if ending in (".gif", ".wav") and count > 1:
        raise UserError(f"one {ending} file holds one sample, not {count}; use --output=samples/ or --count=1")
    if ending == ".png" and is_picture(tensor):
        height, width, _ = shape
        if count > MAX_GRID_IMAGES or count * height * width > _MAX_GRID_PIXELS:
            raise UserError(
                f"{count:,} images are too many for one grid (at most {MAX_GRID_IMAGES:,} images or "
                f"{_MAX_GRID_PIXELS:,} pixels); use --output=samples.npy, or --output=samples/ for single files"
            )


def _conditions(texts: list[str], spec: MapSpec) -> dict[str, Any]:
    """Return the values in texts like label=3, label=cat or input=photo.png, by their names."""
    known = {tensor.name: tensor for tensor in spec.conditions}
    named = {text.partition("=")[0] for text in texts}
    begun = {mask.keeps for mask in spec.masks if mask.name not in named and known[mask.keeps].kind == "audio"}
    conditions: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise unknown("condition", name, known)
        if name in conditions:
            raise UserError(f"--condition={text}: {name} was given before")
        conditions[name] = _value(text, known[name], value, name in begun)
    return conditions


def _value(text: str, tensor: TensorSpec, value: str, is_beginning: bool) -> Any:
    """Return a class by its name or number, other numbers, names of attributes, or what a file holds.

    A sound that `is_beginning` may be shorter than the others.
    """
    if tensor.kind == "attributes" and tensor.names and Path(value).suffix != media.ARRAY:
        return value
    if not value:
        raise UserError(f"--condition={text}: write it as name=value, such as label=3 or input=photo.png")
    if value in tensor.names:
        return tensor.index_of(value)
    if tensor.shape == ():
        with contextlib.suppress(ValueError):
            return float(value)
    if not Path(value).is_file():
        if tensor.is_class:
            return tensor.index_of(value)
        if len(tensor.shape) == 1 and tensor.kind not in media.FILES:
            return _vector(text, tensor.shape[0], value)
        number = "neither a number nor" if tensor.shape == () else "not"
        raise UserError(f"--condition={text}: {value} is {number} a file")
    rows = media.read(tensor, value, is_beginning)
    return rows[0] if len(rows) == 1 else rows


def _vector(text: str, size: int, value: str) -> list[float]:
    """Return the numbers in a text like 0.5,-1,0, of which there have to be `size`."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        raise UserError(
            f"--condition={text}: {value} is neither a file nor {size} numbers with commas between"
        ) from None
    if len(numbers) != size:
        raise UserError(f"--condition={text}: needs {size} numbers, got {len(numbers)}")
    return numbers


def _count_of(spec: MapSpec, conditions: dict[str, Any]) -> int:
    """Return the number of samples where none is given: of rows in a file of conditions, of one answer, or 64."""
    for tensor in spec.conditions:
        shape = np.shape(conditions.get(tensor.name, 0))  # of names: (), one value
        if len(shape) == len(tensor.shape) + 1:
            return shape[0]
    is_answer = any(not tensor.is_class for tensor in spec.conditions)
    return 1 if is_answer else _DEFAULT_COUNT


def _with_progress(chunks: Chunks, count: int) -> Chunks:
    """Pass the chunks on, with a progress bar on stderr if that is a terminal."""
    from tqdm import tqdm

    with tqdm(total=count, unit="sample", disable=None) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


if __name__ == "__main__":
    run()
