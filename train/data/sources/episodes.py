"""Episodes of an environment, in files of the user's own: 'episodes:/path'. `python -m train.episodes` makes them.

Provenance: every NPZ file below the directory is one episode of T steps:

- "observation" (T + 1, ...): pictures, uint8 (height, width, 1 or 3), or states, float32 (numbers,);
- "action" (T, A) float32, each on the observation of its number, and the bounds "low" and "high" of all;
- "reward" (T,) float32;
- "ended": whether the last step ended the episode, which may have been cut off instead.

Preprocessing: an episode is cut into rows of `length` actions, and one frame more. The last row is filled with its last
frame; "counted" is 0 there. The held-out split is the files whose sha256 (of the path below the directory) is 0 mod 10;
but of fewer than 10 files none is held out.
"""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from train.data.cache import Row
from train.data.source import Source, Table
from train.data.sources import ALL, files
from train.data.sources import SPLITS as _SPLITS
from train.data.sources.folder import check_unreadable
from train.data.sources.pictures import check_integer
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

PREFIX = "episodes:"
OPTIONS = {
    "length": 16,  # actions of a row
    "unreadable": "skip",  # an episode that cannot be used: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)
ENDINGS = (".npz",)
KEYS = ("observation", "action", "reward", "ended", "low", "high")
_WHAT = "episodes"
_LONGEST = 4096

Episode = dict[str, np.ndarray]


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory with at least one episode below it."""
    check_length(section.length)
    check_unreadable(section)
    _names(_root(section))


def check_length(length: Any) -> None:
    """Raise a `UserError` unless a row can have so many actions."""
    check_integer("length", length, range(1, _LONGEST + 1), f"a number of actions from 1 to {_LONGEST}")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: what was seen and done, what came of it, and which steps count."""
    root = _root(section)
    return columns("video" if _first(root, _names(root))["observation"].ndim == 4 else "latent")


def columns(observation: str) -> dict[str, str]:
    """Return the columns of episodes, with the kind of their observations."""
    return {"observation": observation, "action": "action", "reward": "latent", "ended": "mask", "counted": "mask"}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the episodes that the data section names; an empty one is a `UserError`."""
    root = _root(section)
    names = _names(root)
    chosen = files.chosen(root, names, split, _WHAT, "add episodes")
    first = _first(root, names)

    def prepare() -> Callable[[str], list[Row]]:
        def decode(name: str) -> list[Row]:
            episode = read(root / name)
            for key in ("observation", "action"):
                if episode[key].shape[1:] != first[key].shape[1:] or episode[key].dtype != first[key].dtype:
                    raise OSError(
                        f"its {key}s are {_told(episode[key])}, those of the first episode {_told(first[key])}"
                    )
            if (episode["low"], episode["high"]) != (first["low"], first["high"]):
                raise OSError("the bounds of its actions are not those of the first episode")
            return rows(episode, section.length)

        return decode

    def rows_in(name: str) -> int:
        try:
            return -(-len(read(root / name)["action"]) // section.length)
        except Exception:  # decoding reports it
            return 0

    key = {option: section[option] for option in OPTIONS}
    entry = files.columns_of(root, split, chosen, key, prepare, section.unreadable, names, rows_in, _WHAT)
    bounds = float(first["low"]), float(first["high"])
    rule = "" if split == ALL else " (by the hash of the path)"
    description = (
        f"{len(entry.columns['action']):,} rows of {section.length} actions, of {len(chosen):,} of the {len(names):,} "
        f"episodes of {files.printable(str(root))}, split {split!r}{rule}"
    )
    return (Table(entry.columns, specs_of(entry.columns, bounds), description, entry.digests),)


def specs_of(stored: Any, bounds: tuple[float, float]) -> dict[str, TensorSpec]:
    """Return the specs of stored columns of episodes whose actions lie within the bounds."""
    shapes = {name: column.shape[1:] for name, column in stored.items()}
    kind = "video" if len(shapes["observation"]) == 4 else "latent"
    return {
        "observation": TensorSpec("observation", shapes["observation"], "condition", kind),
        "action": TensorSpec("action", shapes["action"], "condition", "action", low=bounds[0], high=bounds[1]),
        "reward": TensorSpec("reward", shapes["reward"], "condition"),
        "ended": TensorSpec("ended", shapes["ended"], "condition", "mask"),
        "counted": TensorSpec("counted", shapes["counted"], "condition", "mask"),
    }


def read(path: Path) -> Episode:
    """Return the episode of a file; one that cannot be used is an `OSError`."""
    try:
        with np.load(path, allow_pickle=False) as held:
            episode = {key: held[key] for key in KEYS if key in held}
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise OSError("it is damaged, or no NPZ file") from None
    if missing := [key for key in KEYS if key not in episode]:
        raise OSError(f"it lacks {', '.join(missing)}")
    for key in KEYS:
        if episode[key].dtype.kind not in "biuf":
            raise OSError(f"its {key} is {_told(episode[key])}: use numbers")
    observation, action = episode["observation"], episode["action"]
    if action.ndim != 2 or not len(action):
        raise OSError(f"its actions have the shape {action.shape}; they must be (steps, numbers)")
    if len(observation) != len(action) + 1:
        raise OSError(
            f"its actions do not match: {len(action):,} actions and {len(observation):,} observations; there must be "
            "one observation more"
        )
    is_picture = observation.ndim == 4 and observation.dtype == np.uint8 and observation.shape[3] in (1, 3)
    if not is_picture and (observation.ndim, observation.dtype) != (2, np.dtype(np.float32)):
        raise OSError(
            f"its observations are {_told(observation)}: use pictures (steps, height, width, 1 or 3) of uint8, or "
            "states (steps, numbers) of float32"
        )
    if episode["reward"].shape != action.shape[:1]:
        raise OSError(f"its {len(action):,} actions do not match reward of shape {episode['reward'].shape}")
    if any(episode[key].shape for key in ("ended", "low", "high")):
        raise OSError("ended, low and high must be one value each")
    numbers = (action, episode["reward"], *([observation] if observation.ndim == 2 else []))
    if not all(np.isfinite(values).all() for values in numbers):
        raise OSError("it holds NaN or infinity")
    if action.min() < episode["low"] or action.max() > episode["high"]:
        raise OSError(
            f"its actions go from {action.min():g} to {action.max():g}, beyond [{episode['low']:g}, "
            f"{episode['high']:g}]"
        )
    return episode


def rows(episode: Episode, length: int) -> list[Row]:
    """Return the rows that an episode is cut into."""
    steps = len(episode["action"])
    made: list[Row] = []
    for start in range(0, steps, length):
        times = np.minimum(np.arange(start, start + length), steps - 1)
        counted = np.arange(start, start + length) < steps
        is_end = bool(episode["ended"]) & (times == steps - 1)
        made.append(
            {
                "observation": episode["observation"][np.minimum(np.arange(start, start + length + 1), steps)],
                "action": episode["action"][times].astype(np.float32),
                "reward": episode["reward"][times].astype(np.float32),
                "ended": 255 * is_end.astype(np.uint8),
                "counted": 255 * counted.astype(np.uint8),
            }
        )
    return made


def _root(section: Any) -> Path:
    return files.root_of(section.name, PREFIX, _WHAT)


def _names(root: Path) -> list[str]:
    names = sorted(files.walk(root, ENDINGS))
    if not names:
        raise UserError(f"no episode below {root}: make some with python -m train.episodes --output={root}")
    return names


def _first(root: Path, names: list[str]) -> Episode:
    """Return the first episode that can be used, whose shapes the others must have."""
    fault: OSError | None = None
    for name in names:
        try:
            return read(root / name)
        except OSError as error:
            fault = fault or error
    raise UserError(f"none of the {len(names):,} episodes below {root} can be used: of {names[0]}, {fault}")


def _told(values: np.ndarray) -> str:
    return f"{values.dtype} of shape {values.shape[1:]}"
