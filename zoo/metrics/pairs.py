"""How near outputs come to their targets, image by image, and the rows that a model must beat: those that do nothing.

All images are uint8 (count, height, width, channels); outputs[i] belongs to targets[i].
"""

from typing import Any

import numpy as np

from zoo.metrics.distances import flat, pictures, squared_blocks
from zoo.metrics.ms_ssim import form, similarity
from zoo.shared.errors import UserError

PSNR_CAP_DB = 100.0
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_IMAGES_AT_ONCE = 64


def pairs(outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Return the means over images of `psnr` ("psnr_db"), `l1` and `ssim`, and each one's standard error.

    "psnr_pooled_db" is the PSNR of the mean squared error over all images: a few that are nearly right, such as grey
    pictures of a colour set left grey, raise the mean of PSNRs and not this one.

    The standard error of "l1" is "l1_standard_error", and so on; it is None for a single pair. "identical" is the
    number of outputs that equal their targets, whose PSNR is the cap. "ssim_window" is the side of SSIM's window: 11,
    or less for images with a side below 11 pixels. Images of 3 channels also have "colourfulness", that of the outputs,
    and "colourfulness_target": a model that is trained on L1 alone comes out greyer than its targets. Sets of
    different counts or shapes are a `UserError`.
    """
    outputs, targets = _paired(outputs, targets)
    measures = {"psnr_db": psnr(outputs, targets), "l1": l1(outputs, targets), "ssim": ssim(outputs, targets)}
    if targets.shape[-1] == 3:
        measures |= {"colourfulness": colourfulness(outputs), "colourfulness_target": colourfulness(targets)}
    result: dict[str, Any] = {}
    for name, values in measures.items():
        result[name] = float(values.mean())
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        result[f"{name}_standard_error"] = error
    mse = ((outputs.astype(np.float64) - targets) ** 2).mean()
    return {
        **result,
        "psnr_pooled_db": float(min(PSNR_CAP_DB, 10 * np.log10(255**2 / mse))) if mse else PSNR_CAP_DB,
        "identical": int((outputs == targets).all(axis=(1, 2, 3)).sum()),
        "ssim_window": form(min(targets.shape[1:3]))[1],
        "count": len(targets),
    }


def psnr(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio (count,) in dB of each image: 10 log10(255^2 / mean squared error).

    The mean is over all pixels and channels. The ratio is at most `PSNR_CAP_DB`, so that an output equal to its target
    has a finite one. Papers on super-resolution leave out the border and measure BT.601's luma in its studio range (16
    to 235) alone: their figures are some 2 dB higher and cannot be compared with these.
    """
    outputs, targets = _paired(outputs, targets)
    squares = np.array([np.square(_difference(o, t)).mean() for o, t in zip(outputs, targets, strict=True)])
    return 10 * np.log10(255**2 / np.maximum(squares, 255**2 / 10 ** (PSNR_CAP_DB / 10)))


def l1(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the mean absolute difference (count,) of each image, from 0 to 2: bytes count as values in [-1, 1].

    Isola, Zhu, Zhou & Efros (2017) train on it in this unit.
    """
    outputs, targets = _paired(outputs, targets)
    return np.array([np.abs(_difference(o, t)).mean() for o, t in zip(outputs, targets, strict=True)]) / 127.5


def ssim(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the structural similarity (count,) of each image, from -1 to 1; 1 is equality.

    Wang, Bovik, Sheikh & Simoncelli (2004): a Gaussian window of 11 x 11 pixels and deviation 1.5, only where it fits,
    K1 = 0.01, K2 = 0.03, peak 255. The paper has grey images; the SSIM of a colour image is the mean
    over its channels. Images with a side below 11 pixels have a smaller window, as `ms_ssim.form` says.
    """
    outputs, targets = _paired(outputs, targets)
    window = form(min(targets.shape[1:3]))[1]
    values = []
    for start in range(0, len(targets), _IMAGES_AT_ONCE):
        x, y = (images[start : start + _IMAGES_AT_ONCE].astype(np.float64) for images in (outputs, targets))
        luminance, contrast_structure = similarity(x, y, window)
        values.append((luminance * contrast_structure).mean(axis=(1, 2, 3)))
    return np.concatenate(values)


def colourfulness(images: np.ndarray) -> np.ndarray:
    """Return the colourfulness (count,) of each image of 3 channels: 0 is grey, about 109 is extremely colourful.

    Hasler & Suesstrunk (2003), M^(3): with rg = R - G and yb = (R + G) / 2 - B over an image's pixels, it is
    sqrt(var rg + var yb) + 0.3 sqrt((mean rg)^2 + (mean yb)^2). Their scale: 15 slightly, 33 moderately, 59 quite, 82
    highly colourful.
    """
    images = _colour(images)
    values = []
    for image in images:
        red, green, blue = image.reshape(-1, 3).T.astype(np.float64)
        opponents = np.stack([red - green, (red + green) / 2 - blue])
        spread, shift = np.sqrt(opponents.var(axis=1).sum()), np.linalg.norm(opponents.mean(axis=1))
        values.append(spread + 0.3 * shift)
    return np.array(values)


def do_nothing(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the inputs in the shape of the targets: the output of a model that changes nothing.

    Inputs of 1 channel are repeated for targets of 3. Smaller inputs are enlarged by Pillow's bicubic filter. Inputs
    that are larger than the targets, or that have other channels, are a `UserError`.
    """
    (inputs,), (targets,) = pictures(inputs=inputs), pictures(targets=targets)
    _same_count(inputs, targets)
    (*size, channels), (*wanted, wanted_channels) = inputs.shape[1:], targets.shape[1:]
    if channels != wanted_channels and (channels, wanted_channels) != (1, 3):
        raise UserError(
            f"inputs of {channels} channels have no copy in {wanted_channels}: use as many, or 1 for targets of 3"
        )
    if size[0] > wanted[0] or size[1] > wanted[1]:
        raise UserError(
            f"inputs of {size[0]} x {size[1]} are larger than targets of {wanted[0]} x {wanted[1]}: use inputs of that "
            "size or smaller"
        )
    copies = inputs.copy() if size == wanted else _enlarged(inputs, *wanted)
    return copies if channels == wanted_channels else copies.repeat(3, axis=-1)


def grey_of(images: np.ndarray) -> np.ndarray:
    """Return images of 3 channels without their colours: BT.601's luma 0.299 R + 0.587 G + 0.114 B in all channels."""
    return (
        np.stack([np.rint(image @ _LUMA) for image in _colour(images)]).astype(np.uint8)[..., None].repeat(3, axis=-1)
    )


def mean_colour(train_targets: np.ndarray, count: int) -> np.ndarray:
    """Return `count` blank images of the training targets' shape, all in the mean colour of their pixels."""
    (train_targets,) = pictures(train_targets=train_targets)
    colour = np.rint(train_targets.mean(axis=(0, 1, 2))).astype(np.uint8)
    return np.broadcast_to(colour, (count, *train_targets.shape[1:])).copy()


def mean_image(train_targets: np.ndarray, count: int) -> np.ndarray:
    """Return `count` copies of the mean of the training targets, pixel by pixel.

    The row is hard to beat where all targets lie in one place, as portraits and icons do.
    """
    (train_targets,) = pictures(train_targets=train_targets)
    return np.rint(train_targets.mean(axis=0)).astype(np.uint8)[None].repeat(count, axis=0)


def _paired(outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    outputs, targets = pictures(outputs=outputs, targets=targets)
    _same_count(outputs, targets)
    return outputs, targets


def _same_count(images: np.ndarray, targets: np.ndarray) -> None:
    if len(images) != len(targets):
        raise UserError(f"{len(images)} images cannot be paired with {len(targets)} targets: use as many of both")


def _colour(images: np.ndarray) -> np.ndarray:
    (images,) = pictures(images=images)
    if images.shape[-1] != 3:
        raise UserError(f"the images have {images.shape[-1]} channels: colour needs 3, red, green and blue")
    return images


def _difference(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return output.astype(np.float64) - target


def _enlarged(images: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    enlarged = np.empty((len(images), height, width, images.shape[-1]), np.uint8)
    for index, image in enumerate(images):
        for channel in range(images.shape[-1]):
            grey = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            enlarged[index, ..., channel] = np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC))
    return enlarged


def nearest_input(train_inputs: np.ndarray, train_targets: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Return for each input the target of the training input that is nearest to it in pixels: learning by heart."""
    train_inputs, inputs = flat(train_inputs=train_inputs, inputs=inputs)
    nearest = np.concatenate([squares.argmin(axis=1) for _, squares in squared_blocks(inputs, train_inputs)])
    return train_targets[nearest]
