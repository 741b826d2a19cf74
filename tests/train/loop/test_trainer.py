"""The loop's own promises: NaN policy, averaging, precision, replicas."""

import json

import numpy as np
import pytest
import tensorflow as tf
from shared import assert_same_state, checkpoint, metrics, tiny_config, trained, trainer

from train.loop.trainer import MAX_RETRIES
from train.rundir import restore
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
        self.b.assign(tf.where((now + 1 == 4) & (attempt < 1), float("inf"), self.b))
        return logs

    monkeypatch.setattr(NADE, "train_step", broken)
    made = trained(tiny_config("nade", train_steps=8, checkpoint_every=4), tmp_path)
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert np.isfinite(checkpoint(tmp_path, 4)["weights/2/.ATTRIBUTES/VARIABLE_VALUE"]).all()


def test_samples_come_from_the_averaged_generator(tmp_path):
    made = trained(tiny_config("dcgan", ema=0.9), tmp_path)
    raw = [weight.numpy() for weight in made.ema.weights]
    with made.ema.applied():
        averaged = [weight.numpy() for weight in made.ema.weights]
    assert all(not np.array_equal(a, b) for a, b in zip(raw, averaged, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(raw, (w.numpy() for w in made.ema.weights), strict=True))


def test_the_average_is_the_textbook_recurrence():
    import keras

    from train.engine.averaging import MovingAverage

    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.set_weights([np.ones((1, 1))])
    ema, expected = MovingAverage(network, 0.5), 1.0
    for step in range(1, 8):
        network.set_weights([np.full((1, 1), float(step))])
        ema.update(tf.constant(step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    np.testing.assert_allclose(ema.shadows[0].numpy(), expected, rtol=1e-6)


def test_no_averaging_exports_the_weights_themselves(tmp_path):
    made = trained(tiny_config("nade", ema=0.0), tmp_path)
    with made.ema.applied():
        np.testing.assert_array_equal(
            made.model.W.numpy(), checkpoint(tmp_path, 4)["weights/0/.ATTRIBUTES/VARIABLE_VALUE"]
        )


def test_the_size_of_a_call_changes_nothing(tmp_path):
    trained(tiny_config("dcgan", steps_per_call=1), tmp_path / "one")
    trained(tiny_config("dcgan", steps_per_call=4), tmp_path / "four")
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
    assert max(manifest.parity["largest_difference_from_keras"].values()) < 1e-5
    assert serving.Generator(tmp_path / "bundle").sample(2).shape == (2, 8, 8, 1)


def test_xla_in_the_trainer(tmp_path):
    assert trained(tiny_config("nade", jit="true"), tmp_path).step == 4


def test_xla_on_several_replicas_is_refused(mirrored, tmp_path):
    with pytest.raises(UserError, match="jit=true does not work on 2 replicas"):
        trainer(tiny_config("nade", jit="true"), tmp_path, mirrored)


def test_a_batch_that_does_not_divide_is_refused(mirrored, tmp_path):
    with pytest.raises(UserError, match="batch_size=5 does not divide over 2 replicas"):
        trainer(tiny_config("nade", batch_size=5), tmp_path, mirrored)


def test_latents_differ_between_replicas_and_are_those_of_one_device(mirrored):
    def latents(strategy, batch):
        import keras

        with strategy.scope():
            made = NADE(sample_shape=(2, 2, 1), hidden_units=2)
            made.compile(nade=keras.optimizers.SGD(0.1))
        values = strategy.run(tf.function(lambda: made.noise((batch, 3), "normal", draw=0)))
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
    from PIL import Image

    def picture(name):
        Image.new("L", (8, 8)).save(tmp_path / "pictures" / name)

    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    picture("1.png")
    settings = tiny_config("nade", **{"data.name": f"folder:{tmp_path / 'pictures'}"})
    trained(settings, tmp_path / "run")
    trainer(settings, tmp_path / "run")
    picture("2.png")
    with pytest.raises(UserError, match=r"changed since .*model.json"):
        trainer(settings, tmp_path / "run")


def test_a_run_from_before_an_option_of_its_model_goes_on(tmp_path):
    trained(tiny_config("pacgan", **{"model.generator_updates": 1}), tmp_path)
    text = json.loads((tmp_path / "model.json").read_text())
    del text["arguments"]["generator_updates"]
    (tmp_path / "model.json").write_text(json.dumps(text))
    assert restore.load(tmp_path)[1].generator_updates == 1
    longer = trained(tiny_config("pacgan", train_steps=6, **{"model.generator_updates": 1}), tmp_path)
    assert longer.step == 6
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(UserError, match=r"model.json is corrupt"):
        trainer(longer.config, tmp_path)


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
