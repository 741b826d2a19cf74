"""The checkpoints of a run that a program can take, by name. No TensorFlow here."""

from ml_collections import ConfigDict

from zoo.shared.errors import UserError

LAST, BEST = "last", "best"
# their directories
CHECKPOINTS = {LAST: "checkpoints", BEST: "best"}
NONE = "none"  # the metric of a run that is not evaluated while it trains


def check_kept(config: ConfigDict, checkpoint: str) -> None:
    """Raise a `UserError` if a run of this configuration keeps no such checkpoint; needs no TensorFlow."""
    if checkpoint == BEST and config.evaluate.metric == NONE:
        raise UserError(
            "--checkpoint=best: this run was not evaluated while it trained; take last, or train another with "
            "--config.evaluate.metric=frechet"
        )


def told(section: ConfigDict, checkpoint: str) -> str:
    """Return what a protocol says of the checkpoint, "last" or "best", of a run with the section `config.evaluate`."""
    if checkpoint == LAST:
        return LAST
    return f"best by {section.metric} on {section.count:,} samples, train split, every {section.every:,} steps"
