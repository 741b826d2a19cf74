"""A class-conditional GAN for few pictures: the projection discriminator sees only augmented ones.

Miyato and Koyama, "cGANs with projection discriminator" (2018), with the augmentations of Zhao, Liu, Lin, Zhu and Han,
"Differentiable augmentation for data-efficient GAN training" (2020), whose class-conditional CIFAR-10 is this pair too.
"""

from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from train.data.source import Table
from train.evaluate import makers
from train.theory.training import Run
from train.uses.few_labels import labelled
from zoo import noise
from zoo.adversarial import augmentations
from zoo.adversarial.model import Batch
from zoo.adversarial.penalties import Uniform
from zoo.adversarial.projection_gan import ProjectionGAN
from zoo.model import as_run

BATCH, AVERAGE = 64, 0.998


class Settings(NamedTuple):
    """What is chosen for the GAN: the steps of DiffAugment, none if that is "", and both players' learning rate."""

    policy: str
    rate: float


class FewPicturesGAN(ProjectionGAN):
    """A generator of classes, and a discriminator that sees only augmented samples; `policy` as in `diffaugment`."""

    options: ClassVar[dict[str, Any]] = {"policy": "translation,cutout"}

    def check(self) -> None:
        """Refuse data of one class, and a step of the augmentation that there is not."""
        super().check()
        known = augmentations.DIFF_AUGMENT
        self.steps = augmentations.parse("policy", self.policy, known) if self.policy else ()

    def logits(self, x: tf.Tensor, data: Batch, uniform: Uniform) -> tf.Tensor:
        """Return D(T(x), y)."""
        return super().logits(augmentations.diff_augment(x, uniform, self.steps), data, uniform)


def generated(few: Table, settings: Settings, steps: int, count: int, seed: int, **sizes: int) -> Table:
    """Return `count` samples, the classes in turn, of a GAN after `steps` steps on the pictures `few` and no others.

    `sizes` are options of the model, such as base_channels.
    """
    run = Run(
        lambda: FewPicturesGAN(columns=few.specs, policy=settings.policy, **sizes),
        (few,),
        BATCH,
        seed,
        ema=AVERAGE,
        discriminator=settings.rate,
        generator=settings.rate,
    )
    run.advance(steps)
    run.averages.adopt()
    sampler = as_run(run.model.maps["generate"])
    maker = makers.from_model(run.model, lambda _, inputs: sampler(inputs))
    labels = maker.maps["generate"].conditions[0]
    images = maker.samples("generate", count, seed)
    return labelled(few, images, noise.in_turn(labels, count))
