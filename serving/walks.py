"""A walk through the latents of several seeds, as an animation or as a sheet. For `serving.sample`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.directions import latent_of
from serving.generator import Generator
from zoo import images, media
from zoo.noise import integer
from zoo.shared.errors import UserError

ENDINGS = (".gif", ".webp", ".png")
RATE = 10.0  # pictures a second
_SIDE = 256  # pixels that the pictures of an animation are magnified to, as nearly as a whole number can
_MOST_PIXELS = 2**27  # of all pictures of a walk together


def seeds_in(texts: Sequence[str]) -> list[int]:
    """Return the seeds of a walk; fewer than two, or what is no seed, is a `UserError`."""
    if len(texts) < 2:
        raise UserError(f"--interpolate={','.join(texts)}: name two seeds or more, such as --interpolate=1,2,3")
    seeds = []
    for text in texts:
        try:
            seeds.append(integer("seed", int(text), 0))
        except (ValueError, UserError):
            raise UserError(
                f"--interpolate={','.join(texts)}: {text.strip() or 'nothing'!r} is no seed: use whole numbers from 0 "
                "to 2^63 - 1 with commas between"
            ) from None
    return seeds


def check(generator: Generator, output: str, seeds: Sequence[int], steps: int) -> None:
    """Refuse, before anything runs, a map without such a walk, a file that cannot hold it, and one that is too large.

    A walk needs a picture that follows smoothly from one latent: what is drawn pixel by pixel, such as by PixelCNN,
    jumps from one picture to the next, however near their noises are.
    """
    tensor = generator.spec.output
    if tensor.kind != "image" or latent_of(generator.spec) is None:
        why = f"makes {tensor.kind}, no picture"
        if tensor.kind == "image":
            why = f"does not make {tensor.name} smoothly from one latent, so that nothing lies between two seeds"
        raise UserError(f"--interpolate: this map {why}")
    if Path(output).suffix not in ENDINGS or output.endswith("/"):
        raise UserError(f"--output={output}: a walk is a .gif or .webp that moves, or a .png of all its pictures")
    total = len(seeds) * steps
    if total * tensor.shape[0] * tensor.shape[1] > _MOST_PIXELS:
        raise UserError(f"{total:,} pictures are too many for a walk (at most {_MOST_PIXELS:,} pixels): lower --steps")


def legs(
    generator: Generator,
    seeds: Sequence[int],
    steps: int,
    loop: bool = False,
    truncation: float | None = None,
    **conditions: Any,
) -> np.ndarray:
    """Return the walk from each seed to the next, uint8 (legs, steps, height, width, channels): see `interpolate`.

    Each leg begins with the first sample of its seed, and ends with that of the next seed. `loop` adds the leg from
    the last seed back to the first.
    """
    ways = zip(seeds, [*seeds[1:], seeds[0]] if loop else seeds[1:], strict=False)
    return np.stack([generator.interpolate(*way, steps=steps, truncation=truncation, **conditions) for way in ways])


def encode(walked: np.ndarray, ending: str, loop: bool = False) -> bytes:
    """Return the file of the legs of a walk: a sheet with a leg in each row, or an animation that shows no seed twice.

    An animation runs for ever; with `loop` it comes back to its beginning without a jump.
    """
    if ending == ".png":
        return images.encode_png(images.grid(walked.reshape(-1, *walked.shape[2:]), walked.shape[1]))
    pictures = list(np.concatenate([leg[:-1] for leg in walked]))
    if not loop:
        pictures.append(walked[-1, -1])
    frames = [images.grid(picture[None], min_side=_SIDE) for picture in pictures]
    return media.encode_webp(frames, RATE) if ending == ".webp" else media.encode_gif(frames, RATE)
