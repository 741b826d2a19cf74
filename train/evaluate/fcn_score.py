"""Can translated pictures be read? python -m train.evaluate.fcn_score --data=pairs:camvid --sources=runs/a,runs/b

The FCN score of pix2pix (Isola, Zhu, Zhou and Efros 2017, section 3.3): a segmenter learns on real photographs, and
then reads those that a model made of label pictures. Its classes are compared with the labels. The paper has FCN-8s on
Cityscapes. Here a small segmenter is trained first, on the train split of the data, whose inputs are label pictures, a
colour for each class. So its scores compare only with each other and with those of the real photographs.

Prints a line of JSON for the real photographs, the label pictures themselves, the class's mean colours, and each
source: the share of pixels that are right, its mean over classes, and the mean intersection over union.
"""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from train import config, data
from train.evaluate import makers
from zoo import media
from zoo.shared import program
from zoo.shared.errors import UserError

if TYPE_CHECKING:
    import keras

DATA = flags.DEFINE_string("data", None, "pairs of label pictures and photographs, such as pairs:PATH")
SOURCES = flags.DEFINE_list("sources", [], "runs, bundles or ONNX files of pix2pix, trained on the same data")
VOID = flags.DEFINE_list("void", ["0", "0", "0"], "the colour of pixels without a class, which are not scored")
SIZE = flags.DEFINE_integer("image_size", 0, "side that the pairs are resized to; 0 = own", lower_bound=0)
EPOCHS = flags.DEFINE_integer("epochs", 8, "of the segmenter", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "of the segmenter and of the noise", lower_bound=0, upper_bound=2**32 - 1)

_MOST_CLASSES = 64


def main() -> None:
    """Train the segmenter, then score."""
    from train.engine import backend

    if not DATA.value:
        raise UserError("--data is missing: name pairs of label pictures and photographs, such as pairs:camvid")
    section = config.source(DATA.value)
    if SIZE.value:
        section.image_size = SIZE.value
    data.check(section)
    if not section.name.startswith("pairs:"):
        raise UserError(f"--data={DATA.value}: the labels must be pictures of their own; use pairs:PATH")
    try:
        void = np.array([int(level) for level in VOID.value], np.uint8).reshape(3)
    except (ValueError, OverflowError):
        raise UserError(f"--void={','.join(VOID.value)}: write a colour, such as 0,0,0") from None
    for source in SOURCES.value:
        if makers.kind_of(source) == "folder":
            raise UserError(f"--sources={source}: a folder of pictures translates nothing; name runs or bundles")
    backend.start(seed=SEED.value)
    (train,), (test,) = (data.load(section, split) for split in data.SPLITS)
    palette = classes_of(train.columns["input"], void)
    labels = {split: labelled(table.columns["input"], palette) for split, table in (("train", train), ("test", test))}
    photos, inputs = (np.asarray(test.columns[name]) for name in ("image", "input"))
    segmenter = fit(np.asarray(train.columns["image"]), labels["train"], len(palette), EPOCHS.value, SEED.value)
    colours = mean_colours(np.asarray(train.columns["image"]), labels["train"], len(palette))
    rows = {"photographs": photos, "label pictures": inputs, "mean colours of classes": colours[labels["test"]]}
    for title, pictures in rows.items():
        _tell({"source": title}, score(segmenter, pictures, labels["test"]))
    for source in SOURCES.value:
        maker = makers.create(source)
        fits = [name for name, spec in maker.maps.items() if "input" in {tensor.name for tensor in spec.conditions}]
        if not fits:
            raise UserError(f"--sources={source}: it has no map with the condition 'input'")
        rows_seen = {"input": media.seen(test.specs["input"], inputs)}
        made = maker.samples(fits[0], len(inputs), SEED.value, maker.given(fits[0], rows_seen))
        _tell(maker.protocol, score(segmenter, made, labels["test"]))


def _tell(source: dict[str, Any], scores: dict[str, float]) -> None:
    protocol = {"data": DATA.value, "split": "test", "epochs": EPOCHS.value, "seed": SEED.value, "void": VOID.value}
    print(json.dumps({"metric": "fcn_score", **scores, "protocol": {"source": source, **protocol}}), flush=True)


def classes_of(labels: np.ndarray, void: np.ndarray) -> np.ndarray:
    """Return the colours of label pictures (N, H, W, 3), but for that of `void`, uint8 (classes, 3), sorted."""
    colours = np.unique(np.asarray(labels).reshape(-1, labels.shape[-1]), axis=0)
    colours = colours[(colours != void).any(axis=1)]
    if not 2 <= len(colours) <= _MOST_CLASSES:
        raise UserError(
            f"the inputs have {len(colours)} colours, label pictures 2 to {_MOST_CLASSES}: save PNG files, not resized"
        )
    return colours


def labelled(pictures: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Return the class of each pixel, int32 (N, H, W); len(palette) stands for void."""
    labels = np.full(pictures.shape[:3], len(palette), np.int32)
    for number, colour in enumerate(palette):
        labels[(np.asarray(pictures) == colour).all(axis=-1)] = number
    return labels


def mean_colours(photos: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the mean colour of each class, uint8 (classes + 1, 3), that of void last: what knows classes alone."""
    means = [
        photos[chosen].mean(axis=0) if (chosen := labels == number).any() else np.zeros(3)
        for number in range(classes + 1)
    ]
    return np.stack(means).round().astype(np.uint8)


def segmenter_of(shape: tuple[int, ...], classes: int) -> "keras.Model":
    """Return a U-Net from photographs in [0, 255], sides multiples of 16, to logits (batch, H, W, classes)."""
    import keras
    from keras import layers

    def block(x: keras.KerasTensor, filters: int, stride: int = 1) -> keras.KerasTensor:
        x = layers.Conv2D(filters, 3, stride, "same", use_bias=False, kernel_initializer="he_normal")(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    inputs = keras.Input(shape)
    x, skips = layers.Rescaling(1 / 127.5, -1)(inputs), []
    for filters in (24, 48, 96, 128):
        x = block(block(x, filters, 2), filters)
        skips.append(x)
    for skip in skips[-2::-1]:
        x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), skip])
        x = block(x, skip.shape[-1])
    return keras.Model(inputs, layers.UpSampling2D(interpolation="bilinear")(layers.Conv2D(classes, 1)(x)))


def fit(
    photos: np.ndarray, labels: np.ndarray, classes: int, epochs: int, seed: int, batch_size: int = 8
) -> "keras.Model":
    """Return a segmenter of uint8 `photos`, trained with mirrored copies and a cosine schedule; void is left out."""
    import keras

    height, width = photos.shape[1:3]
    if height % 16 or width % 16:
        raise UserError(f"the segmenter needs sides that are multiples of 16, not {width} x {height}")
    keras.utils.set_random_seed(seed)
    model = segmenter_of(photos.shape[1:], classes)
    photos, labels = (np.concatenate([array, array[:, :, ::-1]]) for array in (photos, labels))
    steps = epochs * -(-len(photos) // batch_size)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=classes),
    )
    model.fit(photos, labels, batch_size, epochs, verbose=0, callbacks=[_progress(steps)])
    return model


def _progress(steps: int) -> "keras.callbacks.Callback":
    import keras
    from tqdm import tqdm

    bar = tqdm(total=steps, desc="training the segmenter", unit=" steps", mininterval=5, disable=None)
    return keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs=None: bar.update(), on_train_end=lambda logs=None: bar.close()
    )


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return how many pixels of each class (rows) were taken for each class (columns), void left out."""
    known = labels != classes
    pairs = labels[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def scores_of(counts: np.ndarray) -> dict[str, float]:
    """Return the pixel accuracy, the mean class accuracy and the mean intersection over union of a confusion.

    Long, Shelhamer and Darrell (2015). A class that does not occur in the labels is left out of the means.
    """
    hits, true, claimed = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    occurs = true > 0
    return {
        "pixel": float(hits.sum() / counts.sum()),
        "class": float((hits[occurs] / true[occurs]).mean()),
        "iou": float((hits[occurs] / (true + claimed - hits)[occurs]).mean()),
    }


def score(model: "keras.Model", photos: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the scores of the segmenter on uint8 `photos` whose true classes are `labels`."""
    predicted = model.predict(photos, batch_size=16, verbose=0)
    return scores_of(confusion(labels, predicted.argmax(axis=-1), predicted.shape[-1]))


def run() -> None:
    """Run the program: `python -m train.evaluate.fcn_score`."""
    program.run(main)


if __name__ == "__main__":
    run()
