"""Video pixel network: what a pixel depends on, that the sampler is the network, and that it is a distribution."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from serving.maps import ServedMap
from zoo.autoregressive.video_pixel_network import multiplicative
from zoo.metrics.likelihood import _spacing
from zoo.model import as_run
from zoo.noise import fill
from zoo.runtime import OpenMap
from zoo.shared.errors import UserError
from zoo.spec import EVEN_LEVELS, TensorSpec

KINDS = {
    "binary": ((4, 5, 6, 1), {}),
    "four_levels": ((4, 5, 4, 1), {"levels": 4}),
    "colour": ((3, 4, 5, 3), {"levels": 2}),
    "colour_of_six_levels": ((3, 3, 3, 3), {"levels": 6}),
    "deep": ((4, 6, 6, 1), {"encoder_depth": 5, "decoder_depth": 3, "given_frames": 3}),
}


def randomised(shape=(4, 5, 6, 1), scale=0.5, **options):
    """Return a model with random weights, far from 0."""
    options = {"base_channels": 4, "encoder_depth": 2, "decoder_depth": 2, "lstm_channels": 5, **options}
    video = TensorSpec("video", shape, "condition", "video", rate=10.0)
    model, random = zoo.create("video_pixel_network", columns={"video": video}, **options), np.random.default_rng(0)
    for weight in model.network.weights:
        weight.assign(random.normal(0, scale, weight.shape))
    return model


def of(kind):
    shape, options = KINDS[kind]
    return randomised(shape, **options)


def videos_for(model, count=3, seed=1):
    """Return random videos of the model's levels."""
    shape, levels = model.columns["video"].shape, model.levels
    drawn = np.random.default_rng(seed).integers(levels, size=(count, *shape))
    return (drawn * (2 / (levels - 1)) - 1).astype(np.float32)


def drawn_by_the_pass(model, video, u):
    """Return what noise draws of the parameters that the full pass makes of a video."""
    parameters = tf.function(lambda x: model.network({"video": x}))(video)
    flat = tf.reshape(parameters, (-1, parameters.shape[-1]))
    made = model.pixels.draw(flat, {"u": tf.constant(u.reshape(-1, u.shape[-1]))})
    return made.numpy().reshape(video.shape)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sampler_is_the_full_pass_at_every_pixel(kind):
    model = of(kind)
    inputs = fill(model.maps["generate"].spec, 3, 7)
    made = as_run(model.maps["generate"])(inputs)["video"]
    np.testing.assert_allclose(made, drawn_by_the_pass(model, made, inputs["u"]), atol=1e-6)
    assert len(np.unique(made)) == model.levels and len(np.unique(made, axis=0)) == 3


@pytest.mark.parametrize("kind", ["binary", "colour", "deep"])
def test_a_video_is_continued_from_what_is_given_which_stays(kind):
    model = of(kind)
    run, given = as_run(model.maps["continue"]), model.given
    u = fill(model.maps["generate"].spec, 3, 8)["u"]
    whole = as_run(model.maps["generate"])({"u": u})["video"]
    np.testing.assert_array_equal(run({"given": whole[:, :given], "u": u[:, given:]})["continued"], whole)
    other = np.ascontiguousarray(-whole[:, :given])
    made = run({"given": other, "u": u[:, given:]})["continued"]
    np.testing.assert_array_equal(made[:, :given], other)
    assert (made[:, given:] != whole[:, given:]).any(), "what is given is seen"
    np.testing.assert_array_equal(
        made[:, given:], drawn_by_the_pass(model, made, np.pad(u[:, given:], _late(given)))[:, given:]
    )


def _late(given):
    return ((0, 0), (given, 0), (0, 0), (0, 0), (0, 0))


def jacobian(model, seed=2):
    """Return which sub-pixel (row) depends on which (column), in the order that they are made in."""
    shape = model.columns["video"].shape
    size, random = int(np.prod(shape)), np.random.default_rng(seed)
    # a row for each sub-pixel that is looked at, so that one gradient holds the whole Jacobian
    video = tf.constant(random.uniform(-1, 1, (1, *shape)).repeat(size, axis=0), tf.float32)
    weights = tf.constant(random.uniform(0.5, 1.5, model.pixels.parameters // shape[-1]), tf.float32)

    @tf.function
    def gradient(video):
        with tf.GradientTape() as tape:
            tape.watch(video)
            made = model.network({"video": video})
            by_channel = tf.reshape(made, (size, size, -1)) * weights  # a logit or several for each sub-pixel
            looked_at = tf.reduce_sum(tf.linalg.diag_part(tf.transpose(by_channel, (2, 0, 1))))
        return tape.gradient(looked_at, video)

    return gradient(video).numpy().reshape(size, size) != 0


def convolved(reach, height, width, taps):
    """Return what positions see through one more convolution, of `taps` (dy, dx), of what each saw before."""
    made = np.zeros_like(reach)
    for y, x in np.ndindex(height, width):
        for dy, dx in taps:
            if 0 <= y + dy < height and 0 <= x + dx < width:
                made[y * width + x] |= reach[(y + dy) * width + x + dx]
    return made


def square(dilation=1):
    return list(itertools.product((-dilation, 0, dilation), repeat=2))


BEFORE = [(-1, -1), (-1, 0), (-1, 1), (0, -1)]


def expected(model):
    """Return the same by walking the network's kernels from tap to tap, without its weights.

    Positions are walked for one channel: all channels see what lies at another position or in another frame.
    """
    frames, height, width, channels = model.columns["video"].shape
    itself = np.eye(height * width, dtype=bool)
    encoded = convolved(itself, height, width, square())
    for number in range(model.encoder_depth):
        for _ in range(2):
            encoded = convolved(encoded, height, width, square(2 ** (number % 4)))
    encoded = convolved(encoded, height, width, square())
    past = [encoded]  # what h sees of the last frame, of the one before it, ...
    for _ in range(frames - 2):
        past.append(convolved(past[-1], height, width, square()))
    above, here = convolved(itself, height, width, BEFORE), itself
    for _ in range(2 * model.decoder_depth):
        above, here = (convolved(seen, height, width, [*BEFORE, (0, 0)]) for seen in (above, here))
    made = np.zeros((frames, height * width, channels, frames, height * width, channels), bool)
    for t in range(frames):
        made[t, :, :, t] = above[:, None, :, None]
        for before in range(t):
            through = here.astype(int) @ past[t - 1 - before].astype(int) > 0
            made[t, :, :, before] = through[:, None, :, None]
        for red, green in itertools.combinations(range(channels), 2):
            np.einsum("ii->i", made[t, :, green, t, :, red])[:] = True
        # an earlier channel of a pixel to its right, or of one below, is still to come
    size = frames * height * width * channels
    return made.reshape(size, size)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((3, 5, 6, 1), {"encoder_depth": 1, "decoder_depth": 1}),
        ((4, 3, 9, 1), {"encoder_depth": 1, "decoder_depth": 2}),
        ((3, 4, 4, 3), {"encoder_depth": 1, "decoder_depth": 1}),
        ((3, 1, 22, 1), {"encoder_depth": 3, "decoder_depth": 1}),
        ((3, 4, 3, 2), {"encoder_depth": 2, "decoder_depth": 1, "levels": 4}),
    ],
)
def test_a_pixel_depends_on_the_frames_and_pixels_before_it_and_on_nothing_else(shape, options):
    """By the Jacobian: exactly 0 where it must be, and not 0 wherever a tap leads, in time, space and channel."""
    found = jacobian(randomised(shape, scale=0.4, **options))
    wanted = expected(randomised(shape, **options))
    assert not np.triu(found).any(), "no sub-pixel sees itself or one to come"
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("depth", [1, 2])
def test_within_a_frame_a_pixel_sees_a_cone_with_the_blind_spot_of_masked_convolutions(depth):
    """n convolutions see r rows up from n columns to the left as far as r to the right."""
    height, width, n = 7, 13, 1 + 2 * depth
    found = jacobian(randomised((3, height, width, 1), scale=0.4, encoder_depth=1, decoder_depth=depth))
    last = found.reshape(3, height, width, 3, height, width)[2, 6, 6, 2]
    up, right = 6 - np.arange(height)[:, None], np.arange(width)[None] - 6
    cone = ((up == 0) & (right < 0) & (right >= -n)) | ((up >= 1) & (up <= n) & (right >= -n) & (right <= up))
    np.testing.assert_array_equal(last, cone)


@pytest.mark.parametrize(
    ("shape", "levels"), [((3, 2, 2, 1), 2), ((3, 1, 2, 1), 4), ((3, 1, 1, 4), 2), ((3, 2, 1, 2), 2)]
)
def test_the_probabilities_of_all_videos_sum_to_one(shape, levels):
    model = randomised(shape, scale=0.8, levels=levels)
    values = np.arange(levels) * 2 / (levels - 1) - 1
    videos = np.array(list(itertools.product(values, repeat=int(np.prod(shape)))), np.float32).reshape(-1, *shape)
    outputs = as_run(model.maps["log_prob"])({"video": videos})
    p = np.exp(outputs["log_prob"].astype(np.float64))
    assert len(videos) == 4096
    assert p.sum() == pytest.approx(1, abs=1e-5)
    assert p.max() > 4 / 4096, "the weights say something"
    np.testing.assert_allclose(outputs["by_frame"].sum(axis=1), outputs["log_prob"], rtol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit_by_hand(gates, h):
    g1, g2, g3, u = np.split(gates, 4, axis=-1)
    return sigmoid(g1) * np.tanh(sigmoid(g2) * h + sigmoid(g3) * np.tanh(u))


def test_a_unit_is_that_of_the_paper():
    random = np.random.default_rng(0)
    h, gates = random.normal(size=(2, 3)), random.normal(size=(2, 12))
    made = multiplicative(tf.constant(gates), tf.constant(h))
    np.testing.assert_allclose(made, unit_by_hand(gates, h), rtol=1e-12)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_block_adds_what_two_units_make_of_half_the_features(part):
    """Of a frame of one pixel, which only the central taps see."""
    block = getattr(randomised((3, 1, 1, 1)).network, part)[0]
    x = np.random.default_rng(1).normal(size=(2, 1, 1, 8)).astype(np.float32)

    def through(layer, h):
        kernel = layer.kernel.numpy()
        return h @ kernel[len(kernel) // 2, len(kernel) // 2] + layer.bias.numpy()

    h = through(block.down, x)
    assert h.shape == (2, 1, 1, 4)
    for unit in block.units:
        h = unit_by_hand(through(unit, h), h)
    np.testing.assert_allclose(block(x), x + through(block.up, h), rtol=1e-5, atol=1e-6)


def test_the_lstm_keeps_what_its_forget_gate_lets_through_and_shows_what_its_output_gate_does():
    """Its gates come in the order o, f, i, g. Of a frame of one pixel, which only the central tap sees."""
    network, random = randomised((3, 1, 1, 1)).network, np.random.default_rng(2)
    h, c = (random.normal(size=(2, 1, 1, 5)).astype(np.float32) for _ in range(2))
    gates = random.normal(size=(2, 1, 1, 20)).astype(np.float32)
    o, f, i, g = np.split(gates + h @ network.state_to_state.kernel.numpy()[1, 1], 4, axis=-1)
    kept = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    made = network.after(tf.constant(gates), (tf.constant(h), tf.constant(c)))
    np.testing.assert_allclose(made[0], sigmoid(o) * np.tanh(kept), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made[1], kept, rtol=1e-5, atol=1e-6)


def test_the_taps_of_the_encoder_lie_1_2_4_8_apart_and_so_on_anew():
    encoder = randomised(encoder_depth=6).network.encoder
    found = [[unit.dilation_rate for unit in block.units] for block in encoder]
    assert found == [[(n, n)] * 2 for n in (1, 2, 4, 8, 1, 2)]


def test_the_full_pass_is_frame_after_frame_of_the_lstm():
    """The state that a frame is made under is that of walking the frames before it, one at a time, from zeros."""
    model, video = randomised(), videos_for(randomised())
    network = model.network
    states, last = network.walk(tf.constant(video))
    state = network.start(3, 5, 6)
    for t in range(4):
        state = network.after(network.encoded(tf.constant(video[:, t])), state)
        np.testing.assert_allclose(states[:, t], state[0], atol=1e-6)
    for walked, own in zip(last, state, strict=True):
        np.testing.assert_allclose(walked, own, atol=1e-6)


def test_the_part_of_a_frame_is_that_of_its_own_pixels():
    model, video = randomised(), videos_for(randomised())
    p = sigmoid(tf.function(lambda x: model.network({"video": x}))(video).numpy())
    outputs = as_run(model.maps["log_prob"])({"video": video})
    by_hand = np.log(np.where(video > 0, p, 1 - p)).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(outputs["by_frame"], by_hand, rtol=1e-4)
    np.testing.assert_allclose(outputs["log_prob"], by_hand.sum(axis=1), rtol=1e-4)


def test_values_between_the_levels_count_as_the_nearest_ones():
    model, video = randomised(), videos_for(randomised())
    log_prob, further = (as_run(model.maps[name]) for name in ("log_prob", "continue"))
    np.testing.assert_array_equal(log_prob({"video": video * 0.3})["by_frame"], log_prob({"video": video})["by_frame"])
    u = fill(model.maps["generate"].spec, 3, 9)["u"][:, 2:]
    dim, full = (further({"given": video[:, :2] * by, "u": u})["continued"] for by in (np.float32(0.3), 1))
    np.testing.assert_array_equal(dim[:, 2:], full[:, 2:])
    np.testing.assert_array_equal(dim[:, :2], video[:, :2] * np.float32(0.3))


def test_the_loss_is_nats_a_frame():
    model, video = randomised(), videos_for(randomised(), 4)
    model.compile(network=keras.optimizers.SGD(0.0))
    nats = as_run(model.maps["log_prob"])({"video": video})["log_prob"].astype(np.float64)
    logs = tf.function(model.train_step)({"video": tf.constant(video)})
    assert float(logs["loss"]) == pytest.approx(-nats.mean() / 4, rel=1e-5)
    assert float(logs["bits_per_dimension"]) == pytest.approx(-nats.mean() / (4 * 30 * np.log(2)), rel=1e-5)


def test_what_fills_the_conditions():
    model = randomised(levels=4)
    rows = {"video": np.random.default_rng(3).uniform(-1, 1, (2, 4, 5, 6, 1)).astype(np.float32)}
    given = model.conditions("continue", rows)["given"]
    assert given.shape == (2, 2, 5, 6, 1) and given.dtype == np.float32
    np.testing.assert_allclose(np.unique(given), [-1, -1 / 3, 1 / 3, 1], atol=1e-6)
    assert np.abs(given - rows["video"][:, :2]).max() <= 1 / 3 + 1e-6
    assert list(model.conditions("log_prob", rows)) == ["video"] and model.conditions("generate", rows) == {}
    spec = model.maps["continue"].spec
    assert [tensor.shape[0] for tensor in (*spec.inputs, spec.output)] == [2, 2, 4]
    assert spec.output.rate == 10.0 and spec.output.levels == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_channels": 0}, "model.base_channels=0: use a positive number"),
        ({"lstm_channels": -1}, "model.lstm_channels=-1: use a positive number"),
        ({"shape": (4, 5, 6, 3), "base_channels": 2}, "model.base_channels=2: use at least 3, one for each channel"),
        ({"levels": 5}, "model.levels=5: use 2, 4, 6, 16, 18, 52, 86 or 256"),
        ({"given_frames": 4}, "model.given_frames=4: use a number below the 4 frames of a video, or 0"),
        ({"given_frames": -1}, "model.given_frames=-1: use a number below the 4 frames"),
        ({"shape": (2, 5, 6, 1)}, "needs 3 or more frames, and the videos have 2"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, said):
    with pytest.raises(UserError, match=f"^[^\n]*{said}[^\n]*$"):
        randomised(**options)


def test_the_levels_are_those_that_bytes_have_and_those_of_the_data():

    assert [255 // _spacing(levels) + 1 for levels in EVEN_LEVELS] == list(EVEN_LEVELS)
    assert EVEN_LEVELS == (2, 4, 6, 16, 18, 52, 86, 256)
    video = TensorSpec("video", (4, 5, 6, 1), "condition", "video", levels=4)
    assert zoo.create("video_pixel_network", columns={"video": video}, levels=4).levels == 4
    with pytest.raises(UserError, match="model.levels=2: the videos have 4 levels; set both to the same number"):
        zoo.create("video_pixel_network", columns={"video": video})


class Opened(OpenMap):
    """A map that is served without a file."""

    def __init__(self, made):
        self.spec, self._run = made.spec, as_run(made)

    def run(self, inputs, start=0):
        return self._run(inputs)


def test_serving_tells_in_one_line_what_videos_do_not_fit():
    model = randomised()
    specs = {name: made.spec for name, made in model.maps.items()}
    log_prob, further = (ServedMap(Opened(model.maps[name]), name, specs) for name in ("log_prob", "continue"))
    videos = videos_for(model)
    assert log_prob(video=videos)["log_prob"].shape == (3,)
    as_bytes = ((videos + 1) * 127.5).astype(np.uint8)
    np.testing.assert_array_equal(log_prob(video=as_bytes)["log_prob"], log_prob(video=videos)["log_prob"])
    mixed = [videos[0], videos[1][:, :4]]
    for served, given, said in (
        (log_prob, {"video": mixed}, "video: the rows of the array differ in length"),
        (log_prob, {"video": videos[:, :, :4]}, r"video: needs shape \(3, 4, 5, 6, 1\), got \(3, 4, 4, 6, 1\)"),
        (further, {"given": videos[:, :3]}, r"given: needs shape \(3, 2, 5, 6, 1\), got \(3, 3, 5, 6, 1\)"),
        (further, {"given": videos[0, :1]}, r"given: needs shape \(1, 2, 5, 6, 1\), got \(1, 1, 5, 6, 1\)"),
        (further, {"given": videos[:, :2] * 0.5}, "given: .*0.5 is no value of it: use -1 or 1, or as bytes 0 or 255"),
        (further, {}, "missing condition given"),
    ):
        with pytest.raises(UserError, match=f"^{said}$"):
            served(**given)
    np.testing.assert_array_equal(further(given=as_bytes[:, :2], seed=1)["continued"][:, :2], videos[:, :2])


@pytest.mark.slow
def test_a_source_of_known_entropy_is_learned():
    """A dot begins anywhere and moves a pixel to the right in each frame: ln 16 nats, and none after the first."""
    frames, side = 4, 4
    videos = np.full((side * side, frames, side, side, 1), -1.0, np.float32)
    for (row, column), t in itertools.product(np.ndindex(side, side), range(frames)):
        videos[row * side + column, t, row, (column + t) % side] = 1.0
    video = TensorSpec("video", videos.shape[1:], "condition", "video")
    options = {"base_channels": 8, "encoder_depth": 2, "decoder_depth": 3, "lstm_channels": 8}
    model = zoo.create("video_pixel_network", columns={"video": video}, **options)
    model.compile(network=keras.optimizers.Adam(1e-2))
    data = tf.data.Dataset.from_tensors({"video": videos}).repeat()
    model.fit(data, steps_per_epoch=300, epochs=1, verbose=0)
    by_frame = -as_run(model.maps["log_prob"])({"video": videos})["by_frame"].mean(axis=0)
    assert np.log(16) - 1e-4 < by_frame[0] < np.log(16) + 0.2
    assert by_frame[1:].max() < 0.1
    # as the video is made, so it goes on
    u = fill(model.maps["continue"].spec, 16, 0, given={"given": videos[:, :2]})
    made = as_run(model.maps["continue"])(u)["continued"]
    assert (made == videos).all(axis=(1, 2, 3, 4)).mean() > 0.8
