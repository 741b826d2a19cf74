"""Evaluation during training: a metric on a schedule, and the best checkpoint so far.

    evaluations.jsonl     a line per evaluation: its step, what was measured, the protocol
    best/00000400/        the checkpoint of the best step, beside the last ones of the run

The samples stand beside images of the train split: whatever chooses a checkpoint says little about it afterwards, so
the test split is left for `train.evaluate`. Evaluation reads the run and changes nothing in it: with it or without,
the weights come out the same.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from train.rundir import pictures
from train.rundir.layout import BEST, CHECKPOINTS, NONE
from zoo.metrics.extractor import DIGITS_AND_FASHION, Extractor
from zoo.metrics.mixtures import MIXTURES
from zoo.shared.errors import UserError, unknown

if TYPE_CHECKING:
    import tensorflow as tf

# of the samples, of the choice of real images and of the metric: beyond those that `train.evaluate` takes, so that what
# chose a checkpoint is not what judges it afterwards
SEED = 2**32 + 2


class Figure(NamedTuple):
    """The one figure of a metric's line that ranks checkpoints, and whether more of it is better."""

    name: str
    more_is_better: bool


FIGURES = {
    "frechet": Figure("frechet_distance", False),
    "kernel": Figure("kernel_distance", False),
    "sliced_wasserstein": Figure("average", False),
    "score": Figure("inception_score", True),
    "density_coverage": Figure("coverage", True),
}


def check(config: ConfigDict) -> None:
    """Raise a `UserError` for what cannot be in the section `config.evaluate`; needs no TensorFlow."""
    section = config.evaluate
    if section.metric == NONE:
        return
    if section.metric not in FIGURES:
        raise unknown("metric to evaluate by", section.metric, (NONE, *FIGURES))
    if section.every < 1 or section.every % config.checkpoint_every:
        raise UserError(
            f"--config.evaluate.every={section.every}: use a multiple of checkpoint_every, {config.checkpoint_every}"
        )
    if section.count < 2:
        raise UserError(f"--config.evaluate.count={section.count}: use 2 samples or more")
    if config.data.name in MIXTURES:
        raise UserError(
            f"--config.evaluate.metric={section.metric} is for images; {config.data.name} holds points: use none"
        )
    extractor(section)


def extractor(section: ConfigDict) -> Extractor:
    """Return the feature extractor that the section names; one that cannot be used is a `UserError`."""
    input_range = section.extractor_range.split(",") if section.extractor_range else None
    return Extractor(section.extractor or DIGITS_AND_FASHION, input_range, section.extractor_output or None)


class Evaluation:
    """The evaluations of the run in `workdir`; `state` is what a checkpoint of it holds."""

    def __init__(self, config: ConfigDict, workdir: Path, state: "tf.train.Checkpoint") -> None:
        from train.evaluate.comparison import Reference
        from train.rundir.checkpoints import Checkpoints

        self.section, self.path = config.evaluate, workdir / pictures.EVALUATIONS
        # the one before the best too, in case the best is torn
        self.checkpoints = Checkpoints(workdir / CHECKPOINTS[BEST], state, keep=2)
        self.figure = FIGURES[self.section.metric]
        self.source = {"kind": "run", "model": config.model.name, "ema": config.ema, "precision": config.precision}
        self.reference = Reference(config.data, "train", self.section.count, SEED, extractor(self.section))
        for line in self._lines():
            if line["protocol"].get("extractor", {}).get("sha256", "") not in ("", self.reference.extractor.sha256):
                raise UserError(
                    f"the extractor changed since {self.path} was begun: put it back or take a new --workdir"
                )

    def is_due(self, step: int, is_last: bool) -> bool:
        """Return whether the step, which is the run's last or not, is one to evaluate and was not evaluated yet."""
        return (is_last or step % self.section.every == 0) and step not in self._figures()

    def measure(self, step: int, samples: np.ndarray) -> float:
        """Measure uint8 samples (count, H, W, C) of the `step`, write its line, and keep the step if it is the best."""
        from train.evaluate.comparison import Comparison

        line = Comparison(samples, self.reference, SEED, {**self.source, "step": step}).measure(self.section.metric)
        figures = {**self._figures(), step: line[self.figure.name]}
        rivals = [rival for rival in self.checkpoints.steps() if rival in figures and self.checkpoints.is_whole(rival)]
        best = (max if self.figure.more_is_better else min)([*rivals, step], key=figures.__getitem__)
        # the checkpoint first: what is killed in between is measured again
        if best == step:
            self.checkpoints.save(step)
        pictures.write_lines(self.path, [*self._lines(), {"step": step, **line}])
        name = self.figure.name.replace("_", " ")
        message = f"step {step}: {name} {figures[step]:.4g}, best {figures[best]:.4g} at step {best}"
        tqdm.write(message, file=sys.stderr)
        return figures[step]

    def forget_after(self, step: int) -> None:
        """Remove what belongs to later steps, and what a killed save left behind."""
        self.checkpoints.sweep()
        self.checkpoints.drop_after(step)
        pictures.write_lines(self.path, [line for line in self._lines() if line["step"] <= step])

    def _figures(self) -> dict[int, float]:
        return {line["step"]: line[self.figure.name] for line in self._lines()}

    def _lines(self) -> list[dict[str, Any]]:
        return [line for line in pictures.read_lines(self.path) if self.figure.name in line]
