"""Do samples of a generator help a classifier that has few labels?

A class-conditional GAN sees the labelled pictures and no others, and its samples join them. Beside it stands what costs
nothing, classic augmentation: every picture moved at random, garments mirrored too. "Samples alone" is the
classification accuracy score (Ravuri and Vinyals 2019): how much of the classes the samples know by themselves.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from train.uses.stored import Result, Study, in_words, markdown
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from train.data.source import Table

LABELS = (10, 50, 100)  # a class
ROWS = ("labels alone", "classic", "samples", "classic and samples", "samples alone")
SEEDS, TUNING_SEED = (0, 1, 2, 3, 4), 1000
# what is tried, by data; mirrored digits are none
_FLIPS = {"fashion_mnist": True, "mnist": False, "digits": False}
_RATES, _SHIFTS, _SHARES = (1e-3, 3e-3), (0.05, 0.1, 0.15), (0.25, 0.5, 0.75)
_POLICIES = ("translation,cutout", "colour,translation,cutout")
_GENERATOR = {"rate": 3e-3, "latent_dim": 64, "base_channels": 16}
_COLOURS = ("#4d4d4d", "#1565a7", "#5b8c2a", "#d1600f", "#a9a9a9")


def protocol(name: str, budget: float) -> dict[str, Any]:
    """Return what all figures share; a data set that this use does not know is a `UserError`."""
    if name not in _FLIPS:
        raise UserError(f"--data={name}: augmentation is measured on {', '.join(_FLIPS)}")
    return {
        "labels": [labels for labels in LABELS if name != "digits" or labels < 100],  # the pool has 1,373 scans
        "classifier_steps": max(1, round(1000 * budget)),
        "generator_steps": max(1, round(1500 * budget)),
        "samples": max(100, round(10_000 * budget)),
        "tuning_seed": TUNING_SEED,
        "flips": _FLIPS[name],
        "tried": {"rates": _RATES, "shifts": _SHIFTS, "shares": _SHARES, "policies": _POLICIES},
        "generator": _GENERATOR,
    }


def keys(told: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    """Return the keys of the cells: first the choices, for each number of labels, then the figures."""
    choices = [f"choice, {labels}" for labels in told["labels"]]
    return [*choices, *(f"{labels}, seed {seed}" for seed in seeds for labels in told["labels"])]


def measure(study: Study, key: str) -> dict[str, Any]:
    """Measure the cell of a key."""
    from train.uses import few_labels

    told, task = study.result["protocol"], few_labels.load(study.result["data"])
    if key.startswith("choice, "):
        labels = int(key.removeprefix("choice, "))
        few = few_labels.drawn(task.pool, labels, TUNING_SEED)
        return _chosen(told, few, task.validation)
    labels, seed = map(int, key.split(", seed "))
    few = few_labels.drawn(task.pool, labels, seed)
    choice = study.cells[f"choice, {labels}"]["chosen"]
    begin = time.process_time()
    made = samples(told, few, choice["policy"], seed)
    return {
        "generator_seconds": round(time.process_time() - begin, 1),
        **scores(told, few, made, task.test, choice, seed),
    }


def samples(told: Mapping[str, Any], few: "Table", policy: str, seed: int) -> "Table":
    """Return the samples of a GAN that sees the pictures `few` alone."""
    from train.uses import few_pictures

    rate, sizes = told["generator"]["rate"], {key: told["generator"][key] for key in ("latent_dim", "base_channels")}
    settings = few_pictures.Settings(policy, rate)
    return few_pictures.generated(few, settings, told["generator_steps"], told["samples"], seed, **sizes)


def scores(
    told: Mapping[str, Any], few: "Table", made: "Table", judged: "Table", choice: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Return each row's accuracy on the pictures `judged`, and how many updates it had."""
    rows = {
        "labels alone": (0.0, False),
        "classic": (0.0, True),
        "samples": (choice["share"], False),
        "classic and samples": (choice["share"], True),
        "samples alone": (1.0, False),
    }
    accuracies, updates = {}, {}
    for title, (share, is_classic) in rows.items():
        accuracies[title], updates[title] = _score(told, few, made, judged, share, is_classic, choice, seed)
    return {"accuracy": accuracies, "updates": updates}


def _score(
    told: Mapping[str, Any],
    few: "Table",
    made: "Table | None",
    judged: "Table",
    share: float,
    is_classic: bool,
    choice: Mapping[str, Any],
    seed: int,
) -> tuple[float, int]:
    from train.uses import few_labels

    count = round(few_labels.BATCH * share)
    parts = [(few, few_labels.BATCH - count), *([(made, count)] if made else [])]
    moves = {"flips": told["flips"], "shift": choice["shift"]} if is_classic else {}
    network = few_labels.trained(
        [part for part in parts if part[1]], told["classifier_steps"], choice["rate"], seed, **moves
    )
    return few_labels.accuracy(network, judged), int(network.optimizer.iterations)


def _chosen(told: Mapping[str, Any], few: "Table", validation: "Table") -> dict[str, Any]:
    """Choose by the validation part: first the rate, by the labels alone, then the rest with that rate."""
    chosen: dict[str, Any] = {"rate": None, "shift": 0.0}

    def judge(made: "Table | None", share: float, is_classic: bool, **changes: Any) -> float:
        return _score(told, few, made, validation, share, is_classic, {**chosen, **changes}, TUNING_SEED)[0]

    tried: dict[str, dict[str, float]] = {"rate": {str(rate): judge(None, 0.0, False, rate=rate) for rate in _RATES}}
    chosen["rate"] = _best(_RATES, tried["rate"])
    tried["shift"] = {str(shift): judge(None, 0.0, True, shift=shift) for shift in _SHIFTS}
    chosen["shift"] = _best(_SHIFTS, tried["shift"])
    pairs = [(policy, share) for policy in _POLICIES for share in _SHARES]
    tried["policy and share"] = {}
    for policy in _POLICIES:
        made = samples(told, few, policy, TUNING_SEED)
        for share in _SHARES:
            tried["policy and share"][str((policy, share))] = judge(made, share, False)
    chosen["policy"], chosen["share"] = _best(pairs, tried["policy and share"])
    return {"chosen": chosen, "validation_accuracy": tried}


def _best(values: Sequence[Any], accuracies: Mapping[str, float]) -> Any:
    return max(values, key=lambda value: accuracies[str(value)])


def table(result: Result) -> str:
    """Return the accuracies on the test split as a Markdown table."""
    lines = [["accuracy, %", *(f"{labels} labels a class" for labels in result["protocol"]["labels"])]]
    lines += [
        [row, *(in_words(_values(result, labels, row)) for labels in result["protocol"]["labels"])] for row in ROWS
    ]
    return markdown(lines)


def findings(result: Result) -> str:
    """Return what the table says: the gain of each row over the labels alone, seed by seed."""
    said = []
    for labels in result["protocol"]["labels"]:
        plain = _values(result, labels, ROWS[0])
        if not plain:
            continue
        gains = {
            row: [after - before for before, after in zip(plain, _values(result, labels, row), strict=True)]
            for row in ROWS[1:4]
        }
        told = ", ".join(f"{row} {in_words(values)}" for row, values in gains.items())
        best = max(gains, key=lambda row: sum(gains[row]))
        said.append(
            f"With {labels} labels a class the gains over the labels alone are, in points: {told}; most: {best}."
        )
    return " ".join(said)


def caption(result: Result) -> str:
    """Return how it was measured."""
    told, choices = result["protocol"], []
    for labels in told["labels"]:
        if cell := result["cells"].get(f"choice, {labels}"):
            chosen = cell["chosen"]
            choices.append(
                f"{labels} labels: rate {chosen['rate']:g}, moves by up to {chosen['shift']:g} of a side, DiffAugment "
                f"by {chosen['policy']}, {chosen['share']:.0%} of a batch samples"
            )
    moves = "moved and mirrored" if told["flips"] else "moved"
    return (
        f"Every row: {told['classifier_steps']:,} updates of Adam (its rate falls along a cosine) in batches of 64, a "
        "network of two convolutions (32, 64), a dropout of one half, the whole test split. The seed draws the "
        "labelled pictures and all weights; rows of one seed share them. GAN: projection discriminator with "
        f"DiffAugment, {told['generator']['base_channels']} channels next to the picture, "
        f"{told['generator_steps']:,} steps on the labelled pictures alone, {told['samples']:,} samples, the classes "
        f"in equal parts. Classic: {moves}. Chosen with another seed ({told['tuning_seed']}), by the last twelfth of "
        "the train split, which has more labels than such a classifier would have: "
        f"{'; '.join(choices) or 'nothing yet'}. The row with both takes what was chosen "
        "for each alone."
    )


def figure(result: Result) -> "Figure":
    """Return the accuracies by the number of labels."""
    from train.theory.result import new_figure

    drawn, axes = new_figure(7, 4.2)
    axis = axes[0, 0]
    for row, colour in zip(ROWS, _COLOURS, strict=True):
        known = [(n, _values(result, n, row)) for n in result["protocol"]["labels"]]
        known = [(n, [100 * value for value in values]) for n, values in known if values]
        if not known:
            continue
        axis.plot([n for n, _ in known], [sum(values) / len(values) for _, values in known], color=colour, label=row)
        for n, values in known:
            axis.plot([n] * len(values), values, ".", color=colour, markersize=5)
    axis.set(xscale="log", xlabel="labels a class", ylabel="test accuracy, %", title=f"{result['data']}: a dot a seed")
    axis.set_xticks(result["protocol"]["labels"], [str(n) for n in result["protocol"]["labels"]])
    axis.minorticks_off()
    axis.legend(fontsize=8)
    return drawn


def _values(result: Result, labels: int, row: str) -> list[float]:
    found = (result["cells"].get(f"{labels}, seed {seed}") for seed in result["seeds"])
    return [cell["accuracy"][row] for cell in found if cell]
