"""What do sums of latents mean, and what does truncation cost?

Radford, Metz and Chintala (2015, section 6.3.2): the mean latent of three samples with a trait, minus that of three
without, plus that of three others without. Three, because the sum of three such means has the norm of one latent. Here
the trait is to be bright (of digits: thick), which is more ink than the median of the class; the class is a
classifier's. Does the sum have the trait, and the class of the others? Beside it stand the others' mean alone, the
same plus a random vector as long as the difference, and the same plus the difference of all samples with and without
the trait, brought to that length.

Truncation (Brock, Donahue and Simonyan 2019, section 3.1) draws anew each number of a latent beyond a threshold: what
a generator then makes should be nearer to the data and less varied, precision up and recall down. So it is as far as
thresholds of 1 to 2, by a few points. Below, the latents are shorter than any that these generators were trained on,
and precision falls as well.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from train.uses import trainings
from train.uses.stored import Result, Study, in_words, markdown
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.spec import MapSpec

SEEDS = (0, 1, 2)
ROWS = {
    "sum": "difference of three, added",
    "direction": "difference of all, as long",
    "random": "random vector, as long",
    "alone": "nothing added",
}
_OF_MEAN = 3
_RUN = "generator"
_GARMENTS = 10  # the extractor's classes are the ten digits, then the ten garments
_SHOWN = 6

Draw = Callable[[np.ndarray], np.ndarray]  # latents to pictures, uint8 (count, H, W, C)


class Judged(NamedTuple):
    """Latents (count, D), the class of the sample of each, (count,), and whether it has the trait."""

    z: np.ndarray
    kinds: np.ndarray
    traits: np.ndarray

    def group(self, kind: int, trait: bool) -> np.ndarray:
        """Return the latents of one class with, or without, the trait."""
        return self.z[(self.kinds == kind) & (self.traits == trait)]


def protocol(name: str, budget: float) -> dict[str, Any]:
    """Return what all figures share; a data set that this use does not know is a `UserError`."""
    run: dict[str, Any]
    if name == "digits":
        run = {"recipe": "dcgan_digits", "train_steps": 4000, "model.base_channels": 32}
    elif name in ("mnist", "fashion_mnist"):
        game = {"learning_rate": 3e-3, "model.normalization": "batch", "evaluate.metrics": ""}
        run = {"recipe": "gan_grid_fashion", "data.name": name, "model.latent": "normal", "train_steps": 3000, **game}
    else:
        raise UserError(f"--data={name}: latents are measured on digits, mnist or fashion_mnist")
    run["train_steps"] = max(1, round(run["train_steps"] * budget))
    return {
        "runs": {_RUN: run},
        "judged": max(500, round(5000 * budget)),
        "tries": 10,
        "thresholds": [None, 2.0, 1.5, 1.0, 0.7, 0.5, 0.3],
        "count": 299 if name == "digits" else 2000,
    }


def keys(told: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    """Return the keys of the cells: one for each seed."""
    return [f"seed {seed}" for seed in seeds]


def measure(study: Study, key: str) -> dict[str, Any]:
    """Train a generator, and measure sums of its latents and its truncation; the first seed's are drawn, too."""
    from train.evaluate import makers
    from train.uses import few_labels
    from zoo import media
    from zoo.metrics.extractor import Extractor
    from zoo.noise import fill

    told, seed, name = study.result["protocol"], int(key.removeprefix("seed ")), study.result["data"]
    maker = makers.from_run(str(trainings.run_of(study, _RUN, seed)))
    spec, run, extractor = maker.maps["generate"], maker.run, Extractor()
    assert run is not None, "a run has maps"

    def draw(z: np.ndarray) -> np.ndarray:
        parts = [run("generate", {"z": z[i : i + 500].astype(np.float32)}) for i in range(0, len(z), 500)]
        return media.stored(spec.output, np.concatenate([part[spec.output.name] for part in parts]))

    first = _GARMENTS if name == "fashion_mnist" else 0

    def kind_of(pictures: np.ndarray) -> np.ndarray:
        probabilities = extractor(pictures).probabilities
        assert probabilities is not None, "the extractor that comes along is a classifier"
        return probabilities[:, first : first + 10].argmax(axis=1)

    z = fill(spec, told["judged"], seed)["z"]
    made = draw(z)
    kinds, ink = kind_of(made), ink_of(made)
    limits = np.array([np.median(ink[kinds == kind]) if kind in kinds else 0.0 for kind in range(10)])
    sums = arithmetic(Judged(z, kinds, ink > limits[kinds]), told["tries"], seed)
    wanted, shares = sums["kinds"], {}
    for row in ROWS:
        pictures = draw(sums[row])
        is_kind, has_trait = kind_of(pictures) == wanted, ink_of(pictures) > limits[wanted]
        parts = {"kind": is_kind, "trait": has_trait, "both": is_kind & has_trait}
        shares[row] = {part: float(right.mean()) for part, right in parts.items()}
    real = extractor(np.asarray(few_labels.load(name).test.columns["image"])[: told["count"]]).features
    if seed == study.result["seeds"][0]:
        _draw_sheets(study.path, draw, sums, [fill(spec, 12, seed, truncation=t)["z"] for t in told["thresholds"]])
    return {
        "arithmetic": {"triplets": len(wanted), **shares},
        "truncation": [truncated(spec, draw, extractor, real, t, seed) for t in told["thresholds"]],
    }


def _draw_sheets(path: Path, draw: Draw, sums: Mapping[str, np.ndarray], rows: Sequence[np.ndarray]) -> None:
    """Write a sheet of triplets, spread over the pairs of classes, and one of latents at each threshold."""
    from zoo import images
    from zoo.shared.files import write_bytes

    shown = np.linspace(0, len(sums["kinds"]) - 1, _SHOWN).astype(int)
    columns = [sums[part][shown] for part in ("with", "without", "alone", "sum", "direction", "random")]
    for what, z, width in (
        ("arithmetic", np.stack(columns, axis=1).reshape(-1, columns[0].shape[1]), len(columns)),
        ("truncation", np.concatenate(rows), len(rows[0])),
    ):
        write_bytes(path.with_name(f"{path.stem}_{what}.png"), images.encode_png(images.grid(draw(z), width)))


def ink_of(pictures: np.ndarray) -> np.ndarray:
    """Return the mean level of each picture, from 0 to 1."""
    return pictures.reshape(len(pictures), -1).mean(axis=1) / 255


def arithmetic(judged: Judged, tries: int, seed: int) -> dict[str, np.ndarray]:
    """Return latents (count, D) by row of `ROWS`, the operands "with" and "without", and the "kinds" (count,) to have.

    For each ordered pair of classes there are `tries` triplets; each operand is the mean of three latents of its group.
    Classes with fewer than six samples of a group are left out.
    """
    rng, made = np.random.default_rng(seed), []
    kinds = [
        k
        for k in np.unique(judged.kinds).tolist()
        if min(len(judged.group(k, t)) for t in (True, False)) >= 2 * _OF_MEAN
    ]
    if len(kinds) < 2:
        raise UserError("the samples do not have two classes of six with and without the trait: train for longer")

    def mean(kind: int, trait: bool) -> np.ndarray:
        group = judged.group(kind, trait)
        return group[rng.choice(len(group), _OF_MEAN, replace=False)].mean(axis=0)

    directions = {kind: difference(judged, kind) for kind in kinds}
    for source in kinds:
        for other in kinds:
            for _ in range(tries if source != other else 0):
                operand, without, alone = mean(source, True), mean(source, False), mean(other, False)
                step = operand - without
                length = np.linalg.norm(step)
                random = rng.normal(size=step.shape)
                made.append(
                    {
                        "with": operand,
                        "without": without,
                        "alone": alone,
                        "sum": alone + step,
                        "direction": alone + length * directions[source],
                        "random": alone + length * random / np.linalg.norm(random),
                        "kinds": other,
                    }
                )
    return {key: np.stack([one[key] for one in made]) for key in made[0]}


def difference(judged: Judged, kind: int) -> np.ndarray:
    """Return the mean latent of a class with the trait less that without, (D,), of length 1."""
    step = judged.group(kind, True).mean(axis=0) - judged.group(kind, False).mean(axis=0)
    return step / np.linalg.norm(step)


def truncated(
    spec: "MapSpec", draw: Draw, extractor: Callable[..., Any], real: np.ndarray, threshold: float | None, seed: int
) -> dict[str, float]:
    """Return quality and variety of as many samples as there are `real` features, latents within the threshold."""
    from zoo.metrics.manifold import density_coverage, precision_recall
    from zoo.noise import fill

    fake = extractor(draw(fill(spec, len(real), seed, truncation=threshold)["z"])).features
    found = {**precision_recall(real, fake), **density_coverage(real, fake)}
    return {name: float(found[name]) for name in ("precision", "recall", "density", "coverage")}


def table(result: Result) -> str:
    """Return the shares of sums and the figures of thresholds as two Markdown tables."""
    cells, shares = _cells(result), ("kind", "trait", "both")
    lines = [["share, %", "class of the third operand", "the trait", "both"]]
    for row, title in ROWS.items():
        lines.append([title, *(in_words([cell["arithmetic"][row][share] for cell in cells]) for share in shares)])
    names = ("precision", "recall", "density", "coverage")
    others = [["threshold", *names]]
    for index, threshold in enumerate(result["protocol"]["thresholds"]):
        values = (in_words([cell["truncation"][index][name] for cell in cells], 3, 1.0) for name in names)
        others.append(["none" if threshold is None else f"{threshold:g}", *values])
    return f"{markdown(lines)}\n\n{markdown(others)}"


def findings(result: Result) -> str:
    """Return what the tables say of both questions."""
    cells = _cells(result)
    if not cells:
        return ""
    gains = {
        row: [cell["arithmetic"][row]["both"] - cell["arithmetic"]["random"]["both"] for cell in cells]
        for row in ("sum", "direction")
    }
    changes = {
        name: [cell["truncation"][-1][name] - cell["truncation"][0][name] for cell in cells]
        for name in ("precision", "recall")
    }
    least = result["protocol"]["thresholds"][-1]
    return (
        f"Class and trait together, points over the random vector: {ROWS['sum']} {in_words(gains['sum'])}, "
        f"{ROWS['direction']} {in_words(gains['direction'])}. From no threshold to {least:g} precision changes by "
        f"{in_words(changes['precision'], 3, 1.0)} and recall by {in_words(changes['recall'], 3, 1.0)}."
    )


def caption(result: Result) -> str:
    """Return how it was measured, and what the sheets show."""
    told = result["protocol"]
    counts = sorted({cell["arithmetic"]["triplets"] for cell in _cells(result)}) or [0]
    number = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return (
        f"The seed is that of a training and of the latents. {told['judged']:,} samples are judged by the extractor of "
        f"digits and garments that comes along; {number} triplets, {told['tries']} for each ordered pair of classes. "
        f"Truncation: {told['count']:,} samples and as many pictures of the test split, features of that extractor; "
        "precision and recall with 3 neighbours, density and coverage with 5. The first sheet has a triplet in a row, "
        f"the first seed's, none selected: with the trait, without, the others, then {ROWS['sum']}; {ROWS['direction']}"
        f"; {ROWS['random']}. The second has a threshold in a row, in the table's order, and a latent in a column. "
        f"Trained by {trainings.told(told['runs'])}."
    )


def figure(result: Result) -> "Figure":
    """Return the shares of sums, and precision against recall along the thresholds."""
    from train.theory.result import new_figure

    cells = _cells(result)
    drawn, axes = new_figure(11, 4.2, columns=2)
    left, right = axes.flat
    width = 0.8 / len(ROWS)
    for place, (row, title) in enumerate(ROWS.items()):
        values = np.array([[cell["arithmetic"][row][share] for share in ("kind", "trait", "both")] for cell in cells])
        places = np.arange(3) + (place - (len(ROWS) - 1) / 2) * width
        left.bar(places, 100 * values.mean(axis=0), width, label=title)
        for one in values:
            left.plot(places, 100 * one, ".", color="black", markersize=4)
    left.set_xticks([0, 1, 2], ["class kept", "trait", "both"])
    left.set(ylabel="share of sums, %", title=f"{result['data']}: sums of latents, a dot a seed")
    left.legend(fontsize=8)
    names = ["none" if t is None else f"{t:g}" for t in result["protocol"]["thresholds"]]
    for name in ("precision", "recall", "density", "coverage"):
        values = np.array([[one[name] for one in cell["truncation"]] for cell in cells])
        (line,) = right.plot(names, values.mean(axis=0), "o-", label=name)
        for one in values:
            right.plot(names, one, ".", color=line.get_color(), markersize=4)
    right.set(xlabel="threshold of truncation", title="quality and variety: a dot a seed")
    right.legend(fontsize=8)
    return drawn


def _cells(result: Result) -> list[dict[str, Any]]:
    found = (result["cells"].get(f"seed {seed}") for seed in result["seeds"])
    return [cell for cell in found if cell]
