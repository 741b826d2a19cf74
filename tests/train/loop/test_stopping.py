"""The stopping rule, as a function of the logs and in a run."""

import numpy as np
import pytest
from ml_collections import ConfigDict
from shared import metrics, tiny_config, trained, trainer

from train.loop.stopping import Settling, has_settled
from zoo.shared.errors import UserError


def rule(**changes):
    return ConfigDict({"log": "accuracy", "near": 0.5, "within": 0.1, "steps": 20, **changes})


def lines(*accuracies):
    return [{"step": 10 * (index + 1), "accuracy": accuracy} for index, accuracy in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((), False),
        ((0.5,), False),  # 10 steps are not 20
        ((0.5, 0.5), True),
        ((0.9, 0.45, 0.55), True),
        ((0.9, 0.3, 0.7), True),  # the mean counts
        ((0.5, 0.5, 0.9), False),
        ((0.5, 0.9, 0.5), False),
        ((0.5, 0.35, 0.4), False),
    ],
)
def test_a_run_has_settled_once_the_mean_of_the_last_steps_is_near(accuracies, expected):
    assert has_settled(lines(*accuracies), rule()) is expected


def test_lines_count_by_the_steps_that_they_stand_for():
    """A call ends early at a sheet or a checkpoint."""
    uneven = [
        {"step": 10, "accuracy": 0.9},
        {"step": 28, "accuracy": 0.6},  # 18 steps
        {"step": 30, "accuracy": 0.15},  # 2 steps
    ]
    assert has_settled(uneven, rule(within=0.06)), "(18 * 0.6 + 2 * 0.15) / 20 = 0.555"
    assert not has_settled(uneven, rule(within=0.05))
    assert has_settled(uneven, rule(near=0.15, within=0.01, steps=2))
    # the line that reaches back beyond the last steps counts whole
    assert has_settled(uneven, rule(near=0.555, within=0.001, steps=3))


def test_lines_without_the_log_do_not_count():
    """The logs of a model may change from one phase to the next."""
    other = [{"step": 10, "loss": 1.0}, {"step": 20, "accuracy": 0.5}, {"step": 40, "loss": 1.0}]
    assert not has_settled(other, rule(steps=20))
    assert has_settled(other, rule(steps=30))


def test_of_a_long_run_only_the_last_steps_are_kept_and_nothing_changes():
    """The rule by the book: over all lines that there were."""
    random = np.random.default_rng(0)
    stop, told = rule(steps=37, within=0.02), []
    settling, step = Settling(stop), 0
    outcomes = []
    for _ in range(400):
        step += int(random.integers(1, 12))
        told.append({"step": step, **({"accuracy": random.uniform(0.3, 0.7)} if random.random() < 0.9 else {})})
        settling.note(told[-1])
        spans = np.diff([0, *(line["step"] for line in told)])
        recent = [
            (line["accuracy"], span)
            for line, span in zip(told, spans, strict=True)
            if line["step"] > step - 37 and "accuracy" in line
        ]
        values, weights = zip(*recent, strict=True) if recent else ((np.inf,), (1,))
        mean = np.average(values, weights=weights)
        outcomes.append(step >= 37 and abs(mean - 0.5) <= 0.02)
        assert settling.has_settled() is bool(outcomes[-1])
        assert len(settling._lines) <= 38
    assert 20 < sum(outcomes) < 380
    settling.begin(told[:-3])
    assert settling.has_settled() is bool(outcomes[-4])


def test_an_unknown_log_is_named(tmp_path):
    settings = tiny_config("dcgan", **{"stop.log": "acuracy", "stop.steps": 2})
    with pytest.raises(UserError, match="unknown log 'acuracy'; did you mean 'accuracy'"):
        trainer(settings, tmp_path).run()


def test_a_run_ends_early_saved_and_stays_ended(tmp_path, capsys):
    settings = tiny_config("dcgan", train_steps=40, checkpoint_every=40, **{"stop.within": 0.6, "stop.steps": 6})
    assert trained(settings, tmp_path).step == 6
    assert (
        "the mean accuracy of the last 6 steps is within 0.6 of 0.5: the run ends at step 6" in capsys.readouterr().err
    )
    assert (tmp_path / "samples" / "00000006.png").is_file()
    assert trainer(settings, tmp_path).checkpoints.steps()[-1] == 6
    again = trained(settings, tmp_path)
    assert again.step == 6
    assert [line["step"] for line in metrics(tmp_path)] == [2, 4, 6]


def test_a_batch_that_the_model_cannot_divide_is_refused_before_training(tmp_path):
    with pytest.raises(
        UserError, match="batch_size=3: wgan_gp divides the batch of each device by 2; use a multiple of 2"
    ):
        trainer(tiny_config("wgan_gp", batch_size=3), tmp_path)
