"""Learning-rate schedules at the points where their values are known, and the constants that papers assume."""

import pytest

from train import config
from train.engine.optimizers import Schedule, build


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", {0: 1.0, 50: 1.0, 100: 1.0}),
        ("linear", {0: 1.0, 25: 0.75, 50: 0.5, 100: 0.0, 200: 0.0}),
        ("cosine", {0: 1.0, 50: 0.5, 100: 0.0}),
    ],
)
def test_schedules(schedule, values):
    section = config.adam(2e-4)
    section.schedule = schedule
    rate = Schedule(section, train_steps=100)
    for step, share in values.items():
        assert float(rate(step)) == pytest.approx(2e-4 * share, abs=1e-10)


def test_warm_up_rises_to_the_peak_and_then_the_schedule_begins():
    section = config.sgd(1.0)
    section.warmup_steps, section.schedule = 4, "linear"
    rate = Schedule(section, train_steps=14)
    assert [round(float(rate(step)), 6) for step in (0, 1, 4, 9, 14)] == [0.2, 0.4, 1.0, 0.5, 0.0]


def test_optimizers_have_the_constants_of_their_sections():
    adam = build(config.adam(2e-4, beta_1=0.5), 10)
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.5, 0.999, 1e-8)
    rmsprop = build(config.rmsprop(5e-5), 10)
    assert (rmsprop.rho, rmsprop.epsilon) == (0.99, 1e-8)
    assert build(config.sgd(0.1, momentum=0.9), 10).momentum == 0.9
