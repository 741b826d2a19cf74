"""Exported maps, with numpy and onnxruntime alone.

serving.Generator(path).sample(count, seed)     samples, as bytes of pictures
serving.load(path)["encode"](image=photo)       any map of a bundle: arrays in, a dict of arrays out
serving.Generator.from_preset(name)             a trained model that comes along, and serving.load_preset(name)

Whatever is wrong with what they are given is a `UserError` of one line.
"""

from serving.generator import Generator
from serving.maps import Bundle, ServedMap, load, load_preset
from serving.sides import Sides
from zoo import __version__
from zoo.shared.errors import UserError

__all__ = ["Bundle", "Generator", "ServedMap", "Sides", "UserError", "__version__", "load", "load_preset"]
