"""How long a run will take here, from the first steps that were timed, and what would make a long one shorter.

Nothing is guessed: the time is that of the steps so far times those that are left, and what is said of a setting is
how many operations or numbers it leaves.
"""

from collections.abc import Iterator, Mapping, Sequence

from ml_collections import ConfigDict

from train.engine.phases import Phase

ENOUGH = 2.0  # seconds of steps to judge by
LONG = 3600.0  # seconds of a run, from which on it is said what would shorten it
_WIDTHS = ("channels", "units")  # how the options end that are widths of layers
_NARROWEST, _SMALLEST = 16, 16  # layers and pictures that are halved no more
_NOTABLE = 0.1  # of the time of the steps, from which on sheets and evaluations are mentioned


class Forecast:
    """Judges by the calls of one phase: the first is that of tracing and tells nothing."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin anew: the steps that follow take another time."""
        self._is_traced = self._is_told = False
        self._steps, self._seconds = 0, 0.0

    def note(self, steps: int, seconds: float) -> float | None:
        """Take the time of a call; return the seconds of a step once, as soon as there is enough to judge by."""
        if self._is_traced:
            self._steps += steps
            self._seconds += seconds
        self._is_traced = True
        if self._is_told or self._seconds < ENOUGH:
            return None
        self._is_told = True
        return self._seconds / self._steps


def duration(seconds: float) -> str:
    """Return a time in words, to two or three digits."""
    if seconds < 99.5:
        return f"{seconds:.0f} seconds"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def told(
    config: ConfigDict,
    phases: Sequence[Phase],
    step: int,
    step_seconds: float,
    machine: str,
    pauses: Mapping[str, tuple[int, float | None]],
) -> Iterator[str]:
    """Yield the lines that say how long a run, or its present phase, takes from `step` on, and what would shorten it.

    `pauses` are what interrupts the steps, such as "sheets": their period, and the seconds that the last one took if
    there was one.
    """
    following = min(
        (phase for phase in phases if max(step, 1) <= phase.start < config.train_steps), key=_start, default=None
    )
    end = config.train_steps if following is None else following.start
    seconds = (end - step) * step_seconds
    if not seconds:
        return
    each = f"{step_seconds:.2g} s" if step_seconds >= 1 else f"{1000 * step_seconds:.3g} ms"
    line = f"about {duration(seconds)} to step {end:,} on {machine}, {each} a step"
    for what, (period, took) in pauses.items():
        count = end // period - step // period
        if took is not None and count * took > _NOTABLE * seconds:
            line += f"; and {count:,} {what}, of which the last took {took:.2g} s"
    yield line if following is None else f"{line}; the phase {following.name} follows, whose steps take another time"
    if seconds > LONG > step * step_seconds:  # else too much is done to begin anew
        yield "what would make it shorter, in a new --workdir:"
        yield from (f"  {advice}" for advice in shorter(config, step_seconds))


def _start(phase: Phase) -> int:
    return phase.start


def shorter(config: ConfigDict, step_seconds: float) -> Iterator[str]:
    """Yield what would make a run shorter: a flag that it has, and why."""
    fitting = max(1, int(LONG / step_seconds))
    if fitting < config.train_steps:
        constant = all(optimizer.schedule == "constant" for optimizer in config.optimizers.values())
        later = "the same command with more goes on from there" if constant else "the learning rates fall within them"
        yield f"--config.train_steps={fitting}: an hour of these steps; {later}"
    for key, value in config.model.items():
        if key.endswith(_WIDTHS) and type(value) is int and value >= 2 * _NARROWEST:
            yield (
                f"--config.model.{key}={value // 2} instead of {value}: between two layers that are half as wide, a "
                "quarter of the multiplications"
            )
    # phases may be made for one size of pictures
    size = config.data.get("image_size", 0)
    if size >= 2 * _SMALLEST and not size % 2 and not config.phases:
        yield f"--config.data.image_size={size // 2} instead of {size}: a quarter of the pixels"
