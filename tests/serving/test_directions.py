"""Principal directions of a latent: of linear maps they are the right singular vectors."""

import numpy as np
import pytest

import serving
from serving import directions
from serving.directions import latent_of, principal_directions, samples_of
from zoo.noise import fill
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (5,), "normal")
X = TensorSpec("x", (7,), "output", "point")


@pytest.fixture
def linear(factory, make_node):
    """A function that makes the map x = A z, each output of its shape."""

    def make(matrix, z=Z, x=X):
        spec = MapSpec((z,), (x,))
        nodes = [make_node("MatMul", "z matrix", "flat"), make_node("Reshape", "flat shape", "x")]
        shape = np.array([-1, *x.shape])
        return serving.load(factory(spec, nodes, matrix=matrix.T.astype(np.float32), shape=shape))["generate"]

    return make


def found(map, count=None):
    return principal_directions(map, fill(map.spec, count or samples_of(map.spec), 0))


def assert_same_lines(made, expected):
    """The rows are the same but for their signs."""
    np.testing.assert_allclose(np.abs(np.sum(made * expected, axis=1)), 1, atol=1e-4)


def test_of_a_linear_map_they_are_the_right_singular_vectors(linear):
    matrix = np.random.default_rng(1).normal(size=(7, 5))
    _, singular, vectors = np.linalg.svd(matrix, full_matrices=False)
    made = found(linear(matrix))
    assert (made.tensor, made.scale) == ("z", 1.0)
    np.testing.assert_allclose(made.strengths, singular, rtol=1e-4)
    assert_same_lines(made.vectors, vectors)
    assert (made.vectors[np.arange(5), np.abs(made.vectors).argmax(axis=1)] > 0).all()


def test_uniform_noise_is_moved_within_its_range(linear):
    z = TensorSpec("z", (5,), "uniform", low=-2.0, high=4.0)
    matrix = np.diag([1.0, 5.0, 3.0, 4.0, 2.0])
    map = linear(matrix, z, TensorSpec("x", (5,), "output", "point"))
    # a step upwards from the first would lead out
    made = principal_directions(map, {"z": np.array([[3.99, 3.9, 3.99, -2.0, 0.0], [-2, -1.99, 1, 2, 3]], np.float32)})
    assert made.scale == pytest.approx(6 / np.sqrt(12))
    np.testing.assert_allclose(made.strengths, [5, 4, 3, 2, 1], rtol=1e-3)
    assert_same_lines(made.vectors, np.eye(5)[[1, 3, 2, 4, 0]])


def test_a_curved_map_counts_by_the_mean_square_of_its_slopes(factory, make_node):
    # x = (z0 ** 2, z1): the slopes are 2 z0 and 1, by forward differences 2 z0 + h
    nodes = [make_node("Pow", "z powers", "x")]
    spec = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "output", "point"),))
    map = serving.load(factory(spec, nodes, powers=np.array([2, 1], np.float32)))["generate"]
    inputs = {"z": np.array([[0.5, 0], [-1, 0], [2, 3]], np.float32)}
    made = principal_directions(map, inputs)
    slopes = 2 * inputs["z"][:, 0] + directions._STEP
    np.testing.assert_allclose(made.strengths, [np.sqrt(np.mean(slopes**2)), 1], rtol=1e-3)
    assert_same_lines(made.vectors, np.eye(2))


def test_pictures_count_as_they_look_from_afar(linear):
    # a chequerboard of single pixels is grey at 64 pixels a side, however strong it is
    chequered = 1 - 2 * (np.indices((128, 128)).sum(axis=0) % 2)
    matrix = np.stack([np.full(128**2, 0.1), chequered.ravel() * 10.0], axis=1)
    z, x = TensorSpec("z", (2,), "normal"), TensorSpec("x", (128, 128, 1), "output", "image")
    made = found(linear(matrix, z, x), 1)
    assert_same_lines(made.vectors, np.eye(2))
    np.testing.assert_allclose(made.strengths, [0.1 * 64, 0], atol=1e-3)


def test_a_latent_of_many_dimensions_is_looked_at_in_a_subspace(linear, monkeypatch):
    monkeypatch.setattr(directions, "_MOST_ROWS", 4)
    monkeypatch.setattr(directions, "_LEAST_ROWS", 4)
    matrix = np.random.default_rng(1).normal(size=(7, 5))
    made = found(linear(matrix), 1)
    assert made.vectors.shape == (3, 5)
    np.testing.assert_allclose(made.vectors @ made.vectors.T, np.eye(3), atol=1e-5)
    speeds = np.linalg.norm(matrix @ made.vectors.T, axis=0)
    np.testing.assert_allclose(made.strengths, speeds, rtol=1e-3)
    assert (np.diff(made.strengths) < 0).all()


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        ((TensorSpec("u", (4,), "uniform", low=0.0, high=1.0), Z), X, "z"),
        ((TensorSpec("label", (), "condition", "class", low=0, high=9), Z), X, "z"),
        ((TensorSpec("photo", (2, 2, 3), "condition", "image"), Z), X, None),
        ((TensorSpec("z", (2048,), "normal"),), X, None),
        ((TensorSpec("z", (1,), "normal"),), X, None),
        ((Z,), TensorSpec("x", (7,), "output"), None),
        ((Z,), TensorSpec("x", (2, 2, 1), "output", "image", levels=2), None),
    ],
)
def test_which_latent_can_be_walked(inputs, output, expected):
    latent = latent_of(MapSpec(inputs, (output,)))
    assert (latent.name if latent else None) == expected


def test_a_map_that_cannot_be_walked(linear, refused):
    map = linear(np.eye(5)[:, :1], TensorSpec("z", (1,), "normal"), TensorSpec("x", (5,), "output", "point"))
    with refused("generate cannot be walked"):
        principal_directions(map, fill(map.spec, 1, 0))
