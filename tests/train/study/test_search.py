"""A study that searches settings: what is tried, which is taken, and that the same command resumes.

Training and measuring are stood in for: the figure of a run is a function of its settings that is known.
"""

import functools
import json

import pytest
from shared import program

from train import config
from train.studies import Search
from train.study import preparing, results, search
from zoo.shared.errors import UserError

study_program = program("train.study.__main__")

TEXT = '''"""Which objective?

So.
"""

from train.studies import Column, Search, Study


def get_study():
    return Study(
        recipe="dcgan_digits",
        rows={{
            "wide": {{"model.base_channels": 8}},
            "narrow": {{"model.base_channels": 4}},
            "fixed": {{"batch_size": 32}},
        }},
        metrics=("frechet",),
        columns={{"distance": Column("frechet", "frechet_distance")}},
        seeds=(0, 1),
        count=80,
        search=Search({space}, steps=50, seed=7, count=60, own={{"fixed": {{}}}}{more}),
    )
'''
SPACE = {"batch_size": (16, 32, 64)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Read each recipe with each of its flags once: what a recipe says does not change in these tests."""
    monkeypatch.setattr(
        config, "load", lambda recipe, flags=(): loaded(recipe, tuple(flags)).copy_and_resolve_references()
    )


loaded = functools.lru_cache(maxsize=None)(config.load)


class Stub(study_program.Runner):
    """Trains nothing: a run's distance is |batch size - 4 x channels| + its seed / 10.

    With batches of 64 it diverges, or breaks, where the class says so.
    """

    diverges, breaks, calls = False, False, ()

    def _call(self, log, module, *arguments):
        given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
        self.calls = (*self.calls, (module, given))
        if module == "train":
            settings = config.load("dcgan_digits")
            for key, value in config.flatten(settings.to_dict()):
                if f"config.{key}" in given:
                    settings.update_from_flattened_dict({key: type(value)(given[f"config.{key}"])})
            if self.diverges and settings.batch_size == 64:
                raise UserError("python -m train failed, see log: loss became nan at step 3; gave up after 3 retries")
            if self.breaks and settings.batch_size == 64:
                raise UserError("python -m train failed, see log: no space left on device")
            directory = self.workdir.parent / given["workdir"]
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "config.json").write_text(config.to_json(settings))
            line = {"step": settings.train_steps, "steps_per_second": 10.0}
            (directory / "metrics.jsonl").write_text(json.dumps(line) + "\n")
            return []
        settings = config.read(self.workdir.parent / given["source"])
        distance = abs(settings.batch_size - 4 * settings.model.base_channels) + settings.seed / 10
        protocol = {"samples": int(given["count"])}
        return [json.dumps({"metric": "frechet", "frechet_distance": distance, "protocol": protocol})]


def prepared(directory, space=SPACE, more=""):
    (directory / "which.py").write_text(TEXT.format(space=space, more=more))
    return preparing.prepare(str(directory / "which.py"), 1)


def complete(directory, runner=Stub, **changes):
    """Do what the program does between its flags and its table; return the stored result, the failures, the calls."""
    result, path = prepared(directory, **changes), directory / "which.json"
    if path.is_file():
        preparing.restore(results.read(path), result)
    made = runner(result, directory / "runs", path)
    failures = made.run(1)
    return results.read(path), failures, made.calls


def tries(result, title):
    return [(one["overrides"], one["figure"], one["taken"]) for one in result["rows"][title]["search"]]


def test_each_row_takes_the_best_of_what_was_tried_for_it(tmp_path):
    """8 channels want batches of 32, 4 want 16; the search's seed adds .7 to each figure."""
    result, failures, calls = complete(tmp_path)
    assert failures == []
    assert tries(result, "wide") == [
        ({"batch_size": 16}, 16.7, False),
        ({"batch_size": 32}, 0.7, True),
        ({"batch_size": 64}, 32.7, False),
    ]
    assert [taken for _, _, taken in tries(result, "narrow")] == [True, False, False]
    assert tries(result, "fixed") == []
    rows = result["rows"]
    assert rows["wide"]["overrides"] == {"model.base_channels": 8, "batch_size": 32}
    assert (rows["wide"]["settings"]["batch_size"], rows["narrow"]["settings"]["batch_size"]) == (32, 16)
    distances = [run["lines"]["last"][0]["frechet_distance"] for run in rows["wide"]["runs"].values()]
    assert distances == [0.0, 0.1], "the final runs have what was taken, and the study's seeds"
    tried = [given for module, given in calls if "/search/" in given.get("workdir", given.get("source", ""))]
    trained, measured = ([given for given in tried if key in given] for key in ("recipe", "metrics"))
    assert {(given["config.seed"], given["config.train_steps"]) for given in trained} == {("7", "50")}
    assert {(given["split"], given["count"], given["metrics"]) for given in measured} == {("train", "60", "frechet")}
    assert len(trained) == len(measured) == 6 and len(calls) - 12 == 2 * 3 * 2


def test_the_table_below_tells_what_was_tried(tmp_path):
    result, *_ = complete(tmp_path)
    assert search.table(result).splitlines()[:4] == [
        "| row | settings tried | frechet distance | taken |",
        "| --- | --- | --- | --- |",
        "| wide | batch_size 16 | 16.7 |  |",
        "| wide | batch_size 32 | 0.7 | yes |",
    ]
    assert (
        "Settings: of up to 3 tried for each row, each trained once for 50 steps with the seed 7, the one with the "
        "least frechet distance on 60 samples and the train split; the table below has them all."
    ) in results.caption(result)
    assert search.table({"rows": {}}) == search.caption({"rows": {}}) == ""


class Killed(Stub):
    """Is killed when so many runs are measured."""

    left = 0

    def _call(self, log, module, *arguments):
        if module == "train.evaluate":
            if not self.left:
                raise RuntimeError("killed")
            type(self).left -= 1
        return super()._call(log, module, *arguments)


@pytest.mark.parametrize("left", [0, 2, 6, 9])
def test_the_same_command_resumes_and_tries_nothing_twice(tmp_path, left):
    """Six tries and six runs are measured in all."""
    Killed.left = left
    with pytest.raises(RuntimeError, match="killed"):
        complete(tmp_path, Killed)
    whole, failures, calls = complete(tmp_path)
    assert failures == []
    assert len([module for module, _ in calls if module == "train.evaluate"]) == 12 - left
    (tmp_path / "other").mkdir()
    assert whole["rows"] == complete(tmp_path / "other")[0]["rows"]


def test_settings_that_diverge_have_lost_and_other_failures_are_tried_again(tmp_path):
    class Diverging(Stub):
        diverges = True

    result, failures, _ = complete(tmp_path, Diverging)
    assert failures == []
    assert result["rows"]["wide"]["search"][2]["failed"] == "loss became nan at step 3; gave up after 3 retries"
    assert "| wide | batch_size 64 | failed |  |" in search.table(result)

    class Broken(Stub):
        breaks = True

    (tmp_path / "other").mkdir()
    result, failures, _ = complete(tmp_path / "other", Broken)
    assert len(failures) == 2 and "no space left" in str(failures[0])
    assert (result["rows"]["wide"]["runs"], len(result["rows"]["fixed"]["runs"])) == ({}, 2)
    assert "| wide | batch_size 64 | not yet |  |" in search.table(result)
    assert complete(tmp_path / "other")[1] == []


def test_a_row_all_of_whose_settings_diverge_is_told_and_keeps_no_other_from_running(tmp_path):
    class Diverging(Stub):
        diverges = True

    for _ in range(2):  # the second time from what is stored
        result, failures, _ = complete(tmp_path, Diverging, space={"batch_size": (64,)})
        assert [str(failure) for failure in failures] == [
            f"row {title!r}: all 1 settings of the search failed, the first: loss became nan at step 3; gave up after "
            "3 retries"
            for title in ("wide", "narrow")
        ]
        assert len(result["rows"]["fixed"]["runs"]) == 2


def test_another_search_than_the_stored_one_is_refused(tmp_path):
    complete(tmp_path)
    for changes, told in (
        ({"space": {"batch_size": (16, 32, 128)}}, "search space"),
        ({"more": ", tries=2"}, "search tries (0 -> 2)"),
    ):
        with pytest.raises(UserError) as caught:
            complete(tmp_path, **changes)
        assert told in str(caught.value) and "the stored result was made otherwise" in str(caught.value)


def test_a_row_with_a_space_of_its_own_may_be_added_and_that_of_a_finished_row_not_changed(tmp_path, monkeypatch):
    complete(tmp_path)
    added = TEXT.replace('"fixed": {{"b', '"new": {{"batch_size": 8}}, "fixed": {{"b')
    monkeypatch.setitem(globals(), "TEXT", added.replace('own={{"fixed"', 'own={{"new": {{}}, "fixed"'))
    result, failures, calls = complete(tmp_path)
    assert (failures, len(calls)) == ([], 4), "two seeds of the new row, trained and measured"
    assert len(result["rows"]["new"]["runs"]) == 2
    monkeypatch.setitem(globals(), "TEXT", TEXT.replace('"fixed": {{}}', '"fixed": {{"ema": (0.5,)}}'))
    with pytest.raises(UserError, match=r"fixed, search: 0 \(none -> {'ema': 0.5}\)"):
        complete(tmp_path)


def test_random_tries_are_different_ones_of_the_grid_and_follow_from_the_seed():
    space = {"a": (1, 2, 3), "b": ("x", "y")}
    grid = search.tries_of(Search(space, steps=1, seed=0), "row")
    assert grid == [{"a": a, "b": b} for a in (1, 2, 3) for b in ("x", "y")]
    drawn = {seed: search.tries_of(Search(space, steps=1, seed=seed, tries=4), "row") for seed in range(20)}
    for tried in drawn.values():
        assert len(tried) == 4 and all(tried.count(one) == 1 and one in grid for one in tried)
    assert drawn[3] == search.tries_of(Search(space, steps=1, seed=3, tries=4), "row")
    assert len({json.dumps(tried) for tried in drawn.values()}) > 5
    own = {"row": {"c": (5,)}, "none": {}}
    assert search.tries_of(Search(space, steps=1, seed=0, own=own), "row") == [{"c": 5}]
    assert search.tries_of(Search(space, steps=1, seed=0, own=own), "none") == []


def test_the_best_is_the_least_or_the_most_and_the_first_of_equals():
    def tried(*figures):
        return [{"overrides": {"n": n}, "figure": x, "failed": "" if x else "it did"} for n, x in enumerate(figures)]

    assert search.take_best("row", tried(3.0, 1.0, None, 1.0), more_is_better=False) == {"n": 1}
    assert search.take_best("row", tried(3.0, 1.0, None, 3.0), more_is_better=True) == {"n": 0}
    assert search.take_best("row", [], more_is_better=True) == {}


@pytest.mark.parametrize(
    "space, more, told",
    [
        (SPACE, ", metric='frechett'", "unknown metric to search by 'frechett'; did you mean 'frechet'?"),
        (SPACE, ", metric='precision_recall'", "unknown metric to search by 'precision_recall'"),
        ({"batch_size": 5}, "", "the search's batch_size is 5: give a tuple of values to try"),
        ({"batch_size": ()}, "", "the search's batch_size is (): give a tuple of values to try"),
        ({"batch_size": (16, 0)}, "", "row 'wide': --config.batch_size=0: use a positive"),
        ({"batch_sise": (16,)}, "", "row 'wide': unknown configuration key 'batch_sise'"),
        ({"seed": (1, 2)}, "", "row 'wide': it sets the seed, which is the study's"),
        (SPACE, ", tries=-1", "the search needs steps of 1 or more, tries of 0 (all) or more"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_runs(tmp_path, space, more, told):
    with pytest.raises(UserError) as caught:
        prepared(tmp_path, space, more)
    assert told in str(caught.value)


def test_the_search_has_a_seed_of_its_own_and_knows_its_rows(tmp_path):
    (tmp_path / "which.py").write_text(TEXT.format(space=SPACE, more="").replace("seed=7", "seed=1"))
    with pytest.raises(UserError, match="the search's seed 1 is one of the study's: use another"):
        preparing.prepare(str(tmp_path / "which.py"), 1)
    (tmp_path / "which.py").write_text(
        TEXT.format(space=SPACE, more="")
        .replace("own={'fixed'", "own={'fixde'")
        .replace('own={"fixed"', 'own={"fixde"')
    )
    with pytest.raises(UserError, match="unknown row of the search 'fixde'; did you mean 'fixed'?"):
        preparing.prepare(str(tmp_path / "which.py"), 1)
