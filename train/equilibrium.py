"""The lecture's stopping rule: end a run when the discriminator can no longer tell real from generated."""

from collections.abc import Sequence

from ml_collections import ConfigDict

from zoo.errors import unknown


def has_settled(metrics: Sequence[dict[str, float]], stop: ConfigDict) -> bool:
    """Return whether the log `stop.log` stayed within `stop.within` of `stop.near` over the last `stop.steps` steps.

    `metrics` are the lines of metrics.jsonl, each the means over the steps since the one before. A log that the model
    does not keep is a `UserError`.
    """
    if not metrics:
        return False
    if stop.log not in metrics[-1]:
        raise unknown("log", stop.log, set(metrics[-1]) - {"step", "steps_per_second"})
    begin = metrics[-1]["step"] - stop.steps
    recent = [line[stop.log] for line in metrics if line["step"] > begin]
    return begin >= 0 and all(abs(value - stop.near) <= stop.within for value in recent)
