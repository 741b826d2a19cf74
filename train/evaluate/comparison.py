"""Samples beside real images: the metrics of images, for `train.evaluate` and for evaluation during training.

A new metric is one function of a `Comparison` and its line in `METRICS`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from train import data
from train.data.batches import held_out
from train.data.sources import stacked
from zoo.images import to_uint8
from zoo.metrics.extractor import Extracted, Extractor
from zoo.metrics.frechet import frechet
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import density_coverage, precision_recall
from zoo.metrics.modes import stacked_coverage
from zoo.metrics.ms_ssim import diversity
from zoo.metrics.neighbours import memorisation, nearest_neighbour_test
from zoo.metrics.parzen import parzen
from zoo.metrics.score import inception_score
from zoo.metrics.sliced_wasserstein import sliced_wasserstein
from zoo.shared.errors import UserError

_VALIDATION = 1000  # held-out images, at most, that choose the width of the Parzen window


class Reference:
    """Real images as models see them: at most `count` of a split, chosen by the seed, and whole splits.

    `section` is a data section (`train.data`); data that are no images are a `UserError`.
    """

    def __init__(self, section: ConfigDict, split: str, count: int, seed: int, extractor: Extractor) -> None:
        self.section, self.split, self.seed, self.extractor = section, split, seed, extractor
        source = data.load(section, split)
        self.description = source.description
        self.images = self._images(source, count)

    def of_split(self, split: str) -> np.ndarray:
        """Return all images of the `split`, as uint8 (N, H, W, C)."""
        return self._images(data.load(self.section, split), None)

    def _images(self, source: data.Source, count: int | None) -> np.ndarray:
        if not source.holds_pictures:
            raise UserError(f"{self.section.name} holds points, not images: measure mixture instead")
        whole = source.samples
        if self.section.binarize != "none":
            whole = to_uint8(held_out(source, self.section.binarize))
        if count is None or count >= len(whole):
            return whole
        return whole[np.random.default_rng(self.seed).permutation(len(whole))[:count]]

    @cached_property
    def extracted(self) -> Extracted:
        """What the extractor makes of `images`."""
        return self.extractor(self.images)

    @property
    def protocol(self) -> dict[str, Any]:
        """What these images are: so many, chosen from the split that is described."""
        section = self.section
        return {
            "name": section.name,
            "split": self.split,
            "count": len(self.images),
            "binarize": section.binarize,
            "from": self.description,
        }

    def whole(self, splits: str) -> dict[str, Any]:
        """What whole `splits` are, in the protocol of a metric that looks at these."""
        return {"name": self.section.name, "splits": splits, "binarize": self.section.binarize}


class Comparison:
    """Samples, uint8 (count, height, width, channels), beside the images of a reference of the same shape.

    `source` says in the protocol where the samples come from, `seed` made them and is that of the metrics.
    """

    def __init__(self, samples: np.ndarray, reference: Reference, seed: int, source: dict[str, Any]) -> None:
        self.samples, self.reference, self.seed, self.source = samples, reference, seed, source

    @cached_property
    def extracted(self) -> Extracted:
        """What the reference's extractor makes of the samples."""
        return self.reference.extractor(self.samples)

    @property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """The features of the reference and of the samples."""
        return self.reference.extracted.features, self.extracted.features

    def measure(self, name: str) -> dict[str, Any]:
        """Return what the metric `name` measures, and the protocol."""
        metric = METRICS[name]
        protocol = {
            "source": self.source,
            "samples": len(self.samples),
            "image": list(self.samples.shape[1:]),
            "quantised": "uint8",
            "seed": self.seed,
            "reference": self.reference.whole(metric.splits) if metric.splits else self.reference.protocol,
        }
        if metric.sees_features:
            protocol["extractor"] = self.reference.extractor.protocol
        return {"metric": name, **metric.measure(self), "protocol": protocol}


class Metric(NamedTuple):
    """A function of a comparison, and whether it looks at the extractor's output or at pixels.

    Where it looks at whole splits instead of the reference's images, `splits` says at which, and what for.
    """

    sees_features: bool
    measure: Callable[[Comparison], dict[str, Any]]
    splits: str = ""


def as_many(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of both, as many as the smaller set has: neither set is in any order."""
    count = min(len(real), len(fake))
    return real[:count], fake[:count]


def _score(comparison: Comparison) -> dict[str, Any]:
    real, fake = (x.probabilities for x in (comparison.reference.extracted, comparison.extracted))
    if real is None or fake is None:
        path = comparison.reference.extractor.path
        raise UserError(f"score needs class probabilities: {path} has no output called probabilities or logits")
    # it grows with the count
    of_real, of_fake = (inception_score(x, seed=comparison.seed) for x in as_many(real, fake))
    return {**of_fake, "reference_inception_score": of_real["inception_score"]}


def _stacked_modes(comparison: Comparison) -> dict[str, Any]:
    name = comparison.reference.section.name
    if not name.startswith(stacked.PREFIX):
        raise UserError(f"stacked_modes is for stacked pictures; the reference is {name}: use {stacked.PREFIX}mnist")

    def classify(digits: np.ndarray) -> np.ndarray | None:
        return comparison.reference.extractor(digits).probabilities

    of_real, of_fake = (stacked_coverage(x, classify) for x in (comparison.reference.images, comparison.samples))
    return {**of_fake, "reference_modes": of_real["modes"], "reference_reverse_kl": of_real["reverse_kl"]}


def _ms_ssim(comparison: Comparison) -> dict[str, Any]:
    of_real = diversity(comparison.reference.images, comparison.seed)
    return {**diversity(comparison.samples, comparison.seed), "reference_ms_ssim": of_real["ms_ssim"]}


def _nearest_neighbours(comparison: Comparison) -> dict[str, Any]:
    train, test = (comparison.reference.of_split(split) for split in ("train", "test"))
    return memorisation(train, test, comparison.samples)


def _parzen(comparison: Comparison) -> dict[str, Any]:
    # images that were trained on would choose a width too small for new ones; there is no third split
    test = comparison.reference.of_split("test")
    test = np.random.default_rng(comparison.seed).permutation(test)
    count = min(_VALIDATION, len(test) // 2)
    return parzen(comparison.samples, test[:count], test[count:])


METRICS = {
    "frechet": Metric(True, lambda c: frechet(*c.features)),
    "kernel": Metric(True, lambda c: kernel_distance(*c.features, seed=c.seed)),
    "precision_recall": Metric(True, lambda c: precision_recall(*as_many(*c.features))),
    "density_coverage": Metric(True, lambda c: density_coverage(*as_many(*c.features))),
    "two_sample": Metric(True, lambda c: nearest_neighbour_test(*as_many(*c.features))),
    "score": Metric(True, _score),
    "stacked_modes": Metric(True, _stacked_modes),
    "sliced_wasserstein": Metric(
        False, lambda c: sliced_wasserstein(*as_many(c.reference.images, c.samples), seed=c.seed)
    ),
    "ms_ssim": Metric(False, _ms_ssim),
    "nearest_neighbours": Metric(False, _nearest_neighbours, splits="train; test, held out; distances in pixels"),
    "parzen": Metric(False, _parzen, splits="test: a part chooses sigma, the rest is measured; pixels in [0, 1]"),
}
