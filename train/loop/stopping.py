"""The lecture's stopping rule: end a run when the discriminator can no longer tell real from generated."""

from collections.abc import Sequence

from ml_collections import ConfigDict


def has_settled(metrics: Sequence[dict[str, float]], stop: ConfigDict) -> bool:
    """Return whether the log `stop.log`, averaged over the last `stop.steps` steps, is within `stop.within` of `near`.

    `metrics` are the lines of metrics.jsonl, each the means over the steps since the one before. Fewer steps than that
    are not enough. (A single line is too noisy to judge by.)
    """
    if not metrics or metrics[-1]["step"] < stop.steps:
        return False
    recent = [line[stop.log] for line in metrics if line["step"] > metrics[-1]["step"] - stop.steps]
    return abs(sum(recent) / len(recent) - stop.near) <= stop.within
