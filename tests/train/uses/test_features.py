"""Features of trained models: pooled by hand, and their twins of principal components beside scikit-learn's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import zoo
from train.uses import features, few_labels, hidden, stored, trainings
from zoo.shared.errors import UserError

COLUMNS = {"image": (8, 8, 1)}


def test_cells_are_pooled_as_by_hand():
    maps = np.arange(18, dtype=np.float32).reshape(1, 3, 3, 2)
    # rows 0-1 and 2, columns 0-1 and 2
    np.testing.assert_array_equal(hidden.pooled(maps, largest=True), [[8, 9, 10, 11, 14, 15, 16, 17]])
    np.testing.assert_array_equal(hidden.pooled(maps, largest=False), [[4, 5, 7, 8, 13, 14, 16, 17]])
    np.testing.assert_array_equal(hidden.pooled(maps[:, :1, :1], largest=True), [[0, 1]])


def test_a_discriminator_gives_the_cells_of_all_its_maps():
    sizes = {"latent_dim": 4, "base_channels": 4}
    model = zoo.create("gan_grid", columns=COLUMNS, normalization="none", **sizes)
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    made = hidden.features(model)(x)
    first, activation = model.discriminator.layers[1:3]
    assert isinstance(activation, keras.layers.LeakyReLU)
    by_hand = activation(first(x)).numpy()
    np.testing.assert_allclose(made[:, : 4 * 4], hidden.pooled(by_hand, largest=True), rtol=1e-5)
    dense = zoo.create("gan_grid", columns=COLUMNS, network="mlp", normalization="none", **sizes)
    with pytest.raises(UserError, match="no feature maps"):
        hidden.features(dense)


def test_an_autoregressive_model_gives_its_last_hidden_layer():
    model = zoo.create("gated_pixel_cnn", columns=COLUMNS, base_channels=3, depth=2, first_size=3, head_channels=4)
    x = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    layer = model.network.hidden({"image": tf.constant(x)})
    assert layer.shape == (3, 8, 8, 4) and layer.numpy().min() == 0  # behind its ReLU
    # the parameters follow from it
    np.testing.assert_allclose(model.network({"image": x}), model.network.head[-1](layer), rtol=1e-6)
    np.testing.assert_allclose(hidden.features(model)(x), hidden.pooled(layer.numpy(), largest=False), rtol=1e-5)


def test_a_cell_has_the_features_beside_as_many_components_of_scikit_learn(tmp_path, monkeypatch):
    told = features.protocol("digits", 1.0) | {"labels": [2, 10]}
    study = stored.Study(stored.new("features", "digits", told, [0]), tmp_path, tmp_path / "x.json")
    monkeypatch.setattr(trainings, "run_of", lambda study, name, seed: (name, seed))
    monkeypatch.setattr(
        hidden,
        "of_run",
        lambda run, *tables: [table.columns["image"].reshape(len(table), 64)[:, 20:26] / 255.0 for table in tables],
    )
    cell = features.measure(study, "vae_means, seed 0")
    assert (cell["dimension"], cell["components"]) == (6, 6)

    task = few_labels.load("digits")
    few = few_labels.drawn(task.pool, 10, 0)
    flat = [np.asarray(t.columns["image"], np.float32).reshape(-1, 64) / 255 for t in (task.pool, few, task.test)]
    fitted = PCA(6, svd_solver="full").fit(flat[0])
    neighbour = KNeighborsClassifier(1).fit(fitted.transform(flat[1]), few.columns["label"])
    wanted = neighbour.score(fitted.transform(flat[2]), task.test.columns["label"])
    assert cell["principal_components"]["nearest"]["10"] == pytest.approx(wanted, abs=1e-9)
    # six pixels know less than six components
    assert cell["features"]["probe"]["10"] < cell["principal_components"]["probe"]["10"]
    pixels = features.measure(study, "pixels, seed 0")
    assert pixels["dimension"] == 64 and "principal_components" not in pixels


def test_the_table_has_the_components_below_each_model():
    result = stored.new("features", "digits", features.protocol("digits", 1.0), [0])
    read = {how: {"10": 0.5, "50": 0.75} for how in ("probe", "nearest")}
    best = {how: {"10": 0.6, "50": 0.8} for how in ("probe", "nearest")}
    result["cells"] = {
        "pixels, seed 0": {"dimension": 64, "features": read},
        "vae_means, seed 0": {"dimension": 9, "components": 9, "features": best, "principal_components": read},
    }
    assert features.table(result).splitlines()[2:] == [
        "| pixels | 64 | 50.0 | 75.0 | 50.0 | 75.0 |",
        "| VAE means | 9 | 60.0 | 80.0 | 60.0 | 80.0 |",
        "| as many components (VAE means) | 9 | 50.0 | 75.0 | 50.0 | 75.0 |",
    ]
    assert "VAE means 10.0 and 10.0." in features.findings(result)
    assert "`vae_digits` with train_steps=3000" in features.caption(result)
