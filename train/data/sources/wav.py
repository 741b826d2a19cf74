"""Recordings of the user's own: 'wav:/path'.

Provenance: every WAV and FLAC file below the directory, in the order of its path. The label is the first-level
sub-folder, as in `folder`: a speaker, an instrument. WAV is read by scipy: whole numbers of 8 to 32 bits, and floats.
FLAC needs the package soundfile.

Preprocessing: as `sounds` says. The held-out split is the files whose sha256 (of the path below the directory) is 0 mod
10; but of fewer than 10 files none is held out. With `held_out` "end" it is the last tenth of each recording instead.
The split 'all' is both.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from train.data.cache import Row
from train.data.source import Source, Table, label_spec
from train.data.sources import ALL, files, sounds
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import labelled
from zoo.shared.errors import UserError, needs

PREFIX = "wav:"
OPTIONS = {
    **sounds.SOUNDS,
    "held_out": "files",  # a tenth of the files; or end, a tenth of each
}
SPLITS = (*_SPLITS, ALL)
ENDINGS = (".wav", ".flac")
_OTHERS = (".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".au")  # told of and left out
_WHAT, _WAY_OUT = "recordings", "add recordings, or set data.held_out to 'end'"
_HELD_OUT = 0.1  # of a recording


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory with at least one recording below it."""
    sounds.check(section)
    if section.held_out not in ("files", "end"):
        raise UserError(f"data.held_out is {section.held_out!r}; it must be 'files' or 'end'")
    if section.held_out == "end" and section.whole:
        raise UserError("data.held_out is 'end', and the recordings are whole; it must be 'files'")
    root = files.root_of(section.name, PREFIX, _WHAT)
    if next(files.walk(root, ENDINGS), None) is None:
        raise UserError(f"no recording below {root}; genzoo reads {', '.join(ENDINGS)}{_left_out(root)}")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the sound, what counts of it, and its class where each lies in a folder of its class."""
    _, classes = labelled(list(files.walk(files.root_of(section.name, PREFIX, _WHAT), ENDINGS)))
    return {"audio": "audio", "counted": "mask", **({"label": "class"} if classes else {})}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the recordings that the data section names; an empty one is a `UserError`."""
    root = files.root_of(section.name, PREFIX, _WHAT)
    names, classes = labelled(sorted(files.walk(root, ENDINGS)))
    is_end = section.held_out == "end"
    chosen = names if is_end else files.chosen(root, names, split, _WHAT, _WAY_OUT)
    rate = section.rate or own_rate(root, names)
    cutter = sounds.Cutter(section, rate)

    def prepare() -> Callable[[str], list[Row]]:
        def decode(name: str) -> list[Row]:
            part = partial(part_of, split=split, context=section.context) if is_end else None
            rows = cutter.rows(*read(root / name), part)
            label = {"label": np.array(classes.index(name.split("/")[0]), np.int32)} if classes else {}
            return [{**row, **label} for row in rows]

        return decode

    def rows_in(name: str) -> int:
        try:
            own, count = told_by(root / name)
        except Exception:  # decoding reports it
            return 0
        return 1 if section.whole else math.ceil(count * rate / own / (section.length - section.context))

    key = {**{option: section[option] for option in OPTIONS}, "sounds": sounds.PREPROCESSING, "classes": classes}
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, names, rows_in, _WHAT)
    cutter.tell(files.printable(str(root)))
    specs = sounds.specs_of(entry.columns["audio"], rate)
    if classes:
        specs["label"] = label_spec(tuple(map(files.printable, classes)))
    rule = {"files": "by the sha256 of the path", "end": f"the last {_HELD_OUT:.0%} of each held out"}[section.held_out]
    return (
        Table(
            entry.columns,
            specs,
            f"{len(entry.columns['audio']):,} rows of {len(chosen):,} of the {len(names):,} recordings of "
            f"{files.printable(str(root))}, split {split!r}{'' if split == ALL else f' ({rule})'}{_left_out(root)}: "
            + sounds.told(section, rate),
            entry.digests,
        ),
    )


def _left_out(root: Path) -> str:
    """Return how many sound files of other endings there are, in words; "" for none."""
    count = sum(1 for _ in files.walk(root, _OTHERS))
    return f", not the {count:,} sound files of other endings" if count else ""


def part_of(padded: np.ndarray, split: str, context: int) -> np.ndarray:
    """Return what a split has of a recording behind its context; the held-out end has what lies before as context."""
    held_out = len(padded) - round(_HELD_OUT * (len(padded) - context))
    return {"train": padded[:held_out], "test": padded[held_out - context :], ALL: padded}[split]


def own_rate(root: Path, names: list[str]) -> int:
    """Return the rate that all recordings have; a `UserError` asks for a choice where they differ."""
    rates = set()
    for name in names:
        try:
            rates.add(told_by(root / name)[0])
        except UserError:
            raise
        except Exception:  # decoding reports it
            continue
    if not rates:
        raise UserError(f"none of the {len(names):,} recordings below {root} is readable")
    if len(rates) > 1:
        several = " and ".join(f"{rate:,}" for rate in sorted(rates)[:3])
        raise UserError(
            f"the recordings of {root} have {several} samples a second: choose one, such as "
            f"--config.data.rate={min(rates)}"
        )
    return rates.pop()


def told_by(path: Path) -> tuple[int, int]:
    """Return the rate and the number of samples that a file says it has."""
    if path.suffix.lower() == ".flac":
        info = _soundfile().info(path)
        return info.samplerate, info.frames
    try:
        samples, rate = _read_wav(path, mmap=True)
    except ValueError:  # 24 bits cannot be mapped
        samples, rate = _read_wav(path)
    return rate, len(samples)


def read(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples of a file, float32 (samples,) or (samples, channels), full scale as 1; and the rate."""
    if path.suffix.lower() == ".flac":
        return _soundfile().read(path, dtype="float32")
    samples, rate = _read_wav(path)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128, rate
    if samples.dtype.kind == "i":
        return (samples / float(-int(np.iinfo(samples.dtype).min))).astype(np.float32), rate
    return samples.astype(np.float32), rate


def _read_wav(path: Path, mmap: bool = False) -> tuple[np.ndarray, int]:
    from scipy.io import wavfile  # a slow import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of what the file holds beside the sound
        rate, samples = wavfile.read(path, mmap)
    return samples, rate


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # the package, or the library that it calls
        raise UserError(f"{needs('reading FLAC', 'soundfile', 'audio')}; or convert the files to WAV") from None
    return soundfile
