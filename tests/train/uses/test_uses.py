"""The program: what it refuses, what it stores, that it measures nothing twice; and the page in the documentation."""

import importlib
import json
import re

import pytest
from shared import REPOSITORY, python

from train.check import check
from train.study import preparing
from train.uses import USES, augmentation, page, stored, trainings
from zoo.shared.errors import UserError

PLAIN = dict.fromkeys(augmentation.ROWS, 0.5)


def result(seeds=(0,)):
    return stored.new("augmentation", "digits", augmentation.protocol("digits", 1.0), seeds)


def test_cells_are_stored_at_once_and_found_again(tmp_path):
    path = tmp_path / "augmentation_digits.json"
    study = stored.Study(stored.resumed(path, result()), tmp_path, path)
    study.add("10, seed 0", {"accuracy": PLAIN, "seconds": 60.0})
    again = stored.resumed(path, result(seeds=(0, 1)))
    assert again["cells"] == study.cells and again["seeds"] == [0, 1]
    missing = [key for key in augmentation.keys(again["protocol"], again["seeds"]) if key not in again["cells"]]
    assert missing == ["choice, 10", "choice, 50", "50, seed 0", "10, seed 1", "50, seed 1"]
    other = result()
    other["protocol"]["classifier_steps"] = 7
    with pytest.raises(UserError, match=r"made otherwise: classifier_steps \(1000 -> 7\)"):
        stored.resumed(path, other)
    path.write_text("{")
    with pytest.raises(UserError, match="is corrupt"):
        stored.read(path)


@pytest.mark.parametrize(
    "values, said", [((), "not run"), ((0.5,), "50.0"), ((-0.0002, 0.0001), "0.0 ± 0.0"), ((0.1, 0.2), "15.0 ± 7.1")]
)
def test_a_mean_and_its_deviation_in_words(values, said):
    assert stored.in_words(values) == said


def test_the_page_is_made_from_what_is_stored(tmp_path):
    path = tmp_path / "augmentation_digits.json"
    study = stored.Study(result(), tmp_path, path)
    study.add("10, seed 0", {"accuracy": PLAIN, "seconds": 120.0})
    page.write(tmp_path)
    text = (tmp_path / page.PAGE).read_text()
    assert "| classic | 50.0 | not run |" in text
    assert "2 minutes of one core" in text and "3 cells are not measured yet" in text
    assert (tmp_path / "augmentation_digits.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("budget", [1.0, 0.01])
@pytest.mark.parametrize("data", ["digits", "mnist", "fashion_mnist"])
@pytest.mark.parametrize("use", ["features", "latents"])
def test_every_training_of_every_use_has_settings_that_can_be(use, data, budget):
    runs = importlib.import_module(f"train.uses.{use}").protocol(data, budget)["runs"]
    assert runs
    for keys in runs.values():
        check(preparing._settings(keys.pop("recipe"), keys))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "--use is missing"),
        (["--use=augmentatoin", "--workdir=w"], "did you mean 'augmentation'"),
        (["--use=features"], "--workdir is missing"),
        (["--use=features", "--workdir=w", "--data=cifar10"], "--data=cifar10: features are measured on"),
        (["--use=latents", "--workdir=w", "--seeds=1,1"], "one stands there twice"),
        (["--use=latents", "--workdir=w", "--seeds=-1"], "use whole numbers"),
        (["--use=latents", "--workdir=w", "--budget=0"], "use a positive number"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, flags, said):
    places = {"PYTHONPATH": str(REPOSITORY)}
    process = python("-m", "train.uses", "--output=out", *flags, cwd=tmp_path, environment=places)
    told, _ = process.communicate()
    assert process.returncode and said in told
    assert len(told.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", USES)
def test_a_use_says_what_it_asks_and_a_result_without_cells_has_a_page(name):
    use = importlib.import_module(f"train.uses.{name}")
    assert use.__doc__.splitlines()[0].endswith("?")
    told = use.protocol("digits", 1.0)
    assert json.loads(json.dumps(told)) == stored.new(name, "digits", told, use.SEEDS)["protocol"]
    assert len(set(use.keys(told, use.SEEDS))) == len(use.keys(told, use.SEEDS))


def test_the_page_in_the_documentation_is_that_of_what_is_stored():
    directory = REPOSITORY / "docs" / "uses"
    if any(directory.glob("*.json")):
        assert (directory / page.PAGE).read_text() == page.text(directory), "run make uses"
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.text(directory)):
            assert (directory / picture).is_file()


def test_a_training_that_was_stopped_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    result = stored.new("latents", "digits", {"runs": {"generator": {"recipe": "dcgan_digits", "train_steps": 4}}}, [0])
    monkeypatch.setattr(trainings.Programs, "call", lambda *_: ["x", "stopped at step 3, which is saved"])
    with pytest.raises(UserError, match="the run generator of seed 7 stopped at step 3, which is saved"):
        trainings.run_of(stored.Study(result, tmp_path, tmp_path / "x.json"), "generator", 7)
