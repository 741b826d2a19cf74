"""Patterns drawn here, as styles for trying where no picture is at hand. numpy only."""

from collections.abc import Sequence

import numpy as np

KINDS = ("stripes", "dots", "waves", "checks")
_COLOURS = {
    "stripes": ((20, 30, 90), (60, 120, 200), (250, 210, 60)),
    "dots": ((250, 240, 220), (200, 40, 50)),
    "waves": ((10, 40, 60), (40, 140, 120), (230, 240, 230)),
    "checks": ((240, 240, 240), (20, 20, 20)),
}


def named(kind: str, side: int) -> np.ndarray:
    """Return the pattern of one of the `KINDS` in its own colours, at one scale whatever the side: see `draw`."""
    return draw(kind, side, period=14.0, turn=0.6, colours=_COLOURS[kind])


def draw(
    kind: str, side: int, period: float, turn: float, colours: Sequence[Sequence[float]] | np.ndarray
) -> np.ndarray:
    """Return a pattern, uint8 (side, side, 3), that repeats after `period` pixels along axes turned by `turn` radians.

    It passes from the first of the `colours`, (red, green, blue) in 0 to 255, to the last and back.
    """
    down, across = np.mgrid[:side, :side] * (2 * np.pi / period)
    x, y = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    wave = {
        "stripes": lambda: np.sin(x),
        "dots": lambda: np.tanh(2 * (np.cos(x) + np.cos(y) - 0.7)),
        "waves": lambda: np.sin(y + np.pi * np.sin(x / 2) / 2),
        "checks": lambda: np.tanh(4 * np.sin(x) * np.sin(y)),
    }[kind]()
    places = np.linspace(-1, 1, len(colours))
    mixed = [np.interp(wave, places, channel) for channel in np.asarray(colours, np.float64).T]
    return np.rint(np.stack(mixed, axis=-1)).astype(np.uint8)
