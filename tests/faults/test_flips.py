"""Whatever file of ours is damaged, no program reads it for another one without a word, and none ends in a traceback.

GENZOO_MUTATIONS is how many there are, over all subjects: 60 by default, and 2,000 with the slow mark.
"""

import functools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from faults.flips import SAID, TRACEBACK, WRONG, Subject, damage
from faults.table import table
from shared import program, tiny_config, trained, trainer

import serving
import train.data
from export.build import build
from train import config
from train.check import check
from train.evaluate import makers
from train.evaluate.comparison import Comparison
from train.evaluate.metrics import measure
from train.evaluate.reference import Reference
from train.evaluate.schedule import Evaluation
from train.loop import claims
from train.loop.sheets import Sheets
from train.rundir import curves, examples, hardware, layout, logs, restore
from train.rundir.checkpoints import Checkpoints
from zoo import images
from zoo.metrics.extractor import DIGITS_AND_FASHION, Extractor

FEW, MANY = 60, 2000
MEASURED = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 2, "evaluate.count": 16}
RUN = ("checkpoints/*/*", "config.json", "model.json", "examples.npz", "*.jsonl", "best/*/*")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two checkpoints, the best of them and both logs."""
    settings = tiny_config("dcgan", keep_checkpoints=2, jit="false", **MEASURED)
    workdir = tmp_path_factory.mktemp("run") / "run"
    trained(settings, workdir)
    return workdir


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The bundle of a model with several maps."""
    place = tmp_path_factory.mktemp("bundle")
    trained(tiny_config("vae", jit="false"), place / "run")
    build(place / "run", place / "bundle")
    return place / "bundle"


class Resumed:
    """`python -m train --workdir` by the program's own parts, but that the networks are built once."""

    def __init__(self, run: Path) -> None:
        self.main = program("train.__main__")
        self.trainer = trainer(config.read(run), run)
        self.trainer.summaries = tf.summary.create_noop_writer()
        self.first = self.values()
        self.logs = logs_of(run)
        self.at: dict[int, list[np.ndarray]] = {}
        for step in self.trainer.checkpoints.steps():
            self.trainer.checkpoints.state.read(str(run / "checkpoints" / f"{step:08d}" / "state"))
            self.at[step] = self.values()

    @property
    def variables(self) -> list[tf.Variable]:
        made = self.trainer
        slots = [variable.value for optimizer in made.model.optimizers.values() for variable in optimizer.variables]
        return [*(weight.value for weight in made.model.variables), *made.averages.shadows, *slots]

    def values(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.variables]

    def __call__(self, place: Path) -> dict:
        settings = config.load(self.main._stored(str(place)) or "dcgan_digits")
        check(settings)
        is_damaged = logs_of(place) != self.logs
        for variable, value in zip(self.variables, self.first, strict=True):
            variable.assign(value)
        made = self.trainer
        with self.main._claimed(place, settings):
            made.config, made.workdir, made.step = settings, place, 0
            made.checkpoints = Checkpoints(place / "checkpoints", made.checkpoints.state, settings.keep_checkpoints)
            is_begun = bool(made.checkpoints.steps())
            claims.claim_model(place, made.model, made.batches.source, is_begun, is_chief=True)
            made.examples = claims.claim_examples(place, settings, made.model, is_begun, is_chief=True)
            has_evaluation = settings.evaluate.metrics
            made.evaluation = (
                Evaluation(settings, place, made.checkpoints.state, made.model) if has_evaluation else None
            )
            made.sheets = Sheets(settings, place, made.model, made.examples, made.source)
            made.stopwatch = hardware.Stopwatch(place, made.stopwatch.machine)
            made._resume()
            if is_damaged:
                curves.write(place, made.evaluation.figures if made.evaluation else {})
        for value, saved in zip(self.values(), self.at[made.step], strict=True):
            np.testing.assert_array_equal(value, saved, "what is gone on from is a checkpoint, bit for bit")
        return {
            "step": made.step,
            "examples": made.examples,
            "config": settings.to_dict(),
            "best": made.evaluation and made.evaluation.checkpoints.steps(),
            "logs": logs_of(place),
        }


def logs_of(place: Path) -> dict[str, list]:
    return {name: logs.read_lines(place / name) for name in (logs.METRICS, logs.EVALUATIONS)}


def restored(place: Path, checkpoint: str = layout.LAST) -> dict:
    """Return what an export begins with."""
    settings, model, step = restore.load(place, checkpoint)
    weights = dict(enumerate(weight.numpy() for weight in model.variables))
    return {"config": settings.to_dict(), "weights": weights, "step": step, "rows": examples.read(place, model.maps)}


def measured(place: Path) -> dict:
    """Return what `python -m train.evaluate --source=PLACE --reference=digits` prints."""
    maker = makers.create(str(place))
    reference = Reference(maker.data or config.source("digits"), "test", 16, 0, Extractor(DIGITS_AND_FASHION))
    return measure(Comparison(maker, reference, 16, 0, maker.protocol), "sliced_wasserstein")


def served(place: Path, file: str = "") -> dict:
    """Return what every map of a bundle, or of a lone `file` in the place, makes of fixed inputs."""
    made = {}
    for name, one in serving.load(place / file).items():
        given = {tensor.name: np.full((2, *tensor.shape), 1, tensor.dtype) for tensor in one.spec.conditions}
        made[name] = one(2, seed=1, **given)
    return made


def loaded(place: Path, folder: Path) -> dict:
    """Return what a run on a folder reads, through the cache at the place."""
    section = config.source(f"folder:{folder}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENZOO_CACHE", str(place))
        made = {}
        for split in ("train", "test"):
            (table_,) = train.data.load(section, split)
            made[split] = {name: np.array(values) for name, values in table_.columns.items()}
    return made


@pytest.fixture(scope="module")
def subjects(run, bundle, tmp_path_factory) -> dict[Subject, int]:
    """Each subject, with its share of the mutations in percent."""
    place = tmp_path_factory.mktemp("subjects")
    (place / "pictures").mkdir()
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)):
        (place / "pictures" / f"{number}.png").write_bytes(images.encode_png(picture))
    loaded(place / "cache", place / "pictures")
    (place / "lone").mkdir()
    shutil.copy(bundle / "model.onnx", place / "lone")
    members = ("*.onnx", "*.*", "saved_model/1/*.pb", "saved_model/1/variables/*")
    return {
        Subject("serve a bundle", bundle, members, served): 25,
        Subject("serve a lone file", place / "lone", ("*.onnx",), functools.partial(served, file="model.onnx")): 10,
        Subject("picture cache", place / "cache", ("*/*",), functools.partial(loaded, folder=place / "pictures")): 10,
        Subject("export of the last", run, RUN, restored): 15,
        Subject("export of the best", run, RUN, functools.partial(restored, checkpoint=layout.BEST)): 10,
        Subject("evaluate a bundle", bundle, members, measured): 5,
        Subject("evaluate a run", run, RUN, measured): 5,
        Subject("resume", run, RUN, Resumed(run)): 20,
    }


def count_of(default: int) -> int:
    return int(os.environ.get("GENZOO_MUTATIONS", default))


def damaged(subjects: dict[Subject, int], count: int, scratch: Path) -> dict[str, dict[str, int]]:
    """Return the outcomes of `count` mutations by subject, and print their table."""
    rows = {}
    for subject, share in subjects.items():
        (scratch / subject.name).mkdir()
        rows[subject.name] = damage(subject, max(1, count * share // 100), scratch / subject.name)
    print(f"\n{table('damaged, then read', rows)}")
    return rows


@pytest.mark.parametrize("default", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damage_is_harmless_or_told_of(subjects, tmp_path, default):
    rows = damaged(subjects, count_of(default), tmp_path)
    faults = {name: row for name, row in rows.items() if row[WRONG] or row[TRACEBACK]}
    assert not faults
    assert all(row[SAID] for row in rows.values()) or default == FEW, "damage is noticed everywhere"
