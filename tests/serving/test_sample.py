"""The command line, run as a user runs it."""

import dataclasses
import os
import resource
import signal
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
from PIL import Image

import serving
from serving import Generator
from zoo.spec import MapSpec, TensorSpec

IMAGE = TensorSpec("image", (4, 4, 3), "output", "image")
PHOTO = TensorSpec("photo", (2, 3, 3), "condition", "image")
VIDEO = TensorSpec("video", (3, 4, 4, 3), "output", "video", rate=5.0)
SOUND = TensorSpec("sound", (50,), "output", "audio", rate=100.0)
MASK = TensorSpec("mask", (2, 3, 1), "condition", "mask")
Z = TensorSpec("z", (8,), "normal")


@pytest.fixture
def sample(tmp_path):
    """Run `python -m serving.sample` with arguments, the working directory being empty but for its outputs."""
    (tmp_path / "work").mkdir()

    def run(*arguments, **options):
        command = [sys.executable, "-m", "serving.sample", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        options |= {"capture_output": True, "text": True, "cwd": tmp_path / "work", "env": environment}
        return subprocess.run(command, **options)

    run.directory = tmp_path / "work"
    return run


def files_in(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_refused(result, *words):
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_grid(sample, bundle_path):
    result = sample(f"--bundle={bundle_path}", "--count=9", "--output=deep/grid.png", "--batch_size=2")
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.startswith("wrote deep/grid.png: 9 samples at ")
    assert result.stdout.count("\n") == 1
    picture = np.asarray(Image.open(sample.directory / "deep/grid.png"))
    scale = picture.shape[0] // 14
    assert picture.shape == (14 * scale, 14 * scale, 3)
    np.testing.assert_array_equal(picture[::scale, ::scale][5:9, 10:14], Generator(bundle_path).sample(9)[5])
    assert files_in(sample.directory / "deep") == ["grid.png"]


def test_array_replaces_an_older_one(sample, bundle_path):
    (sample.directory / "x.npy").write_text("old")
    result = sample(
        f"--bundle={bundle_path / 'model.onnx'}", "--count=10", "--seed=3", "--output=x.npy", "--batch_size=3"
    )
    assert result.returncode == 0, result.stderr
    array = np.load(sample.directory / "x.npy")
    np.testing.assert_array_equal(array, Generator(bundle_path).sample(10, 3, dtype="float32"))
    assert files_in(sample.directory) == ["x.npy"]


def test_directory_of_pictures(sample, bundle_path):
    arguments = f"--bundle={bundle_path}", "--count=5", "--output=pictures/"
    assert sample(*arguments).returncode == 0
    assert files_in(sample.directory / "pictures") == [f"00000{k}.png" for k in range(5)]
    images = [np.asarray(Image.open(path)) for path in sorted((sample.directory / "pictures").iterdir())]
    np.testing.assert_array_equal(images, Generator(bundle_path).sample(5))
    assert_refused(sample(*arguments), "exists already")
    assert files_in(sample.directory) == ["pictures"]


def test_truncation(sample, bundle_path):
    flags = f"--bundle={bundle_path}", "--count=5", "--seed=2", "--output=x.npy"
    assert sample(*flags, "--truncation=0.5").returncode == 0
    expected = Generator(bundle_path).sample(5, 2, dtype="float32", truncation=0.5)
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)
    assert_refused(sample(*flags, "--truncation=0"), "truncation 0.0: use a number above 0")


def test_condition(sample, conditional):
    result = sample(f"--bundle={conditional}", "--count=3", "--output=x.npy", "--condition=label=7")
    assert result.returncode == 0, result.stderr
    expected = Generator(conditional).sample(3, dtype="float32", label=7)
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


def test_numbers_of_vectors_and_scalars(sample, factory):
    inputs = Z, TensorSpec("state", (3,), "condition"), TensorSpec("angle", (), "condition")
    path = factory(MapSpec(inputs, (TensorSpec("x", (2,), "output"),)))
    arguments = f"--bundle={path}", "--count=4", "--output=x.npy"
    result = sample(*arguments, "--condition=state=0.5,-1,2e1", "--condition=angle=-0.25")
    assert result.returncode == 0, result.stderr
    expected = Generator(path).sample(4, dtype="float32", state=[0.5, -1, 20], angle=-0.25)
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)
    for wrong, words in (
        ("1,0", ["needs 3 numbers, got 2"]),
        ("1,0,nan", ["state", "NaN"]),
        ("1,,0", ["1,,0 is neither a file nor 3 numbers"]),
    ):
        assert_refused(sample(*arguments, "--condition=angle=1", f"--condition=state={wrong}"), *words)


def test_classes_in_turn(sample, conditional):
    result = sample(f"--bundle={conditional}", "--count=12", "--output=x.npy", "--batch_size=5")
    assert result.returncode == 0, result.stderr
    expected = Generator(conditional).sample(12, dtype="float32", label=[*range(10), 0, 1])
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--condition=label=99"], ["label", "[0, 9]"]),
        (["--condition=label=cat"], ["label=cat", "use a number from 0 to 9", "have no names"]),
        (["--condition=label=2.5"], ["label", "whole numbers"]),
        (["--condition=label=nan"], ["label", "whole numbers"]),
        (["--condition=label"], ["name=value"]),
        (["--condition=label="], ["name=value"]),
        (["--map=encode"], ["unknown map 'encode'", "known: generate"]),
        (["--condition=lable=1"], ["unknown condition 'lable'", "'label'"]),
        (["--condition=seed=1"], ["unknown condition 'seed'"]),
        (["--condition=label=1", "--condition=label=2"], ["given before"]),
    ],
)
def test_bad_condition(sample, conditional, arguments, words):
    assert_refused(sample(f"--bundle={conditional}", "--output=x.npy", *arguments), *words)
    assert files_in(sample.directory) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output=x.png", "--bundle="], ["--bundle is missing"]),
        (["--output="], ["--output is missing"]),
        (["--output=x.jpg"], ["--output=x.jpg", ".png", ".gif", ".wav", ".npy"]),
        (["--output=."], ["is a directory"]),
        (["--output=x.png", "--bundle=nowhere"], ["nowhere does not exist"]),
        (["--output=x.png", "--bundle=."], ["not a bundle"]),
        (["--output=x.png", "--count=0"], ["count"]),
        (["--output=x.png", "--count=many"], ["count", "many"]),
        (["--output=x.png", "--seed=-1"], ["seed"]),
        (["--output=x.png", "--seed=9223372036854775808"], ["seed"]),
        (["--output=x.png", "--threads=0"], ["threads"]),
        (["--output=x.png", "--batch_size=0"], ["batch_size"]),
        (["--output=x.png", "--cuont=3"], ["unknown flag '--cuont'", "'--count'"]),
        (["--output=x.png", "stray"], ["unexpected argument 'stray'"]),
        (["--output=x.png", "--count=10001"], ["10,001", "too many", ".npy"]),
    ],
)
def test_bad_flags(sample, bundle_path, arguments, words):
    assert_refused(sample(f"--bundle={bundle_path}", *arguments), *words)
    assert files_in(sample.directory) == []


def test_a_full_disk_is_told_with_the_file_s_name(sample, bundle_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    result = sample(f"--bundle={bundle_path}", "--count=100", "--output=x.npy", preexec_fn=limit)
    assert_refused(result, "File too large: x.npy")
    assert files_in(sample.directory) == []


def test_vectors_are_no_pictures(sample, factory, vector_spec):
    path = factory(vector_spec(3))
    assert_refused(sample(f"--bundle={path}", "--output=x.png"), "kind latent is no .png", "--output=samples.npy")
    assert sample(f"--bundle={path}", "--output=x.npy").returncode == 0


# --- outputs of every kind ---------------------------------------------------------------------------------------


def test_a_single_picture_is_written_as_large_as_it_is(sample, bundle_path):
    assert sample(f"--bundle={bundle_path}", "--count=1", "--output=one.png").returncode == 0
    picture = np.asarray(Image.open(sample.directory / "one.png"))
    np.testing.assert_array_equal(picture, Generator(bundle_path).sample()[0])


def test_a_video_is_a_gif(sample, factory):
    path = factory(MapSpec((Z,), (VIDEO,)))
    result = sample(f"--bundle={path}", "--count=1", "--output=one.gif", "--seed=3")
    assert result.returncode == 0, result.stderr
    (video,) = Generator(path).sample(1, 3)
    with Image.open(sample.directory / "one.gif") as picture:
        assert (picture.n_frames, picture.info["duration"]) == (3, 200)
        for number, frame in enumerate(video):
            picture.seek(number)
            # a GIF has 256 colours
            assert np.abs(np.asarray(picture.convert("RGB")) - frame.astype(float)).mean() < 40
    assert_refused(sample(f"--bundle={path}", "--output=x.gif"), "holds one sample, not 64", "samples/", "--count=1")
    assert_refused(sample(f"--bundle={path}", "--output=x.png"), "kind video is no .png", "--output=samples.gif")
    assert sample(f"--bundle={path}", "--output=clips/", "--count=2").returncode == 0
    assert files_in(sample.directory / "clips") == ["000000.gif", "000001.gif"]


def test_a_sound_that_begins(sample, factory):
    given = TensorSpec("given", (50,), "condition", "audio", rate=100.0)
    path = factory(MapSpec((given, TensorSpec("known", (50,), "condition", "mask", keeps="given")), (SOUND,)))
    begun = np.linspace(-0.9, 0.9, 20, dtype=np.float32)
    np.save(sample.directory / "begun.npy", begun)
    with wave.open(str(sample.directory / "begun.wav"), "wb") as file:
        file.setparams((1, 2, 100, 0, "NONE", ""))
        file.writeframes((begun * 32767).astype("<i2").tobytes())
    expected = serving.load(path)["generate"](given=begun)["sound"]
    for ending in (".npy", ".wav"):
        assert sample(f"--bundle={path}", f"--condition=given=begun{ending}", "--output=x.npy").returncode == 0
        np.testing.assert_allclose(np.load(sample.directory / "x.npy"), expected, atol=1e-3)
    result = sample(f"--bundle={path}", "--condition=given=begun.wav", "--condition=known=begun.npy", "--output=x.npy")
    assert_refused(result, "begun.wav has 20 samples; given needs 50")
    with wave.open(str(sample.directory / "long.wav"), "wb") as file:
        file.setparams((1, 2, 100, 0, "NONE", ""))
        file.writeframes(bytes(160))
    result = sample(f"--bundle={path}", "--condition=given=long.wav", "--output=x.npy")
    assert_refused(result, "a beginning has 1 to 49 samples, got 80")


def test_a_sound_is_a_wav(sample, factory):
    path = factory(MapSpec((Z,), (SOUND,)))
    assert sample(f"--bundle={path}", "--count=1", "--output=one.wav").returncode == 0
    with wave.open(str(sample.directory / "one.wav")) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels(), file.getnframes()) == (100, 2, 1, 50)
        written = np.frombuffer(file.readframes(50), "<i2")
    expected = np.clip(np.rint(Generator(path).sample(dtype="float32")[0] * 32768), -32768, 32767)
    np.testing.assert_array_equal(written, expected)
    assert_refused(sample(f"--bundle={path}", "--output=x.wav"), "holds one sample, not 64")
    assert_refused(sample(f"--bundle={path}", "--output=x.gif"), "kind audio is no .gif", "--output=samples.wav")
    assert sample(f"--bundle={path}", "--output=sounds/", "--count=2").returncode == 0
    assert files_in(sample.directory / "sounds") == ["000000.wav", "000001.wav"]


def test_a_sound_without_a_rate_is_an_array(sample, factory):
    path = factory(MapSpec((Z,), (dataclasses.replace(SOUND, rate=0.0),)))
    assert_refused(sample(f"--bundle={path}", "--count=1", "--output=x.wav"), "--output=samples.npy")
    assert sample(f"--bundle={path}", "--count=1", "--output=x.npy").returncode == 0


def test_vectors_in_a_directory(sample, factory, vector_spec):
    path = factory(vector_spec(3))
    assert sample(f"--bundle={path}", "--output=vectors/", "--count=2").returncode == 0
    for number, row in enumerate(Generator(path).sample(2, dtype="float32")):
        np.testing.assert_array_equal(np.load(sample.directory / "vectors" / f"00000{number}.npy"), row)


# --- conditions from files ---------------------------------------------------------------------------------------


@pytest.fixture
def translate(factory):
    """A bundle whose second map, "translate", is from a picture and a mask to another picture."""
    spec = MapSpec((PHOTO, MASK), (dataclasses.replace(IMAGE, name="translated"),))
    return factory(others={"translate": spec})


def test_a_picture_of_another_size_and_a_mask(sample, translate):
    """The picture's centre is resized to what the map takes; one answer is the default."""
    colours = np.zeros((40, 90, 3), np.uint8)
    colours[:, 15:75] = (10, 200, 90)  # the part with the map's shape
    Image.fromarray(colours).save(sample.directory / "photo.png")
    mask = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    Image.fromarray(mask).save(sample.directory / "mask.png")
    result = sample(
        f"--bundle={translate}",
        *("--map=translate", "--condition=photo=photo.png", "--condition=mask=mask.png", "--output=x.npy"),
    )
    assert result.returncode == 0, result.stderr
    assert "1 sample at" in result.stdout
    photo = np.broadcast_to(np.array([10, 200, 90], np.uint8), (2, 3, 3))
    expected = serving.load(translate)["translate"](photo=photo, mask=mask[..., None])["translated"]
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


def test_the_rows_of_an_array_set_the_count(sample, translate):
    random = np.random.default_rng(0)
    photos, mask = random.integers(0, 256, (5, 2, 3, 3)).astype(np.uint8), np.ones((2, 3, 1), np.float32)
    np.save(sample.directory / "photos.npy", photos)
    np.save(sample.directory / "mask.npy", mask)
    arguments = f"--bundle={translate}", "--map=translate", "--condition=mask=mask.npy", "--batch_size=2"
    result = sample(*arguments, "--condition=photo=photos.npy", "--output=out/")
    assert result.returncode == 0, result.stderr
    expected = Generator(translate, "translate").sample(photo=photos, mask=mask)
    made = [np.asarray(Image.open(path)) for path in sorted((sample.directory / "out").iterdir())]
    np.testing.assert_array_equal(made, expected)
    wrong = sample(*arguments, "--condition=photo=photos.npy", "--output=x.npy", "--count=4")
    assert_refused(wrong, "photo", "needs shape (4, 2, 3, 3)", "(5, 2, 3, 3)")
    # one row is for all that are asked for
    np.save(sample.directory / "photos.npy", photos[:1])
    assert sample(*arguments, "--condition=photo=photos.npy", "--output=x.npy", "--count=3").returncode == 0
    expected = Generator(translate, "translate").sample(photo=photos[[0] * 3], mask=mask, dtype="float32")
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("photo=nowhere.png", ["nowhere.png is not a file"]),
        ("photo=.", [". is not a file"]),
        ("photo=3", ["3 is not a file"]),
        ("photo=text.png", ["cannot read text.png"]),
        ("photo=text.npy", ["cannot read text.npy"]),
        ("photo=pickle.npy", ["cannot read pickle.npy"]),
        ("photo=text.txt", ["kind image", "PNG, JPEG, WebP or .npy"]),
        ("photo=small.npy", ["small.npy holds shape (2, 2)", "(2, 3, 3)"]),
        ("photo=none.npy", ["none.npy holds shape (0, 2, 3, 3)"]),
        ("photo=large.npy", ["photo", "[-1.0, 1.0]"]),
        ("mask=grey.npy", ["a mask holds 0 and 1"]),
        ("foto=text.png", ["unknown condition 'foto'", "'photo'"]),
        ("", ["unknown condition ''"]),
    ],
)
def test_a_bad_file_of_a_condition(sample, translate, condition, words):
    for name in ("text.png", "text.npy", "text.txt"):
        (sample.directory / name).write_text("not what its name says")
    np.save(sample.directory / "pickle.npy", np.array([{}], object))
    np.save(sample.directory / "small.npy", np.zeros((2, 2)))
    np.save(sample.directory / "none.npy", np.zeros((0, 2, 3, 3)))
    np.save(sample.directory / "large.npy", np.full((2, 3, 3), 1.5))
    np.save(sample.directory / "grey.npy", np.full((2, 3, 1), 0.5))
    held = files_in(sample.directory)
    other = {"photo": "mask=m.npy", "mask": "photo=p.npy"}.get(condition.partition("=")[0])
    np.save(sample.directory / "m.npy", np.ones((2, 3, 1)))
    np.save(sample.directory / "p.npy", np.zeros((2, 3, 3)))
    more = [f"--condition={other}"] if other else []
    result = sample(f"--bundle={translate}", "--map=translate", "--output=x.png", f"--condition={condition}", *more)
    assert_refused(result, *words)
    assert files_in(sample.directory) == sorted([*held, "m.npy", "p.npy"])


def test_a_condition_that_is_missing(sample, translate):
    result = sample(f"--bundle={translate}", "--map=translate", "--output=x.png")
    assert_refused(result, "missing condition mask, photo")


def test_classes_by_name_and_from_a_file(sample, factory, conditional_spec):
    latent, label = conditional_spec.inputs
    label = dataclasses.replace(label, low=4, high=6, names=("cat", "dog", "maple tree"))
    path = factory(dataclasses.replace(conditional_spec, inputs=(latent, label)))
    arguments = f"--bundle={path}", "--output=x.npy"
    generator = Generator(path)
    # a file of the same name changes nothing
    (sample.directory / "5").touch()
    (sample.directory / "dog").touch()
    for text, number in (("dog", 5), ("maple tree", 6), ("5", 5), ("4.0", 4)):
        result = sample(*arguments, "--count=3", f"--condition=label={text}")
        assert result.returncode == 0, result.stderr
        expected = generator.sample(3, label=number, dtype="float32")
        np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)
    np.save(sample.directory / "labels.npy", np.array([6, 4, 4, 5]))
    assert sample(*arguments, "--condition=label=labels.npy").returncode == 0
    expected = generator.sample(4, label=[6, 4, 4, 5], dtype="float32")
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)
    assert_refused(sample(*arguments, "--condition=label=god"), "label=god", "cat, dog, maple tree", "from 4 to 6")


def test_a_map_by_its_name(sample, several):
    random = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 3))
    np.save(sample.directory / "photos.npy", random)
    for bundle in (several, several / "encode.onnx"):
        result = sample(f"--bundle={bundle}", "--map=encode", "--condition=photo=photos.npy", "--output=x.npy")
        assert result.returncode == 0, result.stderr
        expected = serving.load(several)["encode"](photo=random)["mean"]
        np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)
    assert_refused(sample(f"--bundle={several}", "--map=encoder", "--output=x.npy"), "unknown map", "'encode'")


# --- the program -------------------------------------------------------------------------------------------------


def test_a_photograph_is_coloured_at_its_own_size(sample, factory):
    grey = TensorSpec("input", (8, 8, 1), "condition", "image")
    bundle = factory(MapSpec((grey,), (TensorSpec("output", (8, 8, 3), "output", "image"),)))
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(sample.directory / "photo.png")
    asked = f"--bundle={bundle}", "--full_size", "--condition=input=photo.png"
    result = sample(*asked, "--output=coloured.png")
    assert result.returncode == 0 and result.stdout.startswith("wrote coloured.png: 1 sample at "), result.stderr
    with Image.open(sample.directory / "coloured.png") as picture:
        assert picture.size == (50, 30) and picture.mode == "RGB"
    named = "--full_size: give the photograph as --condition=input=FILE, a PNG, JPEG or WebP"
    assert_refused(sample(*asked[:2], "--output=coloured.png"), named)
    assert_refused(sample(*asked[:2], "--condition=input=x.npy", "--output=coloured.png"), named)
    assert_refused(
        sample(*asked, "--output=coloured/"), "--full_size makes one picture: end --output=coloured/ in .png"
    )
    assert_refused(sample(*asked, "--output=c.png", "--count=2"), "--count does not go with --full_size")
    assert_refused(sample(*asked, "--output=c.gif", "--interpolate=1,2"), "--interpolate does not go with --full_size")


def test_help(sample):
    result = sample("--help")
    assert result.returncode == 0
    assert result.stderr == ""
    for word in ("--bundle", "--map", "--condition", "default 64", "classes in turn", "python -m serving.sample"):
        assert word in result.stdout
    assert "verbosity" not in result.stdout


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("output", ["x.npy", "pictures/"])
def test_interrupt_leaves_nothing_behind(sample, bundle_path, output):
    arguments = [f"--bundle={bundle_path}", "--count=100000000", f"--output={output}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.sample", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=sample.directory,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        # a shell that runs the tests in its background makes their children deaf to it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        deadline = time.monotonic() + 30
        while not files_in(sample.directory) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert files_in(sample.directory) == []


def test_providers(sample, bundle_path):
    for given in (["--providers=CPUExecutionProvider"], []):
        assert sample(f"--bundle={bundle_path}", "--count=4", f"--output={len(given)}.npy", *given).returncode == 0
    np.testing.assert_array_equal(np.load(sample.directory / "0.npy"), np.load(sample.directory / "1.npy"))
    result = sample(f"--bundle={bundle_path}", "--output=a.png", "--providers=CPUExecutionProvider,TPU")
    assert_refused(result, "unknown execution provider 'TPU'; this onnxruntime has ", "CPUExecutionProvider")
