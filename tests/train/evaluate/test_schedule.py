"""Evaluation during training keeps the best checkpoint, and changes nothing."""

import json
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from shared import assert_same_state, checkpoint, tiny_config, trained, trainer

from train import config
from train.evaluate import makers
from train.evaluate import schedule as evaluation
from train.evaluate.comparison import Comparison
from train.evaluate.metrics import METRICS, measure
from train.evaluate.reference import Reference
from train.rundir import restore
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

MEASURED = {"evaluate.metrics": "frechet", "evaluate.every": 2, "evaluate.count": 70}
SPEC = MapSpec(
    (TensorSpec("z", (2,), "normal"),),
    (TensorSpec("image", (8, 8, 1), "output", "image"),),
)
MODEL = SimpleNamespace(
    maps={"generate": SimpleNamespace(spec=SPEC)}, declared=SimpleNamespace(targets={}), conditions=lambda *_: {}
)


def tiny(**changes):
    """A run of dense networks on digits, measured every other of its four steps."""
    return tiny_config("gan_grid", **{"model.network": "mlp", **MEASURED, **changes})


def black():
    """A maker of black pictures, which no metric below looks at."""
    return makers.from_model(MODEL, lambda name, inputs: {"image": np.zeros((64, 8, 8, 1), np.float32)})


def replace(monkeypatch, **figures):
    """Let each metric give the figures of these lists, in turn."""
    for name, values in figures.items():
        following, figure = iter(values), METRICS[name].figure
        measure = lambda _, figure=figure, following=following: {figure: next(following)}  # noqa: E731
        monkeypatch.setitem(METRICS, name, METRICS[name]._replace(measure=measure, sees_features=False))


def evaluation_of(workdir, value=None, **changes):
    state = tf.train.Checkpoint(value=tf.Variable(0) if value is None else value)
    return evaluation.Evaluation(tiny(**changes), workdir, state, MODEL)


def lines(workdir):
    return [json.loads(line) for line in (workdir / "evaluations.jsonl").read_text().splitlines()]


def kept(workdir):
    return sorted(int(path.name) for path in (workdir / "best").iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of four steps that was measured before it, in its middle and at its end."""
    workdir = tmp_path_factory.mktemp("evaluated") / "run"
    trained(tiny(), workdir)
    return workdir


@pytest.mark.parametrize(
    ("metric", "figures", "best", "expected"),
    [
        ("frechet", (5.0, 3.0, 4.0, 3.0), 2, [0, 2]),  # the earlier of two equals
        ("frechet", (5.0, 3.0, 4.0, 1.0), 6, [2, 6]),
        ("score", (1.0, 3.0, 4.0, 2.0), 4, [2, 4]),
        ("frechet", (1.0, 3.0, 4.0, 2.0), 0, [0]),
    ],
)
def test_the_best_checkpoint_is_kept(monkeypatch, tmp_path, metric, figures, best, expected):
    replace(monkeypatch, **{metric: figures})
    value = tf.Variable(0)
    made = evaluation_of(tmp_path, value, **{"evaluate.metrics": metric})
    for step, figure in zip((0, 2, 4, 6), figures, strict=True):
        value.assign(step)
        assert made.is_due(step, is_last=False)
        assert made.measure(step, black(), is_last=False) == {METRICS[metric].figure: figure}
        assert not made.is_due(step, is_last=True)
    assert [line["step"] for line in lines(tmp_path)] == [0, 2, 4, 6]
    assert kept(tmp_path) == expected
    assert made.checkpoints.restore() == best == value.numpy()
    assert made.is_due(7, is_last=True)
    assert not made.is_due(7, is_last=False)


SEVERAL = {"evaluate.metrics": "frechet,kernel:4,ms_ssim:6"}


def test_each_metric_has_its_own_period_and_the_first_says_what_is_best(monkeypatch, tmp_path):
    """By the second, steps 0 and 8 would be the best ones."""
    replace(monkeypatch, frechet=(5.0, 3.0, 4.0, 2.0, 6.0), kernel=(0.1, 0.9, 0.1), ms_ssim=())
    monkeypatch.setitem(METRICS, "ms_ssim", METRICS["ms_ssim"]._replace(measure=lambda _: {"ms_ssim": 0.5}))
    made = evaluation_of(tmp_path, **SEVERAL)
    figures = {step: made.measure(step, black(), is_last=False) for step in (0, 2, 4, 6, 8)}
    assert figures == {
        0: {"frechet_distance": 5.0, "kernel_distance": 0.1},
        2: {"frechet_distance": 3.0},
        4: {"frechet_distance": 4.0, "kernel_distance": 0.9},
        6: {"frechet_distance": 2.0},
        8: {"frechet_distance": 6.0, "kernel_distance": 0.1},
    }
    assert [(line["step"], line["metric"]) for line in lines(tmp_path)] == [
        *((0, "frechet"), (0, "kernel"), (0, "ms_ssim")),
        (2, "frechet"),
        *((4, "frechet"), (4, "kernel")),
        *((6, "frechet"), (6, "ms_ssim")),
        *((8, "frechet"), (8, "kernel")),
    ]
    assert kept(tmp_path) == [2, 6]
    assert made.figures == {"frechet": "frechet_distance", "kernel": "kernel_distance"}


def test_at_the_end_all_are_measured_that_were_not_yet(monkeypatch, tmp_path):
    replace(monkeypatch, frechet=(5.0, 4.0), kernel=(0.1, 0.2))
    monkeypatch.setitem(METRICS, "ms_ssim", METRICS["ms_ssim"]._replace(measure=lambda _: {"ms_ssim": 0.5}))
    made = evaluation_of(tmp_path, **SEVERAL)
    made.measure(0, black(), is_last=False)
    assert not made.is_due(3, is_last=False)
    made.measure(3, black(), is_last=True)
    assert [line["metric"] for line in lines(tmp_path) if line["step"] == 3] == ["frechet", "kernel", "ms_ssim"]
    assert not made.is_due(3, is_last=True)


def test_a_kill_between_two_metrics_leaves_the_second_to_be_measured(monkeypatch, tmp_path):
    replace(monkeypatch, frechet=(5.0,), kernel=())
    made = evaluation_of(tmp_path, **SEVERAL)
    with pytest.raises(StopIteration):
        made.measure(0, black(), is_last=False)
    replace(monkeypatch, frechet=(), kernel=(0.1,))
    monkeypatch.setitem(METRICS, "ms_ssim", METRICS["ms_ssim"]._replace(measure=lambda _: {"ms_ssim": 0.5}))
    again = evaluation_of(tmp_path, **SEVERAL)
    assert again.is_due(0, is_last=False)
    assert again.measure(0, black(), is_last=False) == {"kernel_distance": 0.1}
    assert kept(tmp_path) == [0]


def test_periods_are_read_as_they_are_typed():
    def of(text, every=500):
        return evaluation.periods(config.ConfigDict({"metrics": text, "every": every}))

    assert of("") == {}
    assert of("frechet") == {"frechet": 500}
    assert of("pairs:2000,frechet,kernel:1") == {"pairs": 2000, "frechet": 500, "kernel": 1}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, DIGITS_AND_FASHION),
        ({"data.channels": 3}, PICTURES),
        ({"data.name": "shapes"}, PICTURES),
        ({"data.name": "stacked:digits"}, PICTURES),
        ({"data.name": "stacked:digits", "evaluate.metrics": "frechet,stacked_modes"}, DIGITS_AND_FASHION),
        ({"data.name": "shapes", "evaluate.extractor": str(DIGITS_AND_FASHION)}, DIGITS_AND_FASHION),
    ],
)
def test_the_data_choose_the_extractor_unless_one_is_named(changes, path):
    assert evaluation.extractor(tiny(**changes)).path == path


def test_a_run_on_colour_is_judged_by_features_that_see_it(tmp_path):
    made = evaluation_of(tmp_path, **{"data.name": "shapes"})
    assert made.reference.extractor.path == PICTURES


def test_what_is_kept_is_the_state_of_its_step(run):
    for step in kept(run):
        saved = run / "best" / f"{step:08d}"
        moved = run.parent / f"only{step}" / "checkpoints" / saved.name
        shutil.copytree(saved, moved)
        assert_same_state(checkpoint(moved.parents[1], step), checkpoint(run, step))


def test_evaluation_changes_no_bit(run, tmp_path):
    trained(tiny(**{"evaluate.metrics": ""}), tmp_path)
    assert_same_state(checkpoint(tmp_path, 4), checkpoint(run, 4))


def judged(workdir):
    """Return what a run was judged beside while it trained, and the Frechet distance of its last checkpoint to it."""
    maker = makers.create(str(workdir))
    reference = Reference(maker.data, "train", 70, evaluation.SEED, Extractor())
    return reference, measure(Comparison(maker, reference, 70, evaluation.SEED, {}), "frechet")


def test_the_figures_are_those_of_the_saved_checkpoint_beside_the_train_split(run):
    last = lines(run)[-1]
    reference, measured = judged(run)
    assert last["frechet_distance"] == pytest.approx(measured["frechet_distance"], rel=1e-6)
    assert last["protocol"]["reference"] == reference.protocol
    assert (reference.protocol["split"], reference.protocol["count"]) == ("train", 70)
    source = {"kind": "run", "model": "gan_grid", "ema": 0.9, "precision": "float32", "step": 4}
    assert last["protocol"]["source"] == source
    assert last["protocol"]["seed"] == evaluation.SEED > 2**32
    assert last["protocol"]["extractor"] == Extractor().protocol


def test_an_interrupted_run_ends_with_the_same_evaluations(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    workdir = tmp_path / "run"
    # killed while step 4 was measured: its checkpoint is there, its line is not
    (workdir / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(run)[:-1]))
    (workdir / "best" / ".00000004.0123456789abcdef").mkdir()
    trained(tiny(), workdir)
    assert lines(workdir) == lines(run)
    assert kept(workdir) == kept(run)
    # killed before that checkpoint: step 4 is forgotten and comes again
    shutil.rmtree(workdir / "checkpoints" / "00000004")
    trained(tiny(), workdir)
    assert lines(workdir) == lines(run)
    assert_same_state(checkpoint(workdir, 4), checkpoint(run, 4))


def test_a_finished_run_is_not_measured_again(run, monkeypatch):
    replace(monkeypatch, frechet=())
    trained(tiny(), run)


def test_what_lies_beyond_a_rollback_is_forgotten(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    made = trainer(tiny(), tmp_path / "run")
    made.evaluation.checkpoints.save(4)
    assert kept(tmp_path / "run")[-1] == 4
    made.evaluation.forget_after(2)
    assert [line["step"] for line in lines(tmp_path / "run")] == [0, 2]
    assert kept(tmp_path / "run")[-1] <= 2


def test_a_torn_best_checkpoint_is_no_rival(monkeypatch, tmp_path):
    replace(monkeypatch, frechet=(5.0, 3.0, 4.0))
    made = evaluation_of(tmp_path)
    for step in (0, 2, 4):
        made.measure(step, black(), is_last=False)
        if step == 2:
            (tmp_path / "best" / "00000002" / "state.index").write_bytes(b"")
    assert made.checkpoints.restore() == 4, "4.0 is better than 5.0, and 3.0 cannot be read any more"


def test_figures_of_two_extractors_do_not_compete(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    of_another = [json.dumps(line).replace(Extractor().sha256, "0" * 64) + "\n" for line in lines(run)]
    (tmp_path / "run" / "evaluations.jsonl").write_text("".join(of_another))
    with pytest.raises(UserError, match=r"the extractor changed since .*evaluations.jsonl was begun"):
        trainer(tiny(), tmp_path / "run")


def test_a_run_begun_by_the_extractor_of_digits_goes_on_with_it(run, tmp_path, monkeypatch):
    """As it was when there was no other: today's data would choose that of pictures."""
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.setattr(evaluation, "extractor", lambda config: Extractor(PICTURES))
    assert trainer(tiny(), tmp_path / "run").evaluation.reference.extractor.sha256 == Extractor().sha256
    settings = tiny()
    settings.evaluate.extractor = str(PICTURES)
    with pytest.raises(UserError, match="the extractor changed since .* name it with --config.evaluate.extractor"):
        trainer(settings, tmp_path / "run")


def test_after_a_signal_in_the_last_call_the_same_command_measures_the_end(monkeypatch, tmp_path):
    made = trainer(tiny(), tmp_path)
    train_until = made.train_until

    def interrupted(target):
        if target == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_until(target)

    monkeypatch.setattr(made, "train_until", interrupted)
    assert not made.run()
    assert [line["step"] for line in lines(tmp_path)] == [0, 2]
    trained(tiny(), tmp_path)
    assert [line["step"] for line in lines(tmp_path)] == [0, 2, 4]


def test_two_replicas_evaluate_what_they_train(mirrored, tmp_path):
    trained(tiny(), tmp_path, mirrored)
    _, measured = judged(tmp_path)
    assert lines(tmp_path)[-1]["frechet_distance"] == pytest.approx(measured["frechet_distance"], rel=1e-6)


def test_the_curves_show_the_figure(run):
    from train.rundir import curves

    before = (run / "curves.png").read_bytes()
    curves.write(run, {})
    assert (run / "curves.png").read_bytes() != before
    curves.write(run, {"frechet": "frechet_distance"})
    assert (run / "curves.png").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate.metrics": "frechett"}, "unknown metric to evaluate by 'frechett'; did you mean 'frechet'"),
        ({"evaluate.metrics": "none"}, "unknown metric to evaluate by 'none'"),
        ({"evaluate.every": 3}, "metrics=frechet: frechet is due every 3 steps; use a multiple of checkpoint_every, 2"),
        ({"evaluate.every": 0}, "frechet is due every 0 steps; use a multiple of checkpoint_every, 2"),
        ({"evaluate.metrics": "frechet,kernel:3"}, "kernel is due every 3 steps; use a multiple of checkpoint_every"),
        ({"evaluate.metrics": "frechet:often"}, "write a period in steps, as in frechet:1000"),
        ({"evaluate.metrics": "frechet:"}, "write a period in steps, as in frechet:1000"),
        ({"evaluate.metrics": "frechet,frechet:4"}, "frechet stands there twice"),
        ({"evaluate.metrics": "ms_ssim,frechet"}, "ms_ssim ranks no checkpoints; begin with frechet, kernel, "),
        ({"evaluate.metrics": "frechet,pairs"}, "evaluate.metrics=pairs: gan_grid makes nothing that data show"),
        (
            {"evaluate.metrics": "frechet,stacked_modes"},
            "stacked_modes is for stacked pictures; the reference is digits",
        ),
        ({"evaluate.metrics": "frechet,mixture"}, "metrics=mixture is for point; digits holds kind image"),
        ({"evaluate.count": 1}, "evaluate.count=1: use 2 samples or more"),
        ({"evaluate.extractor": "missing.onnx"}, "cannot read the extractor missing.onnx"),
        ({"evaluate.extractor_range": "1,0"}, "is no range of pixels"),
        ({"evaluate.extractor_output": "x"}, "unknown float32 output"),
        ({"data.name": "ring"}, "evaluate.metrics=frechet is for image; ring holds kind point"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_at_the_edge(changes, message):
    with pytest.raises(UserError, match=message):
        tiny(**changes)


def test_too_few_samples_for_the_metric_are_refused_before_anything_binds_the_run_to_them(tmp_path):
    with pytest.raises(UserError, match="has 64 samples of 64 features"):
        trainer(tiny(**{"evaluate.count": 64}), tmp_path).run()
    assert not list(tmp_path.glob("checkpoints/[0-9]*")), "the same --workdir can be used with another count"


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("frechet,log_likelihood", "log_likelihood needs a likelihood .* its maps are generate"),
        ("frechet,representation", "representation needs a map from data to latents"),
    ],
)
def test_what_the_model_has_not_is_refused_before_anything_binds_the_run_to_it(tmp_path, metrics, message):
    with pytest.raises(UserError, match=message):
        trainer(tiny(**{"evaluate.metrics": metrics}), tmp_path)
    assert not list(tmp_path.glob("checkpoints/[0-9]*"))


def test_a_likelihood_is_measured_while_training_on_rows_of_the_train_split(tmp_path):
    changes = {"evaluate.metrics": "log_likelihood:2,frechet:4", "evaluate.count": 70}
    made = trained(tiny_config("nade", **changes), tmp_path)
    assert [(line["step"], line["metric"]) for line in lines(tmp_path)] == [
        *((0, "log_likelihood"), (0, "frechet")),
        (2, "log_likelihood"),
        *((4, "log_likelihood"), (4, "frechet")),
    ]
    rows = Reference(made.config.data, "train", 70, evaluation.SEED, Extractor()).rows["image"]
    with made.averages.applied():
        nats = made.run_map("log_prob", {"image": rows})["log_prob"].mean()
    last = lines(tmp_path)[-2]
    assert last["nats"] == pytest.approx(nats, abs=1e-4)
    assert (last["count"], last["protocol"]["reference"]["split"]) == (70, "train")
    assert kept(tmp_path)[-1] == 4, "it rises"


def test_the_best_of_a_run_that_was_not_evaluated_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(config.to_json(tiny(**{"evaluate.metrics": ""})))
    (tmp_path / "model.json").touch()
    with pytest.raises(UserError, match="--checkpoint=best: this run was not evaluated while it trained"):
        restore.load(tmp_path, "best")
    with pytest.raises(UserError, match="not evaluated"):
        makers.create(str(tmp_path), checkpoint="best")


def test_a_protocol_says_by_what_the_best_was_chosen(tmp_path):
    changes = {"evaluate.metrics": "kernel:2,frechet", "evaluate.every": 4, "evaluate.count": 70}
    trained(tiny_config("nade", **changes), tmp_path)
    protocol = makers.create(str(tmp_path), checkpoint="best").protocol
    assert protocol["checkpoint"] == "best by kernel on 70 samples, train split, every 2 steps"


def test_a_bundle_has_but_one_checkpoint(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "model.onnx").touch()
    with pytest.raises(UserError, match="--checkpoint=best is for runs"):
        makers.create(str(tmp_path), checkpoint="best")


def test_export_takes_the_best(run, tmp_path):
    from export import build

    step = restore.load(run, "best")[2]
    assert step == kept(run)[-1]
    manifest = build.build(run, tmp_path / "bundle", checkpoint="best")
    assert (manifest.step, manifest.checkpoint) == (step, "best")
    told = "best by frechet on 70 samples, train split, every 2 steps"
    for source, which in ((run, "best"), (tmp_path / "bundle", "last"), (tmp_path / "bundle/model.onnx", "last")):
        protocol = makers.create(str(source), checkpoint=which).protocol
        assert (protocol["checkpoint"], protocol["step"]) == (told, step)
    with pytest.raises(UserError, match="lies among the checkpoints"):
        build.build(run, run / "best" / "bundle", checkpoint="best")
