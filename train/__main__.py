"""Train a model: python -m train --recipe=dcgan_digits --workdir=runs/x [--config.KEY=VALUE ...]

Giving the same command again resumes the run; so does --workdir alone. Every key of the recipe is a flag:
--config.train_steps=2000, --config.data.name=folder:/my/pictures, --config.model.base_channels=64; --help and --dry_run
explain them all. A model of your own is --config.model.name=file.py:Class. --recipe=list says which recipe fits what
you have, and how long it takes.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

import train.data
from train import catalogue, config, explain
from train.check import check
from train.engine import backend, strategies
from train.loop import trackers
from train.rundir import layout, portable, recorded
from zoo.shared import files, program
from zoo.shared.errors import UserError

DEFAULT = "dcgan_digits"
# how the options of models end that memory depends on
_WIDTHS = ("channels", "units", "width", "pieces", "latent_dim", "kernel_size", "packing")

RECIPE = flags.DEFINE_string(
    "recipe",
    None,
    f"what to train: one that --recipe={catalogue.LIST} shows, or a file x.py; by default what --workdir holds, else "
    f"{DEFAULT}",
)
WORKDIR = flags.DEFINE_string("workdir", None, "directory of the run; it is resumed if it holds one already")
INIT_FROM = flags.DEFINE_string(
    "init_from",
    None,
    "a run or a preset whose weights a new run begins with, and its configuration unless there is a --recipe",
)
STRATEGY = flags.DEFINE_string("strategy", "auto", f"where to train: {', '.join(strategies.NAMES)}")
CONFIG: flags.FlagHolder  # of the recipe: made by `define_config`
LOGGER = flags.DEFINE_string(
    "logger", "", "package.module:function, or file.py:function, that is called with each line of the logs"
)
DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "print the resolved configuration with what each key means, and the layers, then stop"
)


def define_config() -> None:
    """Make the flags --config.KEY of the recipe that the command line names."""
    given = dict(config.given(sys.argv[1:]))
    if given.get("recipe") == catalogue.LIST:
        return
    stored = _stored(given.get("workdir"))
    begin_with = os.path.normpath(given["init_from"]) if given.get("init_from") else None
    place = None
    if begin_with and not stored:
        place = str(portable.place_of(begin_with))
        config.read(place)  # says so if it is no run
    settings = config.load(given.get("recipe") or stored or place or DEFAULT, sys.argv[1:])
    if begin_with:
        settings.init_from = begin_with
    global CONFIG
    CONFIG = config_flags.DEFINE_config_dict(
        "config", settings, "a setting of the recipe, as --config.KEY=VALUE, see below"
    )


def _stored(workdir: str | None) -> str | None:
    """Return the workdir if it holds the configuration of a run, which must be as its checkpoints know it."""
    if not workdir or not (Path(workdir) / config.CONFIG).is_file():
        return None
    recorded.read(Path(workdir))
    return workdir


def main() -> None:
    """Check everything, then train (or only show what would be trained, or could be)."""
    if RECIPE.value == catalogue.LIST:
        print(catalogue.text())
        return
    settings = CONFIG.value
    check(settings)
    strategies.check(STRATEGY.value)
    if WORKDIR.value and WORKDIR.value.startswith("-"):
        raise UserError(f"--workdir={WORKDIR.value}: name a directory; a flag stands where its value should be")
    if not DRY_RUN.value and not WORKDIR.value:
        raise UserError("--workdir is missing: name a directory for the run, such as --workdir=runs/first")
    tracker = trackers.load(LOGGER.value)
    if DRY_RUN.value:
        print(explain.text(settings), flush=True)
        train.data.check_prepared(settings.data)
        backend.start(settings.precision, settings.seed, settings.deterministic)
        from train.loop.building import print_layers

        with backend.within_memory(_sizes(settings)):
            print_layers(settings)
        return
    workdir = Path(WORKDIR.value)
    is_new = not (workdir / config.CONFIG).is_file()
    with _claimed(workdir, settings):
        if strategies.is_chief():
            _tell(workdir, settings, is_new)
        _train(workdir, settings, tracker)


def _tell(workdir: Path, settings: ConfigDict, is_new: bool) -> None:
    """Say in one paragraph what is trained on what and where it goes; of a recipe that begins, what it says of time."""
    recipe = RECIPE.value or ("" if INIT_FROM.value else DEFAULT)
    begins = bool(recipe) and is_new
    print(
        f"{f'recipe {recipe}' if begins else 'run'}: {settings.model.name} learns from {settings.data.name}, "
        f"{settings.train_steps:,} steps of {settings.batch_size:,} examples.\n"
        f"All goes to {workdir}, the settings to its {config.CONFIG}; --dry_run explains them.",
        flush=True,
    )
    if begins and not INIT_FROM.value:
        for word, said in config.remarks(recipe).items():
            print(f"recipe {recipe} as it stands. {word}: {said}", file=sys.stderr, flush=True)


def _more_help() -> str:
    """Return what --help says of the recipe's own flags."""
    if "config" not in flags.FLAGS:  # the list of recipes was asked for
        return ""
    settings = flags.FLAGS["config"].value  # help is for flags that are not parsed
    return f"\nSettings of {settings.model.name} from {settings.data.name}:\n{explain.text(settings)}"


def _sizes(settings: ConfigDict) -> str:
    """Return the settings that memory depends on."""
    of_the_data = ["data.image_size"] if "image_size" in settings.data else []
    of_the_model = [f"model.{key}" for key in settings.model if key.endswith(_WIDTHS)]
    of_phases = [f"phases.{name}.batch_size" for name, phase in settings.phases.items() if phase.batch_size]
    keys = ("batch_size", "sample_count", *of_the_data, *of_the_model, *of_phases)
    return ", ".join(f"--config.{key}" for key in keys)


def _train(workdir: Path, settings: ConfigDict, tracker: trackers.Tracker) -> None:
    backend.start(settings.precision, settings.seed, settings.deterministic)
    from train.loop.trainer import Trainer

    with strategies.all_workers_alive(), backend.within_memory(_sizes(settings)):
        strategy = strategies.create(STRATEGY.value)
        trainer = Trainer(settings, workdir, strategy, tracker)
        if strategies.is_chief():
            _write_config(workdir, settings)  # of a run that is resumed: only now are its data known to be the same
        is_done = trainer.run()
    if is_done:
        print(f"trained to step {trainer.step}: look at {workdir}/samples and {workdir}/curves.png")
    else:
        print(f"stopped at step {trainer.step}, which is saved; the same command resumes")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, pages of mapped files among them
    print(f"peak memory: {most / 2**20:.2f} GiB")


@contextlib.contextmanager
def _claimed(workdir: Path, settings: ConfigDict) -> Iterator[None]:
    """Hold the run's directory against other processes; write a new configuration to it, or compare it with an old one.

    Only the chief of several workers does so: they share the directory.
    """
    if not strategies.is_chief():
        yield
        return
    path = workdir / config.CONFIG
    if workdir.is_file():
        raise UserError(f"--workdir={workdir} is a file: name a directory")
    if not path.is_file() and not layout.is_new(workdir) and recorded.newest(workdir) is None:
        raise UserError(f"--workdir={workdir} holds other files and no {config.CONFIG}: name a new or empty directory")
    begins = layout.is_new(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        with files.lock(workdir / layout.LOCK):
            layout.sweep(workdir)
            known = recorded.newest(workdir)
            if known is not None:
                config.check_resumable(known.config, settings)
                recorded.check_logs(workdir)
            elif path.is_file() and any((workdir / layout.CHECKPOINTS[layout.LAST]).glob("[0-9]*")):
                config.check_resumable(config.read(workdir), settings)
            elif any((workdir / layout.CHECKPOINTS[layout.BEST]).glob("[0-9]*")):
                raise UserError(f"--workdir={workdir} holds a run that lost its checkpoints: name another directory")
            else:
                _write_config(workdir, settings)
            try:
                yield
            except Exception:
                # only what this process wrote: a run that lost its checkpoints may still hold its best one
                if begins and not any((workdir / layout.CHECKPOINTS[layout.LAST]).glob("[0-9]*")):
                    layout.clear(workdir)  # what could not begin is no run: other flags may begin it there
                raise
    except BlockingIOError:
        raise UserError(f"another process is training in --workdir={workdir}: wait for it or name another") from None


def _write_config(workdir: Path, settings: ConfigDict) -> None:
    files.write_bytes(workdir / config.CONFIG, (config.to_json(settings) + "\n").encode())


def run() -> None:
    """Run the program: `python -m train` and `genzoo-train`."""
    program.run(main, define_config, _more_help)


if __name__ == "__main__":
    run()
