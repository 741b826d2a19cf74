"""The program that measures super-resolution: what it gives each source, what it prints, and what it refuses."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from shared import program, tiny_config, trained

from train.evaluate.makers import Maker
from zoo import images
from zoo.bicubic import resized
from zoo.metrics import super_resolution as measure
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

evaluate = program("train.evaluate.super_resolution")


def maker(channels=3, factor=2, **changes):
    """Return a source that enlarges bicubically."""
    small = TensorSpec("input", (8, 8, channels), "condition", "image", multiple=1, least=2)
    large = TensorSpec("upscaled", (8 * factor, 8 * factor, channels), "output", "image", follows="input", reach=2)

    def run(name, inputs):
        return {"upscaled": resized(inputs["input"], factor).astype(np.float32)}

    return Maker({"upscale": MapSpec((small,), (large,))}, {}, run, None, {"kind": "test"}, **changes)


def photo(height=36, width=48, channels=3):
    """Return a smooth picture, far from black and white."""
    coarse = np.random.default_rng(0).integers(64, 192, size=(height // 12, width // 12, channels))
    return np.clip(np.rint(resized(resized(coarse, 3), 4)), 0, 255).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path):
    """Return a directory with a picture in colour and a grey one, of other sizes."""
    root = tmp_path / "set"
    root.mkdir()
    (root / "colour.png").write_bytes(images.encode_png(photo(36, 48)))
    (root / "grey.png").write_bytes(images.encode_png(photo(48, 36, 1)))
    return root


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("of_truth", [1, 3])
def test_a_source_that_is_bicubic_has_the_scores_of_bicubic(factor, channels, of_truth):
    """Through luma or colour, grey in one channel or in three: all are linear, up to the rounding of luma."""
    # noise, whose scores do not hang on the rounding; far from black and white, so that nothing is clipped
    truth = np.random.default_rng(0).integers(96, 160, size=(36, 48, of_truth), dtype=np.uint8)
    made = evaluate.enlarged(maker(channels, factor), truth, factor)
    ours, bicubic = (measure.scores(out, truth, factor) for out in (made, measure.bicubic(truth, factor)))
    assert ours["psnr_db"] == pytest.approx(bicubic["psnr_db"], abs=0.1)
    np.testing.assert_allclose(measure.luma(made), measure.luma(measure.bicubic(truth, factor)), atol=1)


def test_the_factor_is_that_of_the_sources():
    assert evaluate.factor_of({"a": maker(), "b": maker(1)}, 0) == 2
    assert evaluate.factor_of({"a": maker(factor=3)}, 3) == 3
    assert evaluate.factor_of({}, 4) == 4


@pytest.mark.parametrize(
    ("factors", "asked", "said"),
    [
        ((2,), 3, "--source=0 was trained for factor 2, not 3: measure it alone, with --factor=2, or train one for 3"),
        ((2, 4), 0, "--source=1 was trained for factor 4, not 2"),
        ((), 0, "--source is missing"),
        ((), 1, "--factor=1: use 2 or more"),
    ],
)
def test_a_factor_that_a_file_was_not_trained_for_is_refused(factors, asked, said):
    with pytest.raises(UserError, match=said) as refused:
        evaluate.factor_of({str(index): maker(factor=factor) for index, factor in enumerate(factors)}, asked)
    assert "\n" not in str(refused.value)


def test_what_is_no_super_resolution_is_refused():
    same = TensorSpec("photo", (8, 8, 3), "condition", "image", multiple=1)
    styled = TensorSpec("styled", (8, 8, 3), "output", "image", follows="photo")
    other = Maker({"style": MapSpec((same,), (styled,))}, {}, None, None, {})
    with pytest.raises(UserError, match="makes no larger pictures of pictures of any size"):
        evaluate.factor_of({"a": other}, 0)


def test_a_sheet_has_a_row_for_each_picture():
    rows = [[evaluate._centre(photo(24 * n, 240, channels)) for _ in range(3)] for n, channels in ((1, 3), (9, 1))]
    sheet = evaluate.sheet(rows)
    assert sheet.shape[-1] == 3 and sheet.shape[1] > sheet.shape[0]
    assert rows[0][0].shape == (128, 128, 3)
    np.testing.assert_array_equal(rows[0][0][:24], photo(24, 240)[:, 56:184])
    assert (rows[0][0][24:] == 128).all()


def run_program(monkeypatch, capsys, **values):
    """Run the program with these values of its flags; return the lines that it prints."""
    for name in ("source", "pictures", "factor", "output"):
        value = values.get(name, getattr(evaluate, name.upper()).default)
        monkeypatch.setattr(evaluate, name.upper(), SimpleNamespace(value=value))
    evaluate.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_program_measures_a_run_beside_bicubic(tmp_path, pictures, monkeypatch, capsys):
    trained(tiny_config("espcn", **{"data.factor": 2, "data.channels": 3}), tmp_path / "run")
    sheet = tmp_path / "sheet.png"
    lines = run_program(
        monkeypatch, capsys, source=[str(tmp_path / "run")], pictures=[str(pictures)], output=str(sheet)
    )
    assert [line["protocol"]["source"]["kind"] for line in lines] == ["bicubic enlargement", "run"]
    for line in lines:
        assert line["metric"] == "super_resolution" and line["protocol"]["factor"] == 2
        assert line["protocol"]["count"] == 2 and line["protocol"].keys() >= measure.PROTOCOL.keys()
    truths = [photo(36, 48), photo(48, 36, 1)]
    expected = [measure.scores(measure.bicubic(truth, 2), truth, 2) for truth in truths]
    assert lines[0]["psnr_db"] == pytest.approx(np.mean([row["psnr_db"] for row in expected]))
    assert lines[0]["ssim"] == pytest.approx(np.mean([row["ssim"] for row in expected]))
    assert lines[1]["psnr_db"] < lines[0]["psnr_db"]
    assert images.decode(sheet, None, 3).shape[1] > 3 * 128


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "--pictures is missing"),
        ({"pictures": ["/nowhere/at/all"], "factor": 2}, "--pictures=/nowhere/at/all is no directory"),
        ({"pictures": ["{tmp}"], "factor": 2}, "holds no picture file"),
        ({"pictures": ["{set}"]}, "--source is missing"),
        ({"pictures": ["{set}"], "source": ["{set}"]}, "a folder of pictures enlarges nothing"),
        ({"pictures": ["{set}"], "factor": 2, "output": "sheet.jpg"}, "let its name end in .png"),
        ({"pictures": ["{set}"], "factor": 20}, "colour.png: 48 x 36 pixels are too few to be measured at factor 20"),
    ],
)
def test_each_mistake_is_one_line(values, said, tmp_path, pictures, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    places = {"tmp": str(tmp_path / "empty"), "set": str(pictures)}
    filled = {
        key: [place.format(**places) for place in value] if isinstance(value, list) else value
        for key, value in values.items()
    }
    with pytest.raises(UserError, match=said) as refused:
        run_program(monkeypatch, capsys, **filled)
    assert "\n" not in str(refused.value)
