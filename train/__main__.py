"""Train a model: python -m train --recipe=dcgan_digits --workdir=runs/x [--config.KEY=VALUE ...]

Giving the same command again resumes the run. Every key of the recipe is a flag: --config.train_steps=2000,
--config.data.name=folder:/my/pictures, --config.model.base_channels=64; --dry_run prints them all.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

from train import config
from train.check import check
from train.engine import backend, strategies
from zoo.shared import files, program
from zoo.shared.errors import UserError

RECIPE = flags.DEFINE_string("recipe", "dcgan_digits", f"what to train: {', '.join(config.recipes())}, or a file x.py")
WORKDIR = flags.DEFINE_string("workdir", None, "directory of the run; it is resumed if it holds one already")
STRATEGY = flags.DEFINE_string("strategy", "auto", f"where to train: {', '.join(strategies.NAMES)}")
CONFIG: flags.FlagHolder  # of the recipe: made by `define_config`
DRY_RUN = flags.DEFINE_bool("dry_run", False, "print the resolved configuration and the layers, then stop")

LOCK = ".lock"


def define_config() -> None:
    """Make the flags --config.KEY of the recipe that the command line names."""
    recipe = dict(config.given(sys.argv[1:])).get("recipe", RECIPE.default)
    settings = config.load(recipe, sys.argv[1:])
    global CONFIG
    CONFIG = config_flags.DEFINE_config_dict(
        "config", settings, "a setting of the recipe, as --config.KEY=VALUE; --dry_run prints them all"
    )


def main() -> None:
    """Check everything, then train (or only show what would be trained)."""
    settings = CONFIG.value
    check(settings)
    strategies.check(STRATEGY.value)
    if not DRY_RUN.value and not WORKDIR.value:
        raise UserError("--workdir is missing: name a directory for the run, such as --workdir=runs/first")
    print(config.to_json(settings), flush=True)
    if DRY_RUN.value:
        backend.start(settings.precision, settings.seed)
        from train.loop.trainer import print_layers

        print_layers(settings)
        return
    workdir = Path(WORKDIR.value)
    with _claimed(workdir, settings):
        _train(workdir, settings)


def _train(workdir: Path, settings: ConfigDict) -> None:
    backend.start(settings.precision, settings.seed)
    strategy = strategies.create(STRATEGY.value)
    from train.loop.trainer import Trainer

    trainer = Trainer(settings, workdir, strategy)
    if trainer.run():
        print(f"trained to step {trainer.step}: look at {workdir}/samples and {workdir}/curves.png")
    else:
        print(f"stopped at step {trainer.step}, which is saved; the same command resumes")


@contextlib.contextmanager
def _claimed(workdir: Path, settings: ConfigDict) -> Iterator[None]:
    """Hold the run's directory against other processes; write the configuration to it, or compare it with an old one.

    Only the chief of several workers does so: they share the directory.
    """
    if not strategies.is_chief():
        yield
        return
    has_run, resumes = (workdir / "config.json").is_file(), any(workdir.glob("checkpoints/[0-9]*"))
    if not has_run and workdir.is_dir() and {path.name for path in workdir.iterdir()} - {LOCK}:
        raise UserError(f"--workdir={workdir} holds other files and no config.json: name a new or empty directory")
    workdir.mkdir(parents=True, exist_ok=True)
    try:
        with files.lock(workdir / LOCK):
            if has_run and resumes:
                config.check_resumable(config.read(workdir), settings)
            files.write_bytes(workdir / "config.json", (config.to_json(settings) + "\n").encode())
            yield
    except BlockingIOError:
        raise UserError(f"another process is training in --workdir={workdir}: wait for it or name another") from None


def run() -> None:
    """Run the program: `python -m train` and `genzoo-train`."""
    program.run(main, define_config)


if __name__ == "__main__":
    run()
