"""Pictures of 1,000 modes: 'stacked:NAME' lays three grey pictures of the set NAME on each other, as red, green, blue.

Provenance: NAME, a labelled set of ten classes with one channel, such as 'mnist' (Stacked MNIST: Metz et al. 2016) or
'digits'. Each of the three pictures is drawn uniformly, with replacement, always the same ones. The label is the number
100a + 10b + c of their labels a, b, c.

As in PacGAN (Lin, Khetan, Fanti and Oh 2018) there are 128,000 examples to train on. The held-out split has 26,000,
which is how many samples its protocol counts. There the pictures come from the train and test splits of MNIST together;
here each split is drawn from that of NAME, so that no held-out picture was trained on.

Modes are as likely as NAME's classes make them. MNIST's are not equally frequent: the KL divergence of the modes of its
stacks from uniform is 0.004 nats in the train split and 0.005 in the test split.
"""

from typing import Any

import numpy as np

from train.data import sources
from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import pictures
from zoo import noise
from zoo.metrics.modes import DIGITS, STACKED, STACKED_MODES, stacked_mode
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

PREFIX = "stacked:"
OPTIONS: dict[str, Any] = {"channels": 0}
_TRAIN, _TEST = 128_000, 26_000
_LARGEST = 64  # pixels: 1.6 GB of memory, where 28 need 0.3
_NEEDS = "stack a set of 10 classes with 1 channel, such as 'stacked:mnist'"
# beyond the seeds of runs and that of the mixtures
_SEED = 2**32 + 1


def check(section: Any) -> None:
    """Raise a `UserError` for a data section of which no pictures can be stacked."""
    part = pictures.over(section, PREFIX, channels=0)
    if sources.module_of(part.name).__name__.rpartition(".")[2] not in ("digits", "tfds", "folder"):
        raise UserError(f"data.name is {section.name!r}; {_NEEDS}")
    if section.channels not in (0, STACKED):
        raise UserError(f"data.channels is {section.channels}; stacked pictures have 3: use 3 or 0")
    if section.binarize != "none" or section.crop:
        raise UserError("data.binarize and data.crop are not for stacked pictures: use 'none' and 0")
    if section.image_size > _LARGEST:
        raise UserError(f"data.image_size is {section.image_size}; stacked pictures have at most {_LARGEST} pixels")
    sources.module_of(part.name).check(part)


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the stack and its mode."""
    return {"image": "image", "label": "class"}


def load(section: Any, split: str) -> Source:
    """Return the 128,000 examples of the 'train' split or the 26,000 of 'test', made of that split of NAME.

    Raises `UserError` unless NAME's pictures have one channel and ten classes.
    """
    part = pictures.over(section, PREFIX, channels=0)
    (table,) = sources.module_of(part.name).load(part, split)
    if max(table.specs["image"].shape[:2]) > _LARGEST:
        raise UserError(f"the pictures of {part.name!r} are larger than {_LARGEST} pixels; set data.image_size")
    channels = table.specs["image"].shape[-1]
    classes = table.specs["label"].classes if "label" in table.specs else 0
    if channels != 1 or classes != DIGITS:
        raise UserError(
            f"data.name is {section.name!r}, whose pictures have {channels} channels and {classes} classes; {_NEEDS}"
        )
    digits, labels = table.columns["image"], table.columns["label"]
    spec = MapSpec(
        inputs=(TensorSpec("picture", (STACKED,), "uniform", low=0.0, high=float(len(table))),),
        outputs=(TensorSpec("image", (STACKED,), "output"),),
    )
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    drawn = noise.fill(spec, count, _SEED, start)["picture"].astype(np.int64)
    stacks = np.empty((count, *digits.shape[1:3], STACKED), np.uint8)
    for channel in range(STACKED):
        stacks[..., channel] = digits[..., 0][drawn[:, channel]]
    return (
        Table(
            {"image": stacks, "label": stacked_mode(labels[drawn]).astype(np.int32)},
            {
                "image": image_spec("image", stacks),
                "label": label_spec(tuple(f"{mode:03d}" for mode in range(STACKED_MODES))),
            },
            f"{count:,} stacks of three pictures each, drawn with a fixed seed from {table.description}",
        ),
    )
