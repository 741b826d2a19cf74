"""What models of super-resolution share: the columns, the factor, and a map that enlarges pictures of any size."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from zoo.layers import BicubicUpsampling, Bounded, KeepGrey, Luma
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

FACTORS = (2, 3, 4)
LEAST = BicubicUpsampling.reach  # pixels, so that a side can be mirrored


class Upscaling(GenerativeModel):
    """A model that makes large pictures of small ones; `factor` is the ratio of its columns' sides: 2, 3 or 4.

    A subclass builds a network without bounds, `generator`, from (batch, H, W, C) to (batch, factor H, factor W, C),
    and sets `maps = self.upscaling(...)`. The columns are those of the data source `lowres:NAME`.
    """

    reads: ClassVar[dict[str, tuple[str, ...]]] = {"input": ("image",), "image": ("image",)}
    targets: ClassVar[dict[str, str]] = {"upscaled": "image"}

    def __init__(self, *, columns: Mapping[str, Any], **options: Any) -> None:
        super().__init__(columns=columns, **options)
        self.factor = factor_of(self.columns["input"].shape, self.columns["image"].shape)
        if self.base_channels < 1:
            raise UserError(f"model.base_channels={self.base_channels}: use a positive number")

    def upscaling(self, generator: keras.Model, reach: int, luma_alone: bool = False) -> dict[str, Map]:
        """Return the map "upscale", from "input" to "upscaled", within [-1, 1], whose height and width are free.

        `reach` is how many pixels of the input the generator sees to each side. With `luma_alone` the generator takes
        and makes 1 channel: of a colour picture the luma goes through it, and the colours are enlarged bicubically.
        """
        source, target = self.columns["input"], self.columns["image"]
        picture = keras.Input((None, None, source.shape[2]), name="input")
        if luma_alone and source.shape[2] == 3:
            # luma and chroma are linear: to exchange the luma is to shift red, green and blue alike
            colours = BicubicUpsampling(self.factor, dtype="float32")(picture)
            made = KeepGrey(dtype="float32")([colours, generator(Luma(dtype="float32")(picture))])
            reach = max(reach, BicubicUpsampling.reach)
        else:
            made = Bounded(dtype="float32")(generator(picture))
        # an attribute of the model, so that Keras tracks it
        self.upscaler = keras.Model({"input": picture}, {"upscaled": made}, name="upscaler")
        small = TensorSpec("input", source.shape, "condition", "image", multiple=1, least=LEAST)
        large = TensorSpec("upscaled", target.shape, "output", "image", follows="input", reach=reach)
        return {"upscale": Map(self.upscaler, MapSpec((small,), (large,)))}


def factor_of(source: tuple[int, ...], target: tuple[int, ...]) -> int:
    """Return how many times larger the `target` is than the `source`; a ratio that is no factor is a `UserError`."""
    factor = target[0] // source[0]
    if source[2] != target[2] or source[2] not in (1, 3):
        raise UserError(
            f"super-resolution keeps the channels, 1 or 3; the input has {source[2]}, the image {target[2]}"
        )
    if target[:2] != (factor * source[0], factor * source[1]) or factor not in FACTORS:
        raise UserError(
            f"super-resolution is for factors of {', '.join(map(str, FACTORS))}; the input has {source[:2]} pixels and "
            f"the image {target[:2]}: use lowres:NAME data with --config.data.factor=2"
        )
    if min(source[:2]) < LEAST:
        raise UserError(f"the input has {source[:2]} pixels: use sides of {LEAST} or more")
    return factor


def reach_of(*convolutions: tuple[int, int]) -> int:
    """Return how many pixels of its input a network sees to each side of an output pixel's own.

    Each convolution is (side of its kernel, factor of the pixel shuffle after it, 1 for none), from the input on.
    """
    scale = 1
    for _, factor in convolutions:
        scale *= factor
    farthest = 0
    for own in range(scale):  # of an output pixel in the block that belongs to pixel 0 of the input
        first = own  # that it sees; the last is a mirror image, because kernels are odd
        for kernel, factor in reversed(convolutions):
            first = first // factor - kernel // 2
        farthest = max(farthest, -first)
    return farthest
