"""Pictures row by row: what the map "step" makes one after another is what "generate" makes at once."""

import copy
import dataclasses
import itertools
import shutil

import numpy as np
import pytest

import serving
from serving import Generator
from zoo.spec import MapSpec, TensorSpec

HEIGHT, WIDTH = 3, 4
NOISE = TensorSpec("u", (HEIGHT, WIDTH, 1), "uniform", low=0.0, high=1.0)
LABEL = TensorSpec("label", (), "condition", "class", low=0, high=9)
IMAGE = TensorSpec("image", (HEIGHT, WIDTH, 1), "output", "image")
STATE = TensorSpec("state", (WIDTH,), "condition")
GENERATE = MapSpec((NOISE, LABEL), (IMAGE,))
STEP = MapSpec(
    (dataclasses.replace(NOISE, shape=(1, WIDTH, 1)), STATE, LABEL),
    (
        dataclasses.replace(IMAGE, name="row", shape=(1, WIDTH, 1)),
        dataclasses.replace(STATE, name="next_state", role="output"),
    ),
)


@pytest.fixture
def raster(factory, make_node):
    """A bundle whose rows are tanh(u - 0.7 state + label / 10), and whose state is the row above less half its own."""

    def row(u, state, made, state_after, own):
        return [
            make_node("Mul", f"{state} minus", f"scaled{own}"),
            make_node("Reshape", f"{u} vector", f"flat{own}"),
            make_node("Add", f"flat{own} scaled{own}", f"sum{own}"),
            make_node("Add", f"sum{own} shift", f"shifted{own}"),
            make_node("Tanh", f"shifted{own}", f"squashed{own}"),
            make_node("Mul", f"{state} half", f"halved{own}"),
            make_node("Sub", f"squashed{own} halved{own}", state_after),
            make_node("Reshape", f"squashed{own} raster", made),
        ]

    common = [
        make_node("Cast", "label", "number", to=1),
        make_node("Mul", "number tenth", "tenths"),
        make_node("Reshape", "tenths column", "shift"),
    ]
    weights = {
        "minus": np.array(-0.7, np.float32),
        "half": np.array(0.5, np.float32),
        "tenth": np.array(0.1, np.float32),
        "vector": np.array([-1, WIDTH]),
        "raster": np.array([-1, 1, WIDTH, 1]),
        "column": np.array([-1, 1]),
    }
    whole = [make_node("Split", "u", "u0 u1 u2", axis=1, num_outputs=3), make_node("Mul", "shift zero", "state0")]
    for y in range(HEIGHT):
        whole += row(f"u{y}", f"state{y}", f"row{y}", f"state{y + 1}", y)
    whole.append(make_node("Concat", "row0 row1 row2", "image", axis=1))
    one = common + row("u", "state", "row", "next_state", "")
    return factory(
        GENERATE,
        common + whole,
        {"step": STEP},
        graphs={"step": (one, weights)},
        zero=np.array(0, np.float32),
        **weights,
    )


@pytest.mark.parametrize(("count", "start", "conditions"), [(1, 0, {}), (5, 3, {}), (20, 10, {"label": 7})])
def test_the_last_of_the_partial_pictures_are_those_of_sample(raster, count, start, conditions):
    generator = Generator(raster)
    whole = generator.sample(count, 6, start=start, **conditions)
    partial = list(generator.stream_rows(count, 6, start=start, **conditions))
    assert len(partial) == HEIGHT
    for made, pictures in enumerate(partial, 1):
        np.testing.assert_array_equal(pictures[:, :made], whole[:, :made])
        assert (pictures[:, made:] == 128).all()
        assert pictures.dtype == np.uint8
    assert len(np.unique(whole[0])) > WIDTH, "rows differ"


def test_rows_come_as_they_are_made(raster, monkeypatch):
    generator = Generator(raster)
    runs = []
    run = serving.ServedMap.run
    monkeypatch.setattr(serving.ServedMap, "run", lambda *arguments: runs.append(1) or run(*arguments))
    for made, _ in enumerate(itertools.islice(generator.stream_rows(), 2), 1):
        assert len(runs) == made


def test_a_bar_counts_the_rows_only_if_it_is_asked_for(raster, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    list(Generator(raster).stream_rows())
    assert capsys.readouterr().err == ""
    list(Generator(raster).stream_rows(progress=True))
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [{"count": 0}, {"seed": -1}, {"start": 0.5}, {"label": 10}, {"lable": 1}])
def test_arguments_are_checked_before_the_first_row(refused, raster, bad):
    with refused(next(iter(bad))):
        Generator(raster).stream_rows(**bad)


def test_a_bundle_without_rows_and_a_lone_file_are_refused(refused, raster, bundle_path):
    for generator in (Generator(bundle_path), Generator(raster / "model.onnx"), Generator(raster, "step")):
        with refused("makes no rows by themselves", "bundle directory", "map 'step'"):
            generator.stream_rows()


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": STEP.inputs[:2]},
        {"inputs": (NOISE, *STEP.inputs[1:])},
        {"outputs": STEP.outputs[:1]},
        {"outputs": (STEP.outputs[0], dataclasses.replace(STEP.outputs[1], shape=(WIDTH + 1,)))},
        {"outputs": (dataclasses.replace(STEP.outputs[0], levels=2), STEP.outputs[1])},
        {"inputs": (STEP.inputs[0], LABEL)},
    ],
)
def test_a_map_step_of_another_contract_is_refused(refused, factory, change):
    path = factory(GENERATE, others={"step": dataclasses.replace(STEP, **change)})
    with refused("step does not make one row of image"):
        Generator(path).stream_rows()


def test_rows_are_those_of_the_bundle_that_was_opened(refused, raster, factory):
    generator, untouched = Generator(raster), Generator(raster)
    expected = list(generator.stream_rows(2))[-1]
    shutil.rmtree(raster)
    factory(GENERATE, others={"step": STEP}).rename(raster)
    assert Generator(raster).spec == generator.spec
    np.testing.assert_array_equal(list(copy.deepcopy(generator).stream_rows(2))[-1], expected)
    with refused("another bundle than when it was opened: open it again"):
        untouched.stream_rows(2)
