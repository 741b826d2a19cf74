"""The architecture of Radford et al. (2015), layer by layer, and its sizes."""

import keras
import pytest

import zoo
from zoo.adversarial.networks import dcgan, resnet
from zoo.layers.sizes import smallest_map
from zoo.shared.errors import UserError


def kinds(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_the_paper_s_64_px_network():
    generator, discriminator = dcgan((64, 64, 3), 100, 128)
    transposed = kinds(generator, keras.layers.Conv2DTranspose)
    assert [layer.filters for layer in transposed] == [512, 256, 128, 3]
    assert all(layer.strides == (2, 2) and layer.kernel_size == (5, 5) for layer in transposed)
    assert kinds(generator, keras.layers.Reshape)[0].target_shape == (4, 4, 1024)
    assert len(kinds(generator, keras.layers.BatchNormalization)) == 4, "all layers but the output"
    assert generator.layers[-1].activation is keras.activations.tanh

    convolutions = kinds(discriminator, keras.layers.Conv2D)
    assert [layer.filters for layer in convolutions] == [128, 256, 512, 1024]
    assert len(kinds(discriminator, keras.layers.BatchNormalization)) == 3, "all layers but the input"
    assert all(layer.negative_slope == 0.2 for layer in kinds(discriminator, keras.layers.LeakyReLU))
    assert not any(
        isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D)
        for layer in (*generator.layers, *discriminator.layers)
    )


def test_weights_start_from_a_normal_of_deviation_0_02():
    kernel = dcgan((32, 32, 3), 100, 64)[0].layers[1].kernel.numpy()
    assert kernel.std() == pytest.approx(0.02, rel=0.02)
    assert abs(kernel.mean()) < 1e-3


@pytest.mark.parametrize("side", [8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64, 96, 128])
def test_every_size_comes_out_as_asked(side):
    m, k = smallest_map((side, side, 1))
    assert m * 2**k == side
    for build in (dcgan, resnet):
        generator, discriminator = build((side, side, 3), 2, 1)
        assert generator.outputs[0].shape == (None, side, side, 3)
        assert discriminator.outputs[0].shape == (None, 1)


@pytest.mark.parametrize(("side", "nearest"), [(18, 16), (30, 28), (7, 8), (1000, 1024)])
def test_a_size_that_cannot_be_made_names_the_nearest(side, nearest):
    with pytest.raises(UserError, match=f"cannot make {side} px .* nearest is --config.data.image_size={nearest}$"):
        smallest_map((side, side, 1))


@pytest.mark.parametrize("bad", [{"latent": "cauchy"}, {"latent_dim": 0}, {"base_channels": 0}, {"kernel_size": 1}])
def test_bad_options_are_refused_by_name(bad):
    with pytest.raises(UserError, match=f"model.{next(iter(bad))}="):
        zoo.create("dcgan", columns={"image": (8, 8, 1)}, **bad)


def test_not_square_is_refused():
    with pytest.raises(UserError, match="square"):
        zoo.create("dcgan", columns={"image": (8, 16, 1)})


def test_the_latent_law_is_the_one_that_the_spec_names():
    for latent in ("uniform", "normal"):
        model = zoo.create("dcgan", columns={"image": (8, 8, 1)}, latent=latent, latent_dim=500, base_channels=1)
        z = model.draw("generate", 200, "first")["z"].numpy()
        (tensor,) = model.maps["generate"].spec.noise
        assert tensor.role == latent
        assert z.std() == pytest.approx(1.0 if latent == "normal" else 3**-0.5, rel=0.02)
        if latent == "uniform":
            assert tensor.low == -1 == pytest.approx(z.min(), abs=1e-3)
            assert tensor.high == 1 == pytest.approx(z.max(), abs=1e-3)
