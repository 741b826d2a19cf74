"""A run on points of the plane from end to end: its pictures, its metric, its bundle."""

import json
import math

import numpy as np
import pytest
from PIL import Image
from shared import tiny_config, trained

from train import data
from train.evaluate import __main__ as evaluate
from train.evaluate import samplers
from train.rundir import pictures
from zoo import images, noise
from zoo.metrics.mixtures import MIXTURES
from zoo.shared.errors import UserError
from zoo.spec import GeneratorSpec, TensorSpec

SPEC = GeneratorSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("point", (2,), "sample"),))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    changes = {"data.name": "ring", "model.network": "mlp", "sample_every": 2}
    return directory, trained(tiny_config("gan_grid", **changes), directory)


def test_samples_are_drawn_over_the_same_data_at_every_step(run):
    directory, made = run
    spec = made.model.generator_spec
    assert spec.output.shape == (2,)
    with made.ema.applied():
        points = made.model.generator(noise.draw(spec, 4, seed=0), training=False)[spec.output.name].numpy()
    ring = data.load(made.config.data, "train").samples[:4000]
    paths = sorted((directory / "samples").iterdir())
    assert [path.name for path in paths] == ["00000000.png", "00000002.png", "00000004.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(paths[-1])), images.scatter(points, ring))
    assert (directory / pictures.ANIMATION).is_file()


def test_the_metric_sees_the_averaged_generator_s_samples_of_seed_0(run, monkeypatch):
    directory, made = run
    monkeypatch.setattr("zoo.metrics.mixtures.measure", lambda points, mixture: {"points": points, "mixture": mixture})
    line = evaluate.measure_mixture(str(directory))
    spec = made.model.generator_spec
    inputs = noise.draw(spec, 2500, seed=0)
    raw = made.model.generator(inputs, training=False)[spec.output.name].numpy()
    with made.ema.applied():
        averaged = made.model.generator(inputs, training=False)[spec.output.name].numpy()
    np.testing.assert_allclose(line["points"], averaged, atol=1e-6)
    assert not np.allclose(line["points"], raw, atol=1e-5)
    assert line["mixture"] is MIXTURES["ring"]
    source = {"kind": "run", "model": made.config.model.name, "checkpoint": "last", "step": 4, "ema": 0.9}
    said = {name: line["protocol"][name] for name in ("source", "mixture", "samples", "seed")}
    assert said == {"source": source, "mixture": "ring", "samples": 2500, "seed": 0}


def sampler_of(name, draw=None):
    return samplers.Sampler(draw, tiny_config("gan_grid", **{"data.name": name}).data, {"kind": "run"})


def test_a_generator_of_the_four_corners_of_the_grid_is_told_so(monkeypatch):
    def corners(count, seed):
        return 4 * np.sign(noise.draw(SPEC, count, seed)["z"])

    monkeypatch.setattr(samplers, "create", lambda source, checkpoint: sampler_of("grid", corners))
    line = json.loads(json.dumps(evaluate.measure_mixture("runs/x"), allow_nan=False))
    assert (line["metric"], line["modes"], line["high_quality"], line["count"]) == ("mixture", 4, 1, 2500)
    assert line["reverse_kl"] == pytest.approx(math.log(25 / 4), abs=0.01)
    quadrants = np.unique(noise.draw(SPEC, 2500, seed=0)["z"] > 0, axis=0, return_counts=True)[1] / 2500
    assert line["reverse_kl"] == pytest.approx((quadrants * np.log(25 * quadrants)).sum())
    other = evaluate.measure_mixture("runs/x", count=100, seed=7)
    assert (other["count"], other["protocol"]["samples"], other["protocol"]["seed"]) == (100, 100, 7)
    assert other["reverse_kl"] != line["reverse_kl"]


def test_a_run_on_other_data_has_no_modes_to_count(monkeypatch):
    monkeypatch.setattr(samplers, "create", lambda source, checkpoint: sampler_of("digits"))
    with pytest.raises(UserError, match="mixture is for runs on ring or grid; this one is on digits") as error:
        evaluate.measure_mixture("runs/x")
    assert "\n" not in str(error.value)


def test_the_exported_file_finds_the_modes_that_its_run_finds(run, tmp_path):
    from export import build

    directory, _ = run
    build.build(directory, tmp_path / "bundle")
    of_run, of_file = (evaluate.measure_mixture(str(source)) for source in (directory, tmp_path / "bundle/model.onnx"))
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


def test_points_of_other_dimensions_have_no_picture(tmp_path):
    assert pictures.write_samples(tmp_path, 0, np.zeros((5, 3), np.float32), np.zeros((9, 3), np.float32)) is None
    pictures.write_animation(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_frames_of_the_animation_have_the_colours_and_the_frame_of_the_pictures(tmp_path):
    ring = data.load(tiny_config("gan_grid", **{"data.name": "ring"}).data, "train").samples
    written = [pictures.write_samples(tmp_path, step, ring[:50] * (1 + step), ring) for step in range(3)]
    pictures.write_animation(tmp_path)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert animation.n_frames == 3
        for step, picture in enumerate(written):
            animation.seek(step)
            np.testing.assert_array_equal(np.asarray(animation.convert("RGB")), picture)


def test_images_are_written_as_the_grid_that_they_were(tmp_path):
    made = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype(np.float32)
    picture = pictures.write_samples(tmp_path, 3, made, np.zeros((9, 8, 8, 1), np.uint8))
    np.testing.assert_array_equal(picture, images.grid(images.to_uint8(made)))
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["00000003.png"]
