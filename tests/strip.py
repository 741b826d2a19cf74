"""Compose docs/strip.png, the picture at the top of README.md, of cut-outs of pictures that models made.

    python tests/strip.py

Each family of models has some. A cut-out is the upper left square of its picture, or another where it is said;
enlarged, its pixels stay as they are.
"""

from PIL import Image
from shared import REPOSITORY

from zoo.shared import files

STRIP = REPOSITORY / "docs" / "strip.png"
SIDE, GAP, COLUMNS = 200, 8, 6
# each picture with the left, upper, right and lower edge of what is cut out, as parts of its width and height
PANELS = {
    # GANs
    "presets/rpgan_fashion_mnist/samples.png": (0, 0, 0.5, 0.5),
    "presets/projection_gan_fashion_mnist/samples.png": (0.5, 0.027, 1, 0.52),
    "docs/gallery/classes.png": (0, 0, 0.5, 0.5),
    # autoregressive models
    "docs/likelihoods/gated_pixel_cnn.png": (0, 0, 0.5, 0.5),
    "docs/gallery/video_pixel_network_mnist.png": (0.498, 0, 0.664, 0.243),
    "docs/gallery/wavenet_digits.png": (0, 0, 0.5, 0.6),
    # latent variables
    "docs/vae/samples.png": (0, 0, 0.5, 0.5),
    "docs/gallery/world_model_toy.png": (0, 0, 0.112, 1),
    # pictures from pictures
    "presets/cyclegan_emoji/samples.png": (0, 0, 0.5, 1),
    "docs/translation/faces.png": (0, 0, 0.5, 0.5),
    "docs/translation/styles.png": (0.5, 0.5, 1, 1),
    "docs/translation/upscaled.png": (0.5, 0, 0.752, 1),
}


def cut_out(name: str) -> Image.Image:
    """Return the square that a panel shows."""
    with Image.open(REPOSITORY / name) as picture:
        box = [round(part * picture.size[index % 2]) for index, part in enumerate(PANELS[name])]
        piece = picture.convert("RGB").crop(box)
    enlarged = max(piece.size) < SIDE
    return piece.resize((SIDE, SIDE), Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def strip() -> Image.Image:
    """Return all panels, row by row, on a transparent ground."""
    rows = -(-len(PANELS) // COLUMNS)
    whole = Image.new("RGBA", (COLUMNS * (SIDE + GAP) - GAP, rows * (SIDE + GAP) - GAP))
    for index, name in enumerate(PANELS):
        row, column = divmod(index, COLUMNS)
        whole.paste(cut_out(name), (column * (SIDE + GAP), row * (SIDE + GAP)))
    return whole


def main() -> None:
    """Write docs/strip.png."""
    with files.new_file(STRIP) as file:
        strip().quantize(256, Image.Quantize.FASTOCTREE).save(file, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
