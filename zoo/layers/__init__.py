"""Layers that several models share."""

from zoo.layers.maxout import Maxout
from zoo.layers.spectral import SpectralConv2D, SpectralDense
from zoo.layers.upsampling import NearestUpsampling

__all__ = ["Maxout", "NearestUpsampling", "SpectralConv2D", "SpectralDense"]
