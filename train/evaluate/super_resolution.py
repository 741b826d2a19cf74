"""How near does super-resolution come? python -m train.evaluate.super_resolution --source=runs/a --pictures=set5,set14

Reduces the pictures of each directory, enlarges them with each source, and prints a line of JSON for each directory and
source: the mean PSNR and SSIM, with the protocol. The first line of a directory is bicubic enlargement, which needs no
network. The protocol is the published one, see `zoo.metrics.super_resolution`: the bicubic rows of Set5, Set14 and
BSD100 are those of the papers.

Pictures may be of any size. A network of 1 channel gets the luma of a picture in colour, one of 3 channels gets a grey
picture in all of them. With --output a sheet shows the centres of the first pictures: bicubic | each source | truth.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from train.data.cache import home_expanded
from train.data.sources import files
from train.evaluate import makers
from train.evaluate.makers import Maker
from zoo import images
from zoo.bicubic import resized
from zoo.metrics import super_resolution as measure
from zoo.shared import program
from zoo.shared.errors import UserError, first_line
from zoo.shared.files import write_bytes

SOURCE = flags.DEFINE_list("source", [], "runs, bundles or ONNX files of super-resolution; none shows bicubic alone")
PICTURES = flags.DEFINE_list("pictures", [], "directories of pictures, each a set of its own")
FACTOR = flags.DEFINE_integer(
    "factor", 0, "how many times larger; 0 = what the sources were trained for", lower_bound=0
)
OUTPUT = flags.DEFINE_string("output", None, "a .png with a sheet of the first pictures")

_SHOWN, _WINDOW = 8, 128  # pictures on a sheet, and pixels of each


def main() -> None:
    """Check the flags, then measure."""
    if not PICTURES.value:
        raise UserError("--pictures is missing: name a directory of pictures, or several, such as set5,set14")
    if OUTPUT.value and not OUTPUT.value.endswith(".png"):
        raise UserError(f"--output={OUTPUT.value}: the sheet is a PNG file; let its name end in .png")
    sets = {place: pictures_of(place) for place in PICTURES.value}
    kinds = [makers.kind_of(source) for source in SOURCE.value]
    if "folder" in kinds:
        raise UserError(f"--source={SOURCE.value[kinds.index('folder')]}: a folder of pictures enlarges nothing")
    if "run" in kinds:
        from train.engine import backend

        backend.start()
    sources = {source: makers.create(source) for source in SOURCE.value}
    factor = factor_of(sources, FACTOR.value)
    cells: list[list[np.ndarray]] = []
    for place, paths in sets.items():
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("bicubic", *sources)}
        for path in tqdm(paths, desc=place, unit=" pictures", disable=None):
            truth = picture_of(path, factor)
            made = {name: enlarged(maker, truth, factor) for name, maker in sources.items()}
            for name, picture in {"bicubic": measure.bicubic(truth, factor), **made}.items():
                rows[name].append(measure.scores(picture, truth, factor))
            if len(cells) < _SHOWN:
                bicubic = resized(measure.reduced(truth, factor), factor)
                cells.append([_centre(picture) for picture in (bicubic, *made.values(), truth)])
        for name, scores in rows.items():
            source = sources[name].protocol if name in sources else {"kind": "bicubic enlargement"}
            _tell(place, factor, source, scores)
    if OUTPUT.value:
        write_bytes(Path(OUTPUT.value), images.encode_png(sheet(cells)))


def _tell(place: str, factor: int, source: dict[str, Any], scores: list[dict[str, float]]) -> None:
    means = {key: float(np.mean([row[key] for row in scores])) for key in scores[0]}
    told = {"source": source, "pictures": place, "count": len(scores), "factor": factor, **measure.PROTOCOL}
    print(json.dumps({"metric": "super_resolution", **means, "protocol": told}), flush=True)


def pictures_of(place: str) -> list[Path]:
    """Return the picture files below a directory, in the order of their paths; none is a `UserError`."""
    root = home_expanded(place, "--pictures")
    if not root.is_dir():
        raise UserError(f"--pictures={place} is no directory")
    names = sorted(files.walk(root))
    if not names:
        raise UserError(f"--pictures={place} holds no picture file; {files.reads(root)}")
    return [root / name for name in names]


def picture_of(path: Path, factor: int) -> np.ndarray:
    """Return a picture file as bytes (height, width, 1 or 3), cropped to multiples of the factor."""
    try:
        picture = images.decode(path, None, 1 if images.is_grey(path) else 3)
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise UserError(f"cannot read {path}: {first_line(error)}; repair or remove it") from None
    try:
        return measure.cropped(picture, factor)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def factor_of(sources: dict[str, Maker], asked: int) -> int:
    """Return the factor of all the sources, or the one asked for where there are none; others are a `UserError`."""
    found = {name: _factor(name, maker) for name, maker in sources.items()}
    if not found and not asked:
        raise UserError("--source is missing: name runs or bundles, or a --factor for bicubic enlargement alone")
    factor = asked or next(iter(found.values()))
    for name, trained in found.items():
        if trained != factor:
            raise UserError(
                f"--source={name} was trained for factor {trained}, not {factor}: measure it alone, with --factor="
                f"{trained}, or train one for {factor} with --config.data.factor={factor}"
            )
    if factor < 2:
        raise UserError(f"--factor={factor}: use 2 or more")
    return factor


def _factor(name: str, maker: Maker) -> int:
    """Return how many times larger the first map of a source makes pictures of any size."""
    spec = maker.maps[maker.choose(None)]
    source, target = spec.inputs[0], spec.output
    if len(spec.inputs) > 1 or target.follows != source.name or target.shape[0] <= source.shape[0]:
        raise UserError(f"--source={name} makes no larger pictures of pictures of any size: name super-resolution")
    return target.shape[0] // source.shape[0]


def enlarged(maker: Maker, truth: np.ndarray, factor: int) -> np.ndarray:
    """Return what a source makes of a reduced picture: float64 on the scale of bytes, (height, width, 1 or 3)."""
    name = maker.choose(None)
    spec = maker.maps[name]
    channels = spec.inputs[0].shape[2]
    small = measure.reduced(truth, factor)
    of_luma = channels == 1 and truth.shape[-1] == 3
    if of_luma:
        small = measure.whole_range_luma(small)
    values = np.clip(small / 127.5 - 1, -1, 1).astype(np.float32)
    values = np.broadcast_to(values, (*values.shape[:2], channels))
    assert maker.run is not None, "a folder was refused"
    (made,) = maker.run(name, {spec.inputs[0].name: np.ascontiguousarray(values)[None]})[spec.output.name]
    made = (made.astype(np.float64) + 1) * 127.5
    if of_luma:
        return measure.studio_range(made)
    return made if channels == truth.shape[-1] else measure.whole_range_luma(made)


def sheet(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Return one picture of rows of windows, uint8 (side, side, 3) each."""
    return images.grid(np.stack([window for row in rows for window in row]), columns=len(rows[0]))


def _centre(picture: np.ndarray) -> np.ndarray:
    """Return the middle of a picture, as bytes in colour, grey where the picture is smaller than the window."""
    height, width = picture.shape[:2]
    top, left = max(0, (height - _WINDOW) // 2), max(0, (width - _WINDOW) // 2)
    part = np.clip(np.rint(picture[top : top + _WINDOW, left : left + _WINDOW]), 0, 255).astype(np.uint8)
    window = np.full((_WINDOW, _WINDOW, 3), 128, np.uint8)
    window[: part.shape[0], : part.shape[1]] = part
    return window


def run() -> None:
    """Run the program: `python -m train.evaluate.super_resolution`."""
    program.run(main)


if __name__ == "__main__":
    run()
