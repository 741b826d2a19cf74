"""Make a preset of a trained run: python -m export.preset --workdir=runs/x --name=rpgan_fashion_mnist

Writes presets/NAME: a small bundle (float16 where its quality holds, no SavedModel), a card that says what it was
trained on, how and how good it is, and the whole model for --init_from. Of a checkout, the index that comes with the
package is written anew. Figures come from the run's own evaluations and from files that hold lines of train.evaluate.

    python -m export.preset --pack=dist/presets

writes the archive of each preset, which the release page is to hold.
"""

from pathlib import Path

from absl import flags

from train.rundir.layout import CHECKPOINTS, LAST, check_kept
from zoo import presets
from zoo.presets import indexing
from zoo.shared import program
from zoo.shared.errors import UserError

WORKDIR = flags.DEFINE_string("workdir", None, "the run (made by python -m train)")
NAME = flags.DEFINE_string("name", None, "what the preset is called, such as rpgan_fashion_mnist")
PRESETS = flags.DEFINE_string("presets", "presets", "the directory of presets, in which NAME is made")
PACK = flags.DEFINE_string("pack", None, "make no preset, but write the archives of all to this directory")
CHECKPOINT = flags.DEFINE_enum("checkpoint", LAST, list(CHECKPOINTS), "of the run: the last, or the best it kept")
ABOUT = flags.DEFINE_string("about", "", "what it is, in a line; by default its model and its data")
DATA = flags.DEFINE_string("data", "", "where the training data lie now, such as folder:PATH; by default as then")
LICENCE = flags.DEFINE_string("licence", "", "of the data: sets that are known, comma-separated; or words")
ATTRIBUTION = flags.DEFINE_string("attribution", "", "whom the data are by; for a --licence in words")
INTENDED_USE = flags.DEFINE_string("intended_use", "", "what it is meant for, in your words; for the card")
EVALUATIONS = flags.DEFINE_list("evaluations", [], "files with lines of train.evaluate about this checkpoint")
HARDWARE = flags.DEFINE_string("hardware", "", "what it was trained on, if the run does not say")
MAPS = flags.DEFINE_list("maps", [], "which of the model's maps it has; by default all")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace a preset of this name")


def main() -> None:
    """Check the flags, then make the preset or pack all."""
    root = Path(PRESETS.value)
    if PACK.value:
        for path in indexing.pack(root, Path(PACK.value)):
            print(path)
        return
    workdir, name = WORKDIR.value, NAME.value
    if not workdir or not name:
        raise UserError(f"--{'name' if workdir else 'workdir'} is missing: give both --workdir and --name")
    if not presets.is_name(name):
        raise UserError(f"--name={name}: use small letters, digits and _")
    from train import config
    from train.engine import backend

    check_kept(config.read(workdir), CHECKPOINT.value)
    from export.preset_facts import Facts

    facts = Facts(
        name,
        Path(workdir),
        CHECKPOINT.value,
        about=ABOUT.value,
        data=DATA.value,
        licence=(LICENCE.value, ATTRIBUTION.value),
        intended_use=INTENDED_USE.value,
        evaluations=[Path(path) for path in EVALUATIONS.value],
        hardware=HARDWARE.value,
    )
    backend.start()
    from export import precision
    from export.build import build

    target = root / name
    build(
        facts.workdir,
        target,
        OVERWRITE.value,
        CHECKPOINT.value,
        precision.FLOAT16,
        finish=facts.finish,
        only=MAPS.value,
    )
    indexing.write(root)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target} holds {size / 1e6:.2f} MB; its README.md is the card")


def run() -> None:
    """Run the program: `python -m export.preset` and `genzoo-preset`."""
    program.run(main)


if __name__ == "__main__":
    run()
