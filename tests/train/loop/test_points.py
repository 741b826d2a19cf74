"""A run on points of the plane from end to end: its pictures, its metric, its bundle."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from shared import python, tiny_config, trained

from train import config, data
from train.evaluate import makers
from train.evaluate.comparison import Comparison
from train.evaluate.metrics import measure
from train.evaluate.reference import Reference
from train.rundir import pictures
from zoo import images, noise
from zoo.metrics import mixtures
from zoo.metrics.extractor import Extractor
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SPEC = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("point", (2,), "output", "point"),))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    changes = {"data.name": "ring", "model.network": "mlp", "sample_every": 2}
    return directory, trained(tiny_config("gan_grid", **changes), directory)


def test_samples_are_drawn_over_the_same_data_at_every_step(run):
    directory, made = run
    spec = made.model.maps["generate"].spec
    assert spec.output.shape == (2,)
    with made.averages.applied():
        points = made.run_map("generate", noise.fill(spec, 4, seed=0))["point"]
    ring = data.load(made.config.data, "train")[0].columns["image"][:4000]
    paths = sorted((directory / "samples").iterdir())
    assert [path.name for path in paths] == ["00000000.png", "00000002.png", "00000004.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(paths[-1])), images.scatter(points, ring))
    assert (directory / pictures.ANIMATION).is_file()


def compared(maker, count=2500, seed=0):
    reference = Reference(maker.data, "test", count, seed, Extractor())
    return Comparison(maker, reference, count, seed, maker.protocol)


def test_the_metric_sees_the_averaged_generator_s_samples_of_seed_0(run, monkeypatch):
    directory, made = run
    seen = []
    monkeypatch.setattr(mixtures, "measure", lambda points, mixture: seen.append((points, mixture)) or {"modes": 1})
    line = measure(compared(makers.create(str(directory))), "mixture")
    inputs = noise.fill(made.model.maps["generate"].spec, 2500, seed=0)
    raw = made.run_map("generate", inputs)["point"]
    with made.averages.applied():
        averaged = made.run_map("generate", inputs)["point"]
    ((points, mixture),) = seen
    np.testing.assert_allclose(points, averaged, atol=1e-6)
    assert not np.allclose(points, raw, atol=1e-5)
    assert mixture is mixtures.MIXTURES["ring"]
    source = {"kind": "run", "model": made.config.model.name, "checkpoint": "last", "step": 4, "ema": 0.9}
    reference = {"name": "ring", "splits": "its centres and sigma, no rows", "binarize": "none"}
    told = {"source": source, "map": "generate", "samples": 2500, "seed": 0, "reference": reference}
    assert line["protocol"] == told


def test_the_program_counts_the_modes_of_2500_samples_unless_told_otherwise(run):
    process = python("-m", "train.evaluate", f"--source={run[0]}", stderr=None)
    output, _ = process.communicate()
    assert process.returncode == 0
    line, real = map(json.loads, output.splitlines())
    assert (real["modes"], real["protocol"]["source"]["kind"]) == (8, "real")
    assert (line["metric"], line["protocol"]["samples"], line["protocol"]["reference"]["name"]) == (
        "mixture",
        2500,
        "ring",
    )
    assert line == measure(compared(makers.create(str(run[0]))), "mixture")


def maker_of(name, points=None):
    section = config.source(name)
    run = lambda _, inputs: {"point": points(inputs["z"])}  # noqa: E731
    return makers.Maker({"generate": SPEC}, {}, run, section, {"kind": "run"})


def test_a_generator_of_the_four_corners_of_the_grid_is_told_so():
    maker = maker_of("grid", lambda z: 4 * np.sign(z))
    line = json.loads(json.dumps(measure(compared(maker), "mixture"), allow_nan=False))
    assert (line["metric"], line["modes"], line["high_quality"], line["count"]) == ("mixture", 4, 1, 2500)
    assert line["reverse_kl"] == pytest.approx(math.log(25 / 4), abs=0.01)
    quadrants = np.unique(noise.fill(SPEC, 2500, seed=0)["z"] > 0, axis=0, return_counts=True)[1] / 2500
    assert line["reverse_kl"] == pytest.approx((quadrants * np.log(25 * quadrants)).sum())
    other = measure(compared(maker, count=100, seed=7), "mixture")
    assert (other["count"], other["protocol"]["samples"], other["protocol"]["seed"]) == (100, 100, 7)
    assert other["reverse_kl"] != line["reverse_kl"]


def test_points_beside_other_data_have_no_modes_to_count():
    with pytest.raises(UserError, match="mixture is for runs on ring or grid; this one is on digits") as error:
        measure(compared(maker_of("digits", lambda z: z)), "mixture")
    assert "\n" not in str(error.value)


def test_the_exported_file_finds_the_modes_that_its_run_finds(run, tmp_path):
    from export import build

    directory, _ = run
    build.build(directory, tmp_path / "bundle")
    made = [makers.create(str(source)) for source in (directory, tmp_path / "bundle/model.onnx")]
    of_run, of_file = (measure(compared(maker), "mixture") for maker in made)
    assert of_run["modes"] == of_file["modes"]
    assert of_file["protocol"]["source"]["kind"] == "onnx"


def test_the_bundle_shows_2500_points(run, tmp_path):
    import serving
    from export import build
    from zoo import bundle

    directory, _ = run
    manifest = build.build(directory, tmp_path / "bundle")
    assert bundle.SAMPLES in manifest.files
    picture = np.asarray(Image.open(tmp_path / "bundle" / bundle.SAMPLES))
    points = serving.Generator(tmp_path / "bundle").sample(2500, seed=0, dtype="float32")
    expected = images.scatter(points)
    assert picture.shape == expected.shape
    assert (picture != expected).any(axis=-1).mean() < 0.001, "serving's blocks may round a point to the next pixel"
    assert (expected != 255).any(axis=-1).mean() > 0.005


def test_points_have_no_features_to_compare(run):
    with pytest.raises(UserError, match="frechet is for outputs of kind image; generate makes point"):
        measure(compared(makers.create(str(run[0]))), "frechet")
