"""Samples from an exported bundle, with numpy and onnxruntime alone: `Generator(path).sample(count, seed)`."""

from serving.generator import Generator

__all__ = ["Generator"]
