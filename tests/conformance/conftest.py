"""The conformance suite for a model of one's own: --model=file.py:Class. What its files share, once for each model."""

import gc

import keras
import pytest
from shared import tiny_config, tiny_model, trained

import zoo
from export import build
from train.engine.optimizers import build as build_optimizer


def pytest_addoption(parser):
    parser.addoption("--model", default=None, help="this model alone: a name, file.py:Class or package.module:Class")
    parser.addoption("--part", default="1/1", help="a part of the registered models, such as 2/4: every fourth of them")


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--model")
        number, parts = map(int, metafunc.config.getoption("--part").split("/"))
        names = [chosen] if chosen else zoo.available()[number - 1 :: parts]
        metafunc.parametrize("name", names, scope="module")


@pytest.fixture(scope="module", autouse=True)
def freed(request):
    """Give back what a model held once its tests are done: graphs refer to one another in circles."""
    if "name" in request.fixturenames:
        request.getfixturevalue("name")
    yield
    keras.backend.clear_session()
    gc.collect()


@pytest.fixture(scope="module")
def compiled(freed, name):
    """A tiny model with the optimisers of its recipe, traced once for all tests."""
    keras.utils.set_random_seed(0)
    made, optimizers = tiny_model(name), tiny_config(name).optimizers
    made.compile(**{player: build_optimizer(optimizers[player], 10, made.step) for player in made.player_names})
    return made


@pytest.fixture
def model(compiled):
    """That model, which is put back after each test as it was."""
    reset = remembered(compiled)
    yield compiled
    reset()


@pytest.fixture
def reset(model):
    """A function that puts the model back as it was."""
    return remembered(model)


def remembered(model):
    """Return a function that puts the variables of a model back to what they are now."""
    states = [optimizer.variables for optimizer in model.optimizers.values()]
    variables = [*model.variables, model.step, model.noise_key, *(one for state in states for one in state)]
    values = [variable.numpy() for variable in variables]

    def reset():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return reset


@pytest.fixture(scope="module")
def run(freed, name, tmp_path_factory):
    """A tiny run, trained to its end."""
    workdir = tmp_path_factory.mktemp("run") / "run"
    return workdir, trained(tiny_config(name), workdir)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The bundle of that run."""
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    build.build(run[0], directory)
    return directory
