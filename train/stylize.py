"""Paint one picture in the style of another, pixel by pixel.

    python -m train.stylize --content=photo.jpg --style=painting.jpg --output=painted.png

Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks" (2016). The pixels of a picture are
moved, by L-BFGS as in the paper, until the features of a frozen network are those of the content, and their Gram
matrices those of the style: the layers conv4_2, and conv1_1 to conv5_1, or the nearest that the network has (see
`zoo.translation.features`). Both losses are relative, see `zoo.translation.style.relative`. There is nothing to train:
it takes seconds to minutes for each picture, and `fast_style` learns to do the same at once.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import flags

from train.engine import backend
from train.loop.signals import stop_signals
from zoo import images
from zoo.shared import files, program
from zoo.shared.errors import UserError, first_line

CONTENT = flags.DEFINE_string("content", None, "the picture to paint (PNG, JPEG, WebP)")
STYLE = flags.DEFINE_string("style", None, "the picture whose style it gets")
OUTPUT = flags.DEFINE_string("output", None, "the PNG file to write")
SIZE = flags.DEFINE_integer("size", 256, "pixels of the longer side of the picture, and of the style's")
STEPS = flags.DEFINE_integer("steps", 300, "steps of L-BFGS at most")
CONTENT_WEIGHT = flags.DEFINE_float("content_weight", 1.0, "of the content loss")
STYLE_WEIGHT = flags.DEFINE_float("style_weight", 2.0, "of the style loss")
TV_WEIGHT = flags.DEFINE_float("tv_weight", 0.5, "of the total variation: larger is smoother")
FEATURES = flags.DEFINE_string(
    "features", "", "the frozen network: ours, vgg19:FILE.h5, or a chain in ONNX or Keras, such as imagenet:vgg16.onnx"
)
START = flags.DEFINE_enum("start", "content", ["content", "noise"], "what the pixels are at first")
SEED = flags.DEFINE_integer("seed", 0, "of the noise, if it starts with that")
EVERY = flags.DEFINE_integer("every", 50, "steps between intermediate pictures, OUTPUT-000050.png; 0 for none")

CONTENT_LAYER = "conv4_2"
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
_LARGEST = 2048
_CORRECTIONS = 10  # of L-BFGS: how many steps it remembers

# a picture (1, H, W, 3) to its loss, the loss' parts by name, and its gradient
Objective = Callable[[np.ndarray], tuple[float, dict[str, float], np.ndarray]]


def main() -> None:
    """Check everything, then move the pixels; a signal to stop leaves the last picture."""
    _check()
    content, painting = _decoded("content", CONTENT.value), _decoded("style", STYLE.value)
    output = Path(OUTPUT.value)
    if not output.parent.is_dir():
        raise UserError(f"--output={output}: there is no directory {output.parent}")
    backend.start(seed=SEED.value)
    with backend.within_memory("--size"):
        objective = objective_of(
            content, painting, FEATURES.value, (CONTENT_WEIGHT.value, STYLE_WEIGHT.value, TV_WEIGHT.value)
        )
        picture = content
        if START.value == "noise":
            picture = np.random.default_rng(SEED.value).uniform(-1, 1, content.shape).astype(np.float32)

        def show(step: int, found: np.ndarray) -> None:
            if EVERY.value and step % EVERY.value == 0:
                _write(output.with_name(f"{output.stem}-{step:06}.png"), found)

        painted, step = optimised(objective, picture, STEPS.value, show)
    _write(output, painted)
    told = ", ".join(f"{name} {value:.4g}" for name, value in objective(painted)[1].items())
    print(f"wrote {output} after {step} steps: {told}")


def objective_of(
    content: np.ndarray, painting: np.ndarray, features_name: str, weights: tuple[float, float, float]
) -> Objective:
    """Return the loss of a picture to be painted, for the pictures (1, H, W, 3) of content and style.

    `weights` are those of the content loss, the style loss and the total variation.
    """
    import tensorflow as tf

    from zoo.translation import features, style

    layer = features.nearest(features_name, CONTENT_LAYER)
    layers = sorted({features.nearest(features_name, layer) for layer in STYLE_LAYERS})
    network = features.load(features_name, (layer, *layers)).network
    least = features.least_side(max(layer, layers[-1]))
    for name, picture in (("content", content), ("style", painting)):
        if min(picture.shape[1:3]) < least:
            raise UserError(
                f"--{name} has {picture.shape[1]} x {picture.shape[2]} pixels and the network needs {least} of a side: "
                "take a larger --size"
            )
    wanted = network(content)[layer]
    maps = network(painting)
    grams = {layer: style.gram(maps[layer]) for layer in layers}

    @tf.function(autograph=False)
    def run(picture: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(picture)
            seen, smoothed = style.parted(picture)
            found = style.perceptual_losses(network(seen), layer, wanted, grams)
            parts = [tf.reduce_mean(part) for part in (*found, style.total_variation(smoothed))]
            loss = tf.add_n([weight * part for weight, part in zip(weights, parts, strict=True)])
        named = dict(zip(("content loss", "style loss", "total variation"), parts, strict=True))
        return loss, named, tape.gradient(loss, picture)

    def objective(picture: np.ndarray) -> tuple[float, dict[str, float], np.ndarray]:
        loss, parts, gradient = run(tf.constant(picture, tf.float32))
        return float(loss), {name: float(part) for name, part in parts.items()}, gradient.numpy()

    return objective


def optimised(
    objective: Objective, picture: np.ndarray, steps: int, show: Callable[[int, np.ndarray], None]
) -> tuple[np.ndarray, int]:
    """Return the picture within [-1, 1] that L-BFGS comes to, and after how many steps, at most so many.

    `show` is called with each step and its picture. A signal to stop ends it after the step under way.
    """
    from scipy.optimize import minimize
    from tqdm import tqdm

    last, done = picture, 0
    live = sys.stderr.isatty()
    bar = tqdm(total=steps, unit="step", desc="painting", mininterval=0.2 if live else 15, dynamic_ncols=live)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        loss, parts, gradient = objective(flat.reshape(picture.shape).astype(np.float32))
        if not np.isfinite(loss):
            raise UserError("the loss became NaN or infinite: take smaller weights")
        bar.set_postfix({name: f"{part:.3g}" for name, part in parts.items()}, refresh=False)
        return loss, gradient.ravel().astype(np.float64)

    with bar, stop_signals() as stop:

        def after(intermediate_result: object) -> None:
            nonlocal last, done
            last, done = intermediate_result.x.reshape(picture.shape).astype(np.float32), done + 1
            bar.update(1)
            show(done, last)
            if stop:
                raise StopIteration

        bounds = np.broadcast_to([-1.0, 1.0], (picture.size, 2))
        # it ends at `steps`, and not because the loss falls slowly
        options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": _CORRECTIONS, "ftol": 0.0, "gtol": 0.0}
        start = picture.ravel().astype(np.float64)
        minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=after, options=options)
    return last, done


def _check() -> None:
    for flag in (CONTENT, STYLE, OUTPUT):
        if not flag.value:
            raise UserError(f"--{flag.name} is missing; see --help")
    if Path(OUTPUT.value).suffix.lower() != ".png":
        raise UserError(f"--output={OUTPUT.value}: end it in .png")
    if not 16 <= SIZE.value <= _LARGEST:
        raise UserError(f"--size={SIZE.value}: use 16 to {_LARGEST} pixels")
    if STEPS.value < 1:
        raise UserError(f"--steps={STEPS.value}: use 1 or more")
    if EVERY.value < 0:
        raise UserError(f"--every={EVERY.value}: use a number of steps, 0 for none")
    if not 0 <= SEED.value < 2**32:
        raise UserError(f"--seed={SEED.value}: use an integer from 0 to 2^32 - 1")
    weights = {flag.name: flag.value for flag in (CONTENT_WEIGHT, STYLE_WEIGHT, TV_WEIGHT)}
    for name, weight in weights.items():
        if not 0 <= weight < 1e9:
            raise UserError(f"--{name}={weight}: use a number from 0 to 1e9")
    if not any(weights.values()):
        raise UserError(f"{', '.join(f'--{name}=0' for name in weights)}: one must be above 0")


def _decoded(flag: str, path: str) -> np.ndarray:
    """Return the picture file as float32 (1, H, W, 3) in [-1, 1], its longer side --size pixels."""
    place = Path(path)
    try:
        height, width = images.size_of(place)
        scale = SIZE.value / max(height, width)
        pixels = images.decode(place, (max(1, round(height * scale)), max(1, round(width * scale))), 3)
    except Exception as error:  # a damaged file may make Pillow raise anything
        raise UserError(f"--{flag}={path} cannot be read: {first_line(error)}") from None
    return pixels[None] / np.float32(127.5) - np.float32(1)


def _write(path: Path, picture: np.ndarray) -> None:
    files.write_bytes(path, images.encode_png(images.to_uint8(picture[0])))


def run() -> None:
    """Run the program: `python -m train.stylize`."""
    program.run(main)


if __name__ == "__main__":
    run()
