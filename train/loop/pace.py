"""How many steps a compiled call holds: about half a second of them, so that a run is heard and seen to move."""

SECONDS = 0.5  # of a call; one step may take longer
_MOST = 4096  # steps


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
