"""What a preset says of its training, and the files that it has beyond those of a bundle. No TensorFlow at import."""

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict

from export import licences, preset_card, retraining
from train import config as configuration
from train import data
from train.data.source import fingerprint
from train.evaluate.reference import DOMAINS, column_for, is_paired
from train.rundir import hardware, logs, portable, recorded
from train.rundir.layout import LAST, MODEL
from zoo import bundle, images, media, presets
from zoo.shared import files
from zoo.shared.errors import UserError, shown
from zoo.spec import MapSpec

if TYPE_CHECKING:  # which imports TensorFlow
    from zoo.model import GenerativeModel

# an address of the web, which is kept; or the folders of an absolute path, or of one from here
_FOLDERS = re.compile(r"""((?:https?|ftp)://\S+)|(?<![\w.])(?:~|\.{1,2})?/(?:[^\s/'",;:]+/)*(?=[^\s/])""")
_JUDGED = ("run", "bundle", "onnx")  # makers whose protocol says the model and the step


class Facts:
    """The facts of the preset `name` of the run at `workdir`; whatever is wrong with them is a `UserError`.

    `data` is where its training data lie now, "" where the run says so. `licence` is theirs and whom it names, see
    `licences.of`. `evaluations` are files with lines of `train.evaluate`. `hardware` is for a run that says none.
    """

    def __init__(
        self,
        name: str,
        workdir: Path,
        checkpoint: str = LAST,
        about: str = "",
        data: str = "",
        licence: tuple[str, str] = ("", ""),
        intended_use: str = "",
        evaluations: Sequence[Path] = (),
        hardware: str = "",
    ) -> None:
        self.name, self.workdir, self.checkpoint = name, workdir, checkpoint
        config = configuration.load(str(workdir), [f"--config.data.name={data}"] if data else [])
        self.section = config.data
        self.licences = licences.of(self._called(), *licence)
        self.about = about or f"{config.model.name} trained on {self._called()}"
        self.intended_use, self.hardware = intended_use, hardware
        self.lines = [line for path in evaluations for line in _lines(path)]
        self.tables = self._load()

    def _called(self) -> str:
        return data.without_path(self.section.name)

    def _load(self) -> data.Source:
        """Return the training data, which are counted and shown; others than the run began with are a `UserError`."""
        try:
            found = data.load(self.section, "train")
        except UserError as error:
            raise UserError(
                f"the training data are counted and shown, and cannot be read: {error}; name where they "
                "lie now with --data"
            ) from None
        path = self.workdir / MODEL
        # a run without it has no checkpoint either, which export says; as a resumed run compares: first by digests
        if path.is_file():
            held = recorded.described(path)["data"]
            if held != fingerprint(found) and held != fingerprint(found, in_full=True):
                raise UserError(
                    f"{self.section.name} holds other data than the run at {self.workdir} was trained on: name where "
                    "those lie with --data"
                )
        return found

    def finish(self, directory: Path, manifest: bundle.Manifest, config: ConfigDict, model: "GenerativeModel") -> str:
        """Write what a preset has beyond a bundle into its `directory`, and return the beginning of its card."""
        recipe = manifest.recipe
        completed = ConfigDict(recipe)
        configuration.complete(completed)  # a run from before an option came lacks it
        completed.init_from = config.init_from  # a run's place, which may be called like a preset
        told = {
            "about": self.about,
            "figures": self._figures(manifest),
            "data": {
                "name": self._called(),
                "rows": self._rows(),
                "licences": [vars(licence) for licence in self.licences],
            },
            "command": retraining.command(completed, f"runs/{self.name}"),
            "seed": config.seed,
            "hardware": self.hardware or _hardware(self.workdir),
            "seconds": round(_seconds(self.workdir, manifest.step), 1),
            "intended_use": self.intended_use,
        }
        files.write_json(directory / presets.ABOUT, told)
        portable.write(directory / bundle.TRAINING, recipe, model, manifest.step)
        spec = manifest.maps[manifest.default]
        real = self._real(spec, manifest.targets.get(spec.output.name, "image"))
        if real is not None:
            (directory / preset_card.REAL).write_bytes(images.encode_png(real))
        has_samples = (directory / bundle.SAMPLES).is_file()
        return preset_card.text(self.name, told, manifest, has_samples, real is not None)

    def _rows(self) -> str:
        """Return how many rows there are: of each domain, but not of a table that only says what may be asked for."""
        pictured = [table for table in self.tables if any(map(media.is_shown, table.specs.values()))]
        return " and ".join(f"{len(table):,} rows" for table in pictured or self.tables)

    def _figures(self, manifest: bundle.Manifest) -> list[dict[str, Any]]:
        """Return what was measured of this model's checkpoint, in the run and elsewhere; other figures are refused."""
        for line in self.lines:
            source = line["protocol"]["source"]
            told = source if isinstance(source, dict) else {}
            if told.get("kind") not in _JUDGED:
                raise UserError(
                    f"--evaluations: {line['metric']} is of {told.get('kind') or shown(source)}: only figures of a run "
                    "or a bundle are this model's"
                )
            judged = {what: told.get(what) for what in ("model", "step")}
            if judged != (own := {"model": manifest.model, "step": manifest.step}):
                was, this = (f"step {one['step']} of {one['model']}" for one in (judged, own))
                raise UserError(f"--evaluations: {line['metric']} is of {was}, this is {this}")
        path, step = self.workdir / logs.EVALUATIONS, manifest.step
        own_lines = [logs.told(line) for line in logs.read_lines(path) if line["step"] == step and "metric" in line]
        return [_placeless(line) for line in (*own_lines, *self.lines)]

    def _real(self, spec: MapSpec, target: str) -> np.ndarray | None:
        """Return a sheet of training data, like that of the map: as many, in the same columns; None if it has none."""
        from export.build import grid_of
        from train.data.batches import held_out
        from train.data.source import renamed
        from train.rundir.examples import ROWS

        column = column_for(self.section, target)
        is_of_domains = column in DOMAINS.values() and is_paired(self.section)
        named = [renamed(table, DOMAINS if is_of_domains else {}) for table in self.tables]
        wanted = [column, spec.output.name, *(name for table in named for name in table.specs)]
        found = ((table, key) for key, table in itertools.product(wanted, named) if key in table.specs)
        table, column = next(((t, key) for t, key in found if media.is_shown(t.specs[key])), (None, ""))
        if table is None:
            return None
        classes = next((tensor.name for tensor in spec.conditions if tensor.is_class), None)
        is_given = any(not tensor.is_class for tensor in spec.conditions)
        count, columns = (ROWS, None) if is_given else grid_of(spec)
        chosen = np.random.default_rng(0).permutation(len(table))
        if columns and classes in table.specs:
            chosen = _by_class(chosen, held_out(table, self.section, [classes])[classes], count)
        rows = held_out(table, self.section, [column], chosen=chosen[:count])
        return media.sheet([(table.specs[column], rows[column])], columns)


def _by_class(order: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of `count` rows in this order, whose classes come in turn."""
    of_class = [order[labels[order] == label] for label in np.unique(labels)]
    return np.array([own[turn % len(own)] for turn in range(-(-count // len(of_class))) for own in of_class])[:count]


def _placeless(value: Any) -> Any:
    """Return what was measured with names in place of paths: a preset says nothing of its trainer's machine."""
    if isinstance(value, dict):
        return {key: _placeless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_placeless(inner) for inner in value]
    return _FOLDERS.sub(r"\1", value) if isinstance(value, str) else value


def _hardware(workdir: Path) -> str:
    """Return what a run was trained on, in words; "" of a run that does not say."""
    told = hardware.read(workdir) or {"hardware": []}
    return ", then ".join(f"{hardware.words(machine)} ({machine['processor']})" for machine in told["hardware"])


def _seconds(workdir: Path, step: int) -> float:
    """Return how long the steps until `step` took, by the speed of each line of metrics.jsonl."""
    lines = [line for line in logs.read_lines(workdir / logs.METRICS) if line["step"] <= step]
    begins = [0, *(line["step"] for line in lines)]
    return sum(
        (line["step"] - begin) / line[logs.SPEED]
        for line, begin in zip(lines, begins, strict=False)
        if line.get(logs.SPEED)
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of `train.evaluate` in a file; what is none of them is a `UserError`."""
    lines = []
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
            line["metric"], line["protocol"]["source"]  # what the card needs
        except (ValueError, TypeError, KeyError):
            raise UserError(f"--evaluations: {path} has a line that is none of train.evaluate: {text[:60]}") from None
        lines.append(line)
    return lines
