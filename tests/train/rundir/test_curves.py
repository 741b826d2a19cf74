"""curves.png: which panels there are, what they hold, and how they are drawn."""

import json
import math

import numpy as np
import pytest

from train.rundir import curves


@pytest.fixture
def drawn(monkeypatch):
    """What the last `write` drew: for each panel its title, its curves by their label, and its scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kept = []
    close = plt.close

    def remember(canvas):
        kept[:] = [
            (
                axis.get_title(loc="left"),
                {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axis.lines},
                axis.get_yscale(),
            )
            for axis in canvas.axes
        ]
        close(canvas)

    monkeypatch.setattr(plt, "close", remember)
    return kept


def write(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def titles(*lines, **arguments):
    return {panel.title: panel.lines for panel in curves.panels(list(lines), [], {}, **arguments)}


def test_logs_that_change_from_phase_to_phase_are_drawn_where_they_are(tmp_path, drawn):
    write(
        tmp_path / "metrics.jsonl",
        {"step": 10, "vision_loss": 4.0, "kl": 1.0, "steps_per_second": 3.0},
        {"step": 20, "vision_loss": 3.0, "memory_loss": 9.0, "steps_per_second": 3.0},
        {"step": 30, "memory_loss": 8.0, "accuracy": 0.5, "steps_per_second": 4.0},
    )
    curves.write(tmp_path, {})
    assert drawn == [
        ("Losses", {"vision": [[10, 4], [20, 3]], "memory": [[20, 9], [30, 8]]}, "linear"),
        ("KL divergence", {"KL divergence": [[10, 1]]}, "linear"),
        ("Accuracy", {"accuracy": [[30, 0.5]]}, "linear"),
        ("Steps per second", {"steps per second": [[10, 3], [20, 3], [30, 4]]}, "linear"),
    ]
    assert (tmp_path / curves.CURVES).read_bytes().startswith(b"\x89PNG")


def test_a_line_has_a_gap_where_its_log_is_absent():
    (points,) = titles({"step": 1, "x": 1.0}, {"step": 2}, {"step": 3, "x": 3.0}, {"step": 4})["x"].values()
    assert [step for step, _ in points] == [1, 2, 3]
    assert points[0][1] == 1 and math.isnan(points[1][1]) and points[2][1] == 3


def test_two_sides_share_a_panel_and_the_real_one_is_first():
    found = titles(
        {"step": 1, "fake_probability": 0.25, "real_probability": 0.75, "cycle_a": 1.0, "cycle_b": 2.0, "real_x": 3.0}
    )
    assert {title: list(lines.items()) for title, lines in found.items()} == {
        "probability, real and fake": [("real", [(1, 0.75)]), ("fake", [(1, 0.25)])],
        "cycle, a and b": [("a", [(1, 1.0)]), ("b", [(1, 2.0)])],
        "real x": [("real x", [(1, 3.0)])],
    }


def test_losses_of_two_sides_are_among_the_pairs():
    found = titles({"step": 1, "real_class_loss": 1.0, "fake_class_loss": 2.0, "generator_loss": 3.0, "loss": 4.0})
    assert {title: set(lines) for title, lines in found.items()} == {
        "losses": {"generator", "loss"},
        "class loss, real and fake": {"real", "fake"},
    }


def test_losses_that_are_negative_somewhere_do_not_take_the_others_their_logarithmic_axis(tmp_path, drawn):
    write(
        tmp_path / "metrics.jsonl",
        {"step": 1, "density_loss": 4.0, "end_loss": 2.0, "reward_loss": 0.5, "kl": 99.0},
        {"step": 2, "density_loss": -8.0, "end_loss": 0.02, "reward_loss": 0.1, "kl": 1.0},
    )
    curves.write(tmp_path, {})
    assert [(title, set(lines), scale) for title, lines, scale in drawn] == [
        ("Losses that may be negative", {"density"}, "linear"),
        ("Losses", {"end", "reward"}, "log"),
        ("KL divergence", {"KL divergence"}, "linear"),
    ], "two decades, and a little less than two"


def test_figures_come_after_the_logs_each_with_a_mark_at_its_best(tmp_path, drawn):
    write(tmp_path / "metrics.jsonl", {"step": 10, "loss": 4.0, "steps_per_second": 2.0})
    write(
        tmp_path / "evaluations.jsonl",
        {"step": 0, "metric": "log_likelihood", "nats": -30.0},
        {"step": 0, "metric": "frechet", "frechet_distance": 9.0},
        {"step": 0, "metric": "parzen", "nats": -90.0},
        {"step": 10, "metric": "frechet", "frechet_distance": 8.0},
        {"step": 10, "metric": "log_likelihood", "nats": -20.0},
        {"step": 20, "metric": "frechet", "frechet_distance": 8.5},
    )
    figures = {"log_likelihood": "nats", "frechet": "frechet_distance", "pairs": "auc"}
    curves.write(tmp_path, figures, {"log_likelihood"})
    assert drawn[1:-1] == [
        (
            "Nats (log likelihood)",
            {"nats": [[0, -30], [10, -20]], "best: -20 at step 10": [[10, -20]]},
            "linear",
        ),
        (
            "Fréchet distance",
            {"Fréchet distance": [[0, 9], [10, 8], [20, 8.5]], "best: 8 at step 10": [[10, 8]]},
            "linear",
        ),
    ], "what is not measured yet has none"
    assert (drawn[0][0], drawn[-1][0]) == ("Losses", "Steps per second")


def test_a_long_line_is_the_means_of_its_parts():
    steps, values, low, high = curves.thinned([(step, float(step % 4)) for step in range(1600)])
    np.testing.assert_array_equal(steps, 1.5 + 4 * np.arange(400))
    np.testing.assert_array_equal((values, low, high), np.repeat([[1.5], [0.0], [3.0]], 400, axis=1))
    steps, values, low, high = curves.thinned([(step, 1.0) for step in range(1000)])
    assert len(steps) == 400 and (values == 1).all(), "parts of two and of three"
    short = [(step, float(step)) for step in range(400)]
    assert all(row.tolist() == list(range(400)) for row in curves.thinned(short))


def test_the_axis_is_that_of_the_means(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    seen = []
    close = plt.close
    monkeypatch.setattr(plt, "close", lambda canvas: seen.append(canvas.axes[0].get_ylim()) or close(canvas))
    lines = [{"step": step, "loss": 1.0 + (step % 4) / 4 + 100 * (step == 800)} for step in range(4000)]
    write(tmp_path / "metrics.jsonl", *lines)
    curves.write(tmp_path, {})
    ((low, high),) = seen
    assert 0.5 < low < 1.375 and 11.375 < high < 13, "a part of ten holds the point far away"


def test_twenty_logs_are_no_strip():
    lines = [{"step": step, **{f"log_{number}": 1.0 for number in range(20)}} for step in (1, 2)]
    made = curves.panels(lines, [], {})
    assert len(made) == 20
    header = curves.draw(made[:7])[16:24]
    width, height = (int.from_bytes(header[place : place + 4]) for place in (0, 4))
    assert width == round(3 * 4.6 * 110) and height == round(3 * 3.1 * 110)


def test_a_run_without_a_line_has_no_curves_and_what_is_no_number_is_left_out(tmp_path):
    curves.write(tmp_path, {"frechet": "frechet_distance"})
    assert list(tmp_path.iterdir()) == []
    assert titles({"step": 1, "loss": "high", "kl": 1.0}) == {"KL divergence": {"KL divergence": [(1, 1.0)]}}
