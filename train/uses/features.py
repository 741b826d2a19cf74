"""What do generative models know of classes that they never saw?

Their features of pictures, learned without labels, are read by a linear probe and by the nearest neighbour, from few
labels. Beside each stand as many principal components of the pixels, and the pixels themselves: a model that is no
better than its components has learned nothing that a rotation of the pixels does not know.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from train.uses import trainings
from train.uses.stored import Result, Study, in_words, markdown
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEDS = (0, 1, 2)
PIXELS = "pixels"
_COMPONENTS_OF = 10_000  # pictures of the pool that the principal components are fitted to
_READERS = {"probe": "linear probe", "nearest": "nearest neighbour"}


def protocol(name: str, budget: float) -> dict[str, Any]:
    """Return what all figures share; a data set that this use does not know is a `UserError`."""
    runs: dict[str, dict[str, Any]]
    if name == "digits":
        labels, runs = (
            [10, 50],
            {
                "discriminator": {"recipe": "dcgan_digits", "train_steps": 2000, "model.base_channels": 16},
                "vae_means": {"recipe": "vae_digits", "train_steps": 3000},
                "pixel_cnn_hidden": {"recipe": "gated_pixel_cnn_digits", "train_steps": 1500},
            },
        )
    elif name in ("mnist", "fashion_mnist"):
        data = {"data.name": name}
        game = {"learning_rate": 3e-3, "model.normalization": "batch", "train_steps": 3000, "evaluate.metrics": ""}
        labels, runs = (
            [10, 100, 1000],
            {
                "discriminator": {"recipe": "gan_grid_fashion", **data, **game},
                "vae_means": {"recipe": "vae_mnist", **data, "train_steps": 10_000},
                "pixel_cnn_hidden": {"recipe": "gated_pixel_cnn_fashion", **data, "train_steps": 3000},
            },
        )
    else:
        raise UserError(f"--data={name}: features are measured on digits, mnist or fashion_mnist")
    for keys in runs.values():
        keys["train_steps"] = max(1, round(keys["train_steps"] * budget))
    return {"labels": labels, "runs": runs, "components_of": _COMPONENTS_OF}


def keys(told: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    """Return the keys of the cells, in order."""
    return [f"{name}, seed {seed}" for seed in seeds for name in (PIXELS, *told["runs"])]


def measure(study: Study, key: str) -> dict[str, Any]:
    """Measure the cell of a key: features, and as many principal components."""
    from train.uses import few_labels, hidden
    from zoo.metrics.representation import pca

    name, _, seed = key.partition(", seed ")
    told, task = study.result["protocol"], few_labels.load(study.result["data"])
    tables = [few_labels.drawn(task.pool, labels, int(seed)) for labels in told["labels"]]
    pixels = [_flat(np.asarray(table.columns["image"])) for table in (*tables, task.test)]
    labels = [np.asarray(table.columns["label"]) for table in (*tables, task.test)]
    if name == PIXELS:
        return {"dimension": pixels[0].shape[1], "features": read(pixels, labels, told["labels"])}
    made = hidden.of_run(trainings.run_of(study, name, int(seed)), *tables, task.test)
    fitted = _flat(np.asarray(task.pool.columns["image"])[: told["components_of"]])
    project = pca(fitted, min(made[0].shape[1], *fitted.shape))
    components = [project(x) for x in pixels]
    return {
        "dimension": made[0].shape[1],
        "components": components[0].shape[1],
        "features": read(made, labels, told["labels"]),
        "principal_components": read(components, labels, told["labels"]),
    }


def read(features: Sequence[np.ndarray], classes: Sequence[np.ndarray], names: Sequence[int]) -> dict[str, Any]:
    """Return both readers' accuracies on the last of the sets, each trained on one of the others, by its name."""
    from zoo.metrics.representation import linear_probe, nearest_neighbour_accuracy

    *sets, test = zip(features, classes, strict=True)
    return {
        "probe": {str(n): linear_probe(*one, *test)["accuracy"] for n, one in zip(names, sets, strict=True)},
        "nearest": {str(n): nearest_neighbour_accuracy(*one, *test) for n, one in zip(names, sets, strict=True)},
    }


def table(result: Result) -> str:
    """Return the accuracies on the test split as a Markdown table."""
    counts = result["protocol"]["labels"]
    lines = [["accuracy, %", "numbers", *(f"{how}, {n} a class" for how in _READERS.values() for n in counts)]]
    for title, dimension, values in _rows(result):
        lines.append([title, dimension, *(in_words(values(how, n)) for how in _READERS for n in counts)])
    return markdown(lines)


def findings(result: Result) -> str:
    """Return what the table says: how much better each model's features are than as many components."""
    most, said = result["protocol"]["labels"][0], []
    for name in result["protocol"]["runs"]:
        cells = _cells(result, name)
        if cells:
            gains = (
                in_words([c["features"][how][str(most)] - c["principal_components"][how][str(most)] for c in cells])
                for how in _READERS
            )
            said.append(f"{_titled(name)} {' and '.join(gains)}")
    if not said:
        return ""
    return (
        f"With {most} labels a class the points over as many principal components are, by the linear probe and by the "
        f"nearest neighbour: {'; '.join(said)}."
    )


def caption(result: Result) -> str:
    """Return how it was measured."""
    told = result["protocol"]
    return (
        "The seed is that of a training and draws the labelled pictures; the whole test split is read. Linear probe: "
        "multinomial logistic regression on features of mean 0 and deviation 1, its C of five chosen on a fifth of the "
        "labelled pictures, which lets small components count as much as large ones; nearest neighbour: Euclidean, "
        "features as they are. Principal components are of "
        f"{told['components_of']:,} training pictures at most, no more than there are pixels. Discriminator: the "
        "maxima of 2 x 2 cells of all its feature maps; autoregressive model: the means of 2 x 2 cells of its last "
        "hidden layer; VAE: the means of q(z | x). The last two see binarised pictures where they were trained on "
        f"such, the pixels are grey. Trained by {trainings.told(told['runs'])}."
    )


def figure(result: Result) -> "Figure":
    """Return the accuracies by the number of labels, a panel for each reader."""
    from train.theory.result import new_figure

    counts = result["protocol"]["labels"]
    drawn, axes = new_figure(11, 4.8, columns=2)
    for axis, (how, title) in zip(axes.flat, _READERS.items(), strict=True):
        for number, (name, _, values) in enumerate(_rows(result)):
            known = [(n, 100 * float(np.mean(values(how, n)))) for n in counts if values(how, n)]
            is_model = not name.startswith("as many")
            style = {"color": f"C{(number + 1) // 2}", "linestyle": "-" if is_model else "--"}
            axis.plot(*zip(*known, strict=True), marker=".", label=name, **style)
        axis.set(xscale="log", xlabel="labels a class", ylabel="test accuracy, %", title=f"{result['data']}: {title}")
        axis.set_xticks(counts, [str(n) for n in counts])
        axis.minorticks_off()
    handles, names = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return drawn


def _rows(result: Result) -> list[tuple[str, str, Any]]:
    """Return title, dimension, and the function of a reader and a number of labels that gives the seeds' values."""
    rows = []
    for name in (PIXELS, *result["protocol"]["runs"]):
        cells = _cells(result, name)
        if cells:
            rows.append((_titled(name), str(cells[0]["dimension"]), _values(cells, "features")))
        if cells and name != PIXELS:
            title = f"as many components ({_titled(name)})"
            rows.append((title, str(cells[0]["components"]), _values(cells, "principal_components")))
    return rows


def _values(cells: list[dict[str, Any]], what: str) -> Any:
    return lambda how, labels: [cell[what][how][str(labels)] for cell in cells]


def _cells(result: Result, name: str) -> list[dict[str, Any]]:
    found = (result["cells"].get(f"{name}, seed {seed}") for seed in result["seeds"])
    return [cell for cell in found if cell]


def _titled(name: str) -> str:
    return name.replace("_", " ").replace("vae", "VAE").replace("pixel cnn", "PixelCNN")


def _flat(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, np.float32).reshape(len(images), -1) / 255
