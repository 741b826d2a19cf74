"""The promise that every model keeps: what `compile` refuses, noise, conditions, options, updates."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.model import GenerativeModel, Map
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

Z = TensorSpec("z", (3,), "normal")
POINT = TensorSpec("point", (2,), "output", "point")


class Tiny(GenerativeModel):
    """A dense generator of points, and a second network, which `conditional` makes a player."""

    options = {"units": 2, "rate": 0.5, "conditional": False}
    reads = {"image": ("point", "latent")}
    reads_if = {"conditional": {"label": ("class",)}}
    players = ("generator",)
    players_if = {"conditional": ("critic",)}

    def __init__(self, **config):
        super().__init__(**config)
        self.generator = network(self.units)
        self.critic = network(1)
        self.maps = {"generate": Map(self.generator, MapSpec((Z,), (POINT,)))}

    def train_step(self, data):
        """Draw the points to the data's."""
        with tf.GradientTape() as tape:
            z = self.noise((tf.shape(data["image"])[0], 3), "normal", "z")
            loss = tf.reduce_mean((self.generator({"z": z})["point"] - data["image"]) ** 2)
        self.update("generator", (tape, loss))
        return {"loss": loss}


def network(units, **more_inputs):
    inputs = {"z": keras.Input((3,), name="z"), **more_inputs}
    return keras.Model(inputs, {"point": keras.layers.Dense(units)(inputs["z"])})


class Scaled(keras.Model):
    """A dense layer times a number that is not its own; a tuple hides the number from Keras."""

    def __init__(self, scale):
        super().__init__()
        self.dense = keras.layers.Dense(2)
        self.dense.build((None, 3))
        self.scale = (scale,)
        self.built = True

    def call(self, inputs):
        return {"point": self.dense(inputs["z"]) * tf.cast(self.scale[0], tf.float32)}


class Lazy(keras.Model):
    """A network whose layer has no weights before it is called."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return {"point": self.dense(inputs["z"])}


def tiny(**options):
    return Tiny(columns={"image": (2,), "label": 4}, **options)


def compiled(model):
    model.compile(**{player: keras.optimizers.SGD(0.1) for player in model.player_names})
    return model


def with_map(made, *inputs, outputs=(POINT,), tracked=True):
    """Return a model whose only map is the network `made`."""
    model = tiny()
    if tracked:
        model.generator = made
    model.maps = {"generate": Map(made, MapSpec((Z, *inputs), outputs))}
    return model


# ---- compile


def test_a_sound_map_is_compiled_and_yields_what_its_network_does():
    model = compiled(tiny())
    z = tf.ones((5, 3))
    expected = z @ model.generator.layers[-1].kernel
    np.testing.assert_allclose(model.maps["generate"]({"z": z})["point"], expected, rtol=1e-6)


def extra_input():
    return keras.Input((), dtype="int32", name="label")


def two_outputs():
    z = keras.Input((3,), name="z")
    point = keras.layers.Dense(2)(z)
    return keras.Model({"z": z}, {"point": point, "more": point})


LABEL = TensorSpec("label", (), "condition", "class", low=0, high=3)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            lambda: with_map(network(2), tracked=False),
            "the model does not track its weights; keep the network as an attr",
        ),
        (lambda: with_map(Lazy()), "its network makes weights only when it is called; build it in the constructor"),
        (lambda: with_map(two_outputs()), r"it returns \['more', 'point'\], its spec has \['point'\]"),
        (
            lambda: with_map(network(2), outputs=(TensorSpec("image", (2,), "output", "point"),)),
            r"it returns \['point'\], its spec has \['image'\]",
        ),
        (lambda: with_map(network(5)), r"point has shape \(None, 5\), its spec \(None, 2\)"),
        (lambda: with_map(network(2, label=extra_input()), LABEL), "no output depends on the input label"),
        (
            lambda: with_map(Scaled(tf.Variable(2.0, name="scale"))),
            "it reads scale:0, which is no weight of its network",
        ),
    ],
    ids=["untracked", "lazy", "one more output", "another output", "shape", "idle input", "foreign variable"],
)
def test_a_map_that_cannot_be_saved_or_exported_is_refused_in_one_line(broken, message):
    with pytest.raises(UserError, match=f"^map 'generate' of Tiny: {message}") as caught:
        compiled(broken())
    assert "\n" not in str(caught.value)


def test_a_map_that_reads_the_step_is_refused():
    model = tiny()
    model.generator = Scaled(model.step)
    model.maps = {"generate": Map(model.generator, MapSpec((Z,), (POINT,)))}
    with pytest.raises(UserError, match="it reads step:0, which is no weight of its network"):
        compiled(model)


def shared():
    """Return a model with two maps that share their weights; the second takes them from the first."""
    model = tiny()
    model.generator = Scaled(tf.constant(1.0))
    encode = Sharing(model.generator)
    outputs = (TensorSpec("mean", (2,), "output", "latent"),)
    model.maps = {
        "generate": Map(model.generator, MapSpec((Z,), (POINT,))),
        "encode": Map(encode, MapSpec((TensorSpec("image", (3,), "condition", "point"),), outputs)),
    }
    return model


class Sharing(keras.Model):
    def __init__(self, other):
        super().__init__()
        self.dense = other.dense
        self.built = True

    def call(self, inputs):
        return {"mean": self.dense(inputs["image"])}


def test_two_maps_may_share_weights():
    generate, encode = compiled(shared()).maps.values()
    z = tf.ones((5, 3))
    np.testing.assert_array_equal(generate({"z": z})["point"], encode({"image": z})["mean"])
    assert [id(weight) for weight in encode.network.weights] == [id(weight) for weight in generate.network.weights]


def test_maps_are_checked_on_several_replicas_too(mirrored):
    with mirrored.scope():
        compiled(shared())
        with pytest.raises(UserError, match="which is no weight of its network"):
            compiled(with_map(Scaled(tf.Variable(2.0))))


@pytest.mark.parametrize("name", ["model", "serving_default", "Generate"])
def test_a_map_s_name_must_do_for_a_file(name):
    model = tiny()
    model.maps = {name: model.maps["generate"]}
    with pytest.raises(UserError, match=f"map name {name!r}"):
        compiled(model)
    model.maps = {}
    with pytest.raises(UserError, match="a model needs at least one map"):
        compiled(model)


@pytest.mark.parametrize(("given", "shown"), [((), "none"), (("generator", "critic"), "generator, critic")])
def test_each_player_needs_its_optimiser(given, shown):
    with pytest.raises(UserError, match=f"Tiny needs the optimisers generator; got {shown}"):
        tiny().compile(**{name: keras.optimizers.SGD(0.1) for name in given})


def test_players_have_the_network_of_their_name_and_one_alone_has_all():
    alone, both = tiny(), tiny(conditional=True)
    assert alone.player_names == ("generator",)
    assert len(alone.weights_of("generator")) == 4
    assert both.player_names == ("generator", "critic")
    for player in both.player_names:
        assert [id(w) for w in both.weights_of(player)] == [id(w) for w in getattr(both, player).trainable_variables]
    compiled(both)
    assert list(both.optimizers) == ["generator", "critic"]


# ---- options and columns


def test_options_become_attributes_and_an_unknown_one_names_the_nearest():
    model = tiny(rate=0.25)
    assert (model.units, model.rate, model.conditional) == (2, 0.25, False)
    with pytest.raises(UserError, match="unknown option of Tiny 'unit'; did you mean 'units'"):
        tiny(unit=3)
    with pytest.raises(UserError, match="unknown option of model dcgan 'base_chanels'; did you mean 'base_channels'"):
        zoo.create("dcgan", columns={"image": (8, 8, 1)}, base_chanels=3)


def test_what_a_paper_fixes_is_an_attribute_and_no_option():
    model = zoo.create("sngan", columns={"image": (8, 8, 1)}, **zoo.declared("sngan").smallest)
    assert model.normalization == "spectral"
    with pytest.raises(UserError, match="unknown option of model sngan 'normalization'"):
        zoo.create("sngan", columns={"image": (8, 8, 1)}, normalization="batch")


def test_only_the_columns_that_are_read_are_kept():
    assert list(tiny().columns) == ["image"]
    assert list(tiny(conditional=True).columns) == ["image", "label"]
    assert tiny(conditional=True).columns["label"].classes == 4


def test_a_column_that_is_missing_or_of_another_kind_is_refused():
    with pytest.raises(UserError, match="Tiny reads a column 'image' of kind point or latent"):
        Tiny(columns={"label": 4})
    with pytest.raises(UserError, match="Tiny reads a column 'label' of kind class"):
        Tiny(columns={"image": (2,)}, conditional=True)
    with pytest.raises(UserError, match="Tiny reads 'image' of kind point or latent, not image"):
        Tiny(columns={"image": (8, 8, 1)})


def test_a_model_comes_back_from_its_configuration_by_way_of_json():
    label = TensorSpec("label", (), "condition", "class", low=0, high=2, names=("a", "b", "c"))
    columns = {"image": (8, 8, 3), "label": label}
    model = zoo.create("acgan", columns=columns, latent_dim=5, base_channels=2, class_weight=0.25)
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    assert again.columns == model.columns
    assert again.columns["label"].names == ("a", "b", "c")
    assert again.maps["generate"].spec == model.maps["generate"].spec
    assert (again.latent_dim, again.class_weight, again.latent) == (5, 0.25, "normal")
    assert [w.shape for w in again.variables] == [w.shape for w in model.variables]


# ---- noise


def test_a_name_drawn_twice_in_a_traced_step_is_refused():
    model = tiny()

    @tf.function(autograph=False)
    def twice(name):
        return model.noise((4, 3), "normal", "z") - model.noise((4, 3), "normal", name)

    with pytest.raises(UserError, match="^noise called 'z' is drawn twice in one step, .*: name it anew$"):
        twice("z")
    assert np.abs(twice("other")).min() > 0


def test_the_refusal_of_a_name_drawn_twice_reaches_those_who_call_fit():
    model = compiled(tiny())
    step = model.train_step
    model.train_step = lambda data: step(data) | step(data)
    with pytest.raises(UserError, match="noise called 'z' is drawn twice"):
        model.fit({"image": np.zeros((4, 2), np.float32)}, batch_size=2, verbose=0)


def test_two_models_may_use_one_name_in_a_step():
    one, other = tiny(), tiny()

    @tf.function(autograph=False)
    def both():
        return one.noise((4,), "normal", "z"), other.noise((4,), "normal", "z")

    np.testing.assert_array_equal(*both())


def test_in_two_steps_a_name_gives_two_noises():
    """Once in two calls, once in two turns of a compiled loop, as the trainer has it."""
    model = tiny()

    @tf.function
    def steps(count):
        rows = tf.TensorArray(tf.float32, size=count)
        for index in tf.range(count):
            rows = rows.write(index, model.noise((3,), "uniform", "z"))
            model.step.assign_add(1)
        return rows.stack()

    drawn = np.concatenate([steps(tf.constant(2)), steps(tf.constant(2))])
    assert len(np.unique(drawn)) == 12
    model.step.assign(1)
    np.testing.assert_array_equal(steps(tf.constant(1))[0], drawn[1])


def test_noise_follows_from_seed_attempt_step_and_name_alone():
    def drawn(seed=3, attempt=0, step=5, name="z"):
        model = tiny()
        model.noise_key.assign([seed, attempt])
        model.step.assign(step)
        return tuple(model.noise((2, 3), "normal", name).numpy().ravel().tolist())

    other = [drawn(seed=4), drawn(attempt=1), drawn(step=6), drawn(name="y"), drawn(seed=4, step=4)]
    assert drawn() == drawn()
    assert len({drawn(), *other}) == 6


def test_noise_has_the_law_that_was_asked_for():
    model = tiny()
    normal = model.noise((10_000,), "normal", "a").numpy()
    assert (normal.mean(), normal.std()) == (pytest.approx(0, abs=0.05), pytest.approx(1, abs=0.03))
    assert (normal**4).mean() == pytest.approx(3, abs=0.3)
    uniform = model.noise((10_000,), "uniform", "b", -2.0, 4.0).numpy()
    assert (uniform.mean(), uniform.std()) == (pytest.approx(1, abs=0.1), pytest.approx(6 / 12**0.5, abs=0.05))
    assert -2 <= uniform.min() < -1.99 < 3.99 < uniform.max() < 4


def test_the_noise_of_a_map_is_that_of_its_spec():
    model = tiny()
    u = TensorSpec("u", (2, 2), "uniform", low=-1.0, high=3.0)
    model.maps["generate"] = Map(model.generator, MapSpec((Z, u, LABEL), (POINT,)))
    drawn = model.draw("generate", 500, "first")
    assert {name: values.shape for name, values in drawn.items()} == {"z": (500, 3), "u": (500, 2, 2)}
    np.testing.assert_array_equal(drawn["z"], model.noise((500, 3), "normal", "first/z"))
    np.testing.assert_array_equal(drawn["u"], model.noise((500, 2, 2), "uniform", "first/u", -1.0, 3.0))


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_two_replicas_draw_what_one_device_draws(mirrored, law):
    with mirrored.scope():
        model = tiny()
    model.step.assign(7)

    @tf.function(autograph=False)
    def draw():
        return model.noise((2, 3), law, "part"), model.noise((2, 3), law, "whole", whole=True)

    part, whole = (mirrored.experimental_local_results(values) for values in mirrored.run(draw))
    one = tiny()
    one.step.assign(7)
    np.testing.assert_array_equal(np.concatenate(part), one.noise((4, 3), law, "part"))
    for values in whole:
        np.testing.assert_array_equal(values, one.noise((2, 3), law, "whole", whole=True))


def test_on_two_replicas_a_name_drawn_twice_is_refused_too(mirrored):
    with mirrored.scope():
        model = tiny()

    @tf.function(autograph=False)
    def draw():
        return mirrored.run(lambda: model.noise((2,), "normal", "z") + model.noise((2,), "normal", "z"))

    with pytest.raises(UserError, match="noise called 'z' is drawn twice"):
        draw()


# ---- conditions


ATTRIBUTES = TensorSpec("attributes", (2,), "condition", "attributes")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([LABEL], []),  # classes come in turn
        ([ATTRIBUTES], ["attributes"]),
        ([LABEL, ATTRIBUTES], ["label", "attributes"]),  # both from the same rows
        ([TensorSpec("mask", (2,), "condition", "mask")], []),  # no column
        ([], []),
    ],
    ids=["class", "attributes", "both", "no column", "none"],
)
def test_conditions_come_from_the_data_unless_all_are_classes(conditions, expected):
    model = tiny()
    model.maps["generate"] = Map(model.generator, MapSpec((Z, *conditions), (POINT,)))
    rows = {"image": np.zeros((3, 2)), "label": np.arange(3), "attributes": np.eye(3, 2)}
    given = model.conditions("generate", rows)
    assert list(given) == expected
    for name, values in given.items():
        np.testing.assert_array_equal(values, rows[name])


# ---- training


def test_fit_counts_the_steps_and_draws_anew_in_each():
    model, drawn = compiled(tiny()), []
    counted = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: drawn.append(logs["loss"]))
    model.generator.layers[-1].kernel.assign(tf.ones((3, 2)))
    model.optimizers["generator"].learning_rate = 0.0
    model.fit({"image": np.zeros((6, 2), np.float32)}, batch_size=2, epochs=2, verbose=0, callbacks=[counted])
    assert int(model.step) == 6
    assert len(set(drawn)) == 6


def test_an_update_goes_down_the_mean_gradient_of_all_terms():
    """Of |w|^2 / 2 and 3 sum(w) the gradient is w + 3."""
    model = compiled(tiny())
    kernel = model.generator.layers[-1].kernel
    kernel.assign(np.arange(6.0).reshape(3, 2))
    terms = []
    for loss in (lambda: tf.reduce_sum(kernel.value**2) / 2, lambda: 3 * tf.reduce_sum(kernel.value)):
        with tf.GradientTape() as tape:
            value = loss()
        terms.append((tape, value))
    before = kernel.numpy()
    model.update("generator", *terms)
    np.testing.assert_allclose(kernel, before - 0.1 * (before + 3), rtol=1e-6)


def test_on_two_replicas_an_update_goes_down_the_mean_of_theirs(mirrored):
    """The losses are sum(w) and 5 sum(w): their mean has the gradient 3."""
    with mirrored.scope():
        model = compiled(tiny())
    kernel = model.generator.layers[-1].kernel
    kernel.assign(np.arange(6.0).reshape(3, 2))

    @tf.function(autograph=False)
    def step():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            loss = (1.0 + 4.0 * tf.cast(replica, tf.float32)) * tf.reduce_sum(kernel.value)
        model.update("generator", (tape, loss))

    mirrored.run(step)
    for copy in mirrored.experimental_local_results(kernel.value):
        np.testing.assert_allclose(copy, np.arange(6.0).reshape(3, 2) - 0.1 * 3, rtol=1e-6)
