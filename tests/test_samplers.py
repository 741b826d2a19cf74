"""What `make bench` compares: the cached and the plain samplers make the same pictures of the same noise."""

import numpy as np
import pytest
import samplers

import zoo

SMALL = {
    "gated_pixel_cnn": {"base_channels": 4, "depth": 2},
    "nade": {"hidden_units": 5},
    "deep_nade": {"hidden_units": 5},
}


@pytest.mark.parametrize("runtime", samplers.RUNTIMES.values(), ids=samplers.RUNTIMES)
@pytest.mark.parametrize("name", samplers.MODELS)
def test_both_samplers_make_the_same_pictures(name, runtime):
    model, random = zoo.create(name, columns={"image": (3, 4, 1)}, **SMALL[name]), np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(random.normal(0, 0.6, weight.shape))
    cached, plain = runtime(model)
    u = random.random((40, 3, 4, 1), dtype=np.float32)
    pictures = cached(u)
    assert len(np.unique(pictures, axis=0)) > 10
    np.testing.assert_array_equal(plain(u, 12), pictures)
    np.testing.assert_array_equal(plain(u, 5).reshape(40, 12)[:, :5], pictures.reshape(40, 12)[:, :5])


def test_both_samplers_of_sound_make_the_same():
    options = {"base_channels": 3, "skip_channels": 8, "depth": 2, "stacks": 2}
    cached, plain = samplers.sound_samplers(20, **options)
    u = np.random.default_rng(0).random((4, 20), dtype=np.float32)
    sounds = cached(u)
    assert sounds.shape == (4, 20) and len(np.unique(sounds)) > 20
    np.testing.assert_array_equal(plain(u, 20), sounds)
    np.testing.assert_array_equal(plain(u, 7), sounds[:, :7])
