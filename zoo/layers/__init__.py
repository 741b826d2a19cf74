"""Layers that several models share."""

from zoo.layers.bicubic import BicubicUpsampling, PixelShuffle
from zoo.layers.bounded import Bounded
from zoo.layers.instance_normalization import InstanceNormalization
from zoo.layers.luma import KeepGrey, Luma
from zoo.layers.maxout import Maxout
from zoo.layers.spectral import SpectralConv2D, SpectralDense
from zoo.layers.upsampling import NearestUpsampling

__all__ = [
    "BicubicUpsampling",
    "Bounded",
    "InstanceNormalization",
    "KeepGrey",
    "Luma",
    "Maxout",
    "NearestUpsampling",
    "PixelShuffle",
    "SpectralConv2D",
    "SpectralDense",
]
