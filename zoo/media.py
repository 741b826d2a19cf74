"""How a tensor of each kind looks: as bytes, as a file, as a part of a sheet. The kind decides, not the shape.

| kind  | stored as bytes | file | on a sheet |
|---|---|---|---|
| image | uint8 | PNG  | the picture |
| video | uint8 | GIF  | its frames side by side |
| audio | int16 | WAV  | its waveform, and its spectrogram below |
| mask  | uint8 | PNG  | white where it is 1 |
| point of the plane | float32 | NPY | a dot in a scatter |
| others | as they are | NPY | nothing |

numpy and Pillow only.
"""

import io
import math
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from zoo import images
from zoo.shared.errors import UserError, first_line
from zoo.spec import TensorSpec

if TYPE_CHECKING:
    from PIL import Image

FILES = {"image": ".png", "video": ".gif", "audio": ".wav", "mask": ".png"}
ARRAY = ".npy"
_WAVE = (64, 192)  # pixels of a waveform and of a spectrogram, height and width
_WINDOW, _SHORTEST = 256, 16  # samples of a spectrum, and as many at least
_RANGE = 70.0  # dB from full scale, which is black, to white
_FRAMES = 8  # of a video on a sheet, at most
_HEARD = 10  # sounds in a file that is played beside a sheet, at most

Tensors = Sequence[tuple[TensorSpec, np.ndarray]]


def seen(spec: TensorSpec, stored: np.ndarray) -> np.ndarray:
    """Return values as models see them: bytes of pictures and 16-bit sound within [-1, 1], the rest as it is."""
    values = stored.astype(spec.dtype, copy=False)
    if stored.dtype == np.uint8 and spec.kind in ("image", "video"):
        return values / 127.5 - 1
    if stored.dtype == np.uint8 and spec.kind == "mask":
        return values / 255
    return values / 32768 if stored.dtype == np.int16 and spec.kind == "audio" else values


def stored(spec: TensorSpec, values: np.ndarray) -> np.ndarray:
    """Return values as files hold them, the way back from `seen`; NaN and infinity are a `UserError`."""
    if not np.isfinite(values).all():
        raise UserError(f"{spec.name} holds NaN or infinity; a file of it would be wrong")
    if spec.kind in ("image", "video"):
        return images.to_uint8(values)
    if spec.kind == "audio":
        return np.clip(np.rint(np.asarray(values, np.float32) * 32768), -32768, 32767).astype(np.int16)
    if spec.kind == "mask":
        return np.clip(np.rint(np.asarray(values) * 255), 0, 255).astype(np.uint8)
    return values


def ending(spec: TensorSpec) -> str:
    """Return the ending of the file that one value of this kind becomes."""
    if spec.kind == "audio" and not spec.rate:
        return ARRAY
    return FILES.get(spec.kind, ARRAY) if spec.kind == "audio" or _is_tile(spec) else ARRAY


def encode(spec: TensorSpec, value: np.ndarray) -> bytes:
    """Return the file, see `ending`, of one value of shape `spec.shape` as a model makes it."""
    if ending(spec) == ARRAY:
        buffer = io.BytesIO()
        np.save(buffer, value)
        return buffer.getvalue()
    made = stored(spec, value)
    if spec.kind == "audio":
        return encode_wav(made, spec.rate)
    return encode_gif(list(made), spec.rate) if spec.kind == "video" else images.encode_png(made)


def encode_wav(samples: np.ndarray, rate: float) -> bytes:
    """Return the WAV file of 16-bit mono samples; an unknown rate is a `UserError`."""
    if not rate:
        raise UserError("the sound has no rate, so that no WAV file can say how fast to play it; write .npy")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(round(rate))
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def played(spec: TensorSpec, values: np.ndarray) -> bytes | None:
    """Return what is played beside a sheet of values (rows, *spec.shape), a file of `ending(spec)`, or None.

    That is a WAV of the first 10 sounds, or a GIF of all videos; sounds without a rate and other kinds have none.
    """
    if ending(spec) == ".wav":
        return joined(spec, values[:_HEARD])
    return side_by_side(spec, values) if ending(spec) == ".gif" else None


def joined(spec: TensorSpec, values: np.ndarray, pause: float = 0.3) -> bytes:
    """Return the WAV file of sounds (rows, samples) one after the other, so many seconds apart."""
    silence = np.zeros(round(pause * spec.rate), np.int16)
    parts = [part for row in stored(spec, values) for part in (row, silence)]
    return encode_wav(np.concatenate(parts), spec.rate)


def side_by_side(spec: TensorSpec, values: np.ndarray) -> bytes:
    """Return the animated GIF of videos (rows, *spec.shape) that play at once, in a square."""
    return encode_gif([images.grid(frame) for frame in stored(spec, values).swapaxes(0, 1)], spec.rate)


def encode_gif(frames: Sequence[np.ndarray], rate: float = 0.0, hold: float = 0.0) -> bytes:
    """Return the animated GIF of uint8 frames (height, width, 1 or 3), `rate` a second (10 if 0), the last one held.

    `hold` is in seconds.
    """
    pictures = [_as_image(frame).convert("P") for frame in frames]
    # a GIF counts hundredths of a second, and browsers slow down what is shown for less than two
    durations = [10 * max(2, round(100 / (rate or 10)))] * len(pictures)
    durations[-1] += round(1000 * hold)
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return buffer.getvalue()


def encode_webp(frames: Sequence[np.ndarray], rate: float = 0.0) -> bytes:
    """Return the WebP file of uint8 frames (height, width, 1 or 3), none of whose pixels changes.

    Several frames move, `rate` a second (10 if 0).
    """
    first, *more = (_as_image(frame).convert("RGB") for frame in frames)
    buffer = io.BytesIO()
    moving = {"save_all": True, "append_images": more, "duration": round(1000 / (rate or 10)), "loop": 0}
    first.save(buffer, "WEBP", lossless=True, exact=True, **(moving if more else {}))
    return buffer.getvalue()


def _as_image(frame: np.ndarray) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)


def read(spec: TensorSpec, path: str | Path, is_beginning: bool = False) -> np.ndarray:
    """Return the values of a condition in a file, as a model sees them: (rows, *spec.shape).

    A picture file (PNG, JPEG, WebP) has one row: its centre, resized to the spec's size, or all of it as it is where
    the sides are free. A WAV file has one row: its first samples. A .npy file holds one value, or rows of them; bytes
    of pictures are scaled. A file of another kind, shape or rate is a `UserError`. A sound may be shorter if it
    `is_beginning`.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ARRAY:
            return _read_array(spec, path, is_beginning)
        if ending(spec) == ".png" and path.suffix.lower() in images.ENDINGS:
            height, width, channels = spec.shape
            values = seen(spec, images.decode(path, None if spec.is_free else (height, width), channels))
            return (values >= 0.5).astype(np.float32)[None] if spec.kind == "mask" else values[None]
        if spec.kind == "audio" and path.suffix.lower() == ".wav":
            with path.open("rb") as file:
                return read_wav(spec, file, str(path), is_beginning)
    except UserError:
        raise
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    wanted = {".png": "a PNG, JPEG, WebP", ".wav": "a WAV"}.get(ending(spec))
    raise UserError(f"{spec.name} is of kind {spec.kind}: give {f'{wanted} or .npy' if wanted else 'a .npy'} file")


def _read_array(spec: TensorSpec, path: Path, is_beginning: bool) -> np.ndarray:
    held = values = np.load(path, allow_pickle=False)
    if values.ndim == len(spec.shape):
        values = values[None]
    if not len(values) or not (is_beginning or spec.fits(values.shape[1:])):
        axes = ("height", "width", spec.shape[2]) if spec.is_free else spec.shape
        one, rows = (f"({', '.join(map(str, shape))})" for shape in (axes, ("rows", *axes)))
        raise UserError(f"{path} holds shape {held.shape}; {spec.name} needs {one} or {rows}")
    return seen(spec, values) if spec.kind in FILES else values


def read_wav(spec: TensorSpec, file: BinaryIO, path: str, is_beginning: bool = False) -> np.ndarray:
    """Return the one row in a WAV file, see `read`; errors call it `path`, and a damaged one may raise anything."""
    with wave.open(file, "rb") as sound:
        rate, width, channels = sound.getframerate(), sound.getsampwidth(), sound.getnchannels()
        data = sound.readframes(sound.getnframes())
    if width != 2 or channels != 1:
        raise UserError(f"{path} has {channels} channels of {8 * width} bits; use mono with 16 bits")
    if spec.rate and rate != spec.rate:
        raise UserError(f"{path} has {rate} samples a second; {spec.name} needs {spec.rate:g}")
    samples = np.frombuffer(data, "<i2").astype(np.int16)
    if len(samples) < spec.shape[0] and not is_beginning:
        raise UserError(f"{path} has {len(samples)} samples; {spec.name} needs {spec.shape[0]}")
    return seen(spec, samples if is_beginning else samples[: spec.shape[0]])[None]


def is_shown(spec: TensorSpec) -> bool:
    """Return whether a sheet shows tensors like this one."""
    return _is_tile(spec) or (spec.kind == "point" and spec.shape == (2,))


def sheet(tensors: Tensors, columns: int | None = None, behind: np.ndarray | None = None) -> np.ndarray | None:
    """Return one uint8 picture of tensors (rows, *shape), or None if none of them can be shown.

    A cell of the sheet is a row of the tensors: its pictures side by side, in the order of the tensors, such as
    conditions, outputs, targets. Cells run left to right, then down, in a square unless `columns` says otherwise; the
    long cells of videos in fewer columns, so that the sheet itself comes near to a square.
    Points of the plane are drawn over those `behind`.
    """
    points = [values for spec, values in tensors if spec.kind == "point" and spec.shape == (2,)]
    tiles = [_tiles(spec, values) for spec, values in tensors if _is_tile(spec)]
    if not tiles:
        return images.scatter(points[-1], behind) if points else None
    channels = max(tile.shape[-1] for tile in tiles)
    height = max(tile.shape[1] for tile in tiles)
    same = [_enlarged(tile, height).repeat(channels // tile.shape[-1], axis=-1) for tile in tiles]
    blank = np.full((len(same[0]), height, 1, channels), 128, np.uint8)
    cells = np.concatenate([part for tile in same for part in (tile, blank)][:-1], axis=2)
    if columns is None and any(spec.kind == "video" for spec, _ in tensors):  # as many cells in a row would be a strip
        columns = max(1, round(math.sqrt(len(cells) * height / cells.shape[2])))
    return images.grid(cells, columns)


def _is_tile(spec: TensorSpec) -> bool:
    return spec.kind == "audio" or (
        spec.kind in ("image", "video", "mask") and len(spec.shape) >= 3 and _has_drawable_channels(spec)
    )


def _has_drawable_channels(spec: TensorSpec) -> bool:
    return spec.kind not in ("image", "video") or spec.shape[-1] in (1, 3)


def _tiles(spec: TensorSpec, values: np.ndarray) -> np.ndarray:
    """Return one picture a row, uint8 (rows, height, width, 1 or 3)."""
    made = stored(spec, values)
    if spec.kind == "audio":
        return np.stack([np.concatenate([_waveform(row), _spectrogram(row)]) for row in made])
    if spec.kind == "video":
        chosen = np.unique(np.linspace(0, made.shape[1] - 1, _FRAMES).round().astype(int))
        return np.concatenate([made[:, frame] for frame in chosen], axis=2)
    return made


def _waveform(samples: np.ndarray) -> np.ndarray:
    """Return a picture of the lowest and the highest sample in each column of pixels, black on white."""
    height, width = _WAVE
    picture = np.full((height, width, 1), 255, np.uint8)
    for column, part in enumerate(np.array_split(samples, width)):
        if len(part):
            low, high = ((1 - np.array([part.max(), part.min()]) / 32768) / 2 * (height - 1)).round().astype(int)
            picture[low : high + 1, column] = 0
    return picture


def _spectrogram(samples: np.ndarray) -> np.ndarray:
    """Return a picture of how loud each frequency is, in dB, black for a sine of full scale; low ones are below.

    A column of pixels is the spectrum of 256 samples in Hann's window, or of fewer where the sound is short; one of
    fewer than 16 is white.
    """
    height, width = _WAVE
    size = min(_WINDOW, 2 ** (max(1, len(samples) // 4).bit_length() - 1))
    if size < _SHORTEST:
        return np.full((height, width, 1), 255, np.uint8)
    starts = np.linspace(0, len(samples) - size, width).round().astype(int)
    frames = samples[starts[:, None] + np.arange(size)] / 32768 * np.hanning(size + 1)[:-1]
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1:]) ** 2 * (4 / size) ** 2
    loudest = np.maximum.reduceat(power, np.arange(height) * power.shape[1] // height, axis=1)
    darkness = np.clip(1 + 10 * np.log10(np.maximum(loudest, 1e-12)) / _RANGE, 0, 1)
    return np.rint(255 * (1 - darkness)).astype(np.uint8).T[::-1, :, None]


def _enlarged(tile: np.ndarray, height: int) -> np.ndarray:
    """Return pictures (rows, h, w, c) enlarged by a whole number where that fits, else padded below, to a `height`."""
    factor = height // tile.shape[1]
    tile = tile.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.pad(tile, [(0, 0), (0, height - tile.shape[1]), (0, 0), (0, 0)], constant_values=128)
