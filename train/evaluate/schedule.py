"""Evaluation during training: metrics on a schedule, and the best checkpoint so far by the first of them.

    evaluations.jsonl     a line per metric and evaluation: its step, what was measured, the protocol
    best/00000400/        the checkpoint of the best step, beside the last ones of the run

Outputs stand beside rows of the train split. The data that choose a checkpoint say little about it afterwards, so the
test split is left for `train.evaluate`. Evaluation reads the run and changes nothing in it: with it or without,
the weights come out the same.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict
from tqdm import tqdm

from train.data.cache import home_expanded
from train.rundir import logs
from train.rundir.layout import BEST, CHECKPOINTS
from zoo.metrics.extractor import DIGITS_AND_FASHION, Extractor
from zoo.shared.errors import UserError, unknown

if TYPE_CHECKING:
    import tensorflow as tf

    from train.evaluate.makers import Maker
    from train.evaluate.metrics import Metric
    from zoo.model import GenerativeModel

# of the samples, of the choice of real images and of the metric: beyond those that `train.evaluate` takes, so that what
# chose a checkpoint is not what judges it afterwards
SEED = 2**32 + 2


def periods(section: ConfigDict) -> dict[str, int]:
    """Return the period in steps of each metric that the section `config.evaluate` names; wrong ones are `UserError`s.

    `metrics` is a list such as "frechet,pairs:2000": a number is that metric's own period, the others have `every`.
    """
    found: dict[str, int] = {}
    for text in filter(None, section.metrics.split(",")):
        name, colon, period = text.partition(":")
        if colon and not (period.isdecimal() and len(period) < 19):
            raise UserError(f"--config.evaluate.metrics={section.metrics}: write a period in steps, as in {name}:1000")
        if name in found:
            raise UserError(f"--config.evaluate.metrics={section.metrics}: {name} stands there twice")
        found[name] = int(period) if colon else section.every
    return found


def check(config: ConfigDict, targets: Mapping[str, str]) -> None:
    """Raise a `UserError` for what cannot be in the section `config.evaluate`; needs no TensorFlow.

    `targets` are those that the model declares.
    """
    from train.evaluate.metrics import METRICS, check_declared

    section = config.evaluate
    for number, (name, period) in enumerate(periods(section).items()):
        if name not in METRICS:
            raise unknown("metric to evaluate by", name, METRICS)
        metric = METRICS[name]
        if metric.has_other:
            raise UserError(
                f"--config.evaluate.metrics={section.metrics}: {name} is for finished runs and the data that --other "
                "names: use python -m train.evaluate"
            )
        if number == 0 and not metric.figure:
            able = ", ".join(key for key, other in METRICS.items() if other.figure)
            raise UserError(
                f"--config.evaluate.metrics={section.metrics}: {name} ranks no checkpoints; begin with {able}"
            )
        if period < 1 or period % config.checkpoint_every:
            raise UserError(
                f"--config.evaluate.metrics={section.metrics}: {name} is due every {period} steps; use a multiple of "
                f"checkpoint_every, {config.checkpoint_every}"
            )
        check_declared(name, config.model.name, targets, config.data, "--config.evaluate.metrics=")
    if section.metrics and section.count < 2:
        raise UserError(f"--config.evaluate.count={section.count}: use 2 samples or more")
    if section.metrics:
        extractor(config)


def extractor(config: ConfigDict) -> Extractor:
    """Return the feature extractor that the section `config.evaluate` names, else ours that fits the data.

    One that cannot be used is a `UserError`.
    """
    from train.evaluate.reference import ours

    section = config.evaluate
    path = section.extractor and home_expanded(section.extractor, "--config.evaluate.extractor")
    input_range = section.extractor_range.split(",") if section.extractor_range else None
    return Extractor(path or ours(config.data, periods(section)), input_range, section.extractor_output or None)


class Evaluation:
    """The evaluations of the run in `workdir`; `state` is what a checkpoint of it holds."""

    def __init__(
        self, config: ConfigDict, workdir: Path, state: "tf.train.Checkpoint", model: "GenerativeModel"
    ) -> None:
        from train.evaluate.makers import from_model
        from train.evaluate.metrics import METRICS, check_possible
        from train.evaluate.reference import Reference, column_for
        from train.rundir.checkpoints import Checkpoints

        self.section, self.path = config.evaluate, workdir / logs.EVALUATIONS
        self.lines = self._read()
        self.periods = periods(config.evaluate)
        maker = from_model(model, lambda *_: {})
        for name in self.periods:
            check_possible(name, maker, None)
        # the one before the best too, in case the best is torn
        self.checkpoints = Checkpoints(workdir / CHECKPOINTS[BEST], state, keep=2)
        self.first = next(iter(self.periods))
        self.ranking: Metric = METRICS[self.first]
        self.figures = {name: METRICS[name].figure for name in self.periods if METRICS[name].figure}
        self.rising = {name for name in self.figures if METRICS[name].more_is_better}
        self.seconds: float | None = None  # that the last evaluation took
        self.source = {"kind": "run", "model": config.model.name, "ema": config.ema, "precision": config.precision}
        column = column_for(config.data, maker.target(None))
        self.reference = Reference(config.data, "train", self.section.count, SEED, self._extractor(config), column)

    def _extractor(self, config: ConfigDict) -> Extractor:
        """Return the extractor that the run was begun with; a `UserError` if the configuration names another.

        Of ours, runs from before there were two were judged by the one of digits and garments, whatever their data.
        """
        chosen = extractor(config)
        begun = {line["protocol"].get("extractor", {}).get("sha256", "") for line in self.lines} - {""}
        if not self.section.extractor and begun and chosen.sha256 not in begun:
            chosen = Extractor(DIGITS_AND_FASHION)
        if begun - {chosen.sha256}:
            raise UserError(
                f"the extractor changed since {self.path} was begun: name it with --config.evaluate.extractor or take "
                "a new --workdir"
            )
        return chosen

    def is_due(self, step: int, is_last: bool) -> bool:
        """Return whether a metric is still to be measured at this step."""
        return bool(self._due(step, is_last))

    def _due(self, step: int, is_last: bool) -> list[str]:
        names = [name for name, period in self.periods.items() if is_last or step % period == 0]
        return [
            name for name in names if not any(line["metric"] == name and line["step"] == step for line in self.lines)
        ]

    def measure(
        self,
        step: int,
        maker: "Maker",
        is_last: bool,
        applied: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> dict[str, float]:
        """Measure what is due at the `step`, write the lines, keep the step if it is the best; return the figures.

        The maker has the averaged weights inside of `applied`, and outside its own, which a checkpoint holds.
        """
        from train.evaluate.comparison import Comparison
        from train.evaluate.metrics import measure

        source, began = {**self.source, "step": step}, time.monotonic()
        comparison = Comparison(maker, self.reference, self.section.count, SEED, source)
        figures = {}
        for name in self._due(step, is_last):
            with applied():
                line = measure(comparison, name)
            if name in self.figures:
                figures[self.figures[name]] = line[self.figures[name]]
            if name == self.first:
                self._keep(step, line)
            line = {"step": step, **line}
            logs.append_line(self.path, line)
            self.lines.append(line)
        self.seconds = time.monotonic() - began
        return figures

    def _keep(self, step: int, line: dict[str, Any]) -> None:
        """Save the step's checkpoint if it is the best so far, before its line: a kill in between measures again."""
        figures = {**self._ranked(), step: line[self.ranking.figure]}
        rivals = [rival for rival in self.checkpoints.steps() if rival in figures and self.checkpoints.is_whole(rival)]
        best = (max if self.ranking.more_is_better else min)([*rivals, step], key=figures.__getitem__)
        if best == step:
            self.checkpoints.save(step)
        name = self.ranking.figure.replace("_", " ")
        message = f"step {step}: {name} {figures[step]:.4g}, best {figures[best]:.4g} at step {best}"
        tqdm.write(message, file=sys.stderr)

    def forget_after(self, step: int) -> None:
        """Remove what belongs to later steps, and what a killed save left behind."""
        self.checkpoints.sweep()
        self.checkpoints.drop_after(step)
        self.lines = [line for line in self._read() if line["step"] <= step]
        logs.write_lines(self.path, self.lines)

    def _ranked(self) -> dict[int, float]:
        return {line["step"]: line[self.ranking.figure] for line in self.lines if line["metric"] == self.first}

    def _read(self) -> list[dict[str, Any]]:
        return [line for line in logs.read_lines(self.path) if "metric" in line and "protocol" in line]
