"""Real pictures beside samples: from a folder, or those that a bundle holds. For `serving.sample`."""

import io
from pathlib import Path

import numpy as np

from zoo import bundle, images, media
from zoo.shared.errors import UserError, first_line
from zoo.spec import MapSpec

EXAMPLES = "examples"
_GAP = 4  # parts the two sides, in widths of the line between two pictures


def of_folder(folder: Path, count: int, seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return pictures from anywhere below a folder, chosen by the seed, uint8 (at most `count`, *shape).

    The centre of each is resized to the shape, as in training. A folder without pictures, or a picture that cannot be
    read, is a `UserError`.
    """
    names = sorted(path for path in folder.rglob("*") if path.suffix.lower() in images.ENDINGS and path.is_file())
    if not names:
        hint = f"or --real={EXAMPLES} for those that the bundle holds"
        raise UserError(f"--real={folder}: no folder with pictures ({', '.join(images.ENDINGS)}); name one, {hint}")
    chosen = [names[number] for number in np.random.default_rng(seed).permutation(len(names))[:count]]
    height, width, channels = shape
    made = []
    for path in chosen:
        try:
            made.append(images.decode(path, (height, width), channels))
        except Exception as error:  # a damaged file may make Pillow raise anything
            raise UserError(f"cannot read {path}: {first_line(error)}; repair or remove it") from None
    return np.stack(made)


def of_bundle(directory: Path, maps: dict[str, MapSpec], count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first pictures of this shape among a bundle's own examples, uint8 (at most `count`, *shape).

    Those are held-out pictures that its maps take or should make; the checksum of their file was checked when the
    bundle was opened. A bundle without any is a `UserError`: that of a generator of noise alone has none.
    """
    file = directory / bundle.EXAMPLES
    held = {}
    if directory.is_dir() and file.is_file():
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            held = {key: arrays[key] for key in arrays.files}
    for name, spec in maps.items():
        for tensor in (*spec.conditions, *spec.outputs):
            rows = held.get(f"{name}/{tensor.name}")
            if rows is not None and tensor.kind == "image" and rows.shape[1:] == shape:
                return media.stored(tensor, rows[:count])
    raise UserError(
        f"--real={EXAMPLES}: {directory} holds no real pictures of {' x '.join(map(str, shape))}; name a folder of them"
    )


def sheet(samples: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return one picture of samples on the left and as many real ones on the right, (count, H, W, C) each, uint8."""
    left, right = images.grid(samples), images.grid(real)
    _, _, scale = images.layout(len(samples), *samples.shape[1:3])
    gap = np.full((len(left), _GAP * scale, left.shape[-1]), 128, np.uint8)
    return np.concatenate([left, gap, right], axis=1)
