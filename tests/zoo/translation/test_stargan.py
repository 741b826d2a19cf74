"""StarGAN: its losses by hand, the penalty on one head alone, its networks' weights, what it edits in its examples."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from shared import metrics, trained

import zoo
from export import onnx, saved_model
from train import config
from train.check import check
from zoo.model import as_run
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec
from zoo.translation import stargan

NAMES = ("black", "blond", "glasses")
ATTRIBUTES = TensorSpec("attributes", (3,), "condition", "attributes", names=NAMES, exclusive=(NAMES[:2],))


def columns(size=8, attributes=ATTRIBUTES):
    return {"image": (size, size, 3), "attributes": attributes, "wanted": replace(attributes, name="wanted")}


def make(size=8, rate=0.0, attributes=ATTRIBUTES, **options):
    options = {"base_channels": 4, "blocks": 1, "n_critic": 1, **options}
    made = zoo.create("stargan", columns=columns(size, attributes), **options)
    made.compile(**{player: keras.optimizers.SGD(rate) for player in made.player_names})
    return made


def rows(size=8, count=2):
    random = np.random.default_rng(0)
    known = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 0], [0, 1, 1]], np.int32)[:count]
    return {
        "image": tf.constant(random.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)),
        "attributes": tf.constant(known),
        "wanted": tf.constant(known[::-1].copy()),
    }


def log_likelihood(logits, c):
    """Of independent attributes, by the definition."""
    chance = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    return np.log(np.where(c.numpy() == 1, chance, 1 - chance)).sum(axis=1).mean()


def test_the_generator_descends_its_loss_by_hand():
    made, data = make(class_weight=0.5, reconstruction_weight=3.0), rows()
    made.optimizers["generator"] = keras.optimizers.SGD(1.0)  # a step is minus the gradient
    made.optimizers["generator"].build(made.generator.trainable_variables)
    x, own, c = data["image"], data["attributes"], data["wanted"]
    with tf.GradientTape() as tape:
        fake = made.generator({"image": x, "wanted": c})["translated"]
        source, named = made.discriminator(fake)
        back = made.generator({"image": fake, "wanted": own})["translated"]
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(c, tf.float32), named)
        loss = -tf.reduce_mean(source) + 0.5 * tf.reduce_sum(entropy) / 2 + 3.0 * tf.reduce_mean(tf.abs(x - back))
    gradients = tape.gradient(loss, made.generator.trainable_variables)
    before = [weight.numpy() for weight in made.generator.trainable_variables]
    logs = tf.function(made.train_step)(data)
    assert float(logs["generator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["fake_attributes_loss"]) == pytest.approx(-log_likelihood(named, c), rel=1e-5)
    for old, weight, gradient in zip(before, made.generator.trainable_variables, gradients, strict=True):
        np.testing.assert_allclose(old - weight.numpy(), gradient, rtol=2e-3, atol=2e-4)


def test_the_discriminator_descends_its_loss_by_hand():
    made, data = make(class_weight=0.5, penalty_weight=0.0), rows()
    made.optimizers["discriminator"] = keras.optimizers.SGD(1.0)
    made.optimizers["discriminator"].build(made.discriminator.trainable_variables)
    fake = made.generator({"image": data["image"], "wanted": data["wanted"]})["translated"]
    with tf.GradientTape() as tape:
        (real_source, named), (fake_source, _) = made.discriminator(data["image"]), made.discriminator(fake)
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(data["attributes"], tf.float32), named)
        loss = tf.reduce_mean(fake_source) - tf.reduce_mean(real_source) + 0.5 * tf.reduce_sum(entropy) / 2
    gradients = tape.gradient(loss, made.discriminator.trainable_variables)
    before = [weight.numpy() for weight in made.discriminator.trainable_variables]
    logs = tf.function(made.train_step)(data)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(loss), rel=1e-4)
    assert float(logs["real_attributes_loss"]) == pytest.approx(-log_likelihood(named, data["attributes"]), rel=1e-5)
    for old, weight, gradient in zip(before, made.discriminator.trainable_variables, gradients, strict=True):
        np.testing.assert_allclose(old - weight.numpy(), gradient, rtol=2e-3, atol=2e-4)


def test_the_penalty_looks_at_the_source_head_alone(monkeypatch):
    """By the slope of the sum over patches, between real and made; whatever the head of attributes says."""
    made, data = make(16), rows(16)
    monkeypatch.setattr(made, "noise", lambda shape, *_: tf.fill([int(n) for n in shape], 0.25))
    fake = made.generator({"image": data["image"], "wanted": data["wanted"]})["translated"]
    between = 0.25 * data["image"] + 0.75 * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        total = tf.reduce_sum(made.discriminator(between)[0])
    norms = np.sqrt((tape.gradient(total, between).numpy() ** 2).sum(axis=(1, 2, 3)))
    expected = ((norms - 1) ** 2).mean()
    (named,) = [layer for layer in made.discriminator.layers if getattr(layer, "filters", 0) == len(NAMES)]
    for scale in (1.0, 100.0):
        named.kernel.assign(scale * named.kernel)
        logs = tf.function(made.discriminator_step)(data, 0)
        assert float(logs["penalty"]) == pytest.approx(expected, rel=1e-4)


def test_attributes_that_are_one_choice_have_the_likelihood_of_a_softmax():
    one = TensorSpec("attributes", (3,), "condition", "attributes", names=NAMES, exclusive=(NAMES,))
    made = make(attributes=one)
    logits, c = tf.constant([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]), tf.constant([[0, 1, 0], [1, 0, 0]])
    weights = np.exp(logits.numpy())
    expected = -np.log([weights[0, 1] / weights[0].sum(), weights[1, 0] / weights[1].sum()]).mean()
    assert float(made.attributes_loss(logits, c)) == pytest.approx(expected, rel=1e-6)
    assert float(make().attributes_loss(logits, c)) == pytest.approx(-log_likelihood(logits, c), rel=1e-6)


def test_each_update_of_the_discriminator_has_a_minibatch_of_its_own_and_the_generator_the_last():
    made, data = make(n_critic=2), rows(count=4)
    seen = []

    def noted(step):
        return lambda part, *turn: seen.append(part) or step(part, *turn)

    made.discriminator_step, made.generator_step = noted(made.discriminator_step), noted(made.generator_step)
    made.train_step(data)
    for part, places in zip(seen, ([0, 2], [1, 3], [1, 3]), strict=True):
        for name, values in part.items():
            np.testing.assert_array_equal(values, data[name].numpy()[places])
    assert made.batch_divisor == 2


def test_the_papers_networks_have_as_many_weights_as_their_kernels_count():
    """Tables 4 and 5, for 128 pixels and 5 attributes; no bias but in the discriminator's trunk."""
    blocks = 6 * 2 * 9 * 256 * 256
    kernels = 49 * 8 * 64 + 16 * (64 * 128 + 128 * 256) + blocks + 16 * (256 * 128 + 128 * 64) + 49 * 64 * 3
    normalised = 64 + 128 + 256 + 12 * 256 + 128 + 64
    assert stargan.generator(3, 5, 64, 6).count_params() == kernels + 2 * normalised
    widths = [3, 64, 128, 256, 512, 1024, 2048]
    trunk = sum(16 * a * b + b for a, b in itertools.pairwise(widths))
    made = stargan.discriminator((128, 128, 3), 5, 64)
    assert made.count_params() == trunk + 9 * 2048 + 4 * 2048 * 5
    assert [tuple(output.shape[1:]) for output in made.outputs] == [(2, 2, 1), (5,)]


@pytest.mark.parametrize(("shape", "times"), [((8, 8, 3), 3), ((32, 24, 3), 3), ((64, 64, 3), 6), ((256, 256, 1), 6)])
def test_how_often_the_discriminator_halves(shape, times):
    assert stargan.halvings(shape) == times
    source, named = stargan.discriminator(shape, 2, 1).outputs
    assert source.shape[1:] == (shape[0] // 2**times, shape[1] // 2**times, 1)
    assert named.shape[1:] == (2,)


def test_what_is_wanted_reaches_every_pixel_and_zeros_stand_for_none():
    made = make()
    x = rows()["image"]
    none, one = (
        made.generator({"image": x, "wanted": tf.constant([c, c])})["translated"] for c in ([0] * 3, [0, 0, 1])
    )
    assert (np.abs(none - one).max(axis=-1) > 0).all()


def test_examples_change_one_attribute_in_turn():
    made, data = make(), {name: values.numpy() for name, values in rows(count=4).items()}
    given = made.conditions("translate", data)
    np.testing.assert_array_equal(given["image"], data["image"])
    # black cleared is blond; blond cleared is black; glasses put on; black again
    assert given["wanted"].tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 0, 1]]
    assert data["attributes"].tolist()[0] == [1, 0, 1], "the data stay as they are"


def test_it_runs_alike_at_other_sizes_in_saved_model_and_onnxruntime(tmp_path):
    made = make()
    saved_model.write(made.maps, tmp_path / "saved")
    (translate,) = made.maps.values()
    graph = onnx.convert(translate).SerializeToString()
    runs = [saved_model.load(tmp_path / "saved", "translate"), onnx.load(graph)]
    random = np.random.default_rng(0)
    for height, width in ((8, 8), (12, 20), (40, 16)):
        x = random.uniform(-1, 1, (3, height, width, 3)).astype(np.float32)
        inputs = {"image": x, "wanted": np.array([[0, 0, 0], [1, 0, 1], [0, 1, 0]], np.int32)}
        expected = as_run(translate)(inputs)["translated"]
        assert expected.shape == x.shape
        for run in runs:
            np.testing.assert_allclose(run(inputs)["translated"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "options", "said"),
    [
        (10, {}, "multiples of 4 from 8 on, not 10 x 10"),
        (4, {}, "multiples of 4 from 8 on, not 4 x 4"),
        (8, {"n_critic": 0}, "model.n_critic=0"),
        (8, {"blocks": 0}, "model.blocks=0: use a positive number"),
        (8, {"class_weight": -1.0}, "model.class_weight=-1.0: use 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(size, options, said):
    with pytest.raises(UserError) as refused:
        make(size, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_wanted_attributes_of_another_order_are_refused():
    turned = replace(ATTRIBUTES, name="wanted", names=NAMES[::-1])
    with pytest.raises(UserError, match="the same attributes"):
        zoo.create("stargan", columns={**columns(), "wanted": turned})


def test_the_recipe_for_celeba_trains_on_pictures_in_its_layout(tmp_path, monkeypatch):
    """At its own size, narrower and on two minibatches' worth."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    random, lines = np.random.default_rng(0), []
    for number in range(1, 13):
        noise = random.integers(0, 256, (218, 178, 3), np.uint8)
        Image.fromarray(noise).save(folder / "img_align_celeba" / f"{number:06}.jpg")
        hair, others = np.eye(3, dtype=int)[number % 3], random.integers(0, 2, 2)
        lines.append(" ".join([f"{number:06}.jpg", *map(str, 2 * np.array([*hair, *others, number % 2]) - 1)]))
    names = "Black_Hair Blond_Hair Brown_Hair Male Young Bald"
    (folder / "list_attr_celeba.txt").write_text("\n".join(["12", names, *lines]))
    told = "".join(f"{number:06}.jpg {2 * (number > 9)}\n" for number in range(1, 13))
    (folder / "list_eval_partition.txt").write_text(told)

    settings = config.load("stargan_celeba")
    settings.update(train_steps=2, batch_size=10, log_every=1)
    settings.model.update(base_channels=2, blocks=1)
    check(settings)
    made = trained(settings, tmp_path / "run")
    assert [len(table) for table in made.batches.source] == [9, 9]
    assert made.model.columns["wanted"].names == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    assert [line["step"] for line in metrics(tmp_path / "run")] == [1, 2]
    with Image.open(tmp_path / "run" / "samples" / "00000002.png") as sheet:
        # three examples of the held-out split, fewer than attributes
        assert sheet.width > 2 * 128
