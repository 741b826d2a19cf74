"""Metrics of the map "log_prob": the likelihood of held-out rows, and what it tells apart."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.reference import Reference
from zoo import noise
from zoo.metrics.complexity import compressed_bits, compressors
from zoo.metrics.importance import importance_weighted_bounds
from zoo.metrics.likelihood import has_levels, independent_pixels, summary
from zoo.metrics.roc import auroc
from zoo.shared.errors import UserError
from zoo.spec import MapSpec

_ROWS_A_CALL = 4096


def log_likelihood(comparison: Comparison) -> dict[str, Any]:
    """The mean log-likelihood, or its bounds, in nats an example; and the baseline that it can be compared with."""
    spec, reference = comparison.maker.maps["log_prob"], comparison.reference
    independent = _independent_pixels("log_likelihood", reference, spec)
    baseline = {}
    if independent:
        log_prob, told = independent
        baseline = {"baseline_nats": float(log_prob(reference.images).mean()), "baseline": told}
    values, bounds = _likelihoods(comparison, reference)
    line = {**summary(values, _dimensions(spec)), "bound": _bound(comparison)}
    if bounds:
        line["bounds"] = {f"importance_weighted_{size}": float(values.mean()) for size, values in bounds.items()}
        line["elbo"] = float(bounds[1].mean())
    return {**line, **baseline}


def out_of_distribution(comparison: Comparison) -> dict[str, Any]:
    """How well log p(x), and S(x) made of it, tell the reference from other data, beside scores without the model."""
    name, spec, sides = "out_of_distribution", comparison.maker.maps["log_prob"], comparison.sides
    own, other = sides
    independent = _independent_pixels(name, own, spec)
    if independent:
        _check_levels(name, spec, other.images, other)
    dimensions = _dimensions(spec)
    nats = [_likelihoods(comparison, side)[0] for side in sides]
    told = [summary(values, dimensions) for values in nats]  # a likelihood that is not finite ends here
    lengths = [compressed_bits(side.images) for side in sides]
    for line, bits in zip(told, lengths, strict=True):
        line["compressed_bits_per_dimension"] = float(bits.mean()) / dimensions
    corrected = [x / math.log(2) + bits for x, bits in zip(nats, lengths, strict=True)]
    baselines = {
        "compressed_length": auroc(*(-bits for bits in lengths)),
        "mean_grey_level": auroc(*(-side.images.mean(axis=(1, 2, 3)) for side in sides)),
    }
    scores = dict(_SCORES)
    if independent:
        log_prob, described = independent
        scores["independent_pixels"] = f"log p(x) of {described}"
        baselines["independent_pixels"] = auroc(*(log_prob(side.images) for side in sides))
    return {
        "log_likelihood": auroc(*nats),
        "input_complexity": auroc(*corrected),
        "baselines": baselines,
        "reference": told[0],
        "other": told[1],
        "bound": _bound(comparison),
        "auroc_of": "the reference as positives: 1 if each of its pictures scores above each other one, 0.5 by chance",
        "scores": scores,
        "standard_errors": "of areas, by DeLong et al. 1988; of means, of the pictures",
        "compressed_by": compressors(),
    }


# the higher, the more like the reference
_SCORES = {
    "log_likelihood": "log p(x)",
    "input_complexity": "-S(x) = log2 p(x) + L(x), L(x) the compressed length in bits (Serra et al. 2020)",
    "compressed_length": "-L(x)",
    "mean_grey_level": "minus the mean grey level",
}


def _dimensions(spec: MapSpec) -> int:
    judged = (tensor for tensor in spec.conditions if not tensor.is_class and tensor.kind != "action")
    return sum(math.prod(tensor.shape) for tensor in judged)


def _bound(comparison: Comparison) -> str:
    """Return what the figures of `_likelihoods` are."""
    if not comparison.maker.maps["log_prob"].noise:
        return "exact"
    return f"a lower bound: {comparison.importance_samples} importance samples an example (Burda et al. 2016, eq. 8)"


def _likelihoods(comparison: Comparison, reference: Reference) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return each row's log-likelihood in nats; if it is bounded, its bound, and all bounds by numbers of samples."""
    maker, rows = comparison.maker, reference.rows
    spec, given = maker.maps["log_prob"], maker.given("log_prob", rows)
    if not spec.noise:
        values = [
            maker.outputs("log_prob", len(rows_), comparison.seed, part)[spec.output.name]
            for _, part, rows_ in _parts(given)
        ]
        return np.concatenate(values), {}
    samples = comparison.importance_samples
    sizes = sorted({1, samples, *(k for k in (5, 50, 500) if k < samples)})
    bounds = [
        importance_weighted_bounds(_log_weights(maker, part, len(rows_), samples, comparison.seed, first), sizes)
        for first, part, rows_ in _parts(given)
    ]
    joined = {size: np.concatenate([bound[size] for bound in bounds]) for size in sizes}
    return joined[samples], joined


def _independent_pixels(
    name: str, reference: Reference, spec: MapSpec
) -> tuple[Callable[[np.ndarray], np.ndarray], str] | None:
    """Return the log-likelihood of independent pixels of as many levels as the model's is of, and what it is.

    None where the model's is a density. A likelihood of fewer levels than the reference has is a `UserError`.
    """
    levels = _levels(spec)
    if not levels:
        return None
    train = reference.of_split("train")
    for images in (train, reference.images):
        _check_levels(name, spec, images, reference)
    fitted = "Bernoulli" if levels == 2 else f"{levels} levels, a histogram with one added to each count"
    return independent_pixels(train, levels), f"independent pixels ({fitted}), fitted to the train split"


def _levels(spec: MapSpec) -> int:
    """Return how many levels the pictures have whose probability the model gives; 0 for a density."""
    return next((tensor.levels for tensor in spec.conditions if tensor.kind == "image"), 0)


def _check_levels(name: str, spec: MapSpec, images: np.ndarray, reference: Reference) -> None:
    """Raise a `UserError` if pictures have more levels than the likelihood: then it is that of other pictures."""
    if not has_levels(images, _levels(spec)):
        raise UserError(
            f"{name}: the model's is a probability of pictures of {_levels(spec)} levels, and those of "
            f"{reference.section.name} have more: judge a run with --config.data.binarize=dynamic, or another model"
        )


def _parts(given: dict[str, np.ndarray]) -> Iterator[tuple[int, dict[str, np.ndarray], np.ndarray]]:
    first_column = next(iter(given.values()))
    for first in range(0, len(first_column), _ROWS_A_CALL):
        part = {name: values[first : first + _ROWS_A_CALL] for name, values in given.items()}
        yield first, part, next(iter(part.values()))


def _log_weights(
    maker: Maker, given: dict[str, np.ndarray], count: int, samples: int, seed: int, first: int
) -> Iterator[np.ndarray]:
    """Yield the log weights of all examples in `given`, (1, count) for each of so many samples."""
    assert maker.run is not None, "a folder has no likelihood"
    spec = maker.maps["log_prob"]
    from tqdm import tqdm

    for sample in tqdm(range(samples), desc="importance samples", leave=False, disable=None):
        # sample k of example i has the noise of number k 2^32 + i
        inputs = noise.fill(spec, count, seed, start=sample * 2**32 + first, given=given)
        yield maker.run("log_prob", inputs)[spec.output.name][None]
