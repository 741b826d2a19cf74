"""The metric of a map from data to latents: how much of the class they know."""

import io
from typing import Any

import numpy as np

from train.evaluate.comparison import Comparison, map_for
from zoo.metrics import representation as measures
from zoo.shared.errors import UserError

Labelled = tuple[np.ndarray, np.ndarray]


def representation(comparison: Comparison) -> dict[str, Any]:
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
        probe = measures.linear_probe(train_x, train_y, test_x, test_y)
        clusters = measures.k_means(test_x, test_y, classes, comparison.seed)
        line[title] = {
            "linear_probe": probe["accuracy"],
            "nearest_neighbour": measures.nearest_neighbour_accuracy(train_x, train_y, test_x, test_y),
            "k_means": clusters["accuracy"],
            "normalised_mutual_information": clusters["normalised_mutual_information"],
        }
    line["active_units"] = measures.active_units(sets["latents"][1][0])
    return line


def features_of(comparison: Comparison) -> dict[str, tuple[Labelled, Labelled]]:
    """Return (features, labels) of the train and the test split: pixels, their principal components, latents."""
    maker, reference = comparison.maker, comparison.reference
    name = map_for("latents", maker, comparison.map_name)
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
    project = measures.pca(train["pixels"], min(train["latents"].shape[1], train["pixels"].shape[1]))
    sets = {
        "latents": (train["latents"], test["latents"]),
        "principal_components": (project(train["pixels"]), project(test["pixels"])),
        "pixels": (train["pixels"], test["pixels"]),
    }
    return {title: ((x, train_y), (test_x, test_y)) for title, (x, test_x) in sets.items()}


def picture_of(comparison: Comparison) -> bytes:
    """Return the PNG file of the first two principal components of latents and of pixels, a colour for each class."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sets = features_of(comparison)
    canvas, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for axis, title in zip(axes, ("latents", "pixels"), strict=True):
        (train, _), (test, labels) = sets[title]
        points = measures.pca(train, 2)(test)
        dots = axis.scatter(*points.T, c=labels, s=4, cmap="tab10" if labels.max() < 10 else "viridis")
        axis.set_title(f"{title}: first two principal components, held-out data")
    canvas.colorbar(dots, ax=axes, label="class")
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=100)
    plt.close(canvas)
    return buffer.getvalue()
