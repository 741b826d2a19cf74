"""The registry of metrics: what each needs, for which kinds, and how it is measured.

A metric needs one of these of what it judges:

- "samples": the first output of a map, drawn by seed, beside real rows; a folder of pictures has these too
- "pairs": an output beside its target, from held-out rows
- "log_prob": the map "log_prob" on held-out rows, perhaps on rows of other data too
- "latents": a map from a column to latents, on rows of both splits

A new metric is one function of a `Comparison` and its line in `METRICS`.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from train import data
from train.data.sources.stacked import PREFIX as STACKED_PREFIX
from train.evaluate.makers import Maker
from train.evaluate.reference import Reference, alike, has_colour, ours
from zoo import media, noise
from zoo.metrics import pairs as paired
from zoo.metrics import representation
from zoo.metrics.complexity import compressed_bits, compressors
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extracted, Extractor
from zoo.metrics.frechet import frechet
from zoo.metrics.importance import importance_weighted_bounds
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.likelihood import has_levels, independent_pixels, summary
from zoo.metrics.manifold import density_coverage, precision_recall
from zoo.metrics.mixtures import HIGH_QUALITY_RADIUS, MIXTURES, measure
from zoo.metrics.modes import stacked_coverage
from zoo.metrics.ms_ssim import diversity
from zoo.metrics.neighbours import memorisation, nearest_neighbour_test
from zoo.metrics.parzen import parzen
from zoo.metrics.roc import auroc
from zoo.metrics.score import inception_score
from zoo.metrics.sliced_wasserstein import sliced_wasserstein
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import MapSpec

_VALIDATION = 1000  # held-out images, at most, that choose the width of the Parzen window
_ROWS_A_CALL = 4096  # of a likelihood
_TRAIN_ROWS = 2000  # that rows which do nothing may look at


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

    def measure(self, name: str) -> dict[str, Any]:
        """Return what the metric `name` measures, and the protocol."""
        metric = METRICS[name]
        check_possible(name, self.maker, self.map_name)
        if metric.sees_features and name != "stacked_modes" and (doubt := self._doubt()):
            print(f"warning: {name} by {self.reference.extractor.path} {doubt}", file=sys.stderr)
        measured = metric.measure(self)
        reference = self.sides[0] if metric.has_other else self.reference
        protocol = {
            "source": self.source,
            **metric.protocol(self),
            "seed": self.seed,
            "reference": reference.whole(metric.splits) if metric.splits else reference.protocol,
        }
        if metric.has_other:
            protocol["other"] = self.sides[1].protocol
        if metric.sees_features:
            protocol["extractor"] = self.reference.extractor.protocol
        return {"metric": name, **measured, "protocol": protocol}

    def _doubt(self) -> str:
        """Return why the extractor is known not to see these pictures well, or ""."""
        if any(self.coloured) and self.reference.extractor.channels == 1:
            is_stacked = self.reference.section.name.startswith(STACKED_PREFIX)
            hint = "measure it without stacked_modes" if is_stacked else "leave --extractor out, or name another"
            return f"does not see the colours of these pictures, since its input has one channel: {hint}"
        is_made_for = ours(self.reference.section, (), any(self.coloured)) == DIGITS_AND_FASHION
        if _is(self.reference.extractor, DIGITS_AND_FASHION) and not is_made_for:
            return (
                "may not see what these pictures show, since it knows digits and garments only: leave --extractor out"
            )
        return ""


class Metric(NamedTuple):
    """A metric: its need, the kinds of output it is for, and how it is measured.

    `figure` is the one figure of its line that ranks checkpoints, if one does, and `more_is_better` of it. With
    `sees_features` it looks at an extractor's output. Where it looks at whole splits instead of the reference's rows,
    `splits` says at which, and what for. With `has_other` it tells the reference from other data.
    """

    needs: str
    kinds: tuple[str, ...]
    measure: Callable[[Comparison], dict[str, Any]]
    figure: str = ""
    more_is_better: bool = False
    sees_features: bool = False
    splits: str = ""
    has_other: bool = False

    def protocol(self, comparison: Comparison) -> dict[str, Any]:
        """Return what a protocol says of what was judged."""
        if self.needs != "samples":
            return {"map": map_for(self, comparison.maker, comparison.map_name)}
        samples = comparison.samples
        name = comparison.map_name
        is_image = name is None or comparison.maker.output(name).kind == "image"
        conditions = comparison.maker.maps[name].conditions if name else ()
        from_rows = {"conditions": "of the reference's rows"}
        return {
            **({"map": name} if name else {}),
            "samples": len(samples),
            **(_told(samples.shape, *comparison.coloured) if is_image else {}),
            **({} if not conditions else {"classes": "in turn"} if all(t.is_class for t in conditions) else from_rows),
        }


def _told(shape: tuple[int, ...], *coloured: bool) -> dict[str, Any]:
    """Return what a protocol says of pictures: their shape as they were compared, and which of the two were grey."""
    grey = [side for side, has in zip(("reference", "samples"), coloured, strict=True) if not has]
    told = {"image": [*shape[1:3], 3 if any(coloured) else 1], "quantised": "uint8"}
    return {**told, "grey_in_colour": grey[0]} if len(grey) == 1 else told


def _is(extractor: Extractor, file: Path) -> bool:
    return extractor.protocol.get("sha256") == files.sha256(file)


def map_for(metric: Metric, maker: Maker, name: str | None) -> str | None:
    """Return the name of the map that a metric looks at, or None if the maker has none that fits."""
    if metric.needs == "log_prob":
        return "log_prob" if "log_prob" in maker.maps else None
    if metric.needs == "pairs":
        fits = [n for n, spec in maker.maps.items() if any(t.name in maker.targets for t in spec.outputs)]
    elif metric.needs == "latents":
        fits = [
            n
            for n, spec in maker.maps.items()
            if not spec.noise and all(tensor.kind == "latent" for tensor in spec.outputs)
        ]
    else:
        fits = list(maker.maps)
    return name if name in fits else next(iter(fits), None)


def check_possible(name: str, maker: Maker, map_name: str | None) -> None:
    """Raise a `UserError` if what is judged has not what the metric needs, or is of another kind."""
    metric = METRICS[name]
    if not maker.maps:
        if metric.needs != "samples" or "image" not in metric.kinds:
            raise UserError(f"{name} is not for a folder of pictures: it needs a run, a bundle or an ONNX file of ours")
        return
    found = map_for(metric, maker, map_name)
    if found is None:
        wanted = {
            "log_prob": "a likelihood (a map log_prob)",
            "pairs": "an output that data show the right value of",
            "latents": "a map from data to latents",
        }[metric.needs]
        raise UserError(f"{name} needs {wanted}, which the model has not; its maps are {', '.join(maker.maps)}")
    given = maker.maps[found].conditions
    if metric.has_other and [tensor.kind for tensor in given] != ["image"]:
        told = ", ".join(tensor.name for tensor in given)
        raise UserError(f"{name} needs the likelihood of pictures alone; the model's is of {told}")
    kind = maker.output(found).kind
    if metric.needs in ("samples", "pairs") and kind not in metric.kinds:
        raise UserError(f"{name} is for outputs of kind {' or '.join(metric.kinds)}; {found} makes {kind}")


def check_declared(name: str, model: str, targets: Mapping[str, str], section: ConfigDict, where: str) -> None:
    """Raise a `UserError` if a run cannot have what the metric needs, as far as it shows without TensorFlow.

    `model` is its model's name, `targets` those that the model declares, `section` the data section of the reference.
    `where` the metric was named begins the line. `check_possible` sees the rest, when the model is there.
    """
    metric, kinds = METRICS[name], data.kinds(section)
    kind = kinds.get("image", "")
    if metric.needs == "pairs" and not targets:
        raise UserError(f"{where}{name}: {model} makes nothing that data show")
    if metric.needs == "pairs":
        _check_together(section)
    if metric.needs == "samples" and kind and kind not in metric.kinds:
        raise UserError(f"{where}{name} is for {' and '.join(metric.kinds)}; {section.name} holds kind {kind}")
    if metric.needs == "latents" and "label" not in kinds:
        raise UserError(f"{where}{name} needs labels, and {section.name} has none")
    if name == "stacked_modes":
        _check_stacked(section)


def suggested(maker: Maker, section: ConfigDict | None = None) -> str:
    """Return the metric that fits best where none is named; `section` is the data section of the reference."""
    if "log_prob" in maker.maps:
        return "log_likelihood"
    is_apart = section is not None and "a" in data.kinds(section)
    if maker.maps and map_for(METRICS["pairs"], maker, None) and not is_apart:
        return "pairs"
    if maker.maps and maker.output(next(iter(maker.maps))).kind == "point":
        return "mixture"
    return "frechet"


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
    _check_stacked(comparison.reference.section)
    if _is(comparison.reference.extractor, PICTURES):
        raise UserError(f"stacked_modes counts digits, and {PICTURES.name} knows the ten objects of cifar10 only")

    def classify(digits: np.ndarray) -> np.ndarray | None:
        return comparison.reference.extractor(digits).probabilities

    of_real, of_fake = (stacked_coverage(x, classify) for x in (comparison.reference.images, comparison.samples))
    return {**of_fake, "reference_modes": of_real["modes"], "reference_reverse_kl": of_real["reverse_kl"]}


def _check_stacked(section: ConfigDict) -> None:
    if not section.name.startswith(STACKED_PREFIX):
        raise UserError(
            f"stacked_modes is for stacked pictures; the reference is {section.name}: use {STACKED_PREFIX}mnist"
        )


def _ms_ssim(comparison: Comparison) -> dict[str, Any]:
    of_real, of_made = (
        diversity(images, comparison.seed) for images in alike(comparison.reference.images, comparison.samples)
    )
    return {**of_made, "reference_ms_ssim": of_real["ms_ssim"]}


def _nearest_neighbours(comparison: Comparison) -> dict[str, Any]:
    splits = (comparison.reference.of_split(split) for split in ("train", "test"))
    train, test, samples = alike(*splits, comparison.samples)
    return memorisation(train, test, samples)


def _parzen(comparison: Comparison) -> dict[str, Any]:
    # images that were trained on would choose a width too small for new ones; there is no third split
    test, samples = alike(comparison.reference.of_split("test"), comparison.samples)
    test = np.random.default_rng(comparison.seed).permutation(test)
    count = min(_VALIDATION, len(test) // 2)
    return parzen(samples, test[:count], test[count:])


def _mixture(comparison: Comparison) -> dict[str, Any]:
    name = comparison.reference.section.name
    if name not in MIXTURES:
        raise UserError(f"mixture is for runs on {' or '.join(MIXTURES)}; this one is on {name}")
    return {
        **measure(comparison.samples, MIXTURES[name]),
        "high_quality_radius": f"{HIGH_QUALITY_RADIUS} sigma of the nearest centre",
        "reverse_kl_of": "nats, of the high-quality samples' modes from uniform",
    }


def _pairs(comparison: Comparison) -> dict[str, Any]:
    """Outputs beside targets, then the rows that any model must beat: those that do nothing."""
    maker, reference = comparison.maker, comparison.reference
    _check_together(reference.section)
    name = map_for(METRICS["pairs"], maker, comparison.map_name)
    assert name is not None, "check_possible found it"
    spec, rows = maker.maps[name], reference.rows
    (output, *_) = [tensor for tensor in spec.outputs if tensor.name in maker.targets]
    column = maker.targets[output.name]
    given = maker.given(name, rows)
    count = len(rows[column])
    made = media.stored(output, maker.outputs(name, count, comparison.seed, given)[output.name])
    targets = media.stored(output, rows[column])
    train = reference.rows_of("train", _TRAIN_ROWS)
    known = media.stored(output, train[column])
    baselines = {"mean_image": paired.mean_image(known, count), "mean_colour": paired.mean_colour(known, count)}
    pictures = [t for t in spec.conditions if t.kind == "image" and t.name != column and t.name in rows]
    if pictures:
        inputs, train_inputs = (media.stored(pictures[0], some[pictures[0].name]) for some in (rows, train))
        baselines["nearest_input"] = paired.nearest_input(train_inputs, known, inputs)
        if inputs.shape[-1] in (1, targets.shape[-1]) and inputs.shape[1] <= targets.shape[1]:
            baselines["do_nothing"] = copied = paired.do_nothing(inputs, targets)
            if targets.shape[-1] == 3:
                baselines["grey"] = paired.grey_of(copied)
    return {
        **paired.pairs(made, targets),
        "baselines": {title: _short(paired.pairs(row, targets)) for title, row in baselines.items()},
    }


def _check_together(section: ConfigDict) -> None:
    if "a" in data.kinds(section):
        raise UserError(
            f"pairs needs pictures that belong together, and those of {section.name} do not: name some that do, such "
            "as --reference=pairs:PATH"
        )


_ROW = ("psnr_db", "psnr_pooled_db", "l1", "ssim", "colourfulness")


def _short(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key in _ROW}


def _log_likelihood(comparison: Comparison) -> dict[str, Any]:
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


def _out_of_distribution(comparison: Comparison) -> dict[str, Any]:
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
    return sum(math.prod(tensor.shape) for tensor in spec.conditions if not tensor.is_class)


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


def _representation(comparison: Comparison) -> dict[str, Any]:
    """How much of the class latents know, beside raw pixels and as many principal components of them."""
    sets = features_of(comparison)
    (_, labels), (_, test_labels) = sets["pixels"]
    classes = int(max(labels.max(), test_labels.max())) + 1
    line: dict[str, Any] = {
        "latent_dimensions": sets["latents"][0][0].shape[1],
        "count_train": len(labels),
        "count": len(test_labels),
    }
    for title, ((train_x, train_y), (test_x, test_y)) in sets.items():
        probe = representation.linear_probe(train_x, train_y, test_x, test_y)
        clusters = representation.k_means(test_x, test_y, classes, comparison.seed)
        line[title] = {
            "linear_probe": probe["accuracy"],
            "nearest_neighbour": representation.nearest_neighbour_accuracy(train_x, train_y, test_x, test_y),
            "k_means": clusters["accuracy"],
            "normalised_mutual_information": clusters["normalised_mutual_information"],
        }
    line["active_units"] = representation.active_units(sets["latents"][1][0])
    return line


Labelled = tuple[np.ndarray, np.ndarray]


def features_of(comparison: Comparison) -> dict[str, tuple[Labelled, Labelled]]:
    """Return (features, labels) of the train and the test split: pixels, their principal components, latents."""
    maker, reference = comparison.maker, comparison.reference
    name = map_for(METRICS["representation"], maker, comparison.map_name)
    assert name is not None, "check_possible found it"
    spec = maker.maps[name]
    both = []
    for split in ("train", "test"):
        rows = reference.rows_of(split, comparison.count)
        if "label" not in rows:
            raise UserError(f"representation needs labels, and {reference.section.name} has none")
        given = maker.given(name, rows)
        made = maker.outputs(name, len(rows["label"]), comparison.seed, given)[spec.output.name]
        flat = {key: values.reshape(len(values), -1) for key, values in (("pixels", rows["image"]), ("latents", made))}
        both.append((flat, rows["label"]))
    (train, train_y), (test, test_y) = both
    project = representation.pca(train["pixels"], min(train["latents"].shape[1], train["pixels"].shape[1]))
    sets = {
        "latents": (train["latents"], test["latents"]),
        "principal_components": (project(train["pixels"]), project(test["pixels"])),
        "pixels": (train["pixels"], test["pixels"]),
    }
    return {title: ((x, train_y), (test_x, test_y)) for title, (x, test_x) in sets.items()}


_IMAGE = ("image",)

METRICS = {
    "frechet": Metric("samples", _IMAGE, lambda c: frechet(*c.features), "frechet_distance", sees_features=True),
    "kernel": Metric(
        "samples", _IMAGE, lambda c: kernel_distance(*c.features, seed=c.seed), "kernel_distance", sees_features=True
    ),
    "precision_recall": Metric(
        "samples", _IMAGE, lambda c: precision_recall(*as_many(*c.features)), sees_features=True
    ),
    "density_coverage": Metric(
        "samples", _IMAGE, lambda c: density_coverage(*as_many(*c.features)), "coverage", True, sees_features=True
    ),
    "two_sample": Metric(
        "samples", _IMAGE, lambda c: nearest_neighbour_test(*as_many(*c.features)), sees_features=True
    ),
    "score": Metric("samples", _IMAGE, _score, "inception_score", True, sees_features=True),
    "stacked_modes": Metric("samples", _IMAGE, _stacked_modes, sees_features=True),
    "sliced_wasserstein": Metric("samples", _IMAGE, lambda c: sliced_wasserstein(*c.images, seed=c.seed), "average"),
    "ms_ssim": Metric("samples", _IMAGE, _ms_ssim),
    "nearest_neighbours": Metric(
        "samples", _IMAGE, _nearest_neighbours, splits="train; test, held out; distances in pixels"
    ),
    "parzen": Metric(
        "samples", _IMAGE, _parzen, splits="test: a part chooses sigma, the rest is measured; pixels in [0, 1]"
    ),
    "mixture": Metric("samples", ("point",), _mixture, splits="its centres and sigma, no rows"),
    "pairs": Metric("pairs", _IMAGE, _pairs, "psnr_db", True),
    "log_likelihood": Metric("log_prob", _IMAGE, _log_likelihood, "nats", True),
    "out_of_distribution": Metric("log_prob", _IMAGE, _out_of_distribution, has_other=True),
    "representation": Metric(
        "latents", _IMAGE, _representation, splits="train: the probe is fitted; test: measured, by labels"
    ),
}
