"""Exported maps, with numpy and onnxruntime alone.

serving.Generator(path).sample(count, seed)     samples, as bytes of pictures
serving.load(path)["encode"](image=photo)       any map of a bundle: arrays in, a dict of arrays out
"""

from serving.generator import Generator
from serving.maps import Bundle, ServedMap, load
from serving.sides import Sides

__all__ = ["Bundle", "Generator", "ServedMap", "Sides", "load"]
