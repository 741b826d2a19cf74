"""What the maps of a bundle made at export, as a reference for files that are changed later. No TensorFlow.

The rows of each map are those of seed 0; its conditions are the first of the bundle's examples.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from export import parity
from zoo import bundle, noise
from zoo.shared.errors import UserError, first_line
from zoo.spec import MapSpec

_ROWS, _BYTES = 8, 2**18  # of a map, at most; two rows are kept of anything


def inputs(spec: MapSpec, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the inputs of the rows that are kept."""
    size = 4 * max(math.prod(tensor.shape) for tensor in spec.outputs)
    rows = min(_ROWS, max(2, _BYTES // size))
    return noise.fill(spec, rows, seed=0, given=noise.cycled(given, rows))


def outputs(run: parity.Run, spec: MapSpec, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a map makes of them."""
    return run(inputs(spec, given))


def read(
    directory: Path, manifest: bundle.Manifest, path: Path
) -> dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Return the inputs and the outputs that are kept of each map; a bundle without them is a `UserError`.

    Errors call the bundle `path`: `directory` may be a copy of it.
    """
    found = {}
    try:
        with (
            np.load(directory / bundle.EXAMPLES, allow_pickle=False) as examples,
            np.load(directory / bundle.REFERENCE, allow_pickle=False) as kept,
        ):
            for name, spec in manifest.maps.items():
                keys = {tensor.name: f"{name}/{tensor.name}" for tensor in spec.conditions}
                given = {tensor: examples[key] for tensor, key in keys.items() if key in examples.files}
                made = {tensor.name: kept[f"{name}/{tensor.name}"] for tensor in spec.outputs}
                found[name] = inputs(spec, given), made
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        raise UserError(
            f"{path} has no {missing}, which tells what its maps made: it was exported before there was such a file; "
            "export the run again"
        ) from None
    except Exception as error:  # a damaged archive may make numpy and zipfile raise anything
        raise UserError(f"cannot read {path / bundle.REFERENCE}: {first_line(error)}") from None
    return found
