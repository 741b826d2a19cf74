"""Points of the plane from a mixture of Gaussians with known modes: 'ring' (8 modes) and 'grid' (25 modes).

Provenance: drawn here, from the mixtures on which PacGAN is measured (Lin, Khetan, Fanti and Oh 2018; see
`zoo.metrics.mixtures`). The ring has its centres on the unit circle and sigma 0.01, the grid at {-4, -2, 0, 2, 4}^2 and
sigma 0.05. A label is the number of the mode.

A point is centre + sigma * n, its mode drawn uniformly, n standard normal: always the same points. As in PacGAN there
are 100,000 to train on; the held-out split has 10,000 others.
"""

from typing import Any

import numpy as np

from train.data.source import Source, Table, label_spec
from zoo import noise
from zoo.metrics.mixtures import MIXTURES
from zoo.spec import MapSpec, TensorSpec

OPTIONS: dict[str, Any] = {}
_TRAIN, _TEST = 100_000, 10_000
# beyond the seeds of runs, so that no picture or metric of a run reuses the data's noise
_SEED = 2**32


def check(section: Any) -> None:
    """Accept the section: a mixture has no options."""


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the point, which a model makes as it does an image, and the mode."""
    return {"image": "point", "label": "class"}


def load(section: Any, split: str) -> Source:
    """Return the 100,000 points of the 'train' split or the 10,000 of 'test' of the mixture that is named."""
    mixture = MIXTURES[section.name]
    modes = len(mixture.centres)
    spec = MapSpec(
        inputs=(TensorSpec("n", (2,), "normal"), TensorSpec("mode", (), "uniform", low=0.0, high=float(modes))),
        outputs=(TensorSpec("point", (2,), "output", "point"),),
    )
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    drawn = noise.fill(spec, count, _SEED, start)
    labels = drawn["mode"].astype(np.int32)
    return (
        Table(
            {"image": (mixture.centres[labels] + mixture.sigma * drawn["n"]).astype(np.float32), "label": labels},
            {
                "image": TensorSpec("image", (2,), "condition", "point"),
                "label": label_spec(tuple(map(str, range(modes)))),
            },
            f"{count:,} points of the {section.name} of {modes} Gaussians (sigma {mixture.sigma}), split {split!r}, "
            "drawn with a fixed seed",
        ),
    )
