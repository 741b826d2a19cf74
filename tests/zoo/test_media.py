import io
import wave

import numpy as np
import pytest
from PIL import Image

from zoo import images, media
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec


def spec(kind, shape, name="x", role="condition", **more):
    return TensorSpec(name, shape, role, kind, **more)


GREY, COLOUR = spec("image", (6, 8, 1)), spec("image", (6, 8, 3))
MASK, LINE_MASK = spec("mask", (6, 8, 1)), spec("mask", (20,))
SOUND, SOUND_WITHOUT_RATE = spec("audio", (400,), rate=8000), spec("audio", (400,))
FILM, GREY_FILM = spec("video", (3, 6, 8, 3), rate=25), spec("video", (3, 6, 8, 1))
POINT, CODE, LABEL = spec("point", (2,)), spec("latent", (2, 5)), spec("class", (), low=0, high=9)
FOUR_CHANNELS = spec("image", (6, 8, 4))
RNG = np.random.default_rng(0)


def seen_bytes(shape, levels=256):
    """Return pictures that bytes hold without a loss, of so many levels."""
    return (RNG.choice(np.linspace(0, 255, levels).round(), size=shape) / 127.5 - 1).astype(np.float32)


@pytest.mark.parametrize(
    ("tensor", "ending"),
    [
        (GREY, ".png"),
        (COLOUR, ".png"),
        (FOUR_CHANNELS, ".npy"),
        (MASK, ".png"),
        (LINE_MASK, ".npy"),
        (SOUND, ".wav"),
        (SOUND_WITHOUT_RATE, ".npy"),  # no WAV file could say how fast to play it
        (FILM, ".gif"),
        (spec("video", (3, 6, 8, 2)), ".npy"),
        (POINT, ".npy"),
        (CODE, ".npy"),
        (LABEL, ".npy"),
        (spec("nats", ()), ".npy"),
        (spec("action", (3, 2), rate=10), ".npy"),
        (spec("attributes", (3,)), ".npy"),
    ],
)
def test_every_kind_has_an_ending_and_becomes_that_file(tensor, ending):
    assert media.ending(tensor) == ending
    made = media.encode(tensor, np.zeros(tensor.shape, tensor.dtype))
    starts = {".png": b"\x89PNG", ".wav": b"RIFF", ".gif": b"GIF89a", ".npy": b"\x93NUMPY"}
    assert made.startswith(starts[ending])


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        (GREY, seen_bytes((6, 8, 1))),
        (COLOUR, seen_bytes((6, 8, 3))),
        (MASK, RNG.integers(2, size=(6, 8, 1)).astype(np.float32)),
        (SOUND, (RNG.integers(-32768, 32768, size=400) / 32768).astype(np.float32)),
        (LINE_MASK, RNG.integers(2, size=20).astype(np.float32)),
        (SOUND_WITHOUT_RATE, RNG.uniform(-1, 1, 400).astype(np.float32)),
        (FOUR_CHANNELS, RNG.uniform(-1, 1, (6, 8, 4)).astype(np.float32)),
        (POINT, RNG.normal(size=2).astype(np.float32)),
        (CODE, RNG.normal(size=(2, 5)).astype(np.float32)),
        (LABEL, np.int32(7)),
    ],
)
def test_a_value_comes_back_from_its_file(tmp_path, tensor, values):
    path = tmp_path / f"x{media.ending(tensor)}"
    path.write_bytes(media.encode(tensor, values))
    capitals = tmp_path / f"X{path.suffix.upper()}"
    capitals.write_bytes(path.read_bytes())
    for given in (path, str(path), capitals):
        back = media.read(tensor, given)
        assert back.shape == (1, *tensor.shape) and back.dtype == tensor.dtype
        np.testing.assert_allclose(back[0], values, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        (GREY, np.array([-1, 0.5 / 127.5, 1, -2, 2], np.float32)),
        (FILM, np.array([-1, 0.0, 1], np.float32)),
        (MASK, np.array([0, 0.5, 1, -1, 3], np.float32)),
        (SOUND, np.array([-1, 0, 1, -1.5, 1.5], np.float32)),
    ],
)
def test_the_ends_of_the_range_are_the_ends_of_the_bytes(tensor, values):
    stored = media.stored(tensor, values)
    low, high, dtype = (-32768, 32767, np.int16) if tensor is SOUND else (0, 255, np.uint8)
    assert stored.dtype == dtype and stored[0] == low and stored[2] == high
    if len(stored) > 3:
        assert stored[3:].tolist() == [low, high], "and nothing wraps around"
    np.testing.assert_allclose(media.seen(tensor, stored)[:3], values[:3], rtol=0, atol=0.5 / 127)


@pytest.mark.parametrize("tensor", [GREY, FILM, MASK, SOUND])
def test_everything_stored_comes_back(tensor):
    kinds = np.arange(-32768, 32768).astype(np.int16) if tensor is SOUND else np.arange(256).astype(np.uint8)
    values = media.seen(tensor, kinds)
    assert values.dtype == np.float32 and tensor.low <= values.min() and values.max() <= tensor.high
    np.testing.assert_array_equal(media.stored(tensor, values), kinds)


def test_other_values_are_seen_as_they_are_in_the_type_of_the_spec():
    for tensor, values in (
        (LABEL, np.arange(5, dtype=np.int64)),
        (POINT, np.array([[1.5, 300.0]], np.float64)),
        (spec("attributes", (3,)), np.array([[0, 1, 1]], np.uint8)),
        (GREY, np.array([[-0.5, 0.25]], np.float32)),
    ):
        seen = media.seen(tensor, values)
        assert seen.dtype == tensor.dtype
        np.testing.assert_array_equal(seen, values)
        np.testing.assert_array_equal(media.stored(LABEL, values), values)


@pytest.mark.parametrize("tensor", [GREY, MASK, SOUND, FILM])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_file_and_no_sheet_of_nan(tensor, bad):
    values = np.zeros(tensor.shape, np.float32)
    values.flat[3] = bad
    for make in (lambda: media.encode(tensor, values), lambda: media.sheet([(tensor, values[None])])):
        with pytest.raises(UserError, match="x holds NaN or infinity"):
            make()


def test_a_sound_plays_at_its_rate():
    samples = np.sin(np.arange(400) / 9).astype(np.float32)
    with wave.open(io.BytesIO(media.encode(SOUND, samples))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels(), file.getnframes()) == (8000, 2, 1, 400)
        heard = np.frombuffer(file.readframes(400), "<i2")
    np.testing.assert_array_equal(heard, np.rint(samples * 32768))
    with pytest.raises(UserError, match="no rate.*write .npy"):
        media.encode_wav(heard, 0)


def frames(gif):
    """Return the frames of a GIF, uint8 (count, height, width, 3), and how long each is shown, in seconds."""
    with Image.open(io.BytesIO(gif)) as picture:
        found, held = [], []
        for index in range(picture.n_frames):
            picture.seek(index)
            found.append(np.asarray(picture.convert("RGB")))
            held.append(picture.info["duration"] / 1000)
        assert picture.info["loop"] == 0, "for ever"
    return np.stack(found), held


@pytest.mark.parametrize(("rate", "seconds"), [(25, 0.04), (10, 0.1), (0, 0.1), (2, 0.5), (30, 0.03), (60, 0.02)])
def test_a_film_moves_at_its_rate_or_at_ten_frames_a_second(rate, seconds):
    tensor = spec("video", (3, 6, 8, 1), rate=rate)
    values = seen_bytes((3, 6, 8, 1))
    shown, held = frames(media.encode(tensor, values))
    np.testing.assert_array_equal(shown, images.to_uint8(values).repeat(3, axis=-1))
    assert held == [seconds] * 3


def test_a_film_in_colours_of_the_palette_of_216_comes_back():
    values = seen_bytes((3, 6, 8, 3), levels=6)
    shown, held = frames(media.encode(FILM, values))
    np.testing.assert_array_equal(shown, images.to_uint8(values))
    assert held == [0.04] * 3


def test_the_last_frame_of_an_animation_can_be_held():
    pictures = [np.full((4, 4, 1), level, np.uint8) for level in (0, 100, 200)]
    shown, held = frames(media.encode_gif(pictures, rate=5, hold=1.8))
    assert shown[:, 0, 0, 0].tolist() == [0, 100, 200] and held == [0.2, 0.2, 2.0]


@pytest.mark.parametrize("ending", images.ENDINGS)
def test_pictures_of_every_ending_can_be_given(tmp_path, ending):
    path = tmp_path / f"photo{ending.upper()}"
    Image.new("RGB", (8, 6), (255, 0, 0)).save(path, format={".png": "PNG", ".webp": "WEBP"}.get(ending, "JPEG"))
    np.testing.assert_allclose(media.read(COLOUR, path), np.broadcast_to([1, -1, -1], (1, 6, 8, 3)), atol=0.05)


def test_a_picture_of_another_size_is_cut_about_its_centre_and_resized(tmp_path):
    pixels = np.zeros((12, 40, 3), np.uint8)
    pixels[:, 12:28] = (200, 100, 50)  # 16 of 40: the shape of the spec
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    expected = np.array([200, 100, 50]) / 127.5 - 1
    np.testing.assert_allclose(media.read(COLOUR, tmp_path / "wide.png"), np.tile(expected, (1, 6, 8, 1)), atol=1e-6)


def test_a_picture_has_the_channels_of_the_spec(tmp_path):
    Image.new("RGB", (8, 6), (100, 100, 100)).save(tmp_path / "colour.png")
    Image.new("L", (8, 6), 100).save(tmp_path / "grey.png")
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    for tensor in (GREY, COLOUR):
        for name, level in (("colour", 100), ("grey", 100), ("clear", 255)):
            given = media.read(tensor, tmp_path / f"{name}.png")
            np.testing.assert_allclose(given, np.full((1, *tensor.shape), level / 127.5 - 1), atol=1e-6)


def test_a_picture_given_as_a_mask_is_given_where_it_is_bright(tmp_path):
    levels = np.tile(np.array([0, 100, 127, 128, 200, 255, 255, 0], np.uint8), (6, 1))
    Image.fromarray(levels).save(tmp_path / "mask.png")
    expected = np.tile([0, 0, 0, 1, 1, 1, 1, 0], (6, 1))[None, ..., None]
    np.testing.assert_array_equal(media.read(MASK, tmp_path / "mask.png"), expected)


@pytest.mark.parametrize("rows", [None, 1, 4])
def test_an_array_holds_a_value_or_rows_of_them(tmp_path, rows):
    axis = () if rows is None else (rows,)
    for tensor, values in (
        (GREY, RNG.integers(0, 256, (*axis, 6, 8, 1), np.uint8)),
        (FILM, RNG.uniform(-1, 1, (*axis, 3, 6, 8, 3))),
        (SOUND, RNG.integers(-32768, 32768, (*axis, 400)).astype(np.int16)),
        (CODE, RNG.normal(size=(*axis, 2, 5))),
        (LABEL, RNG.integers(0, 10, axis)),
    ):
        np.save(tmp_path / "x.npy", values)
        given = media.read(tensor, tmp_path / "x.npy")
        assert given.shape == (rows or 1, *tensor.shape)
        scale = {"image": lambda stored: stored / 127.5 - 1, "audio": lambda stored: stored / 32768}
        expected = scale.get(tensor.kind, lambda stored: stored)(values)
        np.testing.assert_allclose(given, expected.reshape(given.shape), atol=1e-6)


def test_an_array_of_classes_keeps_what_is_no_class_for_the_check_that_follows(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1.5, 2.0]))
    assert media.read(LABEL, tmp_path / "x.npy").tolist() == [1.5, 2.0]


def wav(path, samples, rate=8000, width=2, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, f"<i{width}" if width > 1 else np.uint8).tobytes())


def test_a_sound_longer_than_the_spec_gives_its_first_samples(tmp_path):
    wav(tmp_path / "long.WAV", np.arange(1000))
    np.testing.assert_allclose(media.read(SOUND, tmp_path / "long.WAV")[0], np.arange(400) / 32768, atol=1e-7)
    wav(tmp_path / "other.wav", np.arange(500), rate=44100)
    assert media.read(SOUND_WITHOUT_RATE, tmp_path / "other.wav").shape == (1, 400), "any rate, where none is known"


@pytest.mark.parametrize(
    ("tensor", "name", "said"),
    [
        (GREY, "gone.png", "cannot read .*gone.png: No such file"),
        (GREY, "gone.npy", "cannot read .*gone.npy: .*No such file"),
        (SOUND, "gone.wav", "cannot read .*gone.wav: .*No such file"),
        (GREY, "text.png", "cannot read .*text.png: the file holds no PNG, JPEG or WebP"),
        (GREY, "cut.png", "cannot read .*cut.png: "),
        (GREY, "text.npy", "cannot read .*text.npy: "),
        (SOUND, "text.wav", "cannot read .*text.wav: file does not start with RIFF"),
        (GREY, "pickled.npy", "cannot read .*pickled.npy: .*allow_pickle"),
        (GREY, "archive.npy", "cannot read .*archive.npy: "),
        (GREY, "sound.wav", "x is of kind image: give a PNG, JPEG, WebP or .npy file"),
        (GREY, "text.txt", "x is of kind image: give a PNG, JPEG, WebP or .npy file"),
        (MASK, "text.txt", "x is of kind mask: give a PNG, JPEG, WebP or .npy file"),
        (SOUND, "picture.png", "x is of kind audio: give a WAV or .npy file"),
        (FILM, "film.gif", "x is of kind video: give a .npy file"),
        (LINE_MASK, "picture.png", "x is of kind mask: give a .npy file"),
        (FOUR_CHANNELS, "picture.png", "x is of kind image: give a .npy file"),
        (CODE, "picture.png", "x is of kind latent: give a .npy file"),
        (GREY, "other_shape.npy", r"holds shape \(3, 6, 8\); x needs \(6, 8, 1\) or \(rows, 6, 8, 1\)"),
        (GREY, "no_rows.npy", r"holds shape \(0, 6, 8, 1\); x needs"),
        (LABEL, "other_shape.npy", r"holds shape \(3, 6, 8\); x needs \(\) or \(rows\)"),
        (SOUND, "stereo.wav", "has 2 channels of 16 bits; use mono with 16 bits"),
        (SOUND, "bytes.wav", "has 1 channels of 8 bits; use mono with 16 bits"),
        (SOUND, "fast.wav", "has 16000 samples a second; x needs 8000"),
        (SOUND, "short.wav", "has 399 samples; x needs 400"),
    ],
)
def test_each_mistake_is_one_line_that_says_what_would_be_right(tmp_path, tensor, name, said):
    for text in ("text.png", "text.npy", "text.wav", "text.txt"):
        (tmp_path / text).write_text("not that\nat all\n")
    Image.new("L", (8, 6)).save(tmp_path / "picture.png")
    Image.fromarray(RNG.integers(0, 256, (60, 80), np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-900])
    np.save(tmp_path / "pickled.npy", np.array([{}, 1], object))
    np.savez(tmp_path / "archive.npz", x=np.zeros((6, 8, 1)))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    np.save(tmp_path / "other_shape.npy", np.zeros((3, 6, 8)))
    np.save(tmp_path / "no_rows.npy", np.zeros((0, 6, 8, 1)))
    wav(tmp_path / "sound.wav", np.zeros(400))
    wav(tmp_path / "stereo.wav", np.zeros(800), channels=2)
    wav(tmp_path / "bytes.wav", np.zeros(400), width=1)
    wav(tmp_path / "fast.wav", np.zeros(400), rate=16000)
    wav(tmp_path / "short.wav", np.zeros(399))
    with pytest.raises(UserError, match=said) as error:
        media.read(tensor, tmp_path / name)
    assert "\n" not in str(error.value)


def shrunk(sheet, height):
    """Return a sheet of one row of cells, of that height before `images.grid` magnified it, at its own size."""
    factor = sheet.shape[0] // height
    assert sheet.shape[0] == factor * height
    return sheet[::factor, ::factor]


def test_a_cell_of_a_sheet_holds_the_tensors_of_a_row_side_by_side():
    given, made, target = (seen_bytes((3, 6, 8, 1)) for _ in range(3))
    output = spec("image", (6, 8, 1), "made", "output")
    sheet = shrunk(media.sheet([(GREY, given), (LABEL, np.arange(3)), (output, made), (GREY, target)], columns=3), 6)
    assert sheet.shape == (6, 3 * (8 * 3 + 2) + 2, 1)
    for cell in range(3):
        here = sheet[:, cell * 27 : cell * 27 + 26]
        for part, values in enumerate((given, made, target)):
            np.testing.assert_array_equal(here[:, part * 9 : part * 9 + 8], images.to_uint8(values[cell]))
        assert (here[:, [8, 17]] == 128).all()
    assert (sheet[:, [26, 53]] == 128).all()


def test_one_tensor_alone_is_a_grid():
    values = seen_bytes((5, 6, 8, 3))
    for columns in (None, 5):
        np.testing.assert_array_equal(
            media.sheet([(COLOUR, values)], columns), images.grid(images.to_uint8(values), columns)
        )


def test_grey_beside_colour_and_small_beside_large():
    small, large = seen_bytes((1, 2, 4, 1)), seen_bytes((1, 6, 8, 3))
    sheet = shrunk(media.sheet([(spec("image", (2, 4, 1)), small), (COLOUR, large)]), 6)
    assert sheet.shape == (6, 12 + 1 + 8, 3)
    enlarged = images.to_uint8(small[0]).repeat(3, axis=0).repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_array_equal(sheet[:, :12], enlarged)
    np.testing.assert_array_equal(sheet[:, 13:], images.to_uint8(large[0]))
    # 4 do not go into 6: the rest is left blank
    sheet = shrunk(media.sheet([(spec("image", (4, 4, 1)), seen_bytes((1, 4, 4, 1))), (COLOUR, large)]), 6)
    assert sheet.shape == (6, 4 + 1 + 8, 3) and (sheet[4:, :4] == 128).all()


def test_a_mask_is_white_where_it_is_one():
    mask = np.zeros((1, 6, 8, 1), np.float32)
    mask[0, :3] = 1
    sheet = shrunk(media.sheet([(MASK, mask)]), 6)
    assert (sheet[:3] == 255).all() and (sheet[3:] == 0).all()


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (3, [0, 1, 2]), (8, range(8)), (15, range(0, 15, 2))])
def test_a_film_is_its_frames_side_by_side(count, chosen):
    values = seen_bytes((1, count, 6, 8, 1))
    sheet = shrunk(media.sheet([(spec("video", (count, 6, 8, 1)), values)]), 6)
    expected = np.concatenate([images.to_uint8(values[0, frame]) for frame in chosen], axis=1)
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(("count", "columns"), [(16, 1), (64, 3), (1, 1), (200, 5)])
def test_a_sheet_of_films_is_no_strip(count, columns):
    """A cell is 8 frames of 6 x 6: of c columns and n / c rows, 48 c wide and 6 n / c high, a square is c^2 = n / 8."""
    sheet = media.sheet([(spec("video", (8, 6, 6, 1)), np.zeros((count, 8, 6, 6, 1), np.float32))])
    frames = np.zeros((count, 6, 48, 1), np.uint8) + 128
    np.testing.assert_array_equal(sheet.shape, images.grid(frames, columns).shape)


def test_a_sound_is_its_waveform():
    values = np.zeros((1, 192 * 4), np.float32)
    values[0, : 96 * 4] = np.tile([1, -1], 96 * 2)  # the first half as loud as can be, the second silent
    sheet = shrunk(media.sheet([(spec("audio", (192 * 4,)), values)]), 128)[:64]
    assert sheet.shape == (64, 192, 1)
    assert (sheet[:, :96] == 0).all()
    assert (sheet[:, 96:] == 0).sum(axis=0).max() == 1 and (sheet[[31, 32], 96:] == 0).any(axis=0).all()
    # upwards is louder than zero; a sound shorter than the picture leaves columns white
    step = shrunk(media.sheet([(spec("audio", (2,)), np.array([[0.9, -0.9]], np.float32))]), 128)
    assert np.argwhere(step[..., 0] == 0).tolist() == [[3, 0], [60, 1]]
    assert (step[64:] == 255).all(), "too short for a spectrum"


@pytest.mark.parametrize(("cycles", "loudness"), [(16, 1.0), (64, 1.0), (100, 0.1)])
def test_a_sound_is_its_spectrogram_too(cycles, loudness):
    """A sine of so many cycles in 256 samples is a line at that height, as dark as it is loud: white 70 dB down."""
    t = np.arange(4096)
    values = (loudness * np.sin(2 * np.pi * cycles * t / 256) * (t < 2048)).astype(np.float32)
    sheet = shrunk(media.sheet([(spec("audio", (4096,)), values[None])]), 128)[64:, :, 0]
    line = 63 - (cycles - 1) // 2
    before, after = sheet[:, :80], sheet[:, 112:]
    assert (before.argmin(axis=0) == line).all()
    assert np.abs(before[line].astype(int) - 255 * -20 * np.log10(loudness) / 70).max() <= 2
    assert (before[[line - 4, line + 4] if line > 4 else [line + 4]] == 255).all()
    assert (after == 255).all()


def test_sounds_are_joined_with_pauses():
    values = np.array([[0.5, -0.5], [0.25, 1.0]], np.float32)
    with wave.open(io.BytesIO(media.joined(spec("audio", (2,), rate=10), values)), "rb") as file:
        assert file.getframerate() == 10
        samples = np.frombuffer(file.readframes(100), "<i2")
    np.testing.assert_array_equal(samples, [16384, -16384, 0, 0, 0, 8192, 32767, 0, 0, 0])


def test_points_of_the_plane_are_a_scatter_over_the_data():
    made, behind = RNG.normal(size=(9, 2)), RNG.normal(size=(20, 2))
    output = spec("point", (2,), "made", "output")
    np.testing.assert_array_equal(media.sheet([(output, made)], behind=behind), images.scatter(made, behind))
    np.testing.assert_array_equal(media.sheet([(LABEL, np.arange(9)), (output, made)]), images.scatter(made))


@pytest.mark.parametrize(
    "tensor", [LABEL, CODE, spec("point", (3,)), spec("nats", ()), LINE_MASK, FOUR_CHANNELS, spec("action", (2,))]
)
def test_what_no_picture_can_show_makes_no_sheet(tensor):
    assert not media.is_shown(tensor)
    assert media.sheet([(tensor, np.zeros((4, *tensor.shape), tensor.dtype))]) is None


@pytest.mark.parametrize("tensor", [GREY, COLOUR, MASK, SOUND, SOUND_WITHOUT_RATE, FILM, GREY_FILM, POINT])
def test_what_a_picture_can_show_makes_a_sheet(tensor):
    assert media.is_shown(tensor)
    sheet = media.sheet([(tensor, np.zeros((4, *tensor.shape), tensor.dtype))])
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    assert images.encode_png(sheet).startswith(b"\x89PNG")


def test_videos_play_side_by_side_in_one_gif():
    tensor = spec("video", (3, 6, 8, 1), rate=25, low=-1, high=1)
    values = np.full((4, 3, 6, 8, 1), -1, np.float32)
    values[1, 2] = 1.0  # the second video is white in its last frame
    with Image.open(io.BytesIO(media.side_by_side(tensor, values))) as picture:
        assert picture.n_frames >= 2 and picture.info["duration"] >= 40
        picture.seek(picture.n_frames - 1)
        last = np.asarray(picture.convert("L"))
    sheet = images.grid(media.stored(tensor, values)[:, 2])
    np.testing.assert_array_equal(last, sheet[..., 0])


def test_ten_sounds_and_all_videos_are_played_beside_a_sheet_and_pictures_are_not():
    sounds = RNG.uniform(-1, 1, (12, 400)).astype(np.float32)
    assert media.played(SOUND, sounds) == media.joined(SOUND, sounds[:10])
    films = RNG.uniform(-1, 1, (12, *FILM.shape)).astype(np.float32)
    assert media.played(FILM, films) == media.side_by_side(FILM, films)
    for tensor in (SOUND_WITHOUT_RATE, GREY, COLOUR, MASK, CODE, FOUR_CHANNELS):
        assert media.played(tensor, np.zeros((2, *tensor.shape), np.float32)) is None
