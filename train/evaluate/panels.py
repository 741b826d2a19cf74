"""What a page shows of a model: its samples beside real rows, and the training pictures that are nearest to samples."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from train.evaluate.comparison import Comparison, map_for
from train.evaluate.reference import alike
from train.rundir.pictures import sheet_of
from zoo import images, media, noise
from zoo.metrics.distances import nearest
from zoo.spec import MapSpec

_PICTURES, _ROWS = 64, 16
_STRIP = 8  # samples in a strip of nearest pictures
_TRAIN_FEATURES = 10_000  # training pictures that are compared by features, at most


class Panel(NamedTuple):
    """A picture or a sound of a page: the file's bytes and their kind, what it shows, and what is said below it."""

    data: bytes
    alt: str
    caption: str
    kind: str = "image/png"


def sample_panels(comparison: Comparison) -> Iterator[Panel]:
    """Yield what the map that is judged makes, beside real rows; and the sheet of outputs with a right answer."""
    name = comparison.map_name
    if name is None or _is_drawn(comparison.maker.maps[name]):
        spec = comparison.maker.maps[name] if name else None
        columns = next((int(t.classes) for t in spec.conditions if t.is_class and t.classes <= 12), 8) if spec else 8
        count = _PICTURES // columns * columns
        yield _grid(comparison.samples[:count], columns, "samples", "Samples, the first of the seed; none was chosen.")
        yield _grid(comparison.reference.images[:count], columns, "real", "Real pictures, the first of the reference.")
    else:
        yield from _sheet(comparison, name)
    paired = map_for("pairs", comparison.maker, comparison.map_name) if comparison.maker.maps else None
    if paired and paired != name and not comparison.maker.maps[paired].masks:
        yield from _sheet(comparison, paired)


def _is_drawn(spec: MapSpec) -> bool:
    return spec.output.kind == "image" and all(tensor.is_class for tensor in spec.conditions)


def _grid(pictures: np.ndarray, columns: int, alt: str, caption: str) -> Panel:
    return Panel(images.encode_png(images.grid(pictures, columns)), alt, caption)


def _sheet(comparison: Comparison, name: str) -> Iterator[Panel]:
    """Yield the sheet of a map for rows of the reference, and what is played beside it."""
    maker = comparison.maker
    spec, rows = maker.maps[name], {key: values[:_ROWS] for key, values in comparison.reference.rows.items()}
    given = {} if all(tensor.is_class for tensor in spec.conditions) else maker.given(name, rows)
    points = spec.output.kind == "point"
    count = min(len(comparison.reference.chosen), 1000 if points else _ROWS)
    inputs = noise.fill(spec, count, comparison.seed, given=noise.cycled(given, count) if given else None)
    outputs = maker.outputs(name, count, comparison.seed, given)
    columns = {key: column for key, column in maker.targets.items() if key in outputs and column not in given}
    targets = {key: rows[column] for key, column in columns.items() if column in rows}
    behind = comparison.reference.rows[comparison.reference.column] if points else None
    sheet = sheet_of(spec, inputs, outputs, targets, behind=behind)
    if sheet is not None:
        parts = [*(t.name for t in spec.conditions), *outputs, *(f"{key}'s target" for key in targets)]
        caption = "Points in blue, data in grey." if points else f"The map {name}. In each cell: {', '.join(parts)}."
        yield Panel(images.encode_png(sheet), f"what the map {name} makes", caption)
    played = media.played(spec.output, outputs[spec.output.name])
    if played is not None:
        kind = {".wav": "audio/wav", ".gif": "image/gif"}[media.ending(spec.output)]
        yield Panel(played, f"what the map {name} makes", f"What {name} makes, played.", kind)


def nearest_panels(comparison: Comparison) -> Iterator[Panel]:
    """Yield samples above the training pictures nearest to them: those that are nearest of all, and the first ones."""
    train, samples = alike(comparison.reference.of_split("train"), comparison.samples)
    numbers, distances = nearest(*(values.reshape(len(values), -1) for values in (samples, train)))
    kept = np.random.default_rng(comparison.seed).permutation(len(train))[:_TRAIN_FEATURES]
    extractor = comparison.reference.extractor
    features = extractor(train[kept]).features
    nearest_of_all = np.argsort(distances, kind="stable")[:_STRIP]
    first = np.arange(min(_STRIP, len(samples)))
    for chosen, what in (
        (
            nearest_of_all,
            f"the {len(nearest_of_all)} of {len(samples):,} samples that are nearest to a training picture",
        ),
        (first, "the first samples of the seed"),
    ):
        by_features = train[kept[nearest(extractor(samples[chosen]).features, features)[0]]]
        caption = (
            f"Above: {what}. Middle: the nearest of {len(train):,} training pictures in pixels. Below: the nearest of "
            f"{len(kept):,} in features. A sample that equals a picture below it was copied; a blurred one is near to "
            "many."
        )
        strips = np.concatenate([samples[chosen], train[numbers[chosen]], by_features])
        yield _grid(strips, len(chosen), "samples above the training pictures nearest to them", caption)
