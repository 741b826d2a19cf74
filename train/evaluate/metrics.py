"""The registry of metrics: what each needs, for which kinds, and how it is measured.

A metric needs one of these of what it judges:

- "samples": the first output of a map, drawn by seed, beside real rows; a folder of pictures has these too
- "pairs": an output beside its target, from held-out rows
- "log_prob": the map "log_prob" on held-out rows, perhaps on rows of other data too
- "latents": a map from a column to latents, on rows of both splits

A new metric is one function of a `Comparison` and its line in `METRICS`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from train import data
from train.data.sources.stacked import PREFIX as STACKED_PREFIX
from train.evaluate.comparison import Comparison, as_many, map_for
from train.evaluate.latents import representation
from train.evaluate.likelihoods import log_likelihood, out_of_distribution
from train.evaluate.makers import Maker
from train.evaluate.reference import alike, ours
from train.evaluate.sounds import bits_per_sample, sound
from train.evaluate.videos import nats_per_frame
from zoo import media
from zoo.metrics import mixtures
from zoo.metrics import pairs as paired
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor
from zoo.metrics.frechet import frechet
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import density_coverage, precision_recall
from zoo.metrics.modes import stacked_coverage
from zoo.metrics.ms_ssim import diversity
from zoo.metrics.neighbours import memorisation, nearest_neighbour_test
from zoo.metrics.parzen import parzen
from zoo.metrics.score import inception_score
from zoo.metrics.sliced_wasserstein import sliced_wasserstein
from zoo.shared import files
from zoo.shared.errors import UserError

_VALIDATION = 1000  # held-out images, at most, that choose the width of the Parzen window
_TRAIN_ROWS = 2000  # that rows which do nothing may look at


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
            return {"map": map_for(self.needs, comparison.maker, comparison.map_name)}
        samples = comparison.samples
        name = comparison.map_name
        is_image = samples.ndim == 4
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


def check_possible(name: str, maker: Maker, map_name: str | None) -> None:
    """Raise a `UserError` if what is judged has not what the metric needs, or is of another kind."""
    metric = METRICS[name]
    if not maker.maps:
        if metric.needs != "samples" or "image" not in metric.kinds:
            raise UserError(f"{name} is not for a folder of pictures: it needs a run, a bundle or an ONNX file of ours")
        return
    found = map_for(metric.needs, maker, map_name)
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
    if metric.needs == "log_prob" and not any(tensor.kind in metric.kinds for tensor in given):
        raise UserError(f"{name} is for the likelihood of kind {' or '.join(metric.kinds)}; the model's is of another")
    kind = maker.output(found).kind
    if metric.needs in ("samples", "pairs") and kind not in metric.kinds:
        raise UserError(f"{name} is for outputs of kind {' or '.join(metric.kinds)}; {found} makes {kind}")


def check_declared(name: str, model: str, targets: Mapping[str, str], section: ConfigDict, where: str) -> None:
    """Raise a `UserError` if a run cannot have what the metric needs, as far as it shows without TensorFlow.

    `model` is its model's name, `targets` those that the model declares, `section` the data section of the reference.
    `where` the metric was named begins the line. `check_possible` sees the rest, when the model is there.
    """
    metric, kinds = METRICS[name], data.kinds(section)
    kind = kinds.get("image", kinds.get("audio", kinds.get("video", "")))
    if metric.needs == "pairs" and not targets:
        raise UserError(f"{where}{name}: {model} makes nothing that data show")
    if metric.needs == "pairs":
        _check_together(section)
    if metric.needs == "log_prob" and kind and kind not in metric.kinds:
        raise UserError(f"{where}{name} is for {' and '.join(metric.kinds)}; {section.name} holds kind {kind}")
    if metric.needs == "samples" and kind and kind not in metric.kinds:
        raise UserError(f"{where}{name} is for {' and '.join(metric.kinds)}; {section.name} holds kind {kind}")
    if metric.needs == "latents" and "label" not in kinds:
        raise UserError(f"{where}{name} needs labels, and {section.name} has none")
    if name == "stacked_modes":
        _check_stacked(section)


def measure(comparison: Comparison, name: str) -> dict[str, Any]:
    """Return what the metric `name` measures, and the protocol."""
    metric, reference = METRICS[name], comparison.reference
    check_possible(name, comparison.maker, comparison.map_name)
    if metric.sees_features and name != "stacked_modes" and (doubt := _doubt(comparison)):
        print(f"warning: {name} by {reference.extractor.path} {doubt}", file=sys.stderr)
    return line_of(comparison, name)


def line_of(comparison: Comparison, name: str) -> dict[str, Any]:
    """Return what `measure` does, without asking whether the metric is for what is judged: that may be real rows."""
    metric, reference = METRICS[name], comparison.reference
    measured = metric.measure(comparison)
    if metric.has_other:
        reference, other = comparison.sides
    protocol = {
        "source": comparison.source,
        **metric.protocol(comparison),
        "seed": comparison.seed,
        "reference": reference.whole(metric.splits) if metric.splits else reference.protocol,
    }
    if metric.has_other:
        protocol["other"] = other.protocol
    if metric.sees_features:
        protocol["extractor"] = reference.extractor.protocol
    return {"metric": name, **measured, "protocol": protocol}


def _doubt(comparison: Comparison) -> str:
    """Return why the extractor is known not to see these pictures well, or ""."""
    section, extractor = comparison.reference.section, comparison.reference.extractor
    has_colours = any(comparison.coloured)
    if has_colours and extractor.channels == 1:
        is_stacked = section.name.startswith(STACKED_PREFIX)
        hint = "measure it without stacked_modes" if is_stacked else "leave --extractor out, or name another"
        return f"does not see the colours of these pictures, since its input has one channel: {hint}"
    is_made_for = ours(section, (), has_colours) == DIGITS_AND_FASHION
    if _is(extractor, DIGITS_AND_FASHION) and not is_made_for:
        return "may not see what these pictures show, since it knows digits and garments only: leave --extractor out"
    return ""


def _is(extractor: Extractor, file: Path) -> bool:
    return extractor.protocol.get("sha256") == files.sha256(file)


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
    if len(test) < 2:
        raise UserError(f"nearest_neighbours needs 2 held-out images or more, and the reference has {len(test)}")
    # a small folder holds out fewer than 100 images: the nearest of them stands for their first percentile
    return memorisation(train, test, samples, percentile=max(1.0, 100 / len(test)))


def _parzen(comparison: Comparison) -> dict[str, Any]:
    # images that were trained on would choose a width too small for new ones; there is no third split
    test, samples = alike(comparison.reference.of_split("test"), comparison.samples)
    test = np.random.default_rng(comparison.seed).permutation(test)
    count = min(_VALIDATION, len(test) // 2)
    return parzen(samples, test[:count], test[count:])


def _mixture(comparison: Comparison) -> dict[str, Any]:
    name = comparison.reference.section.name
    if name not in mixtures.MIXTURES:
        raise UserError(f"mixture is for runs on {' or '.join(mixtures.MIXTURES)}; this one is on {name}")
    return {
        **mixtures.measure(comparison.samples, mixtures.MIXTURES[name]),
        "high_quality_radius": f"{mixtures.HIGH_QUALITY_RADIUS} sigma of the nearest centre",
        "reverse_kl_of": "nats, of the high-quality samples' modes from uniform",
    }


def _pairs(comparison: Comparison) -> dict[str, Any]:
    """Outputs beside targets, then the rows that any model must beat: those that do nothing."""
    maker, reference = comparison.maker, comparison.reference
    _check_together(reference.section)
    name = map_for("pairs", maker, comparison.map_name)
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


_IMAGE, _AUDIO, _VIDEO = ("image",), ("audio",), ("video",)

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
    "log_likelihood": Metric("log_prob", ("image", "point", "audio"), log_likelihood, "nats", True),
    "bits_per_sample": Metric("log_prob", _AUDIO, bits_per_sample, "bits_per_sample"),
    "nats_per_frame": Metric("log_prob", _VIDEO, nats_per_frame, "nats_per_frame"),
    "sound": Metric("samples", _AUDIO, sound),
    "out_of_distribution": Metric("log_prob", _IMAGE, out_of_distribution, has_other=True),
    "representation": Metric(
        "latents", _IMAGE, representation, splits="train: the probe is fitted; test: measured, by labels"
    ),
}
