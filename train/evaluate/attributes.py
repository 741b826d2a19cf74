"""Do edits of attributes do what they say, and no more? python -m train.evaluate.attributes --sources=runs/a,bundles/b

A classifier of attributes learns on the real pictures of the train split and is then frozen. Each held-out picture is
edited once for each attribute: what was set is cleared, and the other way round; one of an exclusive group is set in
the place of another. Prints a line of JSON for the real held-out pictures, which are the classifier's test, for doing
nothing, and for each source:

- target: the share of edited pictures that the classifier gives the wanted value of the edited attribute, and of those
  that exclude it
- untouched: the share of all other attributes that keep their true value by the classifier
- cycle_l1: the mean absolute error of the way back, by an edit to the attributes that the picture had; doing nothing
  has none, so that this figure says nothing by itself
- change_l1: the mean absolute difference from the picture before

--edits names a CSV file of true counterfactuals with the columns file, source and edit: a picture beside that file, the
held-out picture that it was made from, and the attribute that was changed. Then a second figure is exact: the mean
absolute error inside of the pixels that the true edit changes, and outside of them.

Differences are in units of [-1, 1], of pictures rounded to bytes; the way back starts from what the map made itself.
"""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from train import data
from train.data.batches import held_out
from train.data.cache import home_expanded
from train.data.source import Table
from train.data.sources import attributes, files, pictures
from train.evaluate import makers
from zoo import images, media
from zoo.noise import edited
from zoo.shared import program
from zoo.shared.errors import UserError, first_line, unknown
from zoo.shared.files import write_bytes
from zoo.spec import TensorSpec

if TYPE_CHECKING:
    import keras

SOURCES = flags.DEFINE_list("sources", [], "runs, bundles or ONNX files of an editor of attributes, of the same data")
EDITS = flags.DEFINE_string("edits", None, "CSV file of true counterfactuals: see above")
EPOCHS = flags.DEFINE_integer("epochs", 12, "of the classifier", lower_bound=1)
COUNT = flags.DEFINE_integer("count", 1000, "held-out pictures at most, chosen by the seed", lower_bound=1)
SEED = flags.DEFINE_integer(
    "seed", 0, "of the classifier and the choice of pictures", lower_bound=0, upper_bound=2**32 - 1
)
PICTURE = flags.DEFINE_string(
    "picture", None, "a .png of the first source's edits: held-out pictures, and beside each its edits in turn"
)

_COLUMNS = ["file", "source", "edit"]
_SHOWN = 8  # pictures
_LEARNED = 20_000  # pictures of the train split, at most
_BLOCK = 1024


class Edits(NamedTuple):
    """Pictures as models see them, (count, H, W, C), with the attributes that they have and shall have, (count, K).

    `numbers` are those of the changed attributes, (count,), `truth` the right answers if they are known.
    """

    pictures: np.ndarray
    known: np.ndarray
    wanted: np.ndarray
    numbers: np.ndarray
    truth: np.ndarray | None = None


def main() -> None:
    """Train the classifier, then measure."""
    from train.engine import backend

    if not SOURCES.value:
        raise UserError("--sources is missing: name runs, bundles or ONNX files of an editor of attributes")
    if PICTURE.value and not PICTURE.value.endswith(".png"):
        raise UserError(f"--picture={PICTURE.value}: end it in .png")
    for source in SOURCES.value:
        if makers.kind_of(source) == "folder":
            raise UserError(f"--sources={source}: a folder of pictures edits nothing; name runs or bundles")
    backend.start(seed=SEED.value)
    editors = [makers.create(source) for source in SOURCES.value]
    section = editors[0].data
    assert section is not None, "every editor was trained on data"
    if data.kinds(section).get("attributes") != "attributes":
        raise UserError(f"--sources={SOURCES.value[0]}: it was trained on {section.name}, which has no attributes")
    (train, _), (test, _) = (data.load(section, split) for split in data.SPLITS)
    spec, image = test.specs["attributes"], test.specs["image"]
    maps = [map_of(editor, source, spec) for editor, source in zip(editors, SOURCES.value, strict=True)]
    places = chosen(test, COUNT.value)
    rows = held_out(test, section, chosen=places)
    tries = {"flips": all_edits(spec, rows["image"], rows["attributes"])}
    if EDITS.value:
        path = Path(home_expanded(EDITS.value, "--edits"))
        tries["counterfactuals"] = counterfactuals(path, section, spec, image)

    x, known = learned(train, section)
    classifier = fit(x, known, EPOCHS.value, SEED.value, flips=bool(section.get("flip")))
    by = {"split": "train", "pictures": len(x), "epochs": EPOCHS.value, "seed": SEED.value}
    told = {"data": section.name, "split": "test", "pictures": len(places), "classifier": by}

    def tell(source: Any, line: dict[str, Any]) -> None:
        print(json.dumps({"metric": "attributes", **line, "protocol": {"source": source, **told}}), flush=True)

    right = read(classifier, media.stored(image, rows["image"])) == rows["attributes"]
    shares = rows["attributes"].mean(axis=0)
    tell(
        "real pictures",
        {
            "accuracy": float(right.mean()),
            "attributes": _by_name(spec, right.mean(axis=0)),
            "commonest_value": _by_name(spec, np.maximum(shares, 1 - shares)),
        },
    )
    answers = {"doing nothing": lambda edits: (edits.pictures, edits.pictures)}
    protocols = {}
    for source, editor, name in zip(SOURCES.value, editors, maps, strict=True):
        answers[source], protocols[source] = answers_of(editor, name), editor.protocol
    for source, answer in answers.items():
        lines = {name: measure(classifier, spec, image, edits, *answer(edits)) for name, edits in tries.items()}
        tell(protocols.get(source, source), {**lines.pop("flips"), **lines})
    if edits := tries.get("counterfactuals"):
        tell("true counterfactuals", measure(classifier, spec, image, edits, edits.truth, None))
    if PICTURE.value:
        shown = all_edits(spec, rows["image"][:_SHOWN], rows["attributes"][:_SHOWN], in_place=True)
        made, _ = answers_of(editors[0], maps[0])(shown)
        write_bytes(home_expanded(PICTURE.value, "--picture"), strip(image, shown, made))


def chosen(table: Table, count: int) -> np.ndarray:
    """Return the numbers of at most so many rows of a table, chosen by the seed, in order."""
    return np.sort(np.random.default_rng(SEED.value).permutation(len(table))[:count])


def learned(train: Table, section: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what the classifier learns from: uint8 pictures (count, H, W, C) and their attributes."""
    places = chosen(train, _LEARNED)
    x, known = [], []
    for first in range(0, len(places), _BLOCK):  # as bytes they take a quarter of the memory
        block = held_out(train, section, ["image", "attributes"], chosen=places[first : first + _BLOCK])
        x.append(media.stored(train.specs["image"], block["image"]))
        known.append(block["attributes"])
    return np.concatenate(x), np.concatenate(known)


def map_of(editor: makers.Maker, source: str, spec: TensorSpec) -> str:
    """Return the name of the map that edits these attributes; a `UserError` if there is none."""
    for name, made in editor.maps.items():
        conditions = {tensor.kind: tensor for tensor in made.conditions}
        if conditions.keys() == {"image", "attributes"} and conditions["attributes"].names == spec.names:
            return name
    raise UserError(f"--sources={source}: it has no map from a picture and the attributes {', '.join(spec.names)}")


def answers_of(editor: makers.Maker, name: str) -> Any:
    """Return a function from edits to what the editor makes of them, and to the way back from there."""
    spec = editor.maps[name]
    picture, wanted = (next(t.name for t in spec.conditions if t.kind == kind) for kind in ("image", "attributes"))

    def answer(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        return editor.outputs(name, len(x), 0, {picture: x, wanted: c})[spec.output.name]

    def answers(edits: Edits) -> tuple[np.ndarray, np.ndarray]:
        made = answer(edits.pictures, edits.wanted)
        return made, answer(made, edits.known)

    return answers


def all_edits(spec: TensorSpec, x: np.ndarray, known: np.ndarray, in_place: bool = False) -> Edits:
    """Return each edit of each picture: each attribute changed; of an exclusive group, each other one set.

    With `in_place` every picture has every edit, in order: one that is set already stays.
    """
    parts = []
    for number in range(*spec.shape):
        wanted = edited(spec, known, number)
        rows = np.arange(len(x))
        if len(spec.group_of(number)) > 1:
            is_new = known[:, number] == 0
            wanted = np.where(is_new[:, None], wanted, known)
            rows = rows if in_place else rows[is_new]
        parts.append(Edits(x[rows], known[rows], wanted[rows], np.full(len(rows), number)))
    return Edits(*(np.concatenate(column) for column in zip(*(part[:4] for part in parts), strict=True)))


def counterfactuals(path: Path, section: Any, spec: TensorSpec, image: TensorSpec) -> Edits:
    """Return the edits whose right answers a CSV file names; what is missing or unknown is a `UserError`."""
    if not section.name.startswith(attributes.PREFIX):
        raise UserError(f"--edits is for pictures of your own, {attributes.PREFIX}PATH; these are {section.name}")
    root = files.root_of(section.name, attributes.PREFIX)
    known = attributes.vectors_of(section, root)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"cannot read --edits={path}: {first_line(error)}") from None
    if header[:3] != _COLUMNS or not lines or any(len(line) < 3 for line in lines):
        raise UserError(
            f"--edits={path}: its columns must be {','.join(_COLUMNS)}, with a line for each edited picture"
        )
    places, numbers = [], []
    for file, source, edit, *_ in lines:
        name = next((name for name in (f"test/{source}", source) if name in known), None)
        if name is None:
            raise UserError(f"--edits={path}: {source} is no picture of {section.name}")
        if edit not in spec.names:
            raise unknown(f"attribute in --edits={path}", edit, spec.names)
        places.append((root / name, path.parent / file))
        numbers.append((name, spec.names.index(edit)))
    size = pictures.stored_size(image.shape[:2], section.crop)

    def decoded(column: int) -> np.ndarray:
        try:
            stack = np.stack([images.decode(both[column], size, image.shape[2]) for both in places])
        except Exception as error:  # a damaged file may make Pillow raise anything
            raise UserError(f"cannot read a picture of --edits={path}: {first_line(error)}") from None
        return held_out(Table({"image": stack}, {"image": image}, ""), section)["image"]

    vectors = np.stack([known[name] for name, _ in numbers])
    wanted = np.concatenate(
        [edited(spec, row[None], number) for row, (_, number) in zip(vectors, numbers, strict=True)]
    )
    return Edits(decoded(0), vectors, wanted, np.array([number for _, number in numbers]), decoded(1))


def classifier_of(shape: tuple[int, ...], count: int) -> "keras.Model":
    """Return a network from pictures in [0, 255] to the logits of their attributes, (batch, count)."""
    import keras
    from keras import layers

    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    for filters, stride in ((16, 1), (32, 2), (64, 2), (64, 1), (128, 2)):
        x = layers.Conv2D(filters, 3, stride, "same", use_bias=False, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return keras.Model(inputs, layers.Dense(count)(x))


def fit(
    x: np.ndarray, known: np.ndarray, epochs: int, seed: int, flips: bool = False, batch_size: int = 32
) -> "keras.Model":
    """Return a classifier of uint8 pictures, trained with a cosine schedule, with mirrored copies where it `flips`."""
    import keras
    from tqdm import tqdm

    keras.utils.set_random_seed(seed)
    model = classifier_of(x.shape[1:], known.shape[1])
    if flips:
        x, known = np.concatenate([x, x[:, :, ::-1]]), np.concatenate([known, known])
    steps = epochs * -(-len(x) // batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
    )
    bar = tqdm(total=steps, desc="training the classifier", unit=" steps", mininterval=5, disable=None)
    progress = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs=None: bar.update())
    model.fit(x, known.astype(np.float32), batch_size, epochs, verbose=0, callbacks=[progress])
    bar.close()
    return model


def read(classifier: "keras.Model", x: np.ndarray) -> np.ndarray:
    """Return the attributes that the classifier sees in uint8 pictures, 0 or 1 (count, K)."""
    return (classifier.predict(x, batch_size=64, verbose=0) > 0).astype(np.int32)


def measure(
    classifier: "keras.Model",
    spec: TensorSpec,
    image: TensorSpec,
    edits: Edits,
    made: np.ndarray,
    back: np.ndarray | None,
) -> dict[str, Any]:
    """Return the figures of the pictures that were `made` of some edits, over all and by the edited attribute.

    `back` is what the way back made of them, None if there is none.
    """
    seen = read(classifier, media.stored(image, made))
    before, after = rounded(image, edits.pictures), rounded(image, made)
    truth = None if edits.truth is None else rounded(image, edits.truth)
    is_touched = np.stack([np.isin(np.arange(*spec.shape), spec.group_of(number)) for number in edits.numbers])
    is_right = seen == edits.wanted
    figures = {
        "target": (is_right | ~is_touched).all(axis=1),
        "untouched": np.where(is_touched.all(axis=1), np.nan, _share(is_right, ~is_touched)),
        **({} if back is None else {"cycle_l1": np.abs(rounded(image, back) - before).mean(axis=(1, 2, 3))}),
        "change_l1": np.abs(after - before).mean(axis=(1, 2, 3)),
    }

    def of(rows: np.ndarray) -> dict[str, float | int]:
        line: dict[str, Any] = {"count": int(rows.sum())}
        for name, values in figures.items():
            if not np.isnan(values[rows].astype(float)).any():
                line[name] = float(values[rows].mean())
        if truth is not None:
            line |= errors(before[rows], after[rows], truth[rows])
        return line

    chosen = {name: edits.numbers == number for number, name in enumerate(spec.names)}
    return {**of(np.ones(len(seen), bool)), "edits": {name: of(rows) for name, rows in chosen.items() if rows.any()}}


def errors(before: np.ndarray, made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the mean absolute error over the pixels that differ between `before` and `truth`, and over the others."""
    is_inside = (before != truth).any(axis=-1)
    wrong = np.abs(made - truth).mean(axis=-1)
    line = {"changed_pixels": float(is_inside.mean())}
    if is_inside.any():
        line["l1_inside"] = float(wrong[is_inside].mean())
    return {**line, "l1_outside": float(wrong[~is_inside].mean())}


def rounded(image: TensorSpec, x: np.ndarray) -> np.ndarray:
    """Return pictures as a file would give them back, in [-1, 1]."""
    return media.seen(image, media.stored(image, x))


def strip(image: TensorSpec, edits: Edits, made: np.ndarray) -> bytes:
    """Return the PNG file of pictures, and beside each its edits in turn."""
    count = len(made) // (1 + edits.numbers.max())
    before, after = (media.stored(image, x).reshape(-1, count, *image.shape) for x in (edits.pictures, made))
    cells = np.concatenate([before[:1], after]).swapaxes(0, 1)
    return images.encode_png(images.grid(cells.reshape(-1, *image.shape), columns=cells.shape[1]))


def _share(is_right: np.ndarray, is_chosen: np.ndarray) -> np.ndarray:
    """Return the share of the chosen values that are right, in each row."""
    return (is_right & is_chosen).sum(axis=1) / np.maximum(is_chosen.sum(axis=1), 1)


def _by_name(spec: TensorSpec, values: np.ndarray) -> dict[str, float]:
    return dict(zip(spec.names, map(float, values), strict=True))


def run() -> None:
    """Run the program: `python -m train.evaluate.attributes`."""
    program.run(main)


if __name__ == "__main__":
    run()
