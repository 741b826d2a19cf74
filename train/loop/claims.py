"""What a run holds of its model and data: a new run writes it down, one that is resumed is compared with it."""

from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

import train.data
from train.data import Source
from train.data.source import fingerprint
from train.loop.building import held_out_rows
from train.rundir import examples, recorded, restore
from zoo.model import GenerativeModel
from zoo.shared import files
from zoo.shared.errors import UserError


def claim_model(workdir: Path, model: GenerativeModel, source: Source, is_begun: bool, is_chief: bool) -> None:
    """Write the model's arguments and the data's fingerprint to a new run, or compare them with those of an old one.

    Where they differ from those of a run that `is_begun`, that is a `UserError`.
    """
    path, told = workdir / restore.MODEL, _described(model, source)
    if is_begun and path.is_file():
        held = recorded.described(path)
        # that of a run from before the cache handed over digests was made in full
        if held != told and held != _described(model, source, in_full=True):
            raise UserError(f"the data or the model changed since {path} was written: take a new --workdir")
        told = held
    if is_chief:
        files.write_json(path, told)


def _described(model: GenerativeModel, source: Source, in_full: bool = False) -> dict[str, Any]:
    """Return what model.json holds of a run with these data."""
    return restore.describe(model, fingerprint(source, in_full))


def claim_examples(
    workdir: Path, config: ConfigDict, model: GenerativeModel, is_begun: bool, is_chief: bool
) -> examples.Examples:
    """Return the run's examples of held-out data; a new run writes them, one that `is_begun` reads them."""
    if is_begun and (workdir / examples.EXAMPLES).is_file():
        return examples.read(workdir, model.maps)
    try:
        source = train.data.load(config.data, "test")
    except UserError as error:
        logging.warning("no data are held out (%s): sheets and bundles show rows of the train split", error)
        source = train.data.load(config.data, "train")
    made = examples.of(model, held_out_rows(model, source, config), source)
    if is_chief:
        examples.write(workdir, made)
    return made
