"""How many steps a compiled call holds: about half a second of them, so that a run is heard and seen to move."""

import sys

from tqdm import tqdm

SECONDS = 0.5  # of a call; one step may take longer
_MOST = 4096  # steps


def progress(total: int, done: int, is_shown: bool) -> tqdm:
    """Return a progress bar of steps: on a terminal a live one, in a log file a line now and then."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        unit="step",
        desc="training",
        mininterval=0.2 if live else 15,
        dynamic_ncols=live,
        disable=not is_shown,
    )


class Pace:
    """The length of the next call by the time that the one before took; no number of the training depends on it.

    The first call is of one step, and its time is that of tracing: nothing follows from it. Afterwards a call is at
    most twice as long as the one before, so that a time that was too short by chance does little.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin anew: the next call will be traced."""
        self.steps = 1
        self.is_traced = False

    def note(self, steps: int, seconds: float) -> None:
        """Take the time of a call."""
        if self.is_traced:
            fitting = int(SECONDS * steps / seconds) if seconds > 0 else _MOST
            self.steps = max(1, min(fitting, 2 * self.steps, _MOST))
        self.is_traced = True
