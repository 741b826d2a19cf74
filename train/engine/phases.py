"""The phases of a run: which one a step belongs to follows from the step alone. No TensorFlow here.

A phase lasts from its own first step until that of the next one. A checkpoint that is saved where one phase ends and
another begins belongs to the one that begins: its maps are drawn, judged and exported as that phase has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

if TYPE_CHECKING:
    from zoo.model import GenerativeModel


@dataclass(frozen=True)
class Phase:
    """Training from step `start` until the step `end`, or for good if that is None.

    A step takes `batch_size` rows of each table; the phases before took `rows` in all. `learning_rate` is that of every
    player, or 0 for each player's own. `options` are the model's, see `GenerativeModel.enter`.
    """

    name: str
    start: int
    end: int | None
    batch_size: int
    rows: int
    learning_rate: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)


def of(config: ConfigDict) -> tuple[Phase, ...]:
    """Return the phases of a run in their order: without a section `phases`, one without a name."""
    if not config.phases:
        return (Phase("", 0, None, config.batch_size, 0),)
    sections = sorted(config.phases.items(), key=lambda item: item[1].start)
    ends = [section.start for _, section in sections[1:]]
    made, rows = [], 0
    for (name, section), end in zip(sections, [*ends, None], strict=True):
        batch_size = section.batch_size or config.batch_size
        options = section.model.to_dict()
        made.append(Phase(name, section.start, end, batch_size, rows, section.learning_rate, options))
        rows += ((end or 0) - section.start) * batch_size
    return tuple(made)


def at(phases: Sequence[Phase], step: int) -> Phase:
    """Return the phase that the step belongs to."""
    return next(phase for phase in reversed(phases) if phase.start <= step)


def enter(model: "GenerativeModel", phases: Sequence[Phase], step: int) -> Phase:
    """Put a model, whose `step` this is, into its phase; return the phase.

    Do so before anything of the model is traced, or the graph is that of another phase.
    """
    phase = at(phases, step)
    model.enter(phase.options, phase.start, phase.end)
    return phase
