"""How long a run will take, told once, and what would make a long one shorter."""

import pytest

from train import config
from train.engine import phases
from train.loop import forecast


def told(settings, step, of_a_step, pauses=None):
    return list(forecast.told(settings, phases.of(settings), step, of_a_step, "2 cores", pauses or {}))


@pytest.fixture
def settings():
    made = config.load("dcgan_digits")
    made.update(train_steps=12000, sample_every=250)
    return made


def test_two_seconds_of_steps_after_the_first_call_are_enough():
    made = forecast.Forecast()
    assert made.note(1, 40.0) is None, "traced"
    assert made.note(1, 0.5) is None
    assert made.note(2, 1.0) is None
    assert made.note(2, 1.0) == 0.5
    assert made.note(2, 1.0) is None, "once"
    made.begin()
    assert made.note(1, 40.0) is None
    assert made.note(1, 3.0) == 3.0


def test_a_duration_in_words():
    words = {3: "3 seconds", 99: "99 seconds", 100: "2 minutes", 830: "14 minutes", 5900: "98 minutes"}
    words |= {6000: "1.7 hours", 86400: "24.0 hours", 300000: "3.5 days"}
    assert {seconds: forecast.duration(seconds) for seconds in words} == words


def test_a_short_run_has_one_line(settings):
    assert told(settings, 0, 0.07) == ["about 14 minutes to step 12,000 on 2 cores, 70 ms a step"]
    assert told(settings, 11990, 1.5) == ["about 15 seconds to step 12,000 on 2 cores, 1.5 s a step"]
    assert told(settings, 12000, 1.5) == []


def test_what_interrupts_the_steps_is_told_where_it_counts(settings):
    # 48 sheets of 2 s are 96 s of 840, and of 1 s no tenth; four evaluations of 30 s are a seventh
    pauses = {"sheets": (250, 2.0), "evaluations": (3000, 30.0)}
    (line,) = told(settings, 0, 0.07, pauses)
    assert line.endswith(
        "70 ms a step; and 48 sheets, of which the last took 2 s; and 4 evaluations, of which the last took 30 s"
    )
    (line,) = told(settings, 0, 0.07, {"sheets": (250, 1.0), "evaluations": (3000, None)})
    assert line.endswith("a step")
    (line,) = told(settings, 11800, 0.07, {"sheets": (250, 2.0)})
    assert line.endswith("; and 1 sheets, of which the last took 2 s"), "that of step 12,000"


def test_a_phase_is_told_of_by_itself(settings):
    settings.phases = {"small": config.phase(0), "fade": config.phase(4000), "large": config.phase(20000)}
    expected = (
        "about 10 seconds to step 4,000 on 2 cores, 10 ms a step; the phase fade follows, whose steps take another time"
    )
    assert told(settings, 3000, 0.01) == [expected]
    assert told(settings, 4001, 0.01) == ["about 80 seconds to step 12,000 on 2 cores, 10 ms a step"]
    assert told(settings, 4000, 0.01) == [], "a call that ends where a phase does tells nothing of the next"


def test_a_long_run_tells_what_its_own_keys_would_change(settings):
    settings.data.image_size = 32
    line, *advice = told(settings, 0, 0.5)
    assert line == "about 1.7 hours to step 12,000 on 2 cores, 500 ms a step"
    assert advice == [
        "what would make it shorter, in a new --workdir:",
        "  --config.train_steps=7200: an hour of these steps; the same command with more goes on from there",
        "  --config.model.base_channels=64 instead of 128: between two layers that are half as wide, a "
        "quarter of the multiplications",
        "  --config.data.image_size=16 instead of 32: a quarter of the pixels",
    ]
    settings.optimizers.generator.schedule = "linear"
    assert "the learning rates fall within them" in told(settings, 0, 0.5)[2]
    settings.model.base_channels, settings.data.image_size = 16, 0
    assert len(told(settings, 0, 0.5)) == 3, "what is small already, or the data's own size, is not named"


def test_a_run_that_is_far_on_is_not_told_to_begin_anew(settings):
    """The first hour at half a second a step is 7,200 steps."""
    settings.train_steps = 100_000
    assert len(told(settings, 7100, 0.5)) > 2
    assert told(settings, 50_000, 0.5) == ["about 6.9 hours to step 100,000 on 2 cores, 500 ms a step"]


@pytest.mark.parametrize("recipe", ["gan_digits", "progressive_digits", "wavenet_toy", "faces_small"])
def test_each_key_that_is_named_is_one_of_the_recipe(recipe):
    made = config.load(recipe)
    known = {f"--config.{key}" for key, _ in config.flatten(made.to_dict())}
    assert {advice.partition("=")[0] for advice in forecast.shorter(made, 10.0)} <= known
