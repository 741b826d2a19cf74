"""Layers that several models share."""

from zoo.layers.upsampling import NearestUpsampling

__all__ = ["NearestUpsampling"]
