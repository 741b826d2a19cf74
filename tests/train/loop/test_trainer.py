"""The loop's own promises: NaN policy, averaging, precision, replicas."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from shared import assert_same_state, checkpoint, metrics, tiny_config, trained, trainer

import train.data
from train import config
from train.engine import backend, strategies
from train.loop.trainer import MAX_RETRIES
from train.rundir import examples, pictures, restore
from zoo import images, media, noise
from zoo.autoregressive.nade import NADE
from zoo.shared.errors import UserError


def break_at(monkeypatch, step, attempts):
    """Make NADE's loss NaN at one step, as long as fewer than `attempts` other noises were tried."""
    train_step = NADE.train_step

    def broken(self, data):
        now, attempt = self.step, self.noise_key[1]
        logs = train_step(self, data)
        is_bad = (now + 1 == step) & (attempt < attempts)
        return {**logs, "loss": tf.where(is_bad, float("nan"), logs["loss"])}

    monkeypatch.setattr(NADE, "train_step", broken)


@pytest.mark.parametrize("attempts", [1, MAX_RETRIES])
def test_a_nan_rolls_back_and_goes_on_with_other_noise(monkeypatch, tmp_path, caplog, attempts):
    break_at(monkeypatch, step=6, attempts=attempts)
    made = trained(tiny_config("nade", train_steps=8, checkpoint_every=4), tmp_path)
    assert f"loss became nan at step 6; retry {attempts} of {MAX_RETRIES}" in caplog.text
    assert made.model.noise_key.numpy().tolist() == [0, attempts]
    assert [line["step"] for line in metrics(tmp_path)] == [2, 4, 6, 8]
    assert all(np.isfinite(list(line.values())).all() for line in metrics(tmp_path))


def test_a_nan_that_stays_stops_the_run_and_names_loss_and_step(monkeypatch, tmp_path):
    break_at(monkeypatch, step=6, attempts=MAX_RETRIES + 1)
    with pytest.raises(UserError, match=f"loss became nan at step 6; gave up after {MAX_RETRIES} retries"):
        trainer(tiny_config("nade", train_steps=8, checkpoint_every=4), tmp_path).run()
    assert checkpoint(tmp_path, 4)


def test_failures_ever_later_from_one_checkpoint_are_counted_together(monkeypatch, tmp_path):
    """Each attempt breaks one call later than the one before: still only three retries."""
    train_step = NADE.train_step

    def broken(self, data):
        now, attempt = self.step, self.noise_key[1]
        logs = train_step(self, data)
        return {**logs, "loss": tf.where(now + 1 == 2 * (attempt + 1), float("nan"), logs["loss"])}

    monkeypatch.setattr(NADE, "train_step", broken)
    with pytest.raises(UserError, match=f"at step 8; gave up after {MAX_RETRIES} retries"):
        trainer(tiny_config("nade", train_steps=20, checkpoint_every=20), tmp_path).run()


def test_a_nan_in_the_first_call_rolls_back_to_the_start(monkeypatch, tmp_path):
    break_at(monkeypatch, step=1, attempts=1)
    assert trained(tiny_config("nade"), tmp_path).step == 4


def test_weights_that_break_after_the_last_loss_are_not_saved(monkeypatch, tmp_path):
    train_step = NADE.train_step

    def broken(self, data):
        now, attempt = self.step, self.noise_key[1]
        logs = train_step(self, data)
        b = self.conditionals.b
        b.assign(tf.where((now + 1 == 4) & (attempt < 1), float("inf"), b))
        return logs

    monkeypatch.setattr(NADE, "train_step", broken)
    made = trained(tiny_config("nade", train_steps=8, checkpoint_every=4), tmp_path)
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert np.isfinite(checkpoint(tmp_path, 4)["weights/2/.ATTRIBUTES/VARIABLE_VALUE"]).all()


def test_samples_come_from_the_averaged_generator(tmp_path):
    made = trained(tiny_config("dcgan", ema=0.9), tmp_path)
    inputs = noise.fill(made.model.maps["generate"].spec, 4, seed=0)
    raw = made.run_map("generate", inputs)["image"]
    with made.averages.applied():
        averaged = made.run_map("generate", inputs)["image"]
    assert np.abs(raw - averaged).max() > 1e-4
    np.testing.assert_array_equal(made.run_map("generate", inputs)["image"], raw)
    drawn = (tmp_path / "samples" / "00000004.png").read_bytes()
    assert drawn == images.encode_png(images.grid(images.to_uint8(averaged)))


def test_no_averaging_exports_the_weights_themselves(tmp_path):
    made = trained(tiny_config("nade", ema=0.0), tmp_path)
    with made.averages.applied():
        np.testing.assert_array_equal(
            made.model.conditionals.W.numpy(), checkpoint(tmp_path, 4)["weights/0/.ATTRIBUTES/VARIABLE_VALUE"]
        )


def test_the_size_of_a_call_changes_nothing(tmp_path):
    trained(tiny_config("dcgan", log_every=1), tmp_path / "one")
    trained(tiny_config("dcgan", log_every=4), tmp_path / "four")
    assert_same_state(checkpoint(tmp_path / "one", 4), checkpoint(tmp_path / "four", 4))


def test_another_seed_is_another_run(tmp_path):
    trained(tiny_config("dcgan"), tmp_path / "0")
    trained(tiny_config("dcgan", seed=1), tmp_path / "1")
    first, second = (checkpoint(tmp_path / seed, 4) for seed in "01")
    kernels = [name for name in first if name.startswith("weights") and first[name].ndim > 1]
    assert kernels
    assert not any(np.array_equal(first[name], second[name]) for name in kernels)


def test_bfloat16_trains_and_is_exported_in_float32(tmp_path):
    import serving
    from export import build

    made = trained(tiny_config("dcgan", precision="mixed_bfloat16"), tmp_path / "run")
    assert made.model.generator.layers[1].compute_dtype == "bfloat16"
    manifest = build.build(tmp_path / "run", tmp_path / "bundle")
    assert manifest.recipe["precision"] == "mixed_bfloat16"
    # bfloat16 rounds to 2^-8: agreement this close shows float32 at work
    assert max(manifest.parity["generate"]["largest_difference_from_keras"].values()) < 1e-5
    assert serving.Generator(tmp_path / "bundle").sample(2).shape == (2, 8, 8, 1)


def test_xla_in_the_trainer(tmp_path):
    assert trained(tiny_config("nade", jit="true"), tmp_path).step == 4


def test_what_xla_refuses_on_a_gpu_runs_without(tmp_path, monkeypatch, caplog):
    """TensorFlow sees no GPU here: it is told that there is one."""
    trained(tiny_config("nade"), tmp_path / "plain")
    own = NADE.train_step

    def refused(self, data):
        return {
            name: tf.ensure_shape(tf.py_function(lambda x: x, [x], x.dtype), ()) for name, x in own(self, data).items()
        }

    monkeypatch.setattr(NADE, "train_step", refused)
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    monkeypatch.setattr(strategies, "device_of_data", lambda strategy: "CPU:0")
    trained(tiny_config("nade"), tmp_path / "refused")
    assert_same_state(checkpoint(tmp_path / "refused", 4), checkpoint(tmp_path / "plain", 4))
    assert [record.getMessage() for record in caplog.records if "XLA" in record.getMessage()] == [
        "XLA does not compile this step (it has no kernel for EagerPyFunc): it runs without, and slower"
    ]


@pytest.mark.parametrize("model", ["dcgan", "progressive"])
def test_a_run_whose_data_lie_on_the_device_ends_in_the_same_bits(model, tmp_path, monkeypatch, capfd):
    settings = tiny_config(model, **{"data.flip": True})
    trained(settings, tmp_path / "host")
    assert "on the device" not in capfd.readouterr().err
    monkeypatch.setattr(strategies, "device_of_data", lambda strategy: "CPU:0")
    trained(settings, tmp_path / "device")
    assert "on the device: image (0 MiB)" in capfd.readouterr().err
    assert_same_state(checkpoint(tmp_path / "device", 4), checkpoint(tmp_path / "host", 4))


def test_xla_on_several_replicas_is_refused(mirrored, tmp_path):
    with pytest.raises(UserError, match="jit=true compiles the step of one device"):
        trainer(tiny_config("nade", jit="true"), tmp_path, mirrored)


def test_a_batch_that_does_not_divide_is_refused(mirrored, tmp_path):
    with pytest.raises(UserError, match="batch_size=5 does not divide over 2 devices"):
        trainer(tiny_config("nade", batch_size=5), tmp_path, mirrored)


def test_latents_differ_between_replicas_and_are_those_of_one_device(mirrored):
    def latents(strategy, batch):
        with strategy.scope():
            made = NADE(columns={"image": (2, 2, 1)}, hidden_units=2)
            made.compile(nade=keras.optimizers.SGD(0.1))
        values = strategy.run(tf.function(lambda: made.noise((batch, 3), "normal", "z")))
        return [value.numpy() for value in strategy.experimental_local_results(values)]

    first, second = latents(mirrored, 2)
    assert not np.array_equal(first, second)
    (whole,) = latents(tf.distribute.get_strategy(), 4)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


def test_batch_norm_statistics_are_the_same_on_every_replica(mirrored, tmp_path):
    made = trained(tiny_config("dcgan"), tmp_path, mirrored)
    statistics = [weight for weight in made.model.variables if "moving" in weight.path]
    assert statistics
    for weight in statistics:
        first, second = (value.numpy() for value in mirrored.experimental_local_results(weight.value))
        np.testing.assert_array_equal(first, second)


def test_changed_data_under_an_old_run_is_refused(tmp_path, monkeypatch):
    def picture(name):
        (tmp_path / "pictures" / name).write_bytes(images.encode_png(np.zeros((8, 8, 1), np.uint8)))

    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    picture("1.png")
    settings = tiny_config("nade", **{"data.name": f"folder:{tmp_path / 'pictures'}"})
    trained(settings, tmp_path / "run")
    trainer(settings, tmp_path / "run")
    picture("2.png")
    with pytest.raises(UserError, match=r"changed since .*model.json"):
        trainer(settings, tmp_path / "run")


def test_a_run_from_before_the_cache_handed_over_digests_goes_on(tmp_path, monkeypatch):
    """Its model.json holds the SHA-256 of all rows."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    for level in range(6):
        picture = np.full((8, 8, 1), 40 * level, np.uint8)
        (tmp_path / "pictures" / f"{level}.png").write_bytes(images.encode_png(picture))
    settings = tiny_config("nade", **{"data.name": f"folder:{tmp_path / 'pictures'}"})
    made = trained(settings, tmp_path / "run")
    (table,) = made.batches.source
    path = tmp_path / "run" / "model.json"
    assert json.loads(path.read_text())["data"] == table.fingerprint() != table.fingerprint(in_full=True)
    old = path.read_text().replace(table.fingerprint(), table.fingerprint(in_full=True))
    path.write_text(old)
    trainer(settings, tmp_path / "run")
    assert path.read_text() == old, "the checkpoints know its SHA-256"
    path.write_text(old.replace(table.fingerprint(in_full=True), "0" * 64))
    with pytest.raises(UserError, match=r"changed since .*model.json"):
        trainer(settings, tmp_path / "run")


def test_another_or_a_damaged_model_json_is_refused(tmp_path):
    made = trained(tiny_config("nade"), tmp_path)
    whole = json.loads((tmp_path / "model.json").read_text())
    assert whole == {
        "arguments": {"columns": {"image": made.model.columns["image"].to_json()}, "hidden_units": 5},
        "data": made.batches.source[0].fingerprint(),
    }
    (tmp_path / "model.json").write_text(json.dumps({**whole, "data": "0"}))
    with pytest.raises(UserError, match=r"the data or the model changed since .*model.json was written"):
        trainer(made.config, tmp_path)
    for text in ("{}", "[]", "{", json.dumps({**whole, "arguments": {"columns": 3}})):
        (tmp_path / "model.json").write_text(text)
        for read in (lambda: trainer(made.config, tmp_path), lambda: restore.load(tmp_path)):
            with pytest.raises(UserError, match=r"model.json is corrupt"):
                read()


def test_what_cannot_be_written_is_one_line_and_the_checkpoints_stay(tmp_path, monkeypatch):
    made = trainer(tiny_config("nade"), tmp_path)
    made._resume()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.shared.files.os.replace", full)
    with pytest.raises(UserError, match="No space left on device; the checkpoints are intact"):
        made.draw_samples()
    assert made.checkpoints.steps() == [0]


def test_a_run_can_be_made_longer(tmp_path):
    trained(tiny_config("nade", train_steps=2), tmp_path / "run")
    trained(tiny_config("nade", train_steps=4), tmp_path / "run")
    trained(tiny_config("nade", train_steps=4), tmp_path / "whole")
    assert_same_state(checkpoint(tmp_path / "run", 4), checkpoint(tmp_path / "whole", 4))


def test_weights_that_break_between_two_checkpoints_are_not_drawn(monkeypatch, tmp_path, caplog):
    """The step of a sheet is none of a checkpoint: the run goes back to the one before."""
    train_step = NADE.train_step

    def broken(self, data):
        now, attempt = self.step, self.noise_key[1]
        logs = train_step(self, data)
        b = self.conditionals.b
        b.assign(tf.where((now + 1 == 2) & (attempt < 1), float("nan"), b))
        return logs

    monkeypatch.setattr(NADE, "train_step", broken)
    made = trained(tiny_config("nade", checkpoint_every=4, sample_every=2), tmp_path)
    assert "became NaN or infinite by step 2; retry 1 of 3" in caplog.text
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert [step for step, _ in sorted(pictures.steps_drawn(tmp_path))] == [0, 2, 4]


def test_a_retried_run_that_is_interrupted_goes_on_with_the_noise_that_it_took(monkeypatch, tmp_path):
    break_at(monkeypatch, step=3, attempts=1)
    trained(tiny_config("nade", train_steps=8), tmp_path / "whole")
    trained(tiny_config("nade", train_steps=6), tmp_path / "parts")
    made = trained(tiny_config("nade", train_steps=8), tmp_path / "parts")
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert_same_state(checkpoint(tmp_path / "parts", 8), checkpoint(tmp_path / "whole", 8))


def test_examples_are_held_out_rows_written_at_step_0_and_read_afterwards(tmp_path, monkeypatch):
    settings = tiny_config("pix2pix", train_steps=2)
    trainer(settings, tmp_path)
    before = (tmp_path / "examples.npz").read_bytes()
    made = examples.read(tmp_path, {"translate": None})["translate"]
    (held_out,) = train.data.load(settings.data, "test")
    rows = held_out.derive(held_out.stored(["image", "input"], slice(16)), ["image", "input"])
    np.testing.assert_array_equal(images.to_uint8(made["input"]), rows["input"])
    np.testing.assert_array_equal(images.to_uint8(made["translated"]), rows["image"])
    trained(settings, tmp_path)

    def refused(section, split):
        assert split == "train", "the examples lie in the run"
        return (held_out,) if split == "test" else load(section, split)

    load = train.data.load
    monkeypatch.setattr(train.data, "load", refused)
    again = trained(tiny_config("pix2pix"), tmp_path)
    assert again.examples["translate"].keys() == made.keys()
    assert (tmp_path / "examples.npz").read_bytes() == before


def test_data_without_a_held_out_row_have_examples_of_the_train_split(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    (tmp_path / "pictures" / "1.png").write_bytes(images.encode_png(picture))
    made = trained(tiny_config("pix2pix", **{"data.name": f"grey:folder:{tmp_path / 'pictures'}"}), tmp_path / "run")
    assert "no data are held out" in caplog.text
    np.testing.assert_array_equal(images.to_uint8(made.examples["translate"]["translated"]), picture[None])


def test_every_map_that_can_be_shown_has_its_sheets(tmp_path):
    made = trained(tiny_config("vae"), tmp_path)
    drawn = {path.relative_to(tmp_path / "samples").as_posix() for _, path in pictures.steps_drawn(tmp_path)}
    steps = ("00000000.png", "00000004.png")
    assert drawn == {*steps, *(f"reconstruct/{name}" for name in steps)}
    given = made.examples["reconstruct"]
    with made.averages.applied():
        remade = made.run_map("reconstruct", {"image": given["image"]})["reconstruction"]
    blank = np.full((16, 8, 1, 1), 128, np.uint8)
    sheet = images.grid(np.concatenate([images.to_uint8(given["image"]), blank, images.to_uint8(remade)], axis=2))
    assert (tmp_path / "samples" / "reconstruct" / "00000004.png").read_bytes() == images.encode_png(sheet)
    assert given.keys() == {"image"}, "which is the target, too"


@pytest.mark.parametrize(("model", "ending"), [("video_pixel_network", ".gif"), ("wavenet", ".wav")])
def test_what_plays_lies_beside_its_sheet(tmp_path, model, ending):
    made = trained(tiny_config(model, train_steps=2), tmp_path)
    drawn = {path.relative_to(tmp_path / "samples").as_posix() for _, path in pictures.steps_drawn(tmp_path)}
    stems = ("00000000", "00000002", "continue/00000000", "continue/00000002")
    assert drawn == {f"{stem}{kind}" for stem in stems for kind in (".png", ending)}
    for name, place, count in (("generate", "", 4), ("continue", "continue", 16)):
        spec = made.model.maps[name].spec
        given = {key: rows for key, rows in made.examples[name].items() if key in [t.name for t in spec.conditions]}
        with made.averages.applied():
            values = made.run_map(name, noise.fill(spec, count, seed=0, given=given))[spec.output.name]
        assert (tmp_path / "samples" / place / f"00000002{ending}").read_bytes() == media.played(spec.output, values)
    with Image.open(tmp_path / pictures.ANIMATION) as animation:
        assert animation.n_frames == 2, "of sheets alone"


@pytest.mark.parametrize("model", ["vae", "video_pixel_network"])
def test_sheets_beyond_a_rollback_are_removed_for_every_map(tmp_path, model):
    trained(tiny_config(model, sample_every=2), tmp_path)
    for step in (2, 4):
        (tmp_path / "checkpoints" / f"{step:08d}" / "state.index").write_bytes(b"")
    before = pictures.steps_drawn(tmp_path)
    made = trainer(tiny_config(model, sample_every=2), tmp_path)
    made._resume()
    assert made.step == 0
    assert pictures.steps_drawn(tmp_path) == [(step, path) for step, path in before if step == 0]
    left = [path for path in (tmp_path / "samples").rglob("*") if path.is_file()]
    assert {path.stem for path in left} == {"00000000"} and len(left) == len(before) / 3


OWN_MODEL = """
import keras
import tensorflow as tf

from zoo.model import GenerativeModel, Map
from zoo.spec import MapSpec, TensorSpec


class Own(GenerativeModel):
    options = {"width": 4}
    reads = {"image": ("image",)}
    players = ("own",)

    def __init__(self, **config):
        super().__init__(**config)
        shape = self.columns["image"].shape
        z = keras.Input((self.width,), name="z")
        x = keras.layers.Dense(shape[0] * shape[1] * shape[2], "tanh")(z)
        self.network = keras.Model({"z": z}, {"image": keras.layers.Reshape(shape)(x)})
        spec = MapSpec((TensorSpec("z", (self.width,), "normal"),), (TensorSpec("image", shape, "output", "image"),))
        self.maps = {"generate": Map(self.network, spec)}

    def train_step(self, data):
        z = self.draw("generate", tf.shape(data["image"])[0], "z")
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.network(z, training=True)["image"] - data["image"]))
        self.update("own", (tape, loss))
        return {"loss": loss}
"""


def test_a_model_of_one_s_own_trains_resumes_is_judged_and_exported(tmp_path, monkeypatch):
    import serving
    from export import build
    from train.check import check
    from train.evaluate import makers

    (tmp_path / "own.py").write_text(OWN_MODEL)
    name = f"{tmp_path / 'own.py'}:Own"

    def settings(steps):
        made = config.load("nade_digits", [f"--config.model.name={name}"])
        made.update(train_steps=steps, batch_size=4, log_every=2, checkpoint_every=2, sample_every=4, ema=0.9)
        check(made)
        return made

    trained(settings(2), tmp_path / "run")
    longer = trained(settings(4), tmp_path / "run")
    whole = trained(settings(4), tmp_path / "whole")
    assert_same_state(checkpoint(tmp_path / "run", 4), checkpoint(tmp_path / "whole", 4))
    assert longer.model.width == whole.model.width == 4
    maker = makers.create(str(tmp_path / "run"))
    manifest = build.build(tmp_path / "run", tmp_path / "bundle")
    assert manifest.model == "own.py:Own"
    made = serving.Generator(tmp_path / "bundle").sample(5, seed=3).astype(int)
    assert np.abs(made - maker.samples("generate", 5, 3)).max() <= 1


@pytest.mark.parametrize(("binarize", "is_warned"), [("none", True), ("dynamic", False)])
def test_a_likelihood_of_bits_on_grey_pictures_is_warned_of(binarize, is_warned, tmp_path, caplog):
    trainer(tiny_config("nade", **{"data.binarize": binarize}), tmp_path)
    assert ("the likelihood is of pictures of 2 levels and the data have more" in caplog.text) == is_warned
