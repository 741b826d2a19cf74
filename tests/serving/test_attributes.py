"""Attributes at the door: by their names, as 0 and 1, and those that exclude one another."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import serving
from zoo.spec import MapSpec, TensorSpec

NAMES = ("black hair", "blond", "glasses", "hat")
PHOTO = TensorSpec("photo", (2, 2, 3), "condition", "image")
WANTED = TensorSpec("wanted", (4,), "condition", "attributes", names=NAMES, exclusive=(NAMES[:2],))
SPEC = MapSpec((PHOTO, WANTED), (TensorSpec("translated", (4, 4, 3), "output", "image"),))
PICTURE = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 2, 3)


@pytest.fixture
def editor(factory):
    return serving.load(factory(SPEC))["generate"]


@pytest.mark.parametrize(
    ("given", "vector"),
    [
        (["glasses"], [0, 0, 1, 0]),
        (("hat", "blond"), [0, 1, 0, 1]),
        ("hat,blond", [0, 1, 0, 1]),
        (" black hair , glasses ", [1, 0, 1, 0]),
        ("", [0, 0, 0, 0]),
        ([], [0, 0, 0, 0]),
        (np.array(["glasses", "hat"]), [0, 0, 1, 1]),
        (np.array([0, 1, 1, 0]), [0, 1, 1, 0]),
        ([0.0, 1.0, 1.0, 0.0], [0, 1, 1, 0]),
    ],
)
def test_names_are_all_that_is_to_be_present(editor, given, vector):
    assert editor.given(1, {"photo": PICTURE, "wanted": given})["wanted"].tolist() == [vector]
    made = editor(photo=PICTURE, wanted=given)["translated"]
    assert made.shape == (1, 4, 4, 3)
    np.testing.assert_array_equal(made, editor(photo=PICTURE, wanted=vector)["translated"])


def test_each_sample_may_have_its_own(factory):
    path = factory(SPEC)
    editor = serving.load(path)["generate"]
    several = [["glasses"], [], "hat,blond"]
    vectors = [[0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]]
    made = editor(photo=PICTURE, wanted=several)["translated"]
    np.testing.assert_array_equal(made, editor(photo=PICTURE, wanted=np.array(vectors))["translated"])
    for row, vector in zip(made, vectors, strict=True):
        np.testing.assert_allclose(row, editor(photo=PICTURE, wanted=vector)["translated"][0], atol=1e-6)
    samples = serving.Generator(path).sample(photo=PICTURE, wanted=several, dtype="float32")
    np.testing.assert_array_equal(samples, made)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["glases"], ["unknown attribute of wanted 'glases'", "did you mean 'glasses'"]),
        ("glasses,,hat", ["unknown attribute of wanted ''"]),
        (["black hair", "hat", "blond"], ["wanted: black hair and blond exclude one another", "at most one"]),
        ([1, 1, 0, 0], ["black hair and blond exclude one another"]),
        ([["hat"], ["blond", "black hair"]], ["black hair and blond exclude one another"]),
        ([1, 0, 0], ["needs shape", "4"]),
        ([0, 0, 2, 0], [r"\[0.0, 1.0\]"]),
        ([0, 0, 0.5, 0], ["whole numbers"]),
        (["hat", 1, 0, 0], ["wanted"]),
        (None, ["wanted: needs whole numbers or names; got None$"]),
    ],
)
def test_what_no_picture_can_have_is_refused(refused, editor, wanted, words):
    with refused(*words):
        editor(photo=PICTURE, wanted=wanted)


def test_attributes_never_come_in_turn(refused, editor):
    with refused("missing condition wanted"):
        editor(photo=PICTURE)


def test_without_names_and_groups_only_numbers_and_none_at_all(refused, factory):
    plain = dataclasses.replace(WANTED, names=(), exclusive=())
    editor = serving.load(factory(dataclasses.replace(SPEC, inputs=(PHOTO, plain))))["generate"]
    assert editor.given(1, {"photo": PICTURE, "wanted": [1, 1, 0, 1]})["wanted"].tolist() == [[1, 1, 0, 1]]
    assert editor.given(1, {"photo": PICTURE, "wanted": []})["wanted"].tolist() == [[0, 0, 0, 0]]
    with refused("unknown attribute of wanted 'hat'"):
        editor(photo=PICTURE, wanted=["hat"])


def test_on_the_command_line(factory, tmp_path):
    """In a process of its own, because a program's flags are those of the whole process."""
    bundle = factory(SPEC)
    np.save(tmp_path / "photo.npy", np.zeros((2, 2, 2, 3), np.float32))
    np.save(tmp_path / "wanted.npy", np.array([[1, 0, 0, 1], [0, 0, 0, 0]]))

    def sampled(wanted):
        output = tmp_path / "made.npy"
        command = [sys.executable, "-m", "serving.sample", f"--bundle={bundle}", f"--output={output}"]
        conditions = [f"--condition=photo={tmp_path}/photo.npy", f"--condition=wanted={wanted}"]
        done = subprocess.run([*command, *conditions], capture_output=True, text=True)
        return np.load(output) if done.returncode == 0 else done.stderr

    editor, photos = serving.load(bundle)["generate"], np.zeros((2, 2, 2, 3), np.float32)
    for given, same in [
        ("glasses,hat", ["glasses", "hat"]),
        ("", []),
        (f"{tmp_path}/wanted.npy", [[1, 0, 0, 1], [0] * 4]),
    ]:
        np.testing.assert_array_equal(sampled(given), next(iter(editor(photo=photos, wanted=same).values())))
    assert "lacking.npy is neither a file nor 4 numbers" in sampled("lacking.npy")
