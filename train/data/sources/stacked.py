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

from types import SimpleNamespace
from typing import Any

import numpy as np

from train.data.source import Source
from zoo import noise
from zoo.metrics.mixtures import MIXTURES
from zoo.metrics.modes import DIGITS, STACKED, STACKED_MODES, stacked_mode
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

PREFIX = "stacked:"
_TRAIN, _TEST = 128_000, 26_000
_LARGEST = 64  # pixels: 1.6 GB of memory, where 28 need 0.3
_NEEDS = "stack a set of 10 classes with 1 channel, such as 'stacked:mnist'"
# beyond the seeds of runs and that of the mixtures
_SEED = 2**32 + 1


def part(config: Any) -> SimpleNamespace:
    """Return the data section of the set whose pictures are stacked."""
    name = config.name.removeprefix(PREFIX)
    return SimpleNamespace(
        name=name, image_size=config.image_size, channels=0, binarize="none", unreadable=config.unreadable
    )


def check(config: Any) -> None:
    """Raise a `UserError` for a data section `config` of which no pictures can be stacked, whatever the set."""
    name = part(config).name
    if name in MIXTURES or name.startswith(PREFIX):
        raise UserError(f"data.name is {config.name!r}; {_NEEDS}")
    if config.channels not in (0, STACKED):
        raise UserError(f"data.channels is {config.channels}; stacked pictures have 3: use 3 or 0")
    if config.binarize != "none":
        raise UserError(f"data.binarize is {config.binarize!r}; stacked pictures need 'none'")
    if config.image_size > _LARGEST:
        raise UserError(f"data.image_size is {config.image_size}; stacked pictures have at most {_LARGEST} pixels")


def load(pictures: Source, config: Any, split: str) -> Source:
    """Return the 128,000 examples of the 'train' split or the 26,000 of 'test', made of `pictures`, that split of NAME.

    Raises `UserError` unless these have one channel and ten classes.
    """
    channels, classes = pictures.samples.shape[-1], len(pictures.label_names)
    if channels != 1 or classes != DIGITS:
        raise UserError(
            f"data.name is {config.name!r}, whose pictures have {channels} channels and {classes} classes; {_NEEDS}"
        )
    spec = GeneratorSpec(
        inputs=(TensorSpec("picture", (STACKED,), "uniform", low=0.0, high=float(len(pictures.samples))),),
        outputs=(TensorSpec("image", (STACKED,), "sample"),),
    )
    start, count = (_TRAIN, _TEST) if split == "test" else (0, _TRAIN)
    drawn = noise.draw(spec, count, _SEED, start)["picture"].astype(np.int64)
    samples = np.empty((count, *pictures.samples.shape[1:3], STACKED), np.uint8)
    for channel in range(STACKED):
        samples[..., channel] = pictures.samples[..., 0][drawn[:, channel]]
    return Source(
        samples=samples,
        labels=stacked_mode(pictures.labels[drawn]).astype(np.int32),
        label_names=tuple(f"{mode:03d}" for mode in range(STACKED_MODES)),
        description=f"{count:,} stacks of three pictures each, drawn with a fixed seed from {pictures.description}",
    )
