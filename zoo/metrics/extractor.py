"""Features of images by an ONNX file: what the Frechet distance and its kin compare. numpy, Pillow and onnxruntime.

Two files come along, both made by `train.evaluate.train_extractor`. One is a classifier of digits (MNIST's and
scikit-learn's) and Fashion-MNIST's garments: right for such grey pictures, of little meaning for others. The other is
for pictures of any content: it learned from CIFAR-10 what objects there are, and whether the colours are right. It sees
32 x 32 pixels. Any other network is as good: a file whose one input is a batch of images and one of whose outputs is a
vector for each. Figures made by different files cannot be compared, which is why the SHA-256 of the file is part of
every protocol.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.metrics.distances import pictures
from zoo.shared.errors import UserError, first_line, unknown
from zoo.shared.inference import open_session

DIGITS_AND_FASHION = Path(__file__).with_name("digits_and_fashion.onnx")
PICTURES = Path(__file__).with_name("pictures.onnx")
METADATA_KEY = "genzoo_extractor"  # the entry of the ONNX metadata, JSON, that may hold the `input_range`
_CHANNELS = (1, 3)
_BATCH = 128
# low and high of each channel where the bytes 0 and 255 lie at 0 and 1, less the mean of ImageNet's pixels, over their
# standard deviation: what networks of torchvision and their kin take
_IMAGENET = [(x - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)) for x in (0.0, 1.0)]
IMAGENET = "imagenet"
_RED, _BLUE = np.float32(0.299), np.float32(0.114)  # of luma by ITU-R 601, as Pillow has it; the rest is green


@dataclasses.dataclass(frozen=True)
class Extracted:
    """A network's output for images: `features` (count, D), and class `probabilities` (count, classes) if it can."""

    features: np.ndarray
    probabilities: np.ndarray | None


class Extractor:
    """A network in an ONNX file; call it with images.

    `path`: the file, its weights included; by default ours of digits and garments. Its input is float32, (batch,
    height, width, channels) or (batch, channels, height, width) with 1 or 3 channels; a free height or width takes the
    images' own.

    `input_range`: (low, high), what the bytes 0 and 255 become, in all channels or as (low, high, low, high, ...) in
    each, or "imagenet": that of networks that take ImageNet's pixels less their mean, over their standard deviation.
    By default what the file's metadata say, and one of the two must say so.

    `output`: the name of the features, a float32 output (batch, D), or one with further axes of 1; by default
    "features", else the only such output. Outputs named "probabilities" or "logits" give the class probabilities.

    A file that cannot be used so is a `UserError`, when it is opened or when it makes of images what is no vector of
    finite numbers for each.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = DIGITS_AND_FASHION,
        input_range: Sequence[float | str] | str | None = None,
        output: str | None = None,
    ) -> None:
        self.path = Path(path)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read the extractor {self.path}: {error.strerror}") from None
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = open_session(data, self.path)
        self._read_input()
        self._range = self._checked_range(input_range)
        vectors = [o.name for o in self._session.get_outputs() if o.type == "tensor(float)" and _is_vector(o.shape)]
        self.output = self._features(vectors, output)
        self._classes = next((name for name in ("probabilities", "logits") if name in vectors), None)

    @property
    def protocol(self) -> dict[str, Any]:
        """The account that a figure made with these features must be printed with."""
        sides = [side if isinstance(side, int) else "as is" for side in self._sides]
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "output": self.output,
            "input": [*sides, self.channels],
            "input_range": self._range.tolist(),
            "resize": "bicubic, antialiased (Pillow), in float32",
        }

    def __call__(self, images: np.ndarray) -> Extracted:
        """Return what the network makes of uint8 images (count, height, width, 1 or 3), resized to its input's size."""
        from tqdm import tqdm

        (images,) = pictures(images=images)
        if images.shape[-1] not in _CHANNELS:
            raise UserError(f"the images have {images.shape[-1]} channels: an extractor sees 1 or 3")
        features, classes = [], []
        starts = range(0, len(images), self._batch or _BATCH)
        for start in tqdm(starts, desc="extracting features", unit=" batches", leave=False, disable=None):
            batch = images[start : start + starts.step]
            vectors, scores = self._run(self._prepare(batch))
            features.append(vectors[: len(batch)])
            classes.append(scores[: len(batch)])
        scores = np.concatenate(classes)
        if self._classes == "logits":
            scores = _softmax(scores)
        return Extracted(np.concatenate(features), scores if self._classes else None)

    def _read_input(self) -> None:
        tensors = self._session.get_inputs()
        found = ", ".join(f"{tensor.name}: {tensor.type} {tensor.shape}" for tensor in tensors)
        shape = tensors[0].shape if len(tensors) == 1 and tensors[0].type == "tensor(float)" else []
        layouts = [axis for axis in (1, 3) if len(shape) == 4 and shape[axis] in _CHANNELS]
        if len(layouts) != 1:
            raise UserError(
                f"the extractor {self.path} has the input {found}: it must be one float32 tensor (batch, height, "
                "width, channels) or (batch, channels, height, width) with 1 or 3 channels"
            )
        self._input = tensors[0].name
        self._channels_first = layouts == [1]
        self.channels: int = shape[layouts[0]]
        self._sides = shape[2:] if self._channels_first else shape[1:3]
        self._batch = shape[0] if isinstance(shape[0], int) else 0  # 0: free

    def _checked_range(self, given: Sequence[float | str] | str | None) -> np.ndarray:
        """Return low and high, (2,), of all channels, or (channels, 2)."""
        if given is None:
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "{}")
            try:
                given = json.loads(text).get("input_range")
            except (ValueError, AttributeError):
                raise UserError(
                    f"the metadata {METADATA_KEY!r} of the extractor {self.path} are no JSON object"
                ) from None
        if given is None:
            raise UserError(
                f"the extractor {self.path} does not say in which range it takes pixels: name it, such as 0,1 or -1,1 "
                f"or {IMAGENET}"
            )
        try:
            values = np.ravel(given).tolist()  # as a list, or a pair for each channel as the protocol has them
            numbers = np.array(_IMAGENET if values == [IMAGENET] else list(map(float, values)))
        except (TypeError, ValueError):
            numbers = np.array([])
        pairs = numbers.reshape(-1, 2) if numbers.size in (2, 2 * self.channels) else np.zeros((1, 2))
        if not (np.isfinite(pairs).all() and (pairs[:, 0] < pairs[:, 1]).all()):
            raise UserError(
                f"{given!r} is no range of pixels: use two numbers, such as 0,1 or -1,1, or two for each of the "
                f"{self.channels} channels, or {IMAGENET} for three"
            )
        return pairs[0] if len(pairs) == 1 else pairs

    def _features(self, vectors: list[str], wanted: str | None) -> str:
        if wanted is not None:
            if wanted not in vectors:
                raise unknown(f"float32 output (batch, D) of {self.path}", wanted, vectors)
            return wanted
        if "features" in vectors:
            return "features"
        if len(vectors) != 1:
            raise UserError(
                f"the extractor {self.path} has {len(vectors)} float32 outputs (batch, D)"
                f"{': name one of ' + ', '.join(vectors) if vectors else ', so nothing that could be features'}"
            )
        return vectors[0]

    def _prepare(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 images as the network's input; a batch of fixed size is filled up with its last image."""
        x = images.astype(np.float32)
        if x.shape[-1] > self.channels:
            x = luma(x)
        height, width = (
            side if isinstance(side, int) else own for side, own in zip(self._sides, x.shape[1:3], strict=True)
        )
        low, high = self._range.T
        x = _resized(x, height, width)
        x = np.repeat(x, self.channels // x.shape[-1], axis=-1)  # grey was resized as grey: a third of the work
        x = np.float32(low) + x * np.float32((high - low) / 255)
        if missing := max(0, self._batch - len(x)):
            x = np.concatenate([x, np.repeat(x[-1:], missing, axis=0)])
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if self._channels_first else x, np.float32)

    def _run(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        names = [self.output, self._classes or self.output]
        try:
            made = self._session.run(names, {self._input: x})
        except Exception as error:  # onnxruntime's errors have no common base of their own
            raise UserError(f"the extractor {self.path} fails on {x.shape}: {first_line(error)}") from None
        for name, values in zip(names, made, strict=True):
            if len(values) != len(x):
                raise UserError(
                    f"the extractor {self.path} makes {len(values)} rows of {name!r} of {len(x)} images, not one each"
                )
            if not np.isfinite(values).all():
                raise UserError(f"the extractor {self.path} makes NaN or infinity of some images, in {name!r}")
        features, classes = (values.reshape(len(x), -1) for values in made)
        return features, classes


def luma(colour: np.ndarray) -> np.ndarray:
    """Return the luma (..., 1) of float32 colours (..., 3); it is exactly the grey level where the three are equal."""
    red, green, blue = np.split(colour, 3, axis=-1)
    return green + _RED * (red - green) + _BLUE * (blue - green)


def _is_vector(shape: list[int | str]) -> bool:
    return len(shape) >= 2 and sum(side != 1 for side in shape[1:]) <= 1


def _resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return float32 images (count, H, W, C) at another size; no rounding to bytes, but what overshoots is clipped."""
    from PIL import Image

    if images.shape[1:3] == (height, width):
        return images
    channels = images.transpose(0, 3, 1, 2).reshape(-1, *images.shape[1:3])
    resized = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BICUBIC)) for one in channels]
    stacked = np.stack(resized).reshape(len(images), -1, height, width)
    return np.clip(stacked.transpose(0, 2, 3, 1), 0, 255)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(axis=1, keepdims=True)
