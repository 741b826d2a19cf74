"""Any image data set of tensorflow-datasets, by its name ('mnist', 'celeb_a', 'imagenet_resized/64x64', ...).

Provenance: the set's own `image` feature and, where it is a class label, its `label`, as prepared below
$TFDS_DATA_DIR (else ~/tensorflow_datasets); a set that is not there is downloaded and prepared. The splits are its
'train' and 'test'; where it has no 'test', its 'validation'; where it has neither, the last tenth of 'train'.

Preprocessing: transparency over white, centre square, Lanczos resize (none where the size fits).
"""

import contextlib
import glob
import io
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from train.data.cache import Decoding, Entry, Row, cached, home_expanded
from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import PICTURES, names, pictures
from zoo import images
from zoo.shared.errors import UserError, first_line, unknown
from zoo.spec import TensorSpec

OPTIONS = PICTURES
_RETRIES, _PATIENCE = 2, (20, 120)  # seconds until a host takes a call, and between two of its answers


def check(section: Any) -> None:
    """Raise a `UserError` naming the nearest data set unless the name is known, without importing TensorFlow."""
    pictures.check(section)
    check_name(section.name)


def check_name(name: str) -> None:
    """Raise a `UserError` naming the nearest data set unless the name is known."""
    known = {*names(), *_names()}
    base = re.split("[/:]", name)[0]  # without configuration and version
    if base in known:
        return
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        if Path(name).expanduser().is_dir():
            raise UserError(f"data.name is {name!r}, a directory: write folder:{name} for the pictures in it")
    near = get_close_matches(base, known, n=1, cutoff=0.5)
    raise unknown("data set", name, near or (*names(), "an image set of tensorflow-datasets"))


def check_prepared(name: str) -> None:
    """Raise a `UserError` if the set is not prepared here; neither TensorFlow nor a network is needed to see that."""
    path, _, version = name.partition(":")
    place, version = glob.escape(path), version or "*"
    where = data_dir()
    for pattern in (f"{place}/{version}", f"{place}/*/{version}"):  # name/[config/]version
        if any(where.glob(f"{pattern}/dataset_info.json")):
            return
    raise UserError(f"data set {name!r} is not prepared below {where}: {_how_to_have(name)}")


def _how_to_have(name: str) -> str:
    return (
        f"set TFDS_DATA_DIR to a directory that holds it, or run `tfds build {name}` on a machine with internet and "
        "copy the result, or use --config.data.name=digits"
    )


def kinds(section: Any) -> dict[str, str]:
    """Return the columns of a set that is prepared here; of others, an image and perhaps a label."""
    return {"image": "image", **({"label": "class"} if is_labelled_here(section.name) else {})}


def is_labelled_here(name: str) -> bool:
    """Return whether a set that is prepared here has a class for each example; of others, True."""
    return "ClassLabel" in features_of(name).get("label", "ClassLabel")


def features_of(name: str) -> dict[str, str]:
    """Return the class of each feature of a set that is prepared here, by its name, or {} of another set.

    Of one without a label the class of "label" is "".
    """
    base = re.split("[/:]", name)[0]
    if not base.isidentifier():
        return {}
    for path in sorted(data_dir().glob(f"{base}/**/features.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            features = json.loads(path.read_text())["featuresDict"]["features"]
            return {"label": "", **{key: told.get("pythonClassName", "") for key, told in features.items()}}
    return {}


def is_sound(name: str) -> bool:
    """Return whether a set holds recordings: as it is prepared here, else as the installed package files it."""
    if known := features_of(name):
        return "audio" in known and "image" not in known
    base = re.split("[/:]", name)[0]
    folder = _package() / "audio"
    return base.isidentifier() and ((folder / base).is_dir() or (folder / f"{base}.py").is_file())


def load(section: Any, split: str) -> Source:
    """Return the `split` of the set that the data section names, preparing the set where it must be.

    Raises `UserError` where the set is not to be had, holds no images of 8 bits, or is damaged.
    """
    builder = prepared(section.name)
    splits = builder.info.splits
    part, whole = part_of(section.name, split, list(splits))
    own = builder.info.features["image"].shape
    channels = section.channels or (1 if own[-1] == 1 else 3)
    if section.image_size:
        size = (section.image_size,) * 2
    elif None in own[:2]:
        raise UserError(f"the pictures of {section.name!r} differ in size: {pictures.choice(64)}")
    else:
        size = pictures.own_size(own[:2], repr(section.name))
    stored = pictures.stored_size(size, section.crop)

    def made(example: tuple[bytes, Any]) -> list[Row]:
        file, label = example
        with Image.open(io.BytesIO(file)) as picture:
            row = {"image": images.fit(picture, stored, channels)}
        return [row if label is None else {**row, "label": np.array(label, np.int32)}]

    entry = cached(
        {
            **identity(builder, part, whole),
            "size": list(stored),
            "channels": channels,
            "preprocessing": images.PREPROCESSING,
        },
        Decoding(splits[part].num_examples, Decoder(builder, lambda: _read(builder, part), made).rows),
    )
    return table_of(
        builder,
        entry,
        {"image": image_spec("image", entry.columns["image"], section.crop)},
        f"{len(entry.columns['image']):,} images of {builder.info.full_name} (tensorflow-datasets), "
        f"split {part!r}, centres at {pictures.told(size, section.crop)} (Lanczos where resized)",
    )


def identity(builder: Any, part: str, whole: str) -> dict[str, Any]:
    """Return what the key of a cache entry says of a `part` of the split `whole` of a set."""
    split = builder.info.splits[whole]
    # the number and the bytes of the examples tell a reduced copy from the whole set
    return {"source": [builder.info.full_name, split.num_examples, int(split.num_bytes)], "split": part}


def table_of(builder: Any, entry: Entry, specs: dict[str, TensorSpec], told: str) -> Source:
    """Return the source of a cache entry, with the names of the labels if it has any."""
    if "label" in entry.columns:
        specs["label"] = label_spec(tuple(builder.info.features["label"].names))
    return (Table(entry.columns, specs, told, entry.digests),)


def data_dir() -> Path:
    """Return the directory that holds the prepared sets."""
    # Read here, since tensorflow_datasets reads it only once, when imported.
    path = home_expanded(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets", "TFDS_DATA_DIR")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"TFDS_DATA_DIR is {str(path)!r}, which is not UTF-8, and TensorFlow opens no such path: set it to a link"
        ) from None
    return path


def _package() -> Path:
    """Return where tensorflow-datasets lies, without importing it."""
    return Path(str(metadata.distribution("tensorflow-datasets").locate_file("tensorflow_datasets")))


def _names() -> set[str]:
    """Return the names of the sets prepared here, and of those the installed package has (tfds.list_builders())."""
    package = _package()
    names = {path.stem for path in package.glob("url_checksums/*.txt")}
    names |= {path.parent.name for path in package.glob("*/*/checksums.tsv")}
    names |= {path.parent.name for path in package.glob("*/*/*_dataset_builder.py")}
    names |= {path.stem for path in package.glob("image*/*/*.py") if path.stem == path.parent.name}
    where = data_dir()
    for pattern in ("*/*/dataset_info.json", "*/*/*/dataset_info.json"):  # name/[config/]version
        names |= {path.relative_to(where).parts[0] for path in where.glob(pattern)}
    return names


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Let a download whose host does not answer fail within minutes, without the lines of its library.

    By itself tensorflow-datasets calls eleven times and waits without end; with no network at all it tries for 204 s.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # for good: after a failure other downloads still end
    library = logging.getLogger("absl")
    before = downloader.MAX_RETRIES, downloader._open_url, library.level
    downloader.MAX_RETRIES, downloader._open_url = _RETRIES, partial(downloader._open_url, timeout=_PATIENCE)
    library.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        downloader.MAX_RETRIES, downloader._open_url = before[:2]
        library.setLevel(before[2])


@_impatient()
def prepared(name: str, column: str = "image") -> Any:
    """Return the builder of the set `name`, downloaded and prepared where it was not.

    One without the feature `column`, "image" or "audio", is a `UserError`.
    """
    import tensorflow_datasets as tfds

    where = data_dir()
    # A builder is code of its own, for one set, and may raise anything.
    try:
        builder = tfds.builder(name, data_dir=where)
        feature = dict(builder.info.features).get(column)
    except Exception as error:
        raise UserError(f"tensorflow-datasets cannot open {name!r}: {cause(error)}; see its catalogue") from error
    if column == "audio" and not isinstance(feature, tfds.features.Audio):
        raise UserError(f"data set {name!r} has no feature 'audio'; take a set of recordings, such as 'spoken_digit'")
    if column == "image" and (not isinstance(feature, tfds.features.Image) or feature.np_dtype != np.uint8):
        raise UserError(f"data set {name!r} has no 8-bit feature 'image'; take an image set, such as 'mnist'")
    if not builder.is_prepared():
        print(f"preparing data set {name!r} below {where}: it is downloaded once", file=sys.stderr)
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise UserError(
                f"data set {name!r} is neither prepared below {where} nor can it be downloaded here "
                f"({cause(error)}); {_how_to_have(name)}"
            ) from error
    return builder


def part_of(name: str, split: str, splits: list[str]) -> tuple[str, str]:
    """Return the TFDS expression for `split`, and the TFDS split that it is taken from."""
    held_out = next((known for known in ("test", "validation") if known in splits), None)
    whole = held_out if split == "test" and held_out else "train"
    if whole not in splits:
        raise UserError(f"data set {name!r} has no split 'train', only {', '.join(splits)}; take another set")
    if held_out:
        return whole, whole
    return ("train[90%:]" if split == "test" else "train[:90%]"), whole


class Decoder:
    """Makes rows of the examples of a set, in the order in which they come out of its files.

    `read()` yields the examples from the first on, `made(example)` returns the rows of one. An example is found by
    reading those before it. So the reading goes on where the last rows ended, and begins anew only for rows before
    these.
    """

    def __init__(self, builder: Any, read: Callable[[], Iterator[Any]], made: Callable[[Any], list[Row]]) -> None:
        self.builder, self.read, self.made = builder, read, made
        self._examples: Iterator[Any] = iter(())
        self._place = sys.maxsize  # of the next example that is read

    def rows(self, start: int, stop: int) -> Iterator[Row]:
        """Yield the rows of the examples from `start` to `stop`; what cannot be read is a `UserError`."""
        import tensorflow as tf

        if start < self._place:
            self._examples, self._place = self.read(), 0
        try:
            for example in itertools.islice(self._examples, stop - self._place):
                self._place += 1
                if self._place > start:
                    yield from self.made(example)
        except (tf.errors.OpError, OSError) as error:
            raise UserError(
                f"data set {self.builder.info.full_name} below {data_dir()} is damaged ({cause(error)}); "
                "prepare it again"
            ) from error


def _read(builder: Any, part: str) -> Iterator[tuple[bytes, Any]]:
    """Yield the file of each picture, and its label or None."""
    import tensorflow_datasets as tfds

    labelled = is_labelled(builder)
    # Pillow decodes: files come in batches, which arrays of several sizes could not, and the rest is not read at all.
    decoders = tfds.decode.PartialDecoding(
        {"image": True, "label": True} if labelled else {"image": True}, {"image": tfds.decode.SkipDecoding()}
    )
    # by itself a small set stays in memory, of which each example is read once
    once = tfds.ReadConfig(try_autocache=False)
    examples = builder.as_dataset(split=part, decoders=decoders, shuffle_files=False, read_config=once)
    for batch in examples.batch(64).as_numpy_iterator():
        yield from zip(batch["image"], batch.get("label", itertools.repeat(None)), strict=False)


def is_labelled(builder: Any) -> bool:
    """Return whether the set has a class for each example."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    return "label" in features and isinstance(features["label"], tfds.features.ClassLabel)


def cause(error: Exception) -> str:
    """Return the first line of `error`, shortened; of a download that failed, the host."""
    if host := re.search("host='([^']+)'", str(error)):
        return f"{type(error).__name__}: {host[1]} does not answer"
    return f"{type(error).__name__}: {first_line(error)}"
