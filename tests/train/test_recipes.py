"""Every recipe can be run as its docstring says, and the docstring tells what came of it."""

import ast
import json
import os
from pathlib import Path

import pytest
from shared import metrics, recipe_of, stand_in, trained

import zoo
from train import config
from train.check import check

CIFAR10 = [recipe for recipe in config.recipes() if recipe.endswith("_cifar10")]
prepared_cifar10 = pytest.mark.skipif(
    not (Path(os.environ.get("TFDS_DATA_DIR", "")) / "cifar10").is_dir(),
    reason="TFDS_DATA_DIR names no prepared cifar10",
)


def docstring(recipe):
    return ast.get_docstring(ast.parse((config.RECIPES / f"{recipe}.py").read_text()))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("recipe", config.recipes())
def test_every_recipe_passes_the_check_and_names_its_own_command_and_what_came_of_it(recipe, tmp_path, monkeypatch):
    stand_in(recipe, tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = config.load(recipe)
    check(settings)
    assert json.loads(config.to_json(settings)) == settings.to_dict()
    text = docstring(recipe)
    commands = [line.split() for line in text.splitlines() if line.startswith("    python -m train ")]
    assert {word for words in commands for word in words if word.startswith("--recipe=")} == {f"--recipe={recipe}"}
    for word in ("Result:", "Protocol:", "Time:"):
        assert f"\n{word} " in text, f"the docstring of {recipe} has no line {word!r}"
    assert "seed" in text
    assert max(map(len, text.splitlines())) <= 120, f"{recipe}: a line that goes on ends in two backslashes"


OF_A_STUDY = {"gan_grid_cifar10", "projection_gan_cifar10"}  # train.studies.cifar10 ran these to their end


@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in config.recipes() if recipe.endswith(("_cifar10", "_celeba_hq")) and recipe not in OF_A_STUDY],
)
def test_a_recipe_that_was_not_run_at_full_length_says_so(recipe):
    assert "not run at full length" in " ".join(docstring(recipe).split())


def test_every_model_has_a_recipe():
    assert all(config.load(recipe_of(model)).model.name == model for model in zoo.available())
    assert recipe_of("rpgan") == "rpgan_digits" and recipe_of("wgan_gp") == "wgan_gp_digits"


@prepared_cifar10
@pytest.mark.parametrize("recipe", CIFAR10)
def test_cifar10_recipes_train(recipe, tmp_path, cache):
    """Two steps of the recipe's own network and constants, narrower and on a batch of eighty."""
    settings = config.load(recipe)
    # 5 updates of one critic and groups of 16 examples of another divide it
    settings.update(train_steps=2, batch_size=80, log_every=1, sample_count=4)
    settings.model.base_channels = 4
    check(settings)
    made = trained(settings, tmp_path)
    (table,) = made.batches.source
    assert table.columns["image"].shape[1:] == (32, 32, 3)
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2]
