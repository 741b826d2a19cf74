import io

import numpy as np
import PIL
import pytest
from PIL import Image

from zoo.metrics import complexity
from zoo.metrics.complexity import compressed_bits, compressors

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (2, 16, 16, 1), np.uint8)
COLOUR = RNG.integers(0, 256, (2, 12, 10, 3), np.uint8)
BITS = RNG.integers(0, 2, (2, 32, 32, 1), np.uint8) * np.uint8(255)


@pytest.fixture
def files(monkeypatch):
    """The files that are written, in order."""
    kept = []

    class Kept(io.BytesIO):
        def getvalue(self):
            kept.append(super().getvalue())
            return kept[-1]

    monkeypatch.setattr(complexity.io, "BytesIO", Kept)
    return kept


@pytest.mark.parametrize("images", [GREY, COLOUR, BITS])
def test_the_bits_are_those_of_the_shorter_of_two_files_that_hold_the_picture(images, files):
    bits = compressed_bits(images)
    written = [file for file in files if file[:4] in (b"\x89PNG", b"RIFF")]
    assert [Image.open(io.BytesIO(file)).format for file in written] == ["PNG", "WEBP"] * 2
    assert bits.tolist() == [8 * min(map(len, written[:2])), 8 * min(map(len, written[2:]))]
    for number, file in enumerate(written):
        again = np.asarray(Image.open(io.BytesIO(file)).convert("L" if images.shape[-1] == 1 else "RGB"))
        np.testing.assert_array_equal(again.reshape(images.shape[1:]), images[number // 2])


def test_black_and_white_takes_one_bit_a_pixel(files):
    compressed_bits(np.concatenate([BITS, np.clip(BITS, 1, 255)]))
    depths = [file[24] for file in files if file.startswith(b"\x89PNG")]
    assert depths == [1, 1, 8, 8]


def test_noise_takes_its_entropy_and_headers():
    for images, entropy in ((GREY, 8 * 256), (COLOUR, 8 * 360), (BITS, 1024)):
        assert (compressed_bits(images) > entropy).all()
        assert (compressed_bits(images) < 1.1 * entropy + 8 * 80).all()


def test_a_plain_picture_is_the_least_complex():
    plain, striped = np.full((1, 16, 16, 1), 77, np.uint8), np.tile(np.arange(16, dtype=np.uint8), 16)
    order = [compressed_bits(images)[0] for images in (plain, striped.reshape(1, 16, 16, 1), GREY)]
    assert order == sorted(order) and len(set(order)) == 3


def test_the_compressors_are_told_with_their_versions():
    assert f"Pillow {PIL.__version__}, zlib" in compressors()
