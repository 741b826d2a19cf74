"""An odd setting or recipe is refused in one line that names it, or trains; none ends in a traceback, none is ignored.

The slow tests try all of them and print a table by kind.
"""

import random
from pathlib import Path

import pytest
from faults.settings import BUILD, EDGE, STEP, TRACEBACK, Ending, Setting, attempt, counted, fault, furnish, settings
from faults.table import table

from train import check, config
from train.engine import backend


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with what settings name, which is the current one too."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path)
    yield tmp_path
    backend.start()


def faults_of(chosen: list[Setting], place: Path) -> list[str]:
    """Try the settings, print the table of how they ended, and return what was wrong."""
    tried = [(setting, attempt(setting, place, place / f"run{number}")) for number, setting in enumerate(chosen)]
    print(f"\n{table('kind of setting', counted(tried))}")
    return [f"{' '.join(setting.arguments)}: {text}" for setting, end in tried if (text := fault(setting, end))]


def some(stage: str, count: int) -> list[Setting]:
    """Return settings of a stage from everywhere in the list, always the same ones."""
    chosen = [setting for setting in settings() if setting.stage == stage]
    return random.Random(1).sample(chosen, count)


@pytest.mark.parametrize(("stage", "count"), [(EDGE, 44), (BUILD, 6), (STEP, 2)])
def test_some_odd_settings_are_refused_in_one_line_or_run(place, stage, count):
    assert not faults_of(some(stage, count), place)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [EDGE, BUILD, STEP])
def test_every_odd_setting_is_refused_in_one_line_or_runs(place, stage):
    assert not faults_of([setting for setting in settings() if setting.stage == stage], place)


def test_there_are_more_than_500_odd_settings_of_every_kind():
    chosen = settings()
    assert len(chosen) > 2000
    assert len({setting.kind for setting in chosen}) > 12
    tried = {argument.partition("=")[0] for setting in chosen for argument in setting.arguments}
    for key, _ in config.flatten(config.load("dcgan_digits").to_dict()):
        _, dot, constant = key.removeprefix("optimizers.").partition(".")
        name = f"optimizers.nade.{constant}" if dot and key.startswith("optimizers.") else key
        assert f"--config.{name}" in tried, key


NEGATIVE = Setting("seeds", ("--recipe=nade_digits", "--config.seed=-1"), "seed")


def test_the_harness_notices_a_check_that_is_gone(place, monkeypatch):
    assert not faults_of([NEGATIVE], place)
    monkeypatch.setattr(check, "check", lambda settings: None)
    (found,) = faults_of([NEGATIVE], place)
    assert "accepted, not refused" in found


def test_the_harness_notices_a_traceback_a_second_line_and_a_wrong_word(place, monkeypatch):
    monkeypatch.setattr(check, "check", lambda settings: settings.nothing)
    (found,) = faults_of([NEGATIVE], place)
    assert TRACEBACK in found
    assert "AttributeError" in found
    assert "not one line" in fault(NEGATIVE, Ending("refused", "warning\nerror: seed\n"))
    assert "does not say 'seed'" in fault(NEGATIVE, Ending("refused", "error: no\n"))
    assert not fault(NEGATIVE, Ending("refused", "error: seed\n"))
