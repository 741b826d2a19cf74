"""Every key of every configuration has a line that says what it means."""

import re

import pytest

import train.data
import zoo
from train import config, explain
from train.data.sources import names

# a source of every kind; options do not depend on what PATH and NAME are
SOURCES = [*(name.replace("NAME", "shapes") for name in names()), "mnist", "spoken_digit"]


def is_line(said):
    return bool(re.fullmatch(r"\S.{1,110}\S", said))


@pytest.mark.parametrize("name", zoo.available())
def test_every_option_of_every_model_has_a_line(name):
    declared = zoo.declared(name)
    options = {**declared.options, **declared.phase_options}
    assert [option for option in options if not is_line(declared.comments.get(option, ""))] == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_option_of_every_source_has_a_line(name):
    said = train.data.comments(name)
    assert [option for option in train.data.defaults(name) if not is_line(said.get(option, ""))] == []


def test_every_other_key_has_a_line():
    settings = config.load("progressive_digits")
    settings.optimizers.other, settings.optimizers.third = config.sgd(0.1), config.rmsprop(0.1)
    said = explain.lines(settings)
    assert list(said) == [key for key, _ in config.flatten(settings.to_dict())]
    assert [key for key, line in said.items() if not is_line(line)] == []
    assert explain._OWN not in said.values(), "no key of the recipe's own"


def test_known_lines():
    said = explain.lines(config.load("gan_grid_digits", ["--config.data.name=lowres:folder:pictures"]))
    assert said["train_steps"].startswith("steps in all")
    assert said["stop.near"] == "the value that the log's mean is to come near"
    assert said["optimizers.generator.beta_1"] == "decay of the mean of the gradients"
    assert said["optimizers.generator.name"] == "of the generator's updates: adam, sgd, rmsprop"
    assert said["model.clip"] == "bound of the critic's weights where the penalty is clipping"
    assert said["model.latent"] == "law of the noise: normal, or uniform on [-1, 1)", "of a base class"
    assert said["data.factor"] == "by which the sides of the input are smaller"
    assert said["data.flip"].startswith("whether"), "of what is made small"
    assert said["data.unreadable"] == "a file that is no picture: skip (with a warning) or refuse"
    assert said["penalty"] == explain._OWN


def test_a_model_of_the_users_own_is_explained_by_its_own_comments(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from zoo.adversarial.dcgan import DCGAN\n\n\nclass Mine(DCGAN):\n    options = {\n"
        '        "depth": 3,  # how deep it is\n        "silent": 1,\n    }\n'
    )
    settings = config.load("dcgan_digits", [f"--config.model.name={path}:Mine"])
    said = explain.lines(settings)
    assert said["model.depth"] == "how deep it is"
    assert said["model.silent"] == ""
    assert said["model.kernel_size"] == "side of every convolution's kernel"


def test_the_text_is_the_flags_that_make_the_configuration():
    settings = config.load("few_pictures", ["--config.data.name=folder:my pictures"])
    settings.data.name = "folder:my pictures"
    lines = explain.text(settings).splitlines()
    assert len(lines) == len(list(config.flatten(settings.to_dict())))
    flags = [line.split("  ")[1] for line in lines]
    assert "--config.data.flip=true" in flags
    assert "'--config.data.name=folder:my pictures'" in flags
    assert "--config.model.base_channels=24" in flags
    (batch,) = [line for line in lines if "batch_size" in line]
    assert batch.split(maxsplit=1) == ["--config.batch_size=64", "examples of a step, over all devices"]
