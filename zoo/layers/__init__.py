"""Layers that several models share."""

from zoo.layers.batch_normalization import BatchNormalization
from zoo.layers.bicubic import BicubicUpsampling, PixelShuffle
from zoo.layers.bounded import Bounded
from zoo.layers.equalized import EqualizedConv2D, EqualizedDense
from zoo.layers.fade import Fade
from zoo.layers.instance_normalization import InstanceNormalization
from zoo.layers.luma import KeepGrey, Luma
from zoo.layers.maxout import Maxout
from zoo.layers.minibatch_deviation import MinibatchDeviation
from zoo.layers.pixel_normalization import PixelNormalization
from zoo.layers.spectral import SpectralConv2D, SpectralDense
from zoo.layers.upsampling import NearestUpsampling

__all__ = [
    "BatchNormalization",
    "BicubicUpsampling",
    "Bounded",
    "EqualizedConv2D",
    "EqualizedDense",
    "Fade",
    "InstanceNormalization",
    "KeepGrey",
    "Luma",
    "Maxout",
    "MinibatchDeviation",
    "NearestUpsampling",
    "PixelNormalization",
    "PixelShuffle",
    "SpectralConv2D",
    "SpectralDense",
]
