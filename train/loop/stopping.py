"""The lecture's stopping rule: end a run when the discriminator can no longer tell real from generated."""

from collections import deque
from collections.abc import Iterable
from itertools import pairwise

from ml_collections import ConfigDict


class Settling:
    """Whether the log `stop.log`, averaged over the last `stop.steps` steps, is within `stop.within` of `stop.near`.

    It is told the lines of metrics.jsonl, each the means over the steps since the one before, which it counts as many
    times. Fewer steps than that are not enough. (A single line is too noisy to judge by.) Of a long run only the lines
    of the last steps are kept.
    """

    def __init__(self, stop: ConfigDict) -> None:
        self.stop = stop
        self.begin(())

    def begin(self, lines: Iterable[dict[str, float]]) -> None:
        """Take these lines for all that there were."""
        # the first one kept only tells where the steps of the next begin
        self._lines: deque[dict[str, float]] = deque([{"step": 0}])
        for line in lines:
            self.note(line)

    def note(self, line: dict[str, float]) -> None:
        """Take one more line."""
        self._lines.append(line)
        while len(self._lines) > 2 and self._lines[1]["step"] <= line["step"] - self.stop.steps:
            self._lines.popleft()

    def has_settled(self) -> bool:
        """Return whether the run may end; a rule of 0 steps lets none."""
        if not self.stop.steps or self._lines[-1]["step"] < self.stop.steps:
            return False
        recent = [
            (line[self.stop.log], line["step"] - before["step"])
            for before, line in pairwise(self._lines)
            if self.stop.log in line
        ]
        weight = sum(count for _, count in recent)
        return weight > 0 and abs(sum(value * count for value, count in recent) / weight - self.stop.near) <= (
            self.stop.within
        )

    def words(self, step: int) -> str:
        """Return why a run that may end does so at this step."""
        stop = self.stop
        return (
            f"the mean {stop.log} of the last {stop.steps} steps is within {stop.within} of {stop.near}: "
            f"the run ends at step {step}"
        )


def has_settled(metrics: Iterable[dict[str, float]], stop: ConfigDict) -> bool:
    """Return whether a run that wrote these lines of metrics.jsonl may end, by the rule `stop`."""
    settling = Settling(stop)
    settling.begin(metrics)
    return settling.has_settled()
