"""Adaptive instance normalisation: the statistics that it gives, alpha, its losses by hand, pictures of two sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.model import as_run
from zoo.shared.errors import UserError
from zoo.translation import adain, features, style


def make(content=(16, 16, 3), painting=(24, 16, 3), rate=0.0, **options):
    made = zoo.create("adain", columns={"a": content, "b": painting}, **{"depth": 2, **options})
    made.compile(decoder=keras.optimizers.SGD(rate))
    return made


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def mixed(content, painting, alpha):
    return adain.AdaptiveInstanceNormalization()([content, painting, np.array(alpha, np.float32)]).numpy()


def test_at_alpha_1_the_maps_have_the_mean_and_deviation_of_the_style():
    content, painting = pictures(2, 5, 6, 4), 3 * pictures(2, 9, 4, 4, seed=1) + 2
    made = mixed(content, painting, [1, 1])
    np.testing.assert_allclose(made.mean((1, 2)), painting.mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(made.std((1, 2)), painting.std((1, 2)), rtol=1e-4)
    by_hand = painting[0, ..., 2].std() * (content[0, ..., 2] - content[0, ..., 2].mean()) / content[0, ..., 2].std()
    np.testing.assert_allclose(made[0, ..., 2], by_hand + painting[0, ..., 2].mean(), atol=1e-4)


def test_at_alpha_0_the_maps_are_the_contents_to_the_last_bit():
    content, painting = pictures(2, 5, 6, 4), pictures(2, 9, 4, 4, seed=1)
    np.testing.assert_array_equal(mixed(content, painting, [0, 0]), content)


def test_alpha_mixes_both_for_each_example():
    content, painting = pictures(3, 5, 6, 4), pictures(3, 9, 4, 4, seed=1)
    whole = mixed(content, painting, [1, 1, 1])
    expected = np.stack([content[0], 0.3 * whole[1] + 0.7 * content[1], whole[2]])
    np.testing.assert_allclose(mixed(content, painting, [0, 0.3, 1]), expected, atol=1e-6)


def test_a_style_that_is_the_content_changes_nothing():
    content = pictures(2, 5, 6, 4)
    np.testing.assert_allclose(mixed(content, content, [1, 1]), content, atol=1e-5)


def test_the_decoder_is_the_mirror_image_of_the_encoder():
    kernels = [
        tuple(layer.kernel.shape[2:]) for layer in adain.decoder(features.widths("vgg19:x", "conv4_1"), 3).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]  # fmt: skip
    # the paper's: 512-256, up, 256-256 three times, 256-128, up, 128-128, 128-64, up, 64-64, 64-3
    assert kernels == [(512, 256), *[(256, 256)] * 3, (256, 128), (128, 128), (128, 64), (64, 64), (64, 3)]
    made = adain.decoder(features.widths("", "conv3_1"), 1)
    assert made(np.zeros((1, 2, 3, 128), np.float32)).shape == (1, 8, 12, 1)


def test_the_losses_by_hand():
    made = make(style_weight=0.5)
    a, b = pictures(2, 16, 16, 3), pictures(2, 24, 16, 3, seed=1)
    network = features.load("", ["conv1_1", "conv2_1"]).network

    def statistics(maps):
        x = np.asarray(maps, np.float64)
        return x.mean((1, 2), keepdims=True), np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)

    of_a, of_b = network(a), network(b)
    (mean, deviation), (wanted_mean, wanted_deviation) = (statistics(maps["conv2_1"]) for maps in (of_a, of_b))
    target = wanted_deviation * (of_a["conv2_1"] - mean) / deviation + wanted_mean
    found = network(made.decoder(tf.constant(target, tf.float32)))
    content = np.mean((found["conv2_1"] - target) ** 2)
    styled = sum(
        np.mean((own - its) ** 2)
        for layer in ("conv1_1", "conv2_1")
        for own, its in zip(statistics(found[layer]), statistics(of_b[layer]), strict=True)
    )
    logs = made.train_step({"a": tf.constant(a), "b": tf.constant(b)})
    expected = [content, styled, content + 0.5 * styled]
    np.testing.assert_allclose([float(logs[k]) for k in ("content_loss", "style_loss", "loss")], expected, rtol=1e-4)


def test_a_step_lowers_the_loss_and_moves_the_decoder_alone():
    made = make(rate=1e-3)
    data = {"a": tf.constant(pictures(2, 16, 16, 3)), "b": tf.constant(pictures(2, 24, 16, 3, seed=1))}
    step = tf.function(made.train_step)
    losses = [float(step(data)["loss"]) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert {id(weight) for weight in made.variables} == {id(weight) for weight in made.decoder.variables}


def test_content_and_style_are_of_sizes_of_their_own():
    made = make()
    run = as_run(made.maps["stylize"])
    for content, painting in (((16, 16), (5, 40)), ((4, 20), (33, 7))):
        inputs = {
            "content": pictures(2, *content, 3),
            "style": pictures(2, *painting, 3, seed=1),
            "alpha": np.array([1, 0], np.float32),
        }
        stylized = run(inputs)["stylized"]
        assert stylized.shape == (2, *content, 3)
        other = run({**inputs, "style": -inputs["style"]})["stylized"]
        assert np.abs(stylized[0] - other[0]).max() > 1e-4
        np.testing.assert_array_equal(stylized[1], other[1])


def test_each_row_of_content_gets_a_style():
    rows = {"a": pictures(5, 4, 4, 3), "b": pictures(2, 4, 4, 3)}
    given = make().conditions("stylize", rows)
    np.testing.assert_array_equal(given["style"], rows["b"][[0, 1, 0, 1, 0]])
    assert given["alpha"].tolist() == [1] * 5 and given["alpha"].dtype == np.float32


def test_a_model_comes_back_only_with_the_same_encoder(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(features.OURS.read_bytes())
    made = make(features=str(path))
    kept = made.get_config()
    assert kept["features"] == features.pin(str(path))
    assert type(made).from_config(kept).get_config() == kept
    with np.load(features.OURS) as held:
        changed = {**held, "conv1_1/bias": held["conv1_1/bias"] + 1}
    np.savez(path, **changed)
    with pytest.raises(UserError, match="the run was made with"):
        type(made).from_config(kept)
    assert make(features=str(path)).get_config() != kept, "which a run that is resumed compares"


@pytest.mark.parametrize(
    ("content", "painting", "options", "said"),
    [
        ((15, 16, 3), (16, 16, 3), {}, "multiples of 2 and at least 4, not 15 x 16 pixels of content"),
        ((16, 16, 3), (16, 7, 3), {"depth": 4}, "16 x 7 of style: set --config.data.image_size=16"),
        ((16, 16, 2), (16, 16, 3), {}, "1 or 3 channels, not 2 and 3"),
        ((16, 16, 3), (16, 16, 3), {"depth": 5}, "model.depth=5: use 1 to 4"),
        ((16, 16, 3), (16, 16, 3), {"style_weight": -1.0}, "model.style_weight=-1.0"),
        ((16, 16, 3), (16, 16, 3), {"features": "x.pth"}, "a chain of convolutions in a file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(content, painting, options, said):
    with pytest.raises(UserError) as refused:
        make(content, painting, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_moments_of_a_constant_channel_do_not_divide_by_zero():
    flat = np.full((1, 4, 4, 2), 0.5, np.float32)
    assert np.isfinite(mixed(flat, pictures(1, 4, 4, 2), [1])).all()
    assert style.moments(flat)[1].numpy().max() < 0.01
