"""A class-conditional model trains only on data whose labels are its classes."""

import dataclasses

import numpy as np
import pytest
from shared import tiny_config, trainer

import train.loop.trainer
from train.data import Source
from train.loop.trainer import check_labels, print_layers
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

LABEL = TensorSpec("label", (), "condition", "int32", low=0, high=4)


def spec(*conditions):
    return GeneratorSpec((TensorSpec("z", (2,), "normal"), *conditions), (TensorSpec("image", (2, 2, 1), "sample"),))


def source(*labels, names=("0", "1", "2", "3", "4")):
    return Source(np.zeros((len(labels), 2, 2, 1), np.uint8), np.array(labels, np.int32), names, "")


def test_labels_within_the_classes_are_taken():
    check_labels(spec(LABEL), source(0, 4, 4, 2))
    check_labels(spec(LABEL), source(1, 2))  # a class without an example is still one of the data's


@pytest.mark.parametrize("conditions", [(), (dataclasses.replace(LABEL, name="kind"),)])
def test_other_models_take_any_data(conditions):
    check_labels(spec(*conditions), source(0, 7))
    check_labels(spec(*conditions), source(0, 0, names=()))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (source(0, 0, names=()), "the data have no labels and the model is class-conditional: .*data.name"),
        (source(0, 5, 6, 1, names=tuple("abcdefg")), "the label 6, .* 0 to 4: set --config.model.classes=7"),
        (source(0, -1, 1), "the label -1, .* 0 to 4: take data whose examples all have a label"),
        (source(0, 1, names=("a", "b")), "the model has 5 classes, the data 2: set --config.model.classes=2"),
        (source(-1, 5, names=tuple("abcdef")), "the label 5, .* set --config.model.classes=6"),
    ],
)
def test_other_labels_are_refused(data, words):
    with pytest.raises(UserError, match=words):
        check_labels(spec(LABEL), data)


def test_the_trainer_and_the_dry_run_check_first(tmp_path, monkeypatch, capsys):
    original = train.loop.trainer.create_model

    def with_five_classes(*arguments):
        model = original(*arguments)
        model.generator_spec = dataclasses.replace(model.generator_spec, inputs=(*model.generator_spec.inputs, LABEL))
        return model

    monkeypatch.setattr(train.loop.trainer, "create_model", with_five_classes)
    settings = tiny_config("nade")
    with pytest.raises(UserError, match=r"the label 9, .* --config.model.classes=10"):
        trainer(settings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"], "which the program writes beforehand"
    with pytest.raises(UserError, match=r"--config.model.classes=10"):
        print_layers(settings)
    assert capsys.readouterr().out == ""
