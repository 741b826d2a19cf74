"""Metrics of sound: bits a sample beside simple models, and how samples sound beside real recordings."""

import math
from typing import Any

import numpy as np

from train.evaluate.comparison import Comparison
from zoo import media, noise
from zoo.metrics import sounds
from zoo.shared.errors import UserError

_TRAIN_ROWS = 20_000  # that simple models and the classifier are fitted to, at most


def bits_per_sample(comparison: Comparison) -> dict[str, Any]:
    """The mean of -log2 p of the samples that count, and the same of two models that any other must beat.

    "unigram" knows how often each level of the mu-law is, "bigram" how often after which other; both are fitted to the
    train split. For a model of 16 bits they take all values of a level as equally likely.
    """
    maker, rows = comparison.maker, comparison.reference.rows
    spec = maker.maps["log_prob"]
    if "by_sample" not in [tensor.name for tensor in spec.outputs]:
        raise UserError("bits_per_sample needs a likelihood of each sample (an output by_sample of the map log_prob)")
    (audio,) = [tensor for tensor in spec.conditions if tensor.kind == "audio"]
    nats = maker.outputs("log_prob", len(rows["audio"]), comparison.seed, maker.given("log_prob", rows))["by_sample"]
    if not np.isfinite(nats).all():
        raise UserError("the likelihoods of some samples are no finite numbers: the model gives them the probability 0")
    counted = counted_of(rows)
    train = comparison.reference.rows_of("train", _TRAIN_ROWS)
    more = np.zeros(sounds.MU + 1) if audio.companding else np.log2(sounds.widths_of_levels())
    beside = {}
    for title, fit in (("unigram", sounds.unigram), ("bigram", sounds.bigram)):
        bits = fit(train["audio"], counted_of(train))(rows["audio"]) + more[sounds.mu_law_level(rows["audio"])]
        beside[title] = {"bits_per_sample": float(bits[counted].mean())}
    mean, error = ratio(-nats / math.log(2), counted)
    return {
        "bits_per_sample": mean,
        "standard_error": error,
        "levels": audio.levels,
        "spaced_by": audio.companding or "evenly",
        "rows": len(nats),
        "samples": int(counted.sum()),
        "baselines": beside,
    }


def counted_of(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Return which samples of rows count, bool (rows, samples): all where the data do not say."""
    return rows["counted"] > 0.5 if "counted" in rows else np.ones(rows["audio"].shape, bool)


def ratio(values: np.ndarray, counted: np.ndarray) -> tuple[float, float | None]:
    """Return the mean of the counted values, and its standard error, of which rows are the independent parts."""
    sums, sizes = np.where(counted, values, 0).sum(axis=1, dtype=np.float64), counted.sum(axis=1)
    mean = sums.sum() / sizes.sum()
    if len(sums) < 2:
        return float(mean), None
    return float(mean), float((sums - mean * sizes).std(ddof=1) / math.sqrt(len(sums)) / sizes.mean())


def sound(comparison: Comparison) -> dict[str, Any]:
    """How loud samples are, their mean spectrum beside that of real recordings, and whether a classifier knows them.

    The classifier (a support vector machine of log-mel features) learns on the train split. On real held-out rows it
    is as good as can be asked for.
    """
    maker, rows, name = comparison.maker, comparison.reference.rows, comparison.map_name
    assert name is not None, "a folder makes no sounds"
    spec = maker.maps[name]
    output, rate = spec.output, spec.output.rate
    if not rate:
        raise UserError("the sounds have no rate, so that no spectrum can be told in Hz")
    made = media.seen(output, comparison.samples)
    # rows begin with context, and sounds that are made may begin at once
    length = int(counted_of(rows).sum(axis=1).max())
    real, made = (sounds.from_the_first_heard(some, length) for some in (rows["audio"], made))
    line = sounds.compare(real, made, rate)
    (label,) = [tensor for tensor in spec.conditions if tensor.is_class] or (None,)
    if label is None:
        return line
    given = maker.given(name, rows)
    wanted = noise.cycled(given, len(made))[label.name] if label.name in given else noise.in_turn(label, len(made))
    train = comparison.reference.rows_of("train", _TRAIN_ROWS)
    classify = fitted(sounds.features(sounds.from_the_first_heard(train["audio"], length), rate), train[label.name])
    return {
        **line,
        "accuracy": float((classify(sounds.features(made, rate)) == wanted).mean()),
        "reference_accuracy": float((classify(sounds.features(real, rate)) == rows[label.name]).mean()),
        "chance": 1 / label.classes,
        "classifier": "support vector machine of log-mel features, fitted to the train split",
    }


def fitted(features: np.ndarray, labels: np.ndarray) -> Any:
    """Return a classifier of features (count, numbers), fitted to these; one class alone is a `UserError`."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    if len(np.unique(labels)) < 2:
        raise UserError("the train split has recordings of one class alone: there is nothing to tell apart")
    return make_pipeline(StandardScaler(), SVC(C=10.0)).fit(features, labels).predict
