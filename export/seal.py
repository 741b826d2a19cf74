"""Seal a bundle again whose ONNX files were changed on purpose: python -m export.seal --bundle=bundles/x

Whoever quantises, optimises or converts the files of a bundle leaves it refused as corrupt. This runs each changed file
on the rows that the bundle keeps from its export, and tells how far it is off. Past the bound the bundle stays as it
is. No TensorFlow is needed.
"""

from pathlib import Path

from absl import flags

from export.resealing import seal
from zoo.shared import program
from zoo.shared.errors import UserError

BUNDLE = flags.DEFINE_string("bundle", None, "the bundle, with changed files in the place of its own")


def main() -> None:
    """Check the flag, then seal."""
    if not BUNDLE.value:
        raise UserError("--bundle is missing: name the bundle whose ONNX files were changed")
    for name, told in seal(Path(BUNDLE.value)).items():
        for tensor, figure in told.items():
            print(f"{name}: {tensor} differs from the export by at most {figure:.3g}")
    print(f"{BUNDLE.value} is sealed again: each figure is in grey levels of 255, or of a choice the share of rows")


def run() -> None:
    """Run the program: `python -m export.seal` and `genzoo-seal`."""
    program.run(main)


if __name__ == "__main__":
    run()
