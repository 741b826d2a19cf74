"""Pictures row by row: what the map "step" makes one after another is what "generate" makes at once."""

import copy
import dataclasses
import itertools
import shutil

import numpy as np
import pytest
from raster import GENERATE, HEIGHT, LABEL, NOISE, STEP, WIDTH, write

import serving
from serving import Generator


@pytest.fixture
def raster(factory):
    return write(factory)


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
