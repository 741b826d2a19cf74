"""The model card: its commands and its words, for maps of every kind."""

import dataclasses
import shlex

import pytest

from export import card
from zoo.bundle import Manifest
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (3,), "normal")
U = TensorSpec("u", (2, 2, 1), "uniform", low=0.0, high=1.0)
IMAGE = TensorSpec("image", (2, 2, 1), "output", "image")
LABEL = TensorSpec("label", (), "condition", "class", low=1, high=3)
NAMED = dataclasses.replace(LABEL, names=("cat", "dog", "maple tree"))
PHOTO = TensorSpec("photo", (2, 2, 3), "condition", "image")
MEAN = TensorSpec("mean", (2,), "output")
VIDEO = TensorSpec("video", (3, 2, 2, 3), "output", "video")
SOUND = TensorSpec("sound", (50,), "output", "audio", rate=100.0)
ALPHA = TensorSpec("alpha", (), "condition", "latent", low=0.0, high=1.0)
PAST = dataclasses.replace(VIDEO, name="past", role="condition")
HEARD = dataclasses.replace(SOUND, name="heard", role="condition")
LOOP = dataclasses.replace(IMAGE, levels=2)


def manifest(targets=(), **maps):
    told = {"largest_difference_from_keras": {"saved_model": 0.0, "onnxruntime": 2.5e-7}}
    told |= {"tolerance": 1e-4, "batches": [1, 5, 16], "noise_seed": 1}
    specs = {name: MapSpec(*tensors) for name, tensors in maps.items()}
    recipe = {"data": {"name": "digits"}, "ema": 0.999}
    return Manifest("tiny", specs, dict(targets), recipe, 7, {"keras": "3"}, dict.fromkeys(specs, told))


def test_a_wider_tolerance_is_told_where_it_was_needed():
    told = manifest(generate=((Z,), (IMAGE,)))
    assert "(export fails above 0.0001)" in card.text(told, {})
    told.parity["generate"] |= {"last_bits": 10, "largest_difference_from_keras": {"onnxruntime": 2e-4}}
    assert "(export fails above 10 times what the Keras model makes of another last bit" in card.text(told, {})


def section(text, name):
    """Return the part of a card on one map."""
    return text.split(f"## {name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("inputs", "output", "arguments"),
    [
        ((Z,), IMAGE, "--output=grid.png --count=64 --seed=0"),
        ((Z, LABEL), IMAGE, "--output=grid.png --count=64 --seed=0"),
        ((Z,), VIDEO, "--output=out.gif --count=1 --seed=0"),
        ((Z,), SOUND, "--output=out.wav --count=1 --seed=0"),
        ((Z,), dataclasses.replace(SOUND, rate=0.0), "--output=out.npy"),
        ((Z,), MEAN, "--output=out.npy"),
        ((PHOTO,), IMAGE, "--condition=photo=FILE.png --output=out.png"),
        ((PHOTO, LABEL, Z), MEAN, "--condition=photo=FILE.png --output=out.npy"),
        # a video as a condition is read from an array
        ((PAST,), VIDEO, "--condition=past=FILE.npy --output=out.gif"),
        ((PHOTO, ALPHA), IMAGE, "--condition=photo=FILE.png --condition=alpha=1 --output=out.png"),
        ((HEARD,), SOUND, "--condition=heard=FILE.wav --output=out.wav"),
    ],
)
def test_the_command_fits_the_kinds(inputs, output, arguments):
    told = manifest(generate=(inputs, (output,)), other=(inputs, (output,)))
    start = "python -m serving.sample --bundle"
    assert card.command(told, "generate") == f"{start}=. {arguments}"
    assert card.command(told, "other", "bundles/x") == f"{start}=bundles/x --map=other {arguments}"


def test_a_path_that_a_shell_would_change_is_quoted():
    told = manifest(generate=((Z,), (IMAGE,)))
    assert shlex.split(card.command(told, "generate", "my bundles/x[1]"))[3] == "--bundle=my bundles/x[1]"


def test_a_card_of_several_maps():
    told = manifest(
        {"image": "photo"},
        generate=((Z, LABEL), (IMAGE,)),
        encode=((PHOTO,), (MEAN,)),
        restore=((PHOTO, LABEL, Z), (dataclasses.replace(IMAGE, name="image"), MEAN)),
    )
    text = card.text(told, {"generate": 99, "restore": 16})
    first, encode, restore = (section(text, name) for name in told.maps)
    for truth in (
        "![generate](samples.png)",
        "99 samples of seed 0, drawn by onnxruntime; not selected; the classes come in turn.",
        "the file is `model.onnx`",
        '`serving.load(".")["generate"](seed=0)`',
        "| input | `z` | latent | float32 | (batch, 3) | noise, standard normal |",
        "| input | `label` | class | int32 | (batch) | a class, within [1, 3] |",
        "| output | `image` | image | float32 | (batch, 2, 2, 1) | within [-1, 1] |",
        "Choose the class with `--condition=label=3`, or in Python with\n`label=3` or an array of one for each sample.",
        "has `label` 1 + (k mod 3).",
        "The largest difference from the Keras model, over fresh inputs in batches of 1, 5, 16",
        "(export fails above 0.0001)",
        "saved_model 0, onnxruntime 2.5e-07.",
    ):
        assert truth.replace("\n", " ") in first.replace("\n", " ")
    assert "The classes:" not in first
    for truth in (
        "the file is `encode.onnx`",
        '`serving.load(".")["encode"](photo=...)`',
        "| input | `photo` | image | float32 | (batch, 2, 2, 3) | given, within [-1, 1] |",
        "| output | `mean` | latent | float32 | (batch, 2) | any number |",
    ):
        assert truth in encode
    assert "![" not in encode
    assert "Choose the class" not in encode
    for truth in (
        "![restore](restore.png)\n\n16 rows of held-out data, not selected: photo | image | target.",
        '`serving.load(".")["restore"](photo=..., seed=0)`',
        "Choose the class",
    ):
        assert truth in restore
    for truth in ("# tiny trained on digits", "Step 7 of a run on `digits`", '"ema": 0.999', "Made with keras 3."):
        assert truth in text


def test_classes_with_names_are_listed_and_one_is_chosen_by_its_name():
    text = card.text(manifest(generate=((Z, NAMED), (IMAGE,))), {})
    assert "The classes: 1 cat, 2 dog, 3 maple tree." in text
    assert "`--condition=label='maple tree'`" in text
    assert "`label='maple tree'` or an array" in text


def test_of_many_classes_a_hundred_are_listed():
    many = dataclasses.replace(LABEL, low=0, high=999, names=tuple(f"class{k}" for k in range(1000)))
    text = card.text(manifest(generate=((Z, many), (IMAGE,))), {})
    assert "98 class98, 99 class99, and 900 more." in text
    assert "100 class100" not in text


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (U, "noise, uniform on [0, 1)"),
        (dataclasses.replace(MEAN, low=0.0), "at least 0"),
        (TensorSpec("log_prob", (), "output", "nats", high=0.0), "at most 0"),
        (TensorSpec("angle", (), "condition", low=-90.0, high=90.0), "given, within [-90, 90]"),
        (TensorSpec("wanted", (4,), "condition", "attributes"), "given, within [0, 1]"),
    ],
)
def test_the_range_of_a_tensor_in_words(tensor, words):
    tensors = ((Z,), (tensor,)) if tensor.role == "output" else ((tensor,), (IMAGE,))
    assert f"| {words} |" in card.text(manifest(generate=tensors), {})


def test_a_sampling_loop_is_told_by_its_rows():
    text = card.text(manifest(generate=((U,), (LOOP,))), {"generate": 64})
    assert "The share of rows that differ from the Keras model" in text
    assert "64 samples of seed 0, drawn by onnxruntime; not selected." in text


def test_attributes_are_given_by_name():
    names = ("grey hair", "blond", "hat")
    wanted = TensorSpec("wanted", (3,), "condition", "attributes", names=names, exclusive=(names[:2],))
    text = card.text(manifest(edit=((PHOTO, wanted), (IMAGE,))), {"edit": 16})
    assert "--condition=photo=FILE.png --condition=wanted='grey hair'" in text
    assert 'serving.load(".")["edit"](photo=..., wanted=[\'grey hair\'])' in text
    assert "The attributes, in order: grey hair, blond, hat." in text
    assert "At most one is to be present of grey hair, blond." in text
    assert "photo | image; rows change one attribute in turn, as listed below." in text
    assert "At most one" not in card.text(manifest(edit=((dataclasses.replace(wanted, exclusive=()),), (IMAGE,))), {})
