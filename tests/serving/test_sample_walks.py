"""Walks through seeds and real pictures beside samples, from the command line."""

import io

import numpy as np
import pytest
from absl import flags
from PIL import Image
from shared import program

from serving import Generator, beside, walks
from zoo import images
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

sample_program = program("serving.sample")

Z = TensorSpec("z", (8,), "normal")
PHOTO = TensorSpec("photo", (4, 4, 3), "condition", "image")


@pytest.fixture
def sample(tmp_path, monkeypatch, capsys):
    """Run the program in this process, in an empty directory, and return what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        own = sample_program._BUNDLE._flagvalues
        own.unparse_flags()
        for name in own:
            own[name].unparse()
        own(["serving.sample", *map(str, arguments)])
        sample_program.main()
        return capsys.readouterr().out

    return run


def frames(file):
    """Return the pictures of an animation, each magnified pixel once: uint8 (count, 4, 4, 3)."""
    with Image.open(file) as picture:
        made = []
        for number in range(picture.n_frames):
            picture.seek(number)
            made.append(np.asarray(picture.convert("RGB"))[::64, ::64])
        return np.stack(made)


# --- walks -------------------------------------------------------------------------------------------------------


def test_the_legs_of_a_walk_meet_at_the_samples_of_the_seeds(bundle_path):
    generator = Generator(bundle_path)
    legs = walks.legs(generator, [3, 1, 2], 4, truncation=0.5)
    assert legs.shape == (2, 4, 4, 4, 3)
    for place, seed in (((0, 0), 3), ((0, -1), 1), ((1, 0), 1), ((1, -1), 2)):
        np.testing.assert_array_equal(legs[place], generator.sample(1, seed, truncation=0.5)[0])
    looped = walks.legs(generator, [3, 1, 2], 4, loop=True, truncation=0.5)
    np.testing.assert_array_equal(looped[:2], legs)
    np.testing.assert_array_equal(looped[2, -1], legs[0, 0])


@pytest.mark.parametrize("loop, order", [(False, [0, 1, 2, 4, 5]), (True, [0, 1, 3, 4])])
def test_an_animation_shows_no_seed_twice(loop, order):
    """Two legs of three pictures, numbered 0 to 5: where they meet, 2 and 3 are one."""
    numbers = np.array([0, 1, 2, 2, 4, 5 if not loop else 0])
    pictures = (40 * numbers).astype(np.uint8).reshape(2, 3, 1, 1, 1) * np.ones((4, 4, 3), np.uint8)
    made = frames(io.BytesIO(walks.encode(pictures, ".webp", loop)))
    np.testing.assert_array_equal(made[:, 0, 0, 0], 40 * numbers[order])


def test_a_walk_is_written_as_webp_as_gif_and_as_a_sheet(sample, bundle_path, tmp_path):
    given = f"--bundle={bundle_path}", "--interpolate=1,2,3", "--steps=5", "--truncation=0.7"
    legs = walks.legs(Generator(bundle_path), [1, 2, 3], 5, truncation=0.7)
    assert sample(*given, "--output=walk.webp").startswith("wrote walk.webp: 10 samples at ")
    np.testing.assert_array_equal(frames(tmp_path / "walk.webp"), np.concatenate([legs[0, :-1], legs[1]]))
    sample(*given, "--loop", "--output=walk.gif")
    assert len(frames(tmp_path / "walk.gif")) == 12
    sample(*given, "--output=walk.png")
    sheet = np.asarray(Image.open(tmp_path / "walk.png"))
    np.testing.assert_array_equal(sheet, images.grid(legs.reshape(10, 4, 4, 3), 5))


def test_a_walk_keeps_the_class_that_is_asked_for(sample, conditional, tmp_path):
    given = f"--bundle={conditional}", "--interpolate=4,9", "--steps=2", "--condition=label=7"
    sample(*given, "--output=walk.webp")
    ends = [Generator(conditional).sample(1, seed, label=7)[0] for seed in (4, 9)]
    np.testing.assert_array_equal(frames(tmp_path / "walk.webp"), ends)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--interpolate=1"], "--interpolate=1: name two seeds or more, such as"),
        (["--interpolate=1,x"], "--interpolate=1,x: 'x' is no seed: use whole numbers from 0 to 2^63 - 1"),
        (["--interpolate=1,,2"], "'nothing' is no seed"),
        (["--interpolate=1,-2"], "'-2' is no seed"),
        (["--interpolate=1,9223372036854775808"], "'9223372036854775808' is no seed"),
        (["--interpolate=1,2", "--steps=1"], "steps"),
        (["--interpolate=1,2", "--steps=10000000"], "20,000,000 pictures are too many for a walk"),
        (["--interpolate=1,2", "--truncation=0"], "truncation 0.0: use a number above 0"),
        (["--interpolate=1,2", "--output=x.npy"], "--output=x.npy: a walk is a .gif or .webp that moves, or a .png"),
        (["--interpolate=1,2", "--output=x/"], "--output=x/: a walk is a .gif"),
        (["--interpolate=1,2", "--count=3"], "--count does not go with --interpolate"),
        (["--interpolate=1,2", "--seed=3"], "--seed does not go with --interpolate"),
        (["--interpolate=1,2", "--real=."], "--real does not go with --interpolate"),
        (["--loop"], "--loop is for --interpolate"),
        (["--steps=8"], "--steps is for --interpolate"),
    ],
)
def test_a_walk_that_cannot_be_is_one_line(sample, bundle_path, tmp_path, arguments, told):
    before = sorted(tmp_path.iterdir())
    with pytest.raises((UserError, flags.Error)) as caught:
        sample(f"--bundle={bundle_path}", "--output=x.gif", *arguments)
    assert told in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "spec, told",
    [
        # as PixelCNN: a pixel is the level that its uniform number picks
        (
            MapSpec(
                (TensorSpec("u", (4, 4, 1), "uniform", low=0.0, high=1.0),),
                (TensorSpec("image", (4, 4, 1), "output", "image", levels=2),),
            ),
            "does not make image smoothly from one latent",
        ),
        (MapSpec((PHOTO, Z), (TensorSpec("image", (4, 4, 3), "output", "image"),)), "does not make image smoothly"),
        (MapSpec((Z,), (TensorSpec("point", (2,), "output", "point"),)), "makes point, no picture"),
        (MapSpec((Z,), (TensorSpec("sound", (50,), "output", "audio", rate=100.0),)), "makes audio, no picture"),
    ],
)
def test_a_map_without_a_walk_says_why(factory, spec, told):
    with pytest.raises(UserError, match=f"--interpolate: this map {told}"):
        walks.check(Generator(factory(spec)), "x.gif", [1, 2], 8)


def test_uniform_latents_walk_straight_and_know_no_truncation(factory):
    z = TensorSpec("z", (8,), "uniform", low=-1.0, high=1.0)
    generator = Generator(factory(MapSpec((z,), (TensorSpec("image", (4, 4, 3), "output", "image"),))))
    walks.check(generator, "x.gif", [1, 2], 8)
    assert walks.legs(generator, [1, 2], 3).shape == (1, 3, 4, 4, 3)
    with pytest.raises(UserError, match="truncation is for normal noise, and this map takes none"):
        walks.legs(generator, [1, 2], 3, truncation=0.5)


# --- real pictures beside ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Nine pictures of one colour each, one of them deeper down and twice as large, and a text."""
    place = tmp_path / "pictures"
    (place / "deep").mkdir(parents=True)
    (place / "read.txt").write_text("no picture")
    for number in range(9):
        side = 8 if number == 8 else 4
        picture = np.full((side, side, 3), 20 * number, np.uint8)
        path = place / "deep" / "8.PNG" if number == 8 else place / f"{number}.png"
        path.write_bytes(images.encode_png(picture))
    return place


def test_a_sheet_has_samples_on_the_left_and_as_many_real_pictures_on_the_right(sample, bundle_path, folder, tmp_path):
    given = f"--bundle={bundle_path}", "--count=9", "--seed=5", "--output=x.png"
    sample(*given, f"--real={folder}")
    made = np.asarray(Image.open(tmp_path / "x.png"))
    grid = images.grid(Generator(bundle_path).sample(9, 5))
    side = grid.shape[0]
    np.testing.assert_array_equal(made[:, :side], grid)
    right = made[:, -side:]
    scale = side // 14
    cells = right[::scale, ::scale, 0]
    shown = [cells[5 * row : 5 * row + 4, 5 * column : 5 * column + 4] for row in range(3) for column in range(3)]
    assert all(len(np.unique(cell)) == 1 for cell in shown)
    levels = [int(cell[0, 0]) for cell in shown]
    assert sorted(levels) == [20 * number for number in range(9)], "each picture once"
    assert levels != sorted(levels), "chosen by the seed, not by name"
    assert (made[:, side:-side] == 128).all() and made.shape[1] == 2 * side + 4 * scale


def test_without_a_count_there_are_as_many_samples_as_real_pictures(sample, bundle_path, folder):
    said = sample(f"--bundle={bundle_path}", "--output=x.png", f"--real={folder}")
    assert said.startswith("wrote x.png: 9 samples at ")


def test_the_bundle_s_own_examples_stand_beside(factory, folder, tmp_path):
    """Of another shape they do not: the encoder's picture is 4 x 4, the translator's 2 x 2."""
    small = TensorSpec("small", (2, 2, 3), "condition", "image")
    others = {
        "translate": MapSpec((small,), (TensorSpec("large", (4, 4, 3), "output", "image"),)),
        "encode": MapSpec((PHOTO,), (TensorSpec("mean", (8,), "output"),)),
    }
    path = factory(others=others)
    rows = np.linspace(-1, 1, 5 * 48).reshape(5, 4, 4, 3).astype(np.float32)
    np.savez(path / "examples.npz", **{"translate/small": rows[:, :2, :2], "encode/photo": rows})
    maps = Generator(path).manifest.maps
    np.testing.assert_array_equal(beside.of_bundle(path, maps, 3, (4, 4, 3)), images.to_uint8(rows[:3]))
    with pytest.raises(UserError, match="--real=examples: .* holds no real pictures of 5 x 5 x 3; name a folder"):
        beside.of_bundle(path, maps, 3, (5, 5, 3))
    with pytest.raises(UserError, match="holds no real pictures"):
        beside.of_bundle(path / "model.onnx", maps, 3, (4, 4, 3))


def test_the_examples_of_a_bundle_are_asked_for_by_their_name(sample, factory, tmp_path):
    path = factory(others={"encode": MapSpec((PHOTO,), (TensorSpec("mean", (8,), "output"),))})
    rows = np.zeros((4, 4, 4, 3), np.float32)
    np.savez(path / "examples.npz", **{"encode/photo": rows})
    said = sample(f"--bundle={path}", "--output=x.png", "--real=examples")
    assert said.startswith("wrote x.png: 4 samples at ")
    picture = np.asarray(Image.open(tmp_path / "x.png"))
    assert (picture[:, -picture.shape[0] :] == 128).all(), "a level of 0 is grey"


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--real=nowhere"], "--real=nowhere: no folder with pictures"),
        (["--real=."], "--real=.: no folder with pictures (.png, .jpg"),
        (["--real=examples"], "holds no real pictures of 4 x 4 x 3; name a folder of them"),
        (["--real={folder}", "--count=10"], "has 9 pictures, fewer than --count=10: lower it"),
        (["--real={folder}", "--output=x.npy"], "--real is for a map that makes pictures and --output=FILE.png"),
        (["--real={folder}", "--output=x/"], "--real is for a map that makes pictures and --output=FILE.png"),
    ],
)
def test_real_pictures_that_are_not_there_are_one_line(sample, bundle_path, folder, tmp_path, arguments, told):
    if arguments == ["--real=."]:
        files.remove(folder)
        files.remove(tmp_path / "bundles" / "bundle0" / "samples.png")
    arguments = [text.format(folder=folder) for text in arguments]
    with pytest.raises(UserError) as caught:
        sample(f"--bundle={bundle_path}", "--output=x.png", *arguments)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "x.png").exists() and not (tmp_path / "x.npy").exists()


def test_a_damaged_picture_is_named(folder):
    (folder / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot read .*0.png: .*; repair or remove it"):
        beside.of_folder(folder, 9, 0, (4, 4, 3))
