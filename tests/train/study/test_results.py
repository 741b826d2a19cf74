"""What a study found, as tables and captions; and what may be added to a stored result."""

import re

import pytest
import results as documentation

from train import config
from train.rundir import logs
from train.study import curves, results
from zoo.shared import files
from zoo.shared.errors import UserError


def line(metric, **figures):
    protocol = {"samples": 1234, "reference": {"count": 999, "name": "digits", "split": "test"}}
    if metric == "parzen":
        protocol["reference"] = {"name": "digits", "splits": "test: a part", "binarize": "none"}
    if metric == "frechet":
        protocol["extractor"] = {"file": "x.onnx", "sha256": "0123456789abcdef"}
    return {"metric": metric, **figures, "protocol": protocol}


def run(distance, recall, seconds=60.0):
    lines = [line("frechet", frechet_distance=distance), line("precision_recall", recall=recall)]
    best = [line("frechet", frechet_distance=distance / 2), line("precision_recall", recall=recall)]
    return {"step": 4000, "seconds": seconds, "lines": {"last": lines, "best": best}}


def known():
    """Return a result whose table can be worked out by hand."""
    row = {"recipe": "r", "overrides": {}, "picture": None}
    settings = {"model.name": "pacgan", "ema": 0.0, "batch_size": 64}
    settings |= {"evaluate.metrics": "frechet:100,kernel", "evaluate.count": 50, "evaluate.every": 300}
    return {
        "title": "Which?",
        "about": "So.",
        "command": "python -m train.study --study=x",
        "protocol": {"checkpoints": ["last"], "threads": 1, "cores": 2},
        "versions": {"genzoo": "1.0", "tensorflow": "2.0", "keras": "3.0"},
        "seeds": [0, 3, 5],
        "columns": {
            "distance": {"metric": "frechet", "figure": "frechet_distance", "digits": 2, "scale": 1.0},
            "recall, %": {"metric": "precision_recall", "figure": "recall", "digits": 1, "scale": 100},
        },
        "published": {},
        "source": "",
        "rows": {
            "b": {
                **row,
                "settings": settings,
                "runs": {"0": run(1.0, 0.5), "3": run(2.0, None), "5": run(6.0, 0.7, 150)},
            },
            "a": {**row, "settings": {**settings, "ema": 0.9, "batch_size": 320}, "runs": {"3": run(4.0, None)}},
            "none": {**row, "settings": {**settings, "ema": 0.5}, "runs": {}},
        },
    }


def test_cells_are_means_and_sample_deviations_of_the_seeds_that_are_there():
    # 1, 2, 6: mean 3, deviation sqrt((4 + 1 + 9) / 2) = sqrt 7; 50, 70: mean 60, deviation sqrt 200
    assert results.table(known()).splitlines() == [
        "|  | distance | recall, % |",
        "| --- | --- | --- |",
        "| b | 3.00 ± 2.65 | 60.0 ± 14.1 (n = 2) |",
        "| a | 4.00 (n = 1) | none |",
        "| none | not run | not run |",
    ]


def test_only_the_seeds_of_the_study_count():
    result = known() | {"seeds": [0, 3]}
    assert results.table(result).splitlines()[2] == "| b | 1.50 ± 0.71 | 50.0 (n = 1) |"


def test_a_row_may_have_seeds_of_its_own_and_its_cells_say_how_many():
    result = known()
    result["rows"]["b"]["seeds"] = [0, 3]
    assert results.seeds_of(result, result["rows"]["b"]) == [0, 3]
    assert results.seeds_of(result, result["rows"]["a"]) == [0, 3, 5]
    assert "| b | 1.50 ± 0.71 (n = 2) | 50.0 (n = 1) |" in results.table(result)


def test_seeds_that_no_row_has_yet_are_not_told():
    assert results.table(known() | {"seeds": [0, 3, 5, 7]}) == results.table(known())
    assert results.caption(known() | {"seeds": [0, 3, 5, 7]}) == results.caption(known())


def test_a_curve_is_the_mean_of_a_row_with_its_extremes_where_all_its_runs_were_evaluated():
    runs = [[(100, 4.0), (200, 2.0)], [(100, 1.0), (200, 3.0), (300, 9.0)], [(100, 1.0), (200, 1.0)]]
    assert curves.mean(runs) == ([100, 200], [2.0, 2.0], [1.0, 1.0], [4.0, 3.0])


def test_a_run_keeps_the_figure_that_ranks_its_checkpoints_but_not_that_of_no_training(tmp_path):
    (tmp_path / "config.json").write_text(config.to_json(config.load("gan_grid_fashion")))
    assert curves.evaluated(tmp_path) == {}
    for step, metric, distance in (
        (0, "frechet", 9.0),
        (50, "frechet", 2.0),
        (50, "kernel", 1.0),
        (99, "frechet", None),
    ):
        figures = {"frechet_distance": distance} if metric == "frechet" else {"kernel_distance": distance}
        logs.append_line(tmp_path / "evaluations.jsonl", {"step": step, "metric": metric, **figures})
    assert curves.evaluated(tmp_path) == {"evaluations": [[50, 2.0]]}
    (tmp_path / "config.json").write_text(config.to_json(config.load("flow_matching_fashion")))
    assert curves.evaluated(tmp_path) == {}, "it is not evaluated while it trains"


def test_the_curves_hold_the_rows_that_are_ranked_alike(monkeypatch):
    result = known()
    assert curves.draw(result) == b""  # no run was evaluated while it trained
    result["rows"]["a"]["runs"]["3"]["evaluations"] = [[300, 2.0], [600, 1.0]]
    result["rows"]["b"]["runs"]["0"]["evaluations"] = [[300, 0.5]]
    drawn = []
    mean = curves.mean
    monkeypatch.setattr(curves, "mean", lambda runs: drawn.append(runs) or mean(runs))
    assert curves.draw(result).startswith(b"\x89PNG")
    assert drawn == [[[[300, 0.5]]], [[[300, 2.0], [600, 1.0]]]]
    drawn.clear()
    result["rows"]["a"]["settings"]["evaluate.metrics"] = "kernel"
    assert curves.draw(result) and drawn == [[[[300, 0.5]]]]
    result["rows"]["b"]["seeds"] = [3]
    drawn.clear()
    assert curves.draw(result) and drawn == [[[[300, 2.0], [600, 1.0]]]]


def test_each_checkpoint_has_its_columns_and_published_rows_come_last():
    result = known()
    result["protocol"]["checkpoints"] = ["last", "best"]
    result["published"], result["source"] = {"GAN": ["1 ± 1", "2", "", "3"]}, "Somebody (2014), 10 trainings."
    lines = results.table(result).splitlines()
    assert lines[0] == "|  | distance, last | recall, %, last | distance, best | recall, %, best |"
    assert lines[2] == "| b | 3.00 ± 2.65 | 60.0 ± 14.1 (n = 2) | 1.50 ± 1.32 | 60.0 ± 14.1 (n = 2) |"
    assert lines[-1] == "| GAN, published | 1 ± 1 | 2 |  | 3 |"
    told = results.caption(result)
    assert told.endswith("Published: Somebody (2014), 10 trainings.")
    assert "The best one was chosen by frechet on 50 samples and the train split, every 100 steps." in told


def test_a_column_whose_figure_does_not_exist_names_the_nearest():
    result = known()
    result["columns"]["distance"]["figure"] = "distance"
    with pytest.raises(UserError, match="unknown figure of the metric frechet 'distance'; did you mean 'frechet_dist"):
        results.table(result)


def test_the_caption_tells_the_protocol():
    assert results.caption(known()) == (
        "Mean ± standard deviation (by n - 1) over n = 3 trainings, with the seeds 0, 3, 5. Measured on 1,234 samples. "
        "Reference: 999 images of digits, test split. Features: x.onnx (SHA-256 01234567). Trained for 4,000 steps in "
        "batches of 64 or 320; decay of the generator's average (EMA): none or 0.9. The last checkpoint is that of the "
        "last step. A run trained for 1.0 to 2.5 minutes on 1 of 2 cores. genzoo 1.0, TensorFlow 2.0, Keras 3.0."
    )
    assert results.caption(known() | {"seeds": [3]}).startswith("One training, with the seed 3: no spread is known. ")
    assert results.caption(known() | {"seeds": [7]}) == "No run is finished yet."
    whole = known()
    whole["rows"]["b"]["runs"]["0"]["lines"]["last"].append(line("parzen", nats=1.0))
    assert "Reference: 999 images of digits, test split or digits (test: a part)." in results.caption(whole)


def test_another_setting_or_one_more_is_refused():
    for key, was, now in (("ema", 0.0, 0.5), ("stop.steps", "none", 5)):
        new = known()
        new["rows"]["b"]["settings"][key] = now
        with pytest.raises(UserError, match=rf"b: {key} \({was} -> {now}\); put the study back"):
            results.check_same(known(), new)


def test_what_has_no_run_yet_may_change():
    old, new = known(), known()
    del new["rows"]["none"]
    new["rows"]["other"] = old["rows"]["none"]
    results.check_same(old, new)
    for row in old["rows"].values():
        row["runs"] = {}
    new["protocol"]["threads"] = 2
    results.check_same(old, new)


def test_seeds_rows_and_columns_may_be_added():
    new = known()
    new["rows"]["new"] = new["rows"]["a"]
    new["seeds"], new["columns"], new["title"] = [0, 3, 5, 6], {}, "What?"
    results.check_same(known(), new)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_stored_result_that_is_none_is_one_clear_line(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match="x.json is corrupt: .*; remove it and run the study again"):
        results.read(tmp_path / "x.json")


def test_the_page_tells_every_stored_result(tmp_path):
    result = known()
    for name in ("y", "x"):
        result["title"] = f"Which {name}?"
        result["rows"]["b"]["picture"] = f"{name}/b.png"
        files.write_json(tmp_path / f"{name}.json", result)
    files.write_json(tmp_path / "z.json", {**result, "curves": "z/curves.png"})
    page = documentation.page(tmp_path)
    assert page.index("## Which x?") < page.index("## Which y?")
    assert page.count("curves.png") == page.count("](z/curves.png)") == 1
    for part in (results.table(result), results.caption(result), "So.", f"    {result['command']}", "![b](x/b.png)"):
        assert part in page


def test_readme_has_the_table_of_recipes_between_its_comments():
    new = documentation.readme("before\n<!-- recipes -->\nstale\n<!-- /recipes -->\nafter\n")
    assert new.startswith("before\n<!-- recipes -->\n| You have | take |")
    assert new.endswith("|\n<!-- /recipes -->\nafter\n")
    assert "stale" not in new
    assert documentation.readme(new) == new
    with pytest.raises(ValueError, match="lacks the comments <!-- recipes --> and <!-- /recipes -->"):
        documentation.readme("before\n")


def test_the_documentation_tells_the_stored_results():
    """If this fails: make results."""
    page = documentation.RESULTS / "README.md"
    assert page.read_text() == documentation.page()
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_no_result_names_a_place_of_the_machine_that_made_it():
    for path in documentation.RESULTS.glob("*.json"):
        assert not re.search(r'"/|[\s=:]/(home|root|tmp|work|Users)', path.read_text()), path
