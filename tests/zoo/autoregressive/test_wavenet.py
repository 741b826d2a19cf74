"""WaveNet: what a sample depends on, that the cached sampler is the network, conditions, and what the loss counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import serving
import zoo
from serving.rows import check_step
from zoo import bundle, media
from zoo.autoregressive.wavenet import receptive_field, summed
from zoo.model import as_run
from zoo.noise import fill
from zoo.shared import files
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

SAMPLES = 40
LABEL = TensorSpec("label", (), "condition", "class", low=1, high=3)
TRACK = TensorSpec("track", (5, 2), "condition", "action")
KINDS = {
    "mu_law": {},
    "mixture": {"likelihood": "logistic_mixture"},
    "three_taps": {"kernel_size": 3, "stacks": 2, "depth": 2},
    "one_layer": {"depth": 1},
    "global": {"conditional": True},
    "local": {"conditional": True, "local": True, "stacks": 2, "depth": 2},
}


def columns(samples=SAMPLES):
    return {"audio": TensorSpec("audio", (samples,), "condition", "audio", rate=8000), "label": LABEL, "track": TRACK}


def randomised(samples=SAMPLES, scale=0.6, **options):
    """Return a model with random weights, far from 0."""
    options = {"base_channels": 4, "skip_channels": 24, "depth": 3, "mixtures": 2, **options}
    model, random = zoo.create("wavenet", columns=columns(samples), **options), np.random.default_rng(0)
    for weight in model.network.weights:
        weight.assign(random.normal(0, scale, weight.shape))
    return model


def inputs_of(model, name, count=3, seed=7):
    """Return noise by seed, and conditions that differ from row to row, for a map."""
    random = np.random.default_rng(1)
    given = {
        "label": np.array([1, 2, 3], np.int32)[np.arange(count) % 3],
        "track": random.normal(size=(count, *TRACK.shape)).astype(np.float32),
        "given": random.uniform(-0.9, 0.9, (count, model.samples)).astype(np.float32),
        "known": (np.arange(model.samples) < model.samples // 2) * np.ones((count, 1), np.float32),
    }
    given["given"] = media.seen(columns()["audio"], media.stored(columns()["audio"], given["given"]))
    spec = model.maps[name].spec
    wanted = {tensor.name for tensor in spec.conditions}
    return fill(spec, count, seed, given={key: value for key, value in given.items() if key in wanted})


def naive(model, inputs):
    """Return the sound that full passes of the network make, one for each sample."""
    levels, made = model.levels, np.zeros_like(inputs["u"])
    conditions = {key: tf.constant(value) for key, value in inputs.items() if key in ("label", "track")}
    parameters = tf.function(lambda audio: model.network({**conditions, "level": levels.level_of(audio)}))
    for t in range(model.samples):
        at = {key: tf.constant(value[:, t]) for key, value in inputs.items() if key.startswith("u")}
        made[:, t] = levels.audio_of(levels.draw(parameters(tf.constant(made))[:, t], at))
        if "known" in inputs:
            made[:, t] = np.where(inputs["known"][:, t] > 0, inputs["given"][:, t], made[:, t])
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_cached_sampler_is_the_network_at_every_sample(kind):
    model = randomised(**KINDS[kind])
    inputs = inputs_of(model, "generate")
    made = as_run(model.maps["generate"])(inputs)["audio"]
    np.testing.assert_array_equal(made, naive(model, inputs))
    assert len(np.unique(made)) > 4 and len(np.unique(made, axis=0)) == 3


@pytest.mark.parametrize("kind", ["mu_law", "mixture", "local"])
def test_a_sound_is_continued_from_what_is_given_which_stays(kind):
    model = randomised(**KINDS[kind])
    inputs = inputs_of(model, "continue")
    made = as_run(model.maps["continue"])(inputs)["continued"]
    np.testing.assert_array_equal(made, naive(model, inputs))
    half = SAMPLES // 2
    np.testing.assert_array_equal(made[:, :half], inputs["given"][:, :half])
    other = {**inputs, "given": inputs["given"] * -1}
    assert (as_run(model.maps["continue"])(other)["continued"][:, half:] != made[:, half:]).any()
    unseen = {**inputs, "given": np.where(inputs["known"] > 0, inputs["given"], 0.5)}
    np.testing.assert_array_equal(as_run(model.maps["continue"])(unseen)["continued"], made)


@pytest.mark.parametrize("kind", KINDS)
def test_sample_after_sample_is_the_sound(kind):
    model = randomised(**KINDS[kind])
    step, generate = model.maps["step"], model.maps["generate"]
    check_step(step.spec, generate.spec)
    inputs, run = inputs_of(model, "generate"), as_run(step)
    state, made = np.zeros((3, step.network.size), np.float32), []
    for t in range(SAMPLES):
        here = {key: value[:, t : t + 1] for key, value in inputs.items() if key.startswith("u")}
        if "track" in inputs:
            here["track"] = inputs["track"][:, t // 8 : t // 8 + 1]
        outputs = run({**here, **({"label": inputs["label"]} if "label" in inputs else {}), "state": state})
        state = outputs["next_state"]
        made.append(outputs["row"])
    np.testing.assert_array_equal(np.concatenate(made, axis=1), as_run(generate)(inputs)["audio"])


@pytest.mark.parametrize(("size", "depth", "stacks"), [(2, 3, 1), (3, 2, 2), (2, 1, 3), (2, 2, 2)])
def test_a_sample_depends_on_its_receptive_field_and_on_nothing_else(size, depth, stacks):
    """By the Jacobian, exactly 0 outside: 0 at the sample itself and after it, and further back than the field."""
    model = randomised(scale=0.5, likelihood="logistic_mixture", kernel_size=size, depth=depth, stacks=stacks)
    random = np.random.default_rng(2)
    # a row for each sample that is looked at, so that one gradient holds the whole Jacobian
    level = tf.constant(random.uniform(20000, 45000, (1, SAMPLES)).repeat(SAMPLES, axis=0), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(level)
        own = tf.linalg.diag_part(tf.transpose(model.network({"level": level}), (2, 0, 1)))
        looked_at = tf.reduce_sum(own * tf.constant(random.normal(size=(own.shape[0], 1)), tf.float32))
    jacobian = tape.gradient(looked_at, level).numpy()
    distance = np.arange(SAMPLES)[:, None] - np.arange(SAMPLES)
    field = size + (size - 1) * stacks * (2**depth - 1)
    assert model.receptive_field == receptive_field(size, depth, stacks) == field
    np.testing.assert_array_equal(jacobian != 0, (distance >= 1) & (distance <= field))


@pytest.mark.parametrize("kind", ["mu_law", "local"])
def test_by_levels_too_no_sample_sees_itself_or_a_later_one(kind):
    model = randomised(**KINDS[kind])
    run, random = as_run(model.maps["log_prob"]), np.random.default_rng(3)
    rows = {"audio": random.uniform(-1, 1, (3, SAMPLES)).astype(np.float32), **conditions_of(model)}
    before = run(rows)["by_sample"]
    for j in (0, 7, SAMPLES - 1):
        changed = rows["audio"].copy()
        changed[:, j] = -changed[:, j]
        after = run({**rows, "audio": changed})["by_sample"]
        np.testing.assert_array_equal(after[:, :j], before[:, :j])
        seen = slice(j, j + model.receptive_field + 1)
        assert (after[:, seen] != before[:, seen]).all()
        np.testing.assert_array_equal(after[:, seen.stop :], before[:, seen.stop :])


def conditions_of(model, count=3):
    inputs = inputs_of(model, "generate", count)
    return {key: value for key, value in inputs.items() if not key.startswith("u")}


@pytest.mark.parametrize("kind", ["mu_law", "mixture", "global"])
def test_the_probabilities_of_a_sample_sum_to_one(kind):
    model = randomised(samples=20, **KINDS[kind])
    levels = model.levels
    count = levels.levels if kind != "mixture" else 2**16
    rows = np.repeat(np.random.default_rng(4).uniform(-0.5, 0.5, (1, 20)).astype(np.float32), count, axis=0)
    rows[:, 12] = levels.audio_of(tf.range(float(count)))
    conditions = {"label": np.full(count, 2, np.int32)} if kind == "global" else {}
    outputs = [
        as_run(model.maps["log_prob"])(
            {"audio": rows[i : i + 4096], **{k: v[i : i + 4096] for k, v in conditions.items()}}
        )
        for i in range(0, count, 4096)
    ]
    by_sample = np.concatenate([part["by_sample"] for part in outputs]).astype(np.float64)
    assert np.exp(by_sample[:, 12]).sum() == pytest.approx(1, abs=2e-4)
    np.testing.assert_allclose(np.concatenate([part["log_prob"] for part in outputs]), by_sample.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 9, 5648])
def test_a_sum_of_thousands_keeps_its_digits(count):
    """A running sum in float32 of these 5,648 is off by 1.4e-6 of itself or more."""
    values = -np.random.default_rng(0).gamma(0.3, 8.0, (3, count)).astype(np.float32)
    np.testing.assert_allclose(summed(tf.constant(values)), values.sum(axis=1, dtype=np.float64), rtol=5e-7)


def test_silence_lies_before_a_sound():
    """More silence before a sound changes nothing, and noise does."""
    model, long = randomised(), randomised(samples=SAMPLES + 30)
    audio = np.random.default_rng(5).uniform(-1, 1, (2, SAMPLES)).astype(np.float32)
    alone = as_run(model.maps["log_prob"])({"audio": audio})["by_sample"]
    after_silence = np.pad(audio, ((0, 0), (30, 0)))
    behind = as_run(long.maps["log_prob"])({"audio": after_silence})["by_sample"]
    np.testing.assert_allclose(behind[:, 30:], alone, atol=1e-5)
    np.testing.assert_allclose(behind[:, :30], behind[:, :1].repeat(30, axis=1), atol=1e-5)
    after_silence[:, :30] = 0.3
    assert (np.abs(as_run(long.maps["log_prob"])({"audio": after_silence})["by_sample"] - behind)[:, 31] > 1e-3).all()


def test_conditions_reach_every_sample_and_a_track_no_earlier_one():
    model = randomised(**KINDS["local"])
    run = as_run(model.maps["log_prob"])
    rows = {"audio": np.random.default_rng(6).uniform(-1, 1, (3, SAMPLES)).astype(np.float32), **conditions_of(model)}
    before = run(rows)["by_sample"]
    assert (run({**rows, "label": rows["label"] % 3 + 1})["by_sample"] != before).all()
    track = rows["track"].copy()
    track[:, 2] += 1.0  # holds from sample 16 to 23
    after = run({**rows, "track": track})["by_sample"]
    np.testing.assert_array_equal(after[:, :16], before[:, :16])
    assert (after[:, 16:24] != before[:, 16:24]).all()


def test_the_loss_skips_the_receptive_field():
    model = randomised()
    model.compile(network=keras.optimizers.SGD(0.0))
    audio = tf.constant(np.random.default_rng(8).uniform(-1, 1, (4, SAMPLES)), tf.float32)
    by_sample = as_run(model.maps["log_prob"])({"audio": audio.numpy()})["by_sample"].astype(np.float64)
    logs = tf.function(model.train_step)({"audio": audio})
    assert float(logs["loss"]) == pytest.approx(-by_sample[:, model.receptive_field :].mean(), rel=1e-5)
    assert float(logs["loss"]) != pytest.approx(-by_sample.mean(), rel=1e-3)
    assert float(logs["bits_per_sample"]) == pytest.approx(float(logs["loss"]) / np.log(2))


def test_what_fills_the_conditions():
    model = randomised(**KINDS["local"])
    rows = {"audio": np.full((2, SAMPLES), 0.5, np.float32), **conditions_of(model, 2)}
    given = model.conditions("continue", rows)
    assert sorted(given) == ["given", "known", "label", "track"]
    assert given["known"].mean() == 0.5 and given["given"][:, :20].all() and not given["given"][:, 20:].any()
    step = model.conditions("step", rows)
    assert step["track"].shape == (2, 1, 2) and step["state"].shape == (2, model.maps["step"].network.size)
    assert not step["state"].any()
    assert sorted(model.conditions("generate", rows)) == ["label", "track"]
    assert randomised(**KINDS["global"]).conditions("generate", rows) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 0}, "model.depth=0: use a positive number"),
        ({"kernel_size": 1}, "model.kernel_size=1: use 2 or more"),
        ({"depth": 6}, "the loss skips the first 65 samples, the receptive field, and the data have 40"),
        ({"likelihood": "softmax"}, "unknown likelihood 'softmax'"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, said):
    with pytest.raises(UserError, match=f"^[^\n]*{said}[^\n]*$"):
        randomised(**options)


def test_wrong_conditions_are_refused_in_one_line():
    one = {**columns(), "label": TensorSpec("label", (), "condition", "class", low=0, high=0)}
    with pytest.raises(UserError, match="conditional=True: needs labels of known bounds, and of at least 2 classes"):
        zoo.create("wavenet", columns=one, depth=2, conditional=True)
    uneven = {**columns(), "track": TensorSpec("track", (7, 2), "condition", "action")}
    with pytest.raises(UserError, match=r"whose frames divide the 40 samples, not one of shape \(7, 2\)"):
        zoo.create("wavenet", columns=uneven, depth=2, local=True)


@pytest.mark.slow
def test_a_bundle_streams_the_sound_of_its_samples(tmp_path):
    from export import onnx

    model = randomised(**KINDS["local"])
    maps = {name: model.maps[name] for name in ("generate", "step")}
    manifest = bundle.Manifest("wavenet", {name: made.spec for name, made in maps.items()}, {}, {}, 1, {}, {})
    for name, made in maps.items():
        data = bundle.describe(onnx.convert(made).SerializeToString(), manifest, name)
        (tmp_path / manifest.onnx_file(name)).write_bytes(data)
    manifest.files.update(files.checksums(tmp_path))
    files.write_json(tmp_path / bundle.MANIFEST, manifest.to_json())
    generator = serving.Generator(tmp_path)
    given = conditions_of(model, 2)
    whole = media.stored(generator.spec.output, generator.sample(2, seed=3, dtype="float32", **given))
    blocks = list(generator.stream_sound(2, seed=3, block=15, **given))
    assert [block.shape for block in blocks] == [(2, 15), (2, 15), (2, 10)] and blocks[0].dtype == np.int16
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)
    with pytest.raises(UserError, match="this map makes sounds, which have no rows: use stream_sound"):
        generator.stream_rows()


@pytest.mark.slow
def test_a_source_of_known_entropy_is_learned():
    """A Markov chain of four levels: no model has fewer bits than its entropy, and this one comes near."""
    random = np.random.default_rng(0)
    chain = np.array([[0.7, 0.1, 0.1, 0.1], [0.05, 0.05, 0.85, 0.05], [0.25, 0.25, 0.25, 0.25], [0.1, 0.4, 0.1, 0.4]])
    values, vectors = np.linalg.eig(chain.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    entropy = -(stationary[:, None] * chain * np.log2(chain)).sum()
    states = np.zeros((300, 200), int)
    for t in range(1, 200):
        states[:, t] = (random.random((300, 1)) > np.cumsum(chain[states[:, t - 1]], axis=1)).sum(axis=1)
    model = zoo.create("wavenet", columns={"audio": columns(200)["audio"]}, base_channels=8, skip_channels=16, depth=2)
    audio = model.levels.audio_of(tf.constant(np.array([40.0, 110.0, 150.0, 230.0])[states], tf.float32)).numpy()
    model.compile(network=keras.optimizers.Adam(5e-3))
    data = tf.data.Dataset.from_tensor_slices({"audio": audio[:250]}).shuffle(250, seed=0).repeat().batch(25)
    model.fit(data, steps_per_epoch=400, epochs=1, verbose=0)
    by_sample = as_run(model.maps["log_prob"])({"audio": audio[250:]})["by_sample"][:, model.receptive_field :]
    bits = -by_sample.mean() / np.log(2)
    assert entropy - 0.03 < bits < entropy + 0.03
