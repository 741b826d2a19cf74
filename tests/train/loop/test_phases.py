"""Training in phases: what each has of its own, and that no border between two leaves a trace of the wrong one."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from shared import TWO_PARTS, assert_same_state, checkpoint, metrics, tiny_config, trained, trainer

import zoo
from export import build
from train import config
from train.check import check
from train.engine import phases
from train.evaluate import makers
from train.loop.trainer import Trainer
from train.rundir import pictures, restore
from zoo import noise
from zoo.shared.errors import UserError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The name of a model that is cheap to trace, in a file."""
    path = tmp_path_factory.mktemp("model") / "two_parts.py"
    path.write_text(TWO_PARTS)
    return f"{path}:TwoParts"


def two_parts(model, **changes):
    """Return a run of it: part 0 for 4 steps, then part 1 for 2.

    Batches have one size: at another, TensorFlow traces a step anew by itself.
    """
    made = config.load("nade_digits", [f"--config.model.name={model}"])
    made.update(train_steps=6, batch_size=4, log_every=2, checkpoint_every=2, sample_every=2, sample_count=4)
    made.update(ema=0.9, keep_checkpoints=9)
    made.data.binarize = "none"
    made.optimizers.network = config.adam(0.01, beta_1=0.0, beta_2=0.99)
    made.phases = {"first": config.phase(0, part=0), "second": config.phase(4, part=1)}
    made.update_from_flattened_dict(changes)
    check(made)
    return made


def kernels(workdir, step):
    """Return the kernel and the bias of each part in a checkpoint."""
    state = checkpoint(workdir, step)
    values = [state[f"weights/{number}/.ATTRIBUTES/VARIABLE_VALUE"] for number in range(4)]
    return values[:2], values[2:]


def eagerly(made):
    """Return what the averaged map of a trainer makes for its sheet, traced by nobody."""
    inputs = noise.fill(made.model.maps["generate"].spec, 4, 0)
    with made.averages.applied():
        return made.model.maps["generate"](inputs)["image"].numpy()


# ---- arithmetic


def test_a_step_belongs_to_the_phase_that_began_last():
    settings = tiny_config("progressive", batch_size=8, train_steps=100)
    settings.phases.p4.batch_size, settings.phases.p8.start = 12, 7
    found = phases.of(settings)
    assert [(p.name, p.start, p.end, p.batch_size, p.rows) for p in found] == [
        ("p4", 0, 2, 12, 0),
        ("fade8", 2, 7, 8, 24),
        ("p8", 7, None, 8, 24 + 40),
    ]
    assert [phases.at(found, step).name for step in (0, 1, 2, 6, 7, 10**9)] == [
        *("p4", "p4", "fade8", "fade8", "p8", "p8")
    ]
    assert found[1].options == {"side": 8, "fade": True}


def test_a_run_without_phases_is_one():
    (only,) = phases.of(tiny_config("nade"))
    assert (only.name, only.start, only.end, only.batch_size, only.rows) == ("", 0, None, 4, 0)


# ---- what a phase has of its own


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    """A finished run of both parts, its trainer, and what it drew and was measured by: the step, traced, untraced."""
    workdir = tmp_path_factory.mktemp("two_parts") / "run"
    drawn = []
    run_map = Trainer.run_map

    def recorded(self, name, inputs):
        outputs = run_map(self, name, inputs)
        drawn.append((self.step, outputs["image"], self.model.maps[name](inputs)["image"].numpy()))
        return outputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run_map", recorded)
        measured = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 2, "evaluate.count": 8}
        made = trained(two_parts(model, **measured), workdir)
    return workdir, made, drawn


def test_batches_go_on_where_the_phase_before_left_the_data(model, tmp_path):
    """Batches of 4 and then of 6: no row is dropped or seen twice before all were seen."""
    made = trainer(two_parts(model, **{"phases.second.batch_size": 6}), tmp_path)
    seen = [made.batches.indices(step) for step in range(4)]
    made.step = 4
    made._enter()
    seen += [made.batches.indices(step) for step in range(4, 400)]
    assert [len(rows) for rows in seen[2:6]] == [4, 4, 6, 6]
    count = len(made.source[0])
    assert len(set(np.concatenate(seen)[:count].tolist())) == count


def test_the_learning_rate_of_a_phase_is_that_of_every_player(model, tmp_path):
    """That of the second phase is 50 times the section's."""
    settings = two_parts(model, **{"phases.second.learning_rate": 0.5})
    made = trainer(settings, tmp_path)
    rate = made.model.optimizers["network"]._learning_rate
    rates = []
    for step in range(6):
        made.model.step.assign(step)
        rates.append(float(rate(0)))
    np.testing.assert_allclose(rates, [0.01] * 4 + [0.5] * 2)


def test_a_batch_that_a_phase_cannot_part_is_refused_by_its_key(tmp_path, mirrored):
    settings = tiny_config("progressive", **{"phases.p8.batch_size": 3})
    with pytest.raises(UserError, match=r"--config.phases.p8.batch_size=3: progressive divides .* a multiple of 2"):
        trainer(settings, tmp_path)
    with pytest.raises(UserError, match=r"--config.phases.p8.batch_size=3 does not divide over 2 devices"):
        trainer(settings, tmp_path, mirrored)


def test_a_phase_that_the_model_cannot_enter_is_refused_before_the_run_begins(tmp_path):
    settings = tiny_config("progressive", **{"phases.p8.model.side": 16})
    with pytest.raises(UserError, match=r"--config.phases.p8: a phase has side=16: use one of 4, 8, or 0 for 8"):
        trainer(settings, tmp_path)


def test_phases_that_a_short_run_does_not_reach_are_told(tmp_path, caplog):
    trainer(tiny_config("progressive", train_steps=2), tmp_path)
    assert "the run ends at step 2, before the phases fade8, p8" in caplog.text


# ---- four errors that nothing tells of


def test_each_phase_trains_what_is_its_own(run):
    """A step that is not made anew goes on with the phase that it was traced in."""
    workdir, _, _ = run
    start, border, end = (kernels(workdir, step) for step in (0, 4, 6))
    for part, (before, after) in enumerate([(start, border), (border, end)]):
        for own, other in zip(before[part], after[part], strict=True):
            assert not np.array_equal(own, other), "the part of a phase moves"
        for own, other in zip(before[1 - part], after[1 - part], strict=True):
            np.testing.assert_array_equal(own, other, err_msg="the other part stays")


def test_a_sheet_and_a_measurement_are_of_their_phase_at_a_border_of_the_one_that_begins(run):
    """As they are where a run is resumed there; a sampler that is not made anew shows another phase."""
    _, made, drawn = run
    assert [step for step, *_ in drawn] == [0, 0, 2, 2, 4, 4, 6, 6]
    for _, traced, untraced in drawn:
        np.testing.assert_allclose(traced, untraced, atol=1e-6)
    assert made.phase.name == "second"


def test_a_run_comes_back_in_the_phase_of_its_checkpoint(run, model, tmp_path):
    """For evaluation and export, which would show the last part of a run that ended in the first."""
    short = trained(two_parts(model, train_steps=2), tmp_path)
    inputs = noise.fill(short.model.maps["generate"].spec, 4, 0)
    for workdir, made, part in ((tmp_path, short, 0), (run[0], run[1], 1)):
        _, loaded, _ = restore.load(workdir)
        assert loaded.network.part == part
        np.testing.assert_array_equal(loaded.maps["generate"](inputs)["image"], eagerly(made))
    np.testing.assert_allclose(
        makers.create(str(tmp_path)).outputs("generate", 4, 0)["image"], eagerly(short), atol=1e-6
    )


def test_a_bundle_is_of_the_phase_of_its_checkpoint_at_full_size(tmp_path):
    import serving

    made = trained(tiny_config("progressive", train_steps=1), tmp_path / "run")
    assert made.phase.name == "p4"
    build.build(tmp_path / "run", tmp_path / "bundle")
    served = serving.load(tmp_path / "bundle")["generate"](count=4, seed=0)["image"]
    assert served.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(served, served[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_allclose(served, eagerly(made), atol=1e-5)


def test_optimisers_begin_a_phase_as_new_ones(run):
    """Else weights that wake take a step of 10 times the rate: m / sqrt(v) is 1 / sqrt(1 - 0.99) without correction."""
    workdir, _, _ = run
    at_border = {key: value for key, value in checkpoint(workdir, 4).items() if key.startswith("optimizers")}
    assert len(at_border) > 4
    for key, value in at_border.items():
        assert not np.any(value), key
    before, after = kernels(workdir, 4)[1], kernels(workdir, 6)[1]
    largest = max(np.abs(old - new).max() for old, new in zip(before, after, strict=True))
    # of m / sqrt(v) with betas 0 and 0.99, the first is 1 and the second at most sqrt(2)
    assert 0.01 < largest < 0.01 * (1 + 2**0.5) * 1.01


# what sleeps must not be trained on with gradients of 0: see tests/zoo/test_progressive.py


# ---- interruptions


def grows(**changes):
    """Return a run of progressive, saved at each step: 4 px to step 2, a fade to step 4, 8 px to step 6."""
    each = {"log_every": 1, "checkpoint_every": 1, "sample_every": 1, "keep_checkpoints": 9, "train_steps": 6}
    return tiny_config("progressive", **{**each, "phases.p4.batch_size": 6, **changes})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("uninterrupted") / "run"
    trained(grows(), workdir)
    return workdir


@pytest.mark.parametrize("step", [2, 3, *(pytest.param(step, marks=pytest.mark.slow) for step in (0, 1, 4, 5))])
def test_a_run_that_is_interrupted_anywhere_ends_in_the_same_bits(uninterrupted, tmp_path, step):
    """Within each phase, and where one begins; before and after its sheet was drawn."""
    shutil.copytree(uninterrupted, tmp_path / "run")
    for later in range(step + 1, 7):
        shutil.rmtree(tmp_path / "run/checkpoints" / f"{later:08d}")
    pictures.path_of(tmp_path / "run", step).unlink()
    made = trained(grows(), tmp_path / "run")
    assert made.step == 6
    assert_same_state(checkpoint(tmp_path / "run", 6), checkpoint(uninterrupted, 6))
    for kept, path in pictures.steps_drawn(uninterrupted):
        assert path.read_bytes() == pictures.path_of(tmp_path / "run", kept).read_bytes(), f"the sheet of step {kept}"
    lines = [[{**line, "steps_per_second": 0} for line in metrics(run)] for run in (tmp_path / "run", uninterrupted)]
    assert lines[0] == lines[1]


def test_alpha_is_saved_as_the_step_has_it(uninterrupted):
    alphas = [
        next(
            value
            for key, value in checkpoint(uninterrupted, step).items()
            if np.shape(value) == () and "weights" in key
        )
        for step in range(7)
    ]
    assert alphas == [1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 1.0]
    assert ["alpha" in line for line in metrics(uninterrupted)] == [False, False, True, True, False, False]


def test_a_nan_goes_back_into_the_phase_of_the_last_checkpoint(model, tmp_path, monkeypatch):
    """It comes in the second phase, and the checkpoint of step 3 is of the first, whose last step is taken again."""
    own = zoo.model_class(model)
    train_step, traced = own.train_step, []

    def broken(self, data):
        traced.append(self.network.part)
        now, attempt = self.step, self.noise_key[1]
        logs = train_step(self, data)
        return {**logs, "loss": tf.where((now + 1 == 6) & (attempt < 1), float("nan"), logs["loss"])}

    monkeypatch.setattr(own, "train_step", broken)
    made = trained(two_parts(model, checkpoint_every=3, **{"phases.second.batch_size": 6}), tmp_path)
    assert made.model.noise_key.numpy().tolist() == [0, 1]
    assert traced == [0, 1, 0, 1]
    assert [(line["step"], line["rows"]) for line in metrics(tmp_path)] == [(2, 4), (3, 4), (4, 4), (6, 6)]


def test_a_run_may_be_longer_in_its_last_phase_and_its_phases_stay_as_they_are(model):
    config.check_resumable(two_parts(model), two_parts(model, train_steps=9))
    with pytest.raises(UserError, match=r"phases.second.start \(4 -> 5\)"):
        config.check_resumable(two_parts(model), two_parts(model, **{"phases.second.start": 5}))


def test_a_new_run_that_begins_with_another_s_weights_begins_its_own_phases(uninterrupted, tmp_path):
    made = trainer(grows(init_from=str(uninterrupted), **{"phases.fade8.start": 0, "phases.p4.start": 1}), tmp_path)
    made._resume()
    assert made.phase.name == "fade8"
    assert float(made.model.fade.alpha) == 0.0, "it was 1 in the other run"


# ---- the configuration


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phases.p4.start": -1}, "--config.phases.p4.start=-1: use a step, 0 or more"),
        ({"phases.p4.start": 2}, "--config.phases.p4.start=2: the phase fade8 begins there, too"),
        ({"phases.p4.start": 1}, "--config.phases.p4.start=1: the first phase begins at step 0"),
        ({"phases.p8.batch_size": -2}, "--config.phases.p8.batch_size=-2: use a positive integer, or 0"),
        ({"phases.p8.batch_size": 10**12}, "--config.phases.p8.batch_size=1000000000000: this needs at least"),
        ({"phases.p8.learning_rate": -0.1}, "--config.phases.p8.learning_rate=-0.1: use a positive number, or 0"),
        ({"phases.p8.learning_rate": float("nan")}, "--config.phases.p8.learning_rate"),
    ],
)
def test_phases_that_no_run_could_have_are_refused_at_the_edge(change, message):
    with pytest.raises(UserError, match=message):
        tiny_config("progressive", **change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "made.phases.p8 = c.phase(9, sides=8)",
            "an unknown key 'phases.p8.model.sides'; did you mean 'phases.p8.model.side'",
        ),
        ("made.phases.p8 = {'begin': 9}", "lacks phases.p8.start"),
        ("made.phases.p8 = {'start': 9, 'stop': 10}", "unknown key 'phases.p8.stop'; did you mean 'phases.p8.start'"),
        ("made.phases.p8 = {'start': '9'}", "phases.p8.start='9', which is not a whole number"),
        ("made.phases.p8 = {'start': 9, 'model': {'fade': 1}}", "phases.p8.model.fade=1, which is not true or false"),
    ],
)
def test_a_recipe_s_phases_are_checked_by_name_and_type(tmp_path, text, message):
    body = "\n    ".join(
        ["made = c.load('progressive_digits')", "made.unlock()", "del made.phases.p8", text, "return made"]
    )
    (tmp_path / "own.py").write_text(f"from train import config as c\ndef get_config():\n    {body}\n")
    with pytest.raises(UserError, match=message):
        config.load(str(tmp_path / "own.py"))


def test_what_a_recipe_leaves_out_of_a_phase_has_its_flag():
    made = config.load("progressive_digits", ["--config.phases.p4.model.fade=true"])
    assert made.phases.p4.to_dict() == {
        **{"start": 0, "batch_size": 0, "learning_rate": 0.0},
        "model": {"side": 4, "fade": False},
    }
    with pytest.raises(UserError, match=r"did you mean 'phases.p4.model.side'"):
        config.load("progressive_digits", ["--config.phases.p4.model.sides=8"])


def test_another_model_drops_the_recipe_s_phases():
    assert config.load("progressive_digits", ["--config.model.name=dcgan"]).phases.to_dict() == {}
    with pytest.raises(UserError, match="unknown configuration key 'phases.p4.start'"):
        config.load("progressive_digits", ["--config.model.name=dcgan", "--config.phases.p4.start=3"])


def test_runs_from_before_there_were_phases_are_read(tmp_path):
    settings = tiny_config("nade").to_dict()
    del settings["phases"]
    (tmp_path / "config.json").write_text(config.to_json(config.ConfigDict(settings)))
    config.check_resumable(config.read(tmp_path), tiny_config("nade"))
