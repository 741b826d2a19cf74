"""A class-conditional model has the classes of its data, and trains only on labels that are among them."""

import numpy as np
import pytest
from shared import tiny_config, trainer

import train.data
from train.data.source import Table, image_spec, label_spec
from train.loop.building import check_classes, classes_told, print_layers
from train.rundir import pictures
from zoo import images, noise
from zoo.shared.errors import UserError


def table(*labels, classes=5):
    pictures = np.zeros((len(labels), 8, 8, 1), np.uint8)
    specs = {"image": image_spec("image", pictures), "label": label_spec(tuple(map(str, range(classes))))}
    return Table({"image": pictures, "label": np.array(labels, np.int32)}, specs, "")


def test_labels_within_the_classes_are_taken():
    check_classes(table(0, 4, 4, 2), ["image", "label"])
    check_classes(table(1, 2), ["label"])  # a class without an example is still one of the data's


def test_a_model_that_reads_no_labels_takes_any():
    check_classes(table(0, 7), ["image"])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ((0, 5, 6, 1), "the data have the label 5, and their classes are 0 to 4: take data whose examples all have"),
        ((0, -1, 1), "the data have the label -1, and their classes are 0 to 4"),
        ((-1, 5), "the label -1"),
    ],
)
def test_other_labels_are_refused(labels, words):
    with pytest.raises(UserError, match=words):
        check_classes(table(*labels), ["image", "label"])


def test_the_trainer_and_the_dry_run_check_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train.data, "load", lambda *_: (table(*range(10), -1, classes=10),))
    settings = tiny_config("acgan")
    with pytest.raises(UserError, match=r"the label -1, and their classes are 0 to 9"):
        trainer(settings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"], "which the program writes beforehand"
    with pytest.raises(UserError, match=r"the label -1"):
        print_layers(settings)
    assert capsys.readouterr().out == ""


def test_the_classes_are_those_of_the_data_by_their_names(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(("cat", "dog", "eel") * 2):
        path = tmp_path / "pictures" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.encode_png(np.zeros((8, 8, 1), np.uint8)))
    settings = tiny_config("acgan", **{"data.name": f"folder:{tmp_path / 'pictures'}"})
    made = trainer(settings, tmp_path / "run")
    assert made.model.columns["label"].names == ("cat", "dog", "eel")
    assert made.model.maps["generate"].spec.conditions[0].names == ("cat", "dog", "eel")
    told = "label: 3 classes: 0 cat, 1 dog, 2 eel\n"
    assert told in capsys.readouterr().err
    print_layers(settings)
    assert told in capsys.readouterr().out, "what --dry_run prints"

    made.draw_samples()
    spec = made.model.maps["generate"].spec
    inputs = noise.fill(spec, 3, made.config.seed)  # of four samples as many as fill three columns
    with made.averages.applied():
        outputs = made.run_map("generate", inputs)
    drawn = pictures.sheet_of(spec, inputs, outputs, {}, columns=3)
    assert pictures.path_of(tmp_path / "run", 0).read_bytes() == images.encode_png(drawn)


def test_many_classes_are_told_in_one_line():
    told = classes_told(tuple(map(str, range(30))))
    assert told.startswith("30 classes: 0 0, 1 1, ") and told.endswith("19 19, ...")
