"""What a metric is a function of: outputs of a maker beside a reference."""

from functools import cached_property
from typing import Any

import numpy as np

from train.evaluate.makers import Maker
from train.evaluate.reference import Reference, alike, has_colour
from zoo.metrics.extractor import Extracted


class Comparison:
    """Outputs of a maker for `count` rows or noises of `seed`, beside a reference.

    `map_name` is the map whose samples are judged, `source` says in the protocol what is judged. A bound on the
    likelihood takes `importance_samples` samples for each row. `other` are data that the reference is told from.
    """

    def __init__(
        self,
        maker: Maker,
        reference: Reference,
        count: int,
        seed: int,
        source: dict[str, Any],
        map_name: str | None = None,
        importance_samples: int = 1,
        other: Reference | None = None,
    ) -> None:
        self.maker, self.reference, self.other, self.seed, self.source = maker, reference, other, seed, source
        self.count, self.importance_samples = count, importance_samples
        self.map_name = maker.choose(map_name) if maker.maps else None

    def of(self, reference: Reference, count: int) -> "Comparison":
        """Return the same maker's outputs, `count` of them, beside another reference."""
        map_name, importance = self.map_name, self.importance_samples
        return Comparison(self.maker, reference, count, self.seed, self.source, map_name, importance, self.other)

    @cached_property
    def samples(self) -> np.ndarray:
        """The first output of the map, as a file would hold it; of a folder, its pictures."""
        if self.map_name is None:
            assert self.maker.pictures is not None, "a maker without maps is a folder"
            return self.maker.pictures(self.count, self.seed)
        spec = self.maker.maps[self.map_name]
        if all(tensor.is_class for tensor in spec.conditions):
            return self.maker.samples(self.map_name, self.count, self.seed)
        # each row once: copies would make samples look alike
        rows = self.reference.rows
        count = min(self.count, len(self.reference.chosen))
        return self.maker.samples(self.map_name, count, self.seed, self.maker.given(self.map_name, rows))

    @cached_property
    def extracted(self) -> Extracted:
        """The output of the reference's extractor for the samples."""
        return self.reference.extractor(self.samples)

    @property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """The features of the reference and of the samples."""
        return self.reference.extracted.features, self.extracted.features

    @property
    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """The reference's images and the samples, as many of each, in as many channels."""
        real, made = alike(self.reference.images, self.samples)
        return as_many(real, made)

    @cached_property
    def coloured(self) -> tuple[bool, bool]:
        """Whether the reference's images and the samples have colour: if either, both are compared in colour."""
        return has_colour(self.reference.images), has_colour(self.samples)

    @cached_property
    def sides(self) -> tuple[Reference, Reference]:
        """The rows of the reference and those of the other data, as many of each."""
        assert self.other is not None, "a metric that has_other is asked for with other data"
        count = min(len(self.reference.chosen), len(self.other.chosen))
        return self.reference.fewer(count), self.other.fewer(count)


def as_many(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of both, as many as the smaller set has: neither set is in any order."""
    count = min(len(real), len(fake))
    return real[:count], fake[:count]


def map_for(needs: str, maker: Maker, name: str | None) -> str | None:
    """Return the map that a metric with such a need looks at, `name` where it fits; None if the maker has none."""
    if needs == "log_prob":
        return "log_prob" if "log_prob" in maker.maps else None
    if needs == "pairs":
        fits = [n for n, spec in maker.maps.items() if any(t.name in maker.targets for t in spec.outputs)]
    elif needs == "latents":
        fits = [
            n
            for n, spec in maker.maps.items()
            if not spec.noise and all(tensor.kind == "latent" for tensor in spec.outputs)
        ]
    else:
        fits = list(maker.maps)
    return name if name in fits else next(iter(fits), None)
