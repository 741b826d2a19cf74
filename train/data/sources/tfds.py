"""Any image data set of tensorflow-datasets, by its name ('mnist', 'celeb_a', 'imagenet_resized/64x64', ...).

Provenance: the set's own `image` feature and, where it is a class label, its `label`, as prepared below
$TFDS_DATA_DIR (else ~/tensorflow_datasets); a set that is not there is downloaded and prepared. The splits are its
'train' and 'test'; where it has no 'test', its 'validation'; where it has neither, the last tenth of 'train'.

Preprocessing: transparency over white, centre square, Lanczos resize (none where the size fits).
"""

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from train.data.cache import cached
from train.data.source import PREPROCESSING, Source, square
from zoo.metrics.mixtures import MIXTURES
from zoo.shared.errors import UserError, first_line, unknown


def check(name: str) -> None:
    """Raise a `UserError` naming the nearest data set unless `name` is known, without importing TensorFlow."""
    known = {"digits", *MIXTURES, *_names()}
    base = re.split("[/:]", name)[0]  # without configuration and version
    if base not in known:
        near = get_close_matches(base, {*known, "stacked:NAME"}, n=1, cutoff=0.5)
        others = ("digits", *MIXTURES, "stacked:NAME", "folder:PATH", "an image set of tensorflow-datasets")
        raise unknown("data set", name, near or others)


def load(config: Any, split: str) -> Source:
    """Return the `split` of the set that `config` (data section) names, preparing the set where it must be.

    Raises `UserError` where the set is not to be had, holds no images of 8 bits, or is damaged.
    """
    builder = _prepared(config.name)
    splits = builder.info.splits
    part, whole = _part(config.name, split, list(splits))
    channels = config.channels or (1 if builder.info.features["image"].shape[-1] == 1 else 3)
    label_names = tuple(builder.info.features["label"].names or ()) if _labelled(builder) else ()

    images, labels = cached(
        {
            # The number and the bytes of the examples tell a reduced copy from the whole set.
            "source": [builder.info.full_name, splits[whole].num_examples, int(splits[whole].num_bytes)],
            "split": part,
            "image_size": config.image_size,
            "channels": channels,
            "preprocessing": PREPROCESSING,
        },
        lambda: _rows(builder, part, config.image_size, channels),
    )
    return Source(
        samples=images,
        labels=labels,
        label_names=label_names,
        description=f"{len(images):,} images of {builder.info.full_name} (tensorflow-datasets), split {part!r}, centre "
        f"squares at {config.image_size} px (Lanczos where resized)",
    )


def _data_dir() -> Path:
    # Read here, since tensorflow_datasets reads it only once, when imported.
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _names() -> set[str]:
    """Return the names of the sets prepared here, and of those the installed package has (tfds.list_builders())."""
    # where it lies, without importing it
    package = Path(str(metadata.distribution("tensorflow-datasets").locate_file("tensorflow_datasets")))
    names = {path.stem for path in package.glob("url_checksums/*.txt")}
    names |= {path.parent.name for path in package.glob("*/*/checksums.tsv")}
    names |= {path.parent.name for path in package.glob("*/*/*_dataset_builder.py")}
    names |= {path.stem for path in package.glob("image*/*/*.py") if path.stem == path.parent.name}
    data_dir = _data_dir()
    for pattern in ("*/*/dataset_info.json", "*/*/*/dataset_info.json"):  # name/[config/]version
        names |= {path.relative_to(data_dir).parts[0] for path in data_dir.glob(pattern)}
    return names


def _prepared(name: str) -> Any:
    """Return the builder of the set `name`, downloaded and prepared where it was not."""
    import tensorflow_datasets as tfds

    data_dir = _data_dir()
    # A builder is code of its own, for one set, and may raise anything.
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        image = dict(builder.info.features).get("image")
    except Exception as error:
        raise UserError(f"tensorflow-datasets cannot open {name!r}: {_cause(error)}; see its catalogue") from error
    if not isinstance(image, tfds.features.Image) or image.np_dtype != np.uint8:
        raise UserError(f"data set {name!r} has no 8-bit feature 'image'; take an image set, such as 'mnist'")
    if not builder.is_prepared():
        try:
            with contextlib.redirect_stdout(sys.stderr):
                builder.download_and_prepare()
        except Exception as error:
            raise UserError(
                f"data set {name!r} is neither prepared below {data_dir} nor can it be downloaded here "
                f"({_cause(error)}); set TFDS_DATA_DIR to a directory that holds it, or run `tfds build {name}` on a "
                "machine with internet and copy the result, or use --config.data.name=digits"
            ) from error
    return builder


def _part(name: str, split: str, splits: list[str]) -> tuple[str, str]:
    """Return the TFDS expression for `split`, and the TFDS split that it is taken from."""
    held_out = next((known for known in ("test", "validation") if known in splits), None)
    whole = held_out if split == "test" and held_out else "train"
    if whole not in splits:
        raise UserError(f"data set {name!r} has no split 'train', only {', '.join(splits)}; take another set")
    if held_out:
        return whole, whole
    return ("train[90%:]" if split == "test" else "train[:90%]"), whole


def _rows(builder: Any, part: str, size: int, channels: int) -> Iterator[tuple[np.ndarray, int]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    labelled = _labelled(builder)
    # Pillow decodes: files come in batches, which arrays of several sizes could not, and the rest is not read at all.
    decoders = tfds.decode.PartialDecoding(
        {"image": True, "label": True} if labelled else {"image": True}, {"image": tfds.decode.SkipDecoding()}
    )
    try:
        examples = builder.as_dataset(split=part, decoders=decoders, shuffle_files=False)
        with tqdm(desc=f"decoding {part}", total=len(examples), unit=" pictures", disable=None) as progress:
            for batch in examples.batch(64).as_numpy_iterator():
                for file, label in zip(batch["image"], batch.get("label", itertools.repeat(0)), strict=False):
                    with Image.open(io.BytesIO(file)) as picture:
                        yield square(picture, size, channels), int(label)
                    progress.update()
    except (tf.errors.OpError, OSError) as error:
        raise UserError(
            f"data set {builder.info.full_name} below {_data_dir()} is damaged ({_cause(error)}); prepare it again"
        ) from error


def _labelled(builder: Any) -> bool:
    import tensorflow_datasets as tfds

    features = builder.info.features
    return "label" in features and isinstance(features["label"], tfds.features.ClassLabel)


def _cause(error: Exception) -> str:
    """Return the first line of `error`, shortened."""
    return f"{type(error).__name__}: {first_line(error)}"
