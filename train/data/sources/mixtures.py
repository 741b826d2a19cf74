"""Points of the plane from a mixture of Gaussians with known modes: 'ring' (8 modes) and 'grid' (25 modes).

Provenance: drawn here, from the mixtures on which PacGAN is measured (Lin, Khetan, Fanti and Oh 2018; see
`zoo.metrics.mixtures`). The ring has its centres on the unit circle and sigma 0.01, the grid at {-4, -2, 0, 2, 4}^2 and
sigma 0.05. A label is the number of the mode.

A point is centre + sigma * n, its mode drawn uniformly, n standard normal: always the same points. As in PacGAN there
are 100,000 to train on; the held-out split has 10,000 others.
"""

from typing import Any

import numpy as np

from train.data.source import Source
from zoo import noise
from zoo.metrics.mixtures import MIXTURES
from zoo.spec import GeneratorSpec, TensorSpec

_TRAIN, _TEST = 100_000, 10_000
# beyond the seeds of runs, so that no picture or metric of a run reuses the data's noise
_SEED = 2**32


def load(config: Any, split: str) -> Source:
    """Return the 100,000 points of the 'train' split or the 10,000 of 'test' of the mixture that `config` names."""
    mixture = MIXTURES[config.name]
    modes = len(mixture.centres)
    spec = GeneratorSpec(
        inputs=(TensorSpec("n", (2,), "normal"), TensorSpec("mode", (), "uniform", low=0.0, high=float(modes))),
        outputs=(TensorSpec("point", (2,), "sample"),),
    )
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    drawn = noise.draw(spec, count, _SEED, start)
    labels = drawn["mode"].astype(np.int32)
    return Source(
        samples=(mixture.centres[labels] + mixture.sigma * drawn["n"]).astype(np.float32),
        labels=labels,
        label_names=tuple(map(str, range(modes))),
        description=f"{count:,} points of the {config.name} of {modes} Gaussians (sigma {mixture.sigma}), "
        f"split {split!r}, drawn with a fixed seed",
    )
