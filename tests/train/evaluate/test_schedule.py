"""Evaluation during training keeps the best checkpoint, and changes nothing."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf
from shared import assert_same_state, checkpoint, tiny_config, trained, trainer

from train import config
from train.evaluate import __main__ as evaluate
from train.evaluate import comparison, samplers
from train.evaluate import schedule as evaluation
from train.evaluate.comparison import Comparison, Metric, Reference
from train.rundir import restore
from zoo.metrics.extractor import Extractor
from zoo.shared.errors import UserError

MEASURED = {"evaluate.metric": "frechet", "evaluate.every": 2, "evaluate.count": 70}


def tiny(**changes):
    """A run of dense networks on digits, measured every other of its four steps."""
    return tiny_config("gan_grid", **{"model.network": "mlp", **MEASURED, **changes})


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
    name, following = evaluation.FIGURES[metric].name, iter(figures)
    monkeypatch.setitem(comparison.METRICS, metric, Metric(False, lambda _: {name: next(following)}))
    value = tf.Variable(0)
    made = evaluation.Evaluation(tiny(**{"evaluate.metric": metric}), tmp_path, tf.train.Checkpoint(value=value))
    for step, figure in zip((0, 2, 4, 6), figures, strict=True):
        value.assign(step)
        assert made.is_due(step, is_last=False)
        assert made.measure(step, np.zeros((2, 8, 8, 1), np.uint8)) == figure
        assert not made.is_due(step, is_last=True)
    assert [line["step"] for line in lines(tmp_path)] == [0, 2, 4, 6]
    assert kept(tmp_path) == expected
    assert made.checkpoints.restore() == best == value.numpy()
    assert made.is_due(7, is_last=True)
    assert not made.is_due(7, is_last=False)


def test_what_is_kept_is_the_state_of_its_step(run):
    for step in kept(run):
        saved = run / "best" / f"{step:08d}"
        moved = run.parent / f"only{step}" / "checkpoints" / saved.name
        shutil.copytree(saved, moved)
        assert_same_state(checkpoint(moved.parents[1], step), checkpoint(run, step))


def test_evaluation_changes_no_bit(run, tmp_path):
    trained(tiny(**{"evaluate.metric": "none"}), tmp_path)
    assert_same_state(checkpoint(tmp_path, 4), checkpoint(run, 4))


def test_the_figures_are_those_of_the_saved_checkpoint_beside_the_train_split(run):
    last = lines(run)[-1]
    sampler = samplers.create(str(run))
    reference = Reference(sampler.data, "train", 70, evaluation.SEED, Extractor())
    measured = Comparison(sampler.draw(70, evaluation.SEED), reference, evaluation.SEED, {}).measure("frechet")
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
    (workdir / "best" / ".00000004.abc").mkdir()
    trained(tiny(), workdir)
    assert lines(workdir) == lines(run)
    assert kept(workdir) == kept(run)
    # killed before that checkpoint: step 4 is forgotten and comes again
    shutil.rmtree(workdir / "checkpoints" / "00000004")
    trained(tiny(), workdir)
    assert lines(workdir) == lines(run)
    assert_same_state(checkpoint(workdir, 4), checkpoint(run, 4))


def test_a_finished_run_is_not_measured_again(run, monkeypatch):
    monkeypatch.setitem(comparison.METRICS, "frechet", None)
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
    following = iter((5.0, 3.0, 4.0))
    monkeypatch.setitem(comparison.METRICS, "frechet", Metric(False, lambda _: {"frechet_distance": next(following)}))
    made = evaluation.Evaluation(tiny(), tmp_path, tf.train.Checkpoint(value=tf.Variable(0)))
    for step in (0, 2, 4):
        made.measure(step, np.zeros((2, 8, 8, 1), np.uint8))
        if step == 2:
            (tmp_path / "best" / "00000002" / "state.index").write_bytes(b"")
    assert made.checkpoints.restore() == 4, "4.0 is better than 5.0, and 3.0 cannot be read any more"


def test_figures_of_two_extractors_do_not_compete(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    of_another = [json.dumps(line).replace(Extractor().sha256, "0" * 64) + "\n" for line in lines(run)]
    (tmp_path / "run" / "evaluations.jsonl").write_text("".join(of_another))
    with pytest.raises(UserError, match=r"the extractor changed since .*evaluations.jsonl was begun"):
        trainer(tiny(), tmp_path / "run")


def test_a_signal_in_the_last_call_still_lets_the_end_be_measured(monkeypatch, tmp_path):
    made = trainer(tiny(), tmp_path)
    monkeypatch.setattr(made, "_any_worker", bool)
    train_until = made.train_until

    def interrupted(target):
        if target == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return train_until(target)

    monkeypatch.setattr(made, "train_until", interrupted)
    assert made.run()
    assert [line["step"] for line in lines(tmp_path)] == [0, 2, 4]


def test_two_replicas_evaluate_what_they_train(mirrored, tmp_path):
    trained(tiny(), tmp_path, mirrored)
    sampler = samplers.create(str(tmp_path))
    reference = Reference(sampler.data, "train", 70, evaluation.SEED, Extractor())
    measured = Comparison(sampler.draw(70, evaluation.SEED), reference, evaluation.SEED, {}).measure("frechet")
    assert lines(tmp_path)[-1]["frechet_distance"] == pytest.approx(measured["frechet_distance"], rel=1e-6)


def test_the_curves_show_the_figure(run):
    from train.rundir import pictures

    before = (run / "curves.png").read_bytes()
    pictures.write_curves(run)
    assert (run / "curves.png").read_bytes() != before
    pictures.write_curves(run, "frechet_distance")
    assert (run / "curves.png").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate.metric": "frechett"}, "unknown metric to evaluate by 'frechett'; did you mean 'frechet'"),
        ({"evaluate.every": 3}, "evaluate.every=3: use a multiple of checkpoint_every, 2"),
        ({"evaluate.every": 0}, "evaluate.every=0: use a multiple of checkpoint_every, 2"),
        ({"evaluate.count": 1}, "evaluate.count=1: use 2 samples or more"),
        ({"evaluate.extractor": "missing.onnx"}, "cannot read the extractor missing.onnx"),
        ({"evaluate.extractor_range": "1,0"}, "is no range of pixels"),
        ({"evaluate.extractor_output": "x"}, "unknown float32 output"),
        ({"data.name": "ring"}, "evaluate.metric=frechet is for images; ring holds points: use none"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_at_the_edge(changes, message):
    with pytest.raises(UserError, match=message):
        tiny(**changes)


def test_too_few_samples_for_the_metric_are_refused_before_anything_binds_the_run_to_them(tmp_path):
    with pytest.raises(UserError, match="has 64 samples of 64 features"):
        trainer(tiny(**{"evaluate.count": 64}), tmp_path).run()
    assert not list(tmp_path.glob("checkpoints/[0-9]*")), "the same --workdir can be used with another count"


def test_the_best_of_a_run_that_was_not_evaluated_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(config.to_json(tiny(**{"evaluate.metric": "none"})))
    with pytest.raises(UserError, match="--checkpoint=best: this run was not evaluated while it trained"):
        restore.load(tmp_path, "best")
    with pytest.raises(UserError, match="not evaluated"):
        evaluate.measure_log_likelihood(str(tmp_path), "best")


def test_log_likelihood_says_by_what_the_best_was_chosen(tmp_path):
    trained(tiny_config("nade", **{"evaluate.metric": "kernel", "evaluate.every": 2, "evaluate.count": 20}), tmp_path)
    line = evaluate.measure_log_likelihood(str(tmp_path), "best")
    assert line["protocol"]["checkpoint"] == "best by kernel on 20 samples, train split, every 2 steps"


def test_a_bundle_has_but_one_checkpoint(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="--checkpoint=best is for runs"):
        samplers.create(str(tmp_path), checkpoint="best")


def test_export_takes_the_best(run, tmp_path):
    from export import build

    step = restore.load(run, "best")[2]
    assert step == kept(run)[-1]
    manifest = build.build(run, tmp_path / "bundle", checkpoint="best")
    assert (manifest.step, manifest.checkpoint) == (step, "best")
    told = "best by frechet on 70 samples, train split, every 2 steps"
    for source, which in ((run, "best"), (tmp_path / "bundle", "last"), (tmp_path / "bundle/model.onnx", "last")):
        protocol = samplers.create(str(source), checkpoint=which).protocol
        assert (protocol["checkpoint"], protocol["step"]) == (told, step)
    with pytest.raises(UserError, match="lies among the checkpoints"):
        build.build(run, run / "best" / "bundle", checkpoint="best")
