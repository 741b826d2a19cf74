"""Any data set of recordings of tensorflow-datasets, by its name ('spoken_digit', 'speech_commands', ...).

Provenance: the set's own `audio` feature and, where it is a class label, its `label`; where it lies and which splits it
has is as `tfds` says. 'spoken_digit' (Jackson 2016, "Free spoken digit dataset") has 2,500 recordings of ten digits by
five speakers at 8 kHz, and no test split: the last tenth is held out, by the same speakers.

Preprocessing: as `sounds` says. A recording that cannot be used is left out, or refused.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging

from train.data.cache import Decoding, NoRows, Row, cached
from train.data.source import Source
from train.data.sources import sounds, tfds
from zoo.shared.errors import UserError

OPTIONS = sounds.SOUNDS
check_prepared = tfds.check_prepared
_TOLD = 5


def check(section: Any) -> None:
    """Raise a `UserError` naming the nearest data set unless the name is known, without importing TensorFlow."""
    sounds.check(section)
    tfds.check_name(section.name)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the sound, what counts of it, and the class of a set that has classes."""
    labels = {"label": "class"} if tfds.is_labelled_here(section.name) else {}
    return {"audio": "audio", "counted": "mask", **labels}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the set that the data section names, preparing the set where it must be.

    Raises `UserError` where the set is not to be had, holds no usable recording, or is damaged.
    """
    builder = tfds.prepared(section.name, "audio")
    splits = builder.info.splits
    part, whole = tfds.part_of(section.name, split, list(splits))
    own = builder.info.features["audio"].sample_rate
    if own is None:
        raise UserError(f"data set {section.name!r} does not tell its rate; take another set, or wav:PATH")
    cutter = sounds.Cutter(section, section.rate or int(own))
    skipped = 0

    def made(example: tuple[np.ndarray, Any]) -> list[Row]:
        nonlocal skipped
        samples, label = example
        try:
            scale = 32768 if samples.dtype.kind == "i" else 1
            rows = cutter.rows((samples / scale).astype(np.float32), int(own))
        except OSError as error:
            if section.unreadable == "refuse":
                raise UserError(f"a recording of {section.name!r}: {error}; or set data.unreadable to 'skip'") from None
            skipped += 1
            if skipped <= _TOLD:
                logging.warning("skipping a recording of %r: %s", section.name, error)
            return []
        return [row if label is None else {**row, "label": np.array(label, np.int32)} for row in rows]

    key = {
        **tfds.identity(builder, part, whole),
        "sounds": sounds.PREPROCESSING,
        **{option: section[option] for option in OPTIONS},
    }
    # a sample takes a byte or more in the files of a set
    most = splits[part].num_examples + int(splits[whole].num_bytes) // (section.length - section.context)
    decoding = Decoding(
        splits[part].num_examples,
        tfds.Decoder(builder, lambda: _read(builder, part), made).rows,
        None if section.whole else (lambda: most),
    )
    try:
        entry = cached(key, decoding)
    except NoRows:
        raise UserError(
            f"none of the {decoding.items:,} recordings of {section.name!r}, split {part!r}, is usable"
        ) from None
    if skipped > _TOLD:
        logging.warning("skipping %d recordings in all, of which these were the first", skipped)
    cutter.tell(repr(section.name))
    return tfds.table_of(
        builder,
        entry,
        sounds.specs_of(entry.columns["audio"], cutter.rate),
        f"{len(entry.columns['audio']):,} rows of {builder.info.full_name} (tensorflow-datasets), split {part!r}, "
        f"{splits[part].num_examples:,} recordings: {sounds.told(section, cutter.rate)}",
    )


def _read(builder: Any, part: str) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the samples of each recording, and its label or None."""
    import tensorflow_datasets

    names = ("audio", "label") if tfds.is_labelled(builder) else ("audio",)
    decoders = tensorflow_datasets.decode.PartialDecoding(dict.fromkeys(names, True))
    # by itself a small set stays in memory, of which each example is read once
    once = tensorflow_datasets.ReadConfig(try_autocache=False)
    for example in builder.as_dataset(
        split=part, decoders=decoders, shuffle_files=False, read_config=once
    ).as_numpy_iterator():
        yield example["audio"], example.get("label")
