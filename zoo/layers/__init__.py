"""Layers that several models share."""

from zoo.layers.instance_normalization import InstanceNormalization
from zoo.layers.maxout import Maxout
from zoo.layers.spectral import SpectralConv2D, SpectralDense
from zoo.layers.upsampling import NearestUpsampling

__all__ = ["InstanceNormalization", "Maxout", "NearestUpsampling", "SpectralConv2D", "SpectralDense"]
