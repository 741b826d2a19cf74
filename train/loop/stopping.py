"""The lecture's stopping rule: end a run when the discriminator can no longer tell real from generated."""

from collections.abc import Sequence

from ml_collections import ConfigDict


def has_settled(metrics: Sequence[dict[str, float]], stop: ConfigDict) -> bool:
    """Return whether the log `stop.log`, averaged over the last `stop.steps` steps, is within `stop.within` of `near`.

    `metrics` are the lines of metrics.jsonl, each the means over the steps since the one before, which it counts as
    many times. Fewer steps than that are not enough. (A single line is too noisy to judge by.)
    """
    if not metrics or metrics[-1]["step"] < stop.steps:
        return False
    steps = [0, *(line["step"] for line in metrics)]
    recent = [
        (line[stop.log], line["step"] - before)
        for line, before in zip(metrics, steps, strict=False)
        if line["step"] > metrics[-1]["step"] - stop.steps and stop.log in line
    ]
    weight = sum(count for _, count in recent)
    return weight > 0 and abs(sum(value * count for value, count in recent) / weight - stop.near) <= stop.within
