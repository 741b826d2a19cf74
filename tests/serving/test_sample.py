"""The command line, run as a user runs it."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from serving import Generator


@pytest.fixture
def sample(tmp_path):
    """Run `python -m serving.sample` with arguments, the working directory being empty but for its outputs."""
    (tmp_path / "work").mkdir()

    def run(*arguments):
        command = [sys.executable, "-m", "serving.sample", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "work", env=environment)

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


def test_condition(sample, conditional):
    result = sample(f"--bundle={conditional}", "--count=3", "--output=x.npy", "--condition=label=7")
    assert result.returncode == 0, result.stderr
    expected = Generator(conditional).sample(3, dtype="float32", label=7)
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


def test_classes_in_turn(sample, conditional):
    result = sample(f"--bundle={conditional}", "--count=12", "--output=x.npy", "--batch_size=5")
    assert result.returncode == 0, result.stderr
    expected = Generator(conditional).sample(12, dtype="float32", label=[*range(10), 0, 1])
    np.testing.assert_array_equal(np.load(sample.directory / "x.npy"), expected)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--condition=label=99"], ["label", "[0, 9]"]),
        (["--condition=label=cat"], ["name=number"]),
        (["--condition=label"], ["name=number"]),
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
        (["--output=x.jpg"], ["--output=x.jpg", ".png", ".npy"]),
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


def test_vectors_are_no_pictures(sample, factory, vector_spec):
    path = factory(vector_spec(3))
    assert_refused(sample(f"--bundle={path}", "--output=x.png"), "(3,)", "no pictures", ".npy")
    assert sample(f"--bundle={path}", "--output=x.npy").returncode == 0


def test_help(sample):
    result = sample("--help")
    assert result.returncode == 0
    assert result.stderr == ""
    for word in ("--bundle", "--condition", "default: 64", "classes in turn", "python -m serving.sample"):
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
