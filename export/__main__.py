"""Export a trained run to SavedModel and ONNX: python -m export --workdir=runs/x --output=bundles/x

The bundle is written only if Keras, TensorFlow and onnxruntime make the same of the same fresh inputs, in every map.
"""

from pathlib import Path

from absl import flags

from export import precision
from train.rundir.layout import CHECKPOINTS, LAST, check_kept
from zoo.shared import program
from zoo.shared.errors import UserError

WORKDIR = flags.DEFINE_string("workdir", None, "the run to export (made by python -m train)")
OUTPUT = flags.DEFINE_string("output", None, "the directory to write, such as bundles/x")
CHECKPOINT = flags.DEFINE_enum("checkpoint", LAST, list(CHECKPOINTS), "of the run: the last, or the best it kept")
PRECISION = flags.DEFINE_enum(
    "precision", precision.FLOAT32, list(precision.PRECISIONS), "of the ONNX files; fewer bits are refused past a bound"
)
ORT = flags.DEFINE_bool("ort", False, "write each map in onnxruntime's own format too, as .ort")
MAPS = flags.DEFINE_list("maps", [], "which of the model's maps to write; by default all")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace a bundle that is there already")


def main() -> None:
    """Check the flags, then export."""
    for flag in (WORKDIR, OUTPUT):
        if not flag.value:
            raise UserError(f"--{flag.name} is missing: give both --workdir and --output")
    from train import config
    from train.engine import backend

    check_kept(config.read(WORKDIR.value), CHECKPOINT.value)  # what is not there: say so before TensorFlow is imported
    backend.start()
    from export import card
    from export.build import build

    manifest = build(
        Path(WORKDIR.value),
        Path(OUTPUT.value),
        OVERWRITE.value,
        CHECKPOINT.value,
        PRECISION.value,
        ORT.value,
        only=MAPS.value,
    )
    for name, told in manifest.parity.items():
        for runtime, difference in told["largest_difference_from_keras"].items():
            print(f"{name}: {runtime} differs from Keras by at most {difference:.2g}")
        if "precision" in told:
            print(f"{name}: {card.precision(told['precision'])}")
    print(f"{OUTPUT.value} holds step {manifest.step}; its README.md tells how to use it, for example:")
    print(f"  {card.command(manifest, manifest.default, OUTPUT.value)}")


def run() -> None:
    """Run the program: `python -m export` and `genzoo-export`."""
    program.run(main)


if __name__ == "__main__":
    run()
