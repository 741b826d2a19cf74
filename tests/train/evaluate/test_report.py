"""How good is it? Rows of real pictures and rows that do nothing beside the model's, and the page: known answers."""

import io
import re

import numpy as np
import pytest
from judged import DIGITS, save, scans
from PIL import Image
from shared import program, tiny_config, trained

from train import config
from train.evaluate import figures, page, panels
from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.reference import Reference
from train.evaluate.report import report
from zoo import images
from zoo.metrics.distances import nearest
from zoo.metrics.extractor import Extractor
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

evaluate = program("train.evaluate.__main__")

NAMES = ["frechet", "precision_recall", "nearest_neighbours"]
POINTS = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("point", (2,), "output", "point"),))


def reference(split="test", count=120, section=DIGITS, column="image"):
    return Reference(section, split, count, 0, Extractor(), column)


def compared(pictures, **options):
    maker = Maker({}, {}, None, None, {"kind": "folder"}, lambda count, seed: pictures[:count])
    return Comparison(maker, reference(**options), 120, 0, maker.protocol)


def rows_of(made):
    return {row.figure.key: row for row in figures.rows(made)}


def test_other_real_rows_are_as_many_of_the_other_split():
    first, others = reference(count=120).with_others()
    assert (first.split, others.split, len(first.chosen), len(others.chosen)) == ("test", "train", 120, 120)
    first, others = reference("train", count=500).with_others()
    assert (others.split, len(first.chosen), len(others.chosen)) == ("test", 299, 299)
    np.testing.assert_array_equal(first.images, reference("train", count=500).images[:299])


def test_where_one_split_is_all_there_is_two_parts_share_no_row(tmp_path, cache):
    grey = np.broadcast_to(10 * np.arange(21, dtype=np.uint8)[:, None, None, None], (21, 4, 4, 1))
    section = config.source(f"folder:{save(grey, tmp_path / 'pictures')}")
    for count, each in ((100, 10), (21, 10), (8, 8)):
        first, others = Reference(section, "all", count, 0, Extractor()).with_others()
        levels = [set(part.images[:, 0, 0, 0].tolist()) for part in (first, others)]
        assert (len(levels[0]), len(levels[1]), levels[0] & levels[1]) == (each, each, set())
        assert first.fewer(3).images.tolist() == first.images[:3].tolist()
        assert others.fewer(3).images.tolist() == others.images[:3].tolist(), "the rows that are left out stay out"


def test_a_generator_of_other_real_pictures_has_the_figures_of_the_real_row(capsys):
    _, others = reference().with_others()
    made = report(compared(others.images), NAMES, may_leave_out=False)
    for key in ("frechet_distance", "precision", "recall"):
        row = rows_of(made)[key]
        assert row.value == row.real
        assert (row.value < row.beside["shuffled pixels"]) == (row.figure.better == "less"), "which is far off"
    assert rows_of(made)["close_share"].value == 1, "each is a copy of a training picture"
    assert rows_of(made)["close_share"].real == pytest.approx(0.01, abs=0.01)
    kinds = re.findall(r'"metric": "(\w+)".*?"source": {"kind": "(\w+)"', capsys.readouterr().out)
    beside = [(name, kind) for name in NAMES[:2] for kind in ("folder", "real", "shuffled")]
    assert kinds == [*beside, ("nearest_neighbours", "folder")]


def test_a_generator_of_shuffled_pixels_has_the_figures_of_that_row():
    _, others = reference().with_others()
    shuffled = np.random.default_rng(0).permuted(others.images, axis=0)
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(others.images, axis=0))
    row = rows_of(report(compared(shuffled), ["frechet"], may_leave_out=False))["frechet_distance"]
    assert row.value == row.beside["shuffled pixels"]


def test_the_points_of_the_mixture_stand_beside_those_of_a_model():
    def run(name, inputs):
        return {"point": np.zeros((64, 2), np.float32)}

    section = config.source("ring")
    maker = Maker({"generate": POINTS}, {}, run, section, {"kind": "run"})
    comparison = Comparison(maker, reference(section=section, count=500), 500, 0, maker.protocol)
    row = rows_of(report(comparison, ["mixture"], may_leave_out=False))
    assert (row["modes"].value, row["modes"].real) == (0, 8)
    assert row["high_quality"].real == pytest.approx(0.989, abs=0.02), "1 - exp(-9 / 2)"
    panel, *_ = panels.sample_panels(comparison)
    assert panel.caption == "Points in blue, data in grey."


def test_what_cannot_be_measured_is_left_out_and_told_unless_it_was_asked_for(capsys):
    with pytest.raises(UserError, match="score needs class probabilities|stacked_modes is for stacked"):
        report(compared(scans("test")), ["stacked_modes", "frechet"], may_leave_out=False)
    made = report(compared(scans("test")), ["stacked_modes", "frechet"], may_leave_out=True)
    assert list(made.lines) == ["frechet"]
    assert "warning: stacked_modes is left out: stacked_modes is for stacked pictures" in capsys.readouterr().err
    assert "stacked_modes was left out: stacked_modes is for stacked" in page.render(made, "x", None, "command")
    with pytest.raises(UserError, match="stacked_modes: stacked_modes is for stacked pictures"):
        report(compared(scans("test")), ["stacked_modes"], may_leave_out=True)


def test_the_nearest_of_points():
    numbers, distances = nearest(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([[9.0, 9.0], [3.0, 4.0], [0.0, 1.0]]))
    assert numbers.tolist() == [2, 1]
    np.testing.assert_allclose(distances, [1, np.sqrt(5)])


def test_the_training_pictures_nearest_to_samples_stand_below_them():
    """One sample is a copy: it is the nearest of all, and stands above itself twice. The others are noise."""
    made = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    made[13] = scans("train")[100]
    near, first = panels.nearest_panels(compared(made))
    strip = np.asarray(Image.open(io.BytesIO(near.data)))
    scale = images.layout(24, 8, 8, 8)[2]
    cells = strip[::scale, ::scale]
    above, pixels, features = (cells[9 * row : 9 * row + 8, :8] for row in range(3))
    for cell in (above, pixels, features):
        np.testing.assert_array_equal(cell, made[13, ..., 0])
    shown = np.asarray(Image.open(io.BytesIO(first.data)))[::scale, ::scale]
    np.testing.assert_array_equal(shown[:8, 9:17], made[1, ..., 0])
    assert "the 8 of 20 samples that are nearest" in near.caption and "of 1,498 training pictures" in near.caption


def test_the_page_needs_nothing_else_and_suits_a_phone_and_the_dark():
    made = report(compared(scans("test")[:120]), NAMES, may_leave_out=False)
    text = page.render(made, "places/<mine>", None, "python -m train.evaluate --source=x")
    assert "://" not in text and "<script" not in text and "<link" not in text
    assert set(re.findall(r'src="([a-z]+:[a-z]+/[a-z]+);base64', text)) == {"data:image/png"}
    assert len(re.findall("src=", text)) == 4, "samples, real pictures, two strips"
    assert "width=device-width" in text and "prefers-color-scheme: dark" in text
    assert "&lt;mine&gt;" in text and "<mine>" not in text
    value = figures.shown(made.lines["frechet"]["frechet_distance"])
    assert f"(less is better)<br>how far apart both sets lie in features</td><td>{value}</td><td>" in text
    assert "120 rows of digits, test split, chosen by seed 0, and as many of the model" in text
    assert "Only a run has curves" in text and "A folder has none." in text


def test_the_summary_has_each_figure_beside_the_others():
    _, others = reference().with_others()
    made = report(compared(others.images), ["frechet"], may_leave_out=False)
    distance = figures.shown(made.lines["frechet"]["frechet_distance"])
    assert re.fullmatch(
        rf"Frechet distance \(less is better\): {distance}; beside: real {distance}, shuffled pixels [\d.]+",
        figures.summary(made),
    )


# --- the program -------------------------------------------------------------------------------------------------


def run_program(capsys, *arguments):
    own = evaluate.SOURCE._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["train.evaluate", *map(str, arguments)])
    evaluate.main()
    return capsys.readouterr()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    trained(tiny_config("vae"), directory)
    return directory


def test_one_command_answers_for_a_run(run, capsys):
    told = run_program(capsys, f"--source={run}", "--count=120")
    metrics = re.findall(r'^{"metric": "(\w+)"', told.out, re.MULTILINE)
    assert set(metrics) == {
        *("log_likelihood", "pairs", "frechet", "precision_recall", "density_coverage", "nearest_neighbours"),
        "representation",
    }
    assert f"look at {run / 'evaluation.html'}; " in told.err
    for words in ("log-likelihood, nats (more is better): ", "independent pixels", "training rows", "PSNR, dB"):
        assert words in told.err
    text = (run / "evaluation.html").read_text()
    assert "what training logged" in text, "the run's own curves"
    assert "The map reconstruct. In each cell: image, reconstruction." in text
    assert "&quot;model.name&quot;: &quot;vae&quot;" in text
    assert f"python -m train.evaluate --source={run} --count=120" in text


def test_metrics_that_are_named_are_measured_as_ever_unless_a_page_is_asked_for(run, capsys, tmp_path):
    (run / "evaluation.html").unlink(missing_ok=True)
    told = run_program(capsys, f"--source={run}", "--metrics=frechet", "--count=120")
    assert told.out.count("\n") == 1 and not (run / "evaluation.html").exists()
    told = run_program(capsys, f"--source={run}", "--metrics=frechet", "--count=120", f"--page={tmp_path / 'x.html'}")
    assert told.out.count("\n") == 3
    assert "Nearest training pictures" not in (tmp_path / "x.html").read_text()
    with pytest.raises(UserError, match=r"--page=x.txt: end it in .html"):
        run_program(capsys, f"--source={run}", "--page=x.txt")


def test_a_bundle_has_no_curves_and_its_page_lies_where_one_says(run, capsys, tmp_path):
    from export import build

    build.build(run, tmp_path / "bundle")
    before = sorted(tmp_path.rglob("*"))
    flags = f"--source={tmp_path / 'bundle'}", "--count=100"
    assert "no page was written: name one with --page=FILE.html" in run_program(capsys, *flags).err
    assert sorted(tmp_path.rglob("*")) == before
    run_program(capsys, *flags, f"--page={tmp_path / 'x.html'}")
    text = (tmp_path / "x.html").read_text()
    assert "Only a run has curves" in text and "&quot;model.name&quot;: &quot;vae&quot;" in text
