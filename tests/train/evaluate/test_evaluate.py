"""Evaluation prints JSON lines that carry their protocol; every source of one map is judged alike."""

import json

import numpy as np
import onnx
import pytest
from judged import DIGITS, LUMA, RED, compared, save, scans
from PIL import Image
from shared import program, python, tiny_config, trained

from train import config, data
from train.evaluate import makers
from train.evaluate.metrics import METRICS, measure
from train.evaluate.reference import Reference
from zoo import images, noise
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extractor
from zoo.shared import files
from zoo.shared.errors import UserError

evaluate = program("train.evaluate.__main__")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    return directory, trained(tiny_config("dcgan"), directory)


@pytest.fixture(scope="module")
def bundle(run):
    from export import build

    build.build(run[0], run[0].parent / "bundle")
    return run[0].parent / "bundle"


def lines(*arguments):
    process = python("-m", "train.evaluate", *arguments, stderr=None)
    output, _ = process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


def printed(capsys, *arguments):
    """Return the lines that the program prints, run in this process."""
    own = evaluate.SOURCE._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["train.evaluate", *arguments])
    evaluate.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_likelihood_model_is_measured_on_held_out_data(tmp_path):
    made = trained(tiny_config("nade"), tmp_path)
    line, trained_on, *others = lines(f"--source={tmp_path}")
    assert [other["metric"] for other in others][:9:3] == ["frechet", "precision_recall", "density_coverage"]
    assert (trained_on["metric"], trained_on["protocol"]["reference"]["split"]) == ("log_likelihood", "train")
    assert "log-likelihood, nats (more is better)" in (tmp_path / "evaluation.html").read_text()
    assert line["metric"] == "log_likelihood"
    assert (line["count"], line["bound"]) == (299, "exact")
    assert line["baseline_nats"] == pytest.approx(-27.2, abs=0.3), "8x8 digits, dynamic, under independent pixels"
    assert line["protocol"]["reference"]["split"] == "test"
    assert line["protocol"]["reference"]["binarize"] == "dynamic"
    assert line["protocol"]["map"] == "log_prob"
    assert line["protocol"]["source"]["step"] == 4
    held_out = Reference(made.config.data, "test", None, 0, Extractor()).images
    with made.averages.applied():
        nats = made.model.maps["log_prob"]({"image": (held_out / 127.5 - 1).astype(np.float32)})["log_prob"]
    assert line["nats"] == pytest.approx(float(nats.numpy().mean()), abs=1e-4)


def test_every_line_carries_its_protocol(bundle):
    frechet, alike = lines(f"--source={bundle}", "--metrics=frechet,ms_ssim", "--count=100", "--seed=7")
    assert (frechet["metric"], alike["metric"]) == ("frechet", "ms_ssim")
    assert (frechet["count_real"], frechet["count_fake"], frechet["dimension"]) == (100, 100, 64)
    protocol = {
        "source": {
            "kind": "bundle",
            "model": "dcgan",
            "checkpoint": "last",
            "step": 4,
            "ema": 0.9,
            "sha256": files.sha256(bundle / "model.onnx"),
        },
        "map": "generate",
        "samples": 100,
        "image": [8, 8, 1],
        "quantised": "uint8",
        "seed": 7,
        "reference": {
            "name": "digits",
            "split": "test",
            "count": 100,
            "binarize": "none",
            "from": data.load(DIGITS, "test")[0].description,
        },
    }
    assert alike["protocol"] == protocol
    assert frechet["protocol"] == protocol | {"extractor": Extractor().protocol}


def test_a_run_its_bundle_and_its_onnx_file_are_the_same_maker(run, bundle):
    directory, made = run
    first, second, third = (makers.create(str(p)) for p in (directory, bundle, bundle / "model.onnx"))
    assert [maker.protocol["kind"] for maker in (first, second, third)] == ["run", "bundle", "onnx"]
    drawn = first.samples("generate", 70, 3)
    with made.averages.applied():
        expected = made.run_map("generate", noise.fill(made.model.maps["generate"].spec, 70, 3))["image"]
    assert np.abs(drawn.astype(int) - images.to_uint8(expected)).max() <= 1
    np.testing.assert_array_equal(second.samples("generate", 70, 3), third.samples("generate", 70, 3))
    assert np.abs(drawn.astype(int) - third.samples("generate", 70, 3)).max() <= 1
    np.testing.assert_array_equal(
        drawn[:5], first.samples("generate", 5, 3), "a sample does not depend on their number"
    )
    assert first.data.to_dict() == third.data.to_dict() == made.config.data.to_dict()
    assert first.maps == second.maps == third.maps == {"generate": made.model.maps["generate"].spec}


def test_a_run_in_training_is_the_same_maker(run):
    directory, made = run
    in_training = makers.from_model(made.model, made.run_map)
    with made.averages.applied():
        drawn = in_training.samples("generate", 70, 3)
    assert np.abs(drawn.astype(int) - makers.create(str(directory)).samples("generate", 70, 3)).max() <= 1


def test_a_folder_is_the_reference_whole_or_in_splits(tmp_path, cache):
    folder = save(scans("test")[:80], tmp_path / "folder")
    section = config.source(f"folder:{folder}")
    train, test, whole = (scans(split, section) for split in ("train", "test", "all"))
    assert 0 < len(test) < len(train)
    assert sorted(map(bytes, whole)) == sorted([*map(bytes, train), *map(bytes, test)])
    flags = f"--source={folder}", f"--reference=folder:{folder}"
    (line,) = lines(*flags, "--metrics=frechet")
    assert line["frechet_distance"] == pytest.approx(0, abs=1e-6), "a set beside itself"
    assert line["protocol"]["reference"]["split"] == "all"
    assert line["protocol"]["source"] == {
        "kind": "folder", "path": folder, "pictures": 80, "cropped": "as they are",
    }  # fmt: skip
    (line,) = lines(*flags, "--metrics=frechet", "--split=train", "--image_size=9")
    assert line["count_real"] == len(train)
    assert line["protocol"]["source"]["cropped"] == "centre squares, resized to 9 px (Lanczos)"
    with pytest.raises(UserError, match="split 'all' is for folders of pictures; of 'digits' take 'train' or 'test'"):
        data.load(DIGITS, "all")


# colour and grey


@pytest.fixture
def folders(tmp_path, cache):
    """Folders of red pictures and of their luma, in each of the ways that a PNG can hold it."""

    def rewritten(name, change):
        (tmp_path / name).mkdir()
        for index, picture in enumerate(LUMA):
            change(Image.fromarray(picture[..., 0])).save(tmp_path / name / f"{index:04d}.png")
        return str(tmp_path / name)

    return save(RED, tmp_path / "red"), {
        "L": save(LUMA, tmp_path / "L"),
        "RGB": save(LUMA.repeat(3, axis=-1), tmp_path / "RGB"),
        "RGBA": rewritten("RGBA", lambda picture: picture.convert("RGBA")),
        "LA": rewritten("LA", lambda picture: picture.convert("LA")),
        "P": rewritten("P", lambda picture: picture.convert("P")),
        "I;16": rewritten("16", lambda picture: Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)),
    }


def without_places(line):
    """Return a line without what its folders are called."""
    line["protocol"]["source"].pop("path")
    for key in ("name", "from"):
        line["protocol"]["reference"].pop(key, None)
    return line


def test_a_distance_does_not_depend_on_how_a_file_holds_grey(folders, capsys):
    red, grey = folders
    metrics = "--metrics=frechet,ms_ssim,parzen"
    made, beside = (
        [list(map(without_places, printed(capsys, *flags, metrics))) for flags in pairs]
        for pairs in (
            [(f"--source={path}", f"--reference=folder:{red}") for path in grey.values()],
            [(f"--source={red}", f"--reference=folder:{path}") for path in grey.values()],
        )
    )
    for lines_ in (made, beside):
        assert all(line == lines_[0] for line in lines_[1:])
        assert [line["protocol"]["image"] for line in lines_[0]] == [[16, 16, 3]] * 3
    assert {line["protocol"]["grey_in_colour"] for line in made[0]} == {"samples"}
    assert {line["protocol"]["grey_in_colour"] for line in beside[0]} == {"reference"}
    assert made[0][0]["frechet_distance"] > 1, "grey is not red"
    assert made[0][0]["frechet_distance"] == pytest.approx(beside[0][0]["frechet_distance"])
    metrics = f"{metrics},sliced_wasserstein"
    other = printed(capsys, f"--source={grey['RGB']}", f"--reference=folder:{grey['L']}", metrics)
    same = printed(capsys, f"--source={grey['L']}", f"--reference=folder:{grey['RGBA']}", metrics)
    assert list(map(without_places, other)) == list(map(without_places, same))
    assert {tuple(line["protocol"]["image"]) for line in other} == {(16, 16, 1)}
    assert other[0]["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert "grey_in_colour" not in other[0]["protocol"]


def test_a_colour_folder_beside_a_grey_set_is_judged_in_colour(folders, tmp_path, capsys):
    digits = save(scans("test")[:100].repeat(3, axis=-1), tmp_path / "digits")
    for folder, extractor, shape in ((digits, DIGITS_AND_FASHION, [8, 8, 1]), (folders[0], PICTURES, [16, 16, 3])):
        (line,) = printed(capsys, f"--source={folder}", "--reference=digits", "--metrics=frechet")
        assert line["protocol"]["extractor"]["file"] == extractor.name
        assert line["protocol"]["image"] == shape


@pytest.mark.parametrize(("channels", "shape"), [(0, [8, 8, 3]), (1, [8, 8, 1])])
def test_a_model_of_grey_stands_beside_colour_unless_its_data_were_made_grey(
    bundle, folders, tmp_path, capsys, monkeypatch, channels, shape
):
    maker = makers.create(str(bundle))
    maker.data.channels = channels
    monkeypatch.setattr(makers, "create", lambda *_: maker)
    flags = f"--reference=folder:{folders[0]}", "--metrics=frechet", "--count=80"
    (line,) = printed(capsys, f"--source={bundle}", *flags)
    assert line["protocol"]["image"] == shape
    assert line["protocol"].get("grey_in_colour") == (None if channels else "samples")
    assert line["protocol"]["extractor"]["file"] == PICTURES.name, "a folder may hold anything"


def test_what_was_trained_on_is_no_reference_unless_asked_for():
    alike = (("folder:x", "folder:x"), ("folder:x/", "folder:./x"), ("folder:/a/x", "folder:x"))  # the last: a bundle
    for names in ((None, None), (None, "folder:x"), ("x", None), *alike):
        assert evaluate.split_of(*names) == "test"
    for names in (("folder:x", None), ("folder:x", "folder:y"), ("folder:x", "x"), ("folder:/a/x", "folder:/b/x")):
        assert evaluate.split_of(*names) == "all"


def test_some_of_a_folder_are_chosen_by_the_seed_and_have_the_channels_of_all(tmp_path):
    digits = scans("test")[:30]
    folder = save(digits, tmp_path / "folder")
    drawn = [makers.create(folder).pictures(10, seed) for seed in (0, 1, 0)]
    assert np.array_equal(drawn[0], drawn[2])
    assert len({bytes(np.sort(x.ravel())) for x in (*drawn, digits[:10])}) == 3, "neither the first ones nor one choice"
    Image.new("RGB", (8, 8)).save(tmp_path / "folder" / "colour.png")
    assert {makers.create(folder).pictures(2, seed).shape for seed in range(5)} == {(2, 8, 8, 3)}


def test_a_folder_is_its_pictures(tmp_path):
    digits = scans("test")[:12]
    drawn = makers.create(save(digits, tmp_path / "same")).pictures(100, 0)
    assert sorted(map(bytes, drawn)) == sorted(map(bytes, digits))
    assert makers.create(str(tmp_path / "same")).pictures(5, 0).shape == (5, 8, 8, 1)
    Image.new("RGB", (30, 20)).save(tmp_path / "same" / "wide.jpg")
    with pytest.raises(UserError, match="sides of 8 to 20 pixels: choose one with --image_size"):
        makers.create(str(tmp_path / "same")).pictures(100, 0)
    assert makers.create(str(tmp_path / "same"), image_size=10).pictures(100, 0).shape == (13, 10, 10, 3)
    (tmp_path / "same" / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match="cannot read .*torn.png"):
        makers.create(str(tmp_path / "same"), image_size=10).pictures(100, 0)


def test_digits_and_garments_are_all_that_their_extractor_knows(tmp_path, cache, capsys):
    folder = save(scans("test")[:80], tmp_path / "folder")
    flags = f"--source={folder}", f"--reference=folder:{folder}", "--metrics=frechet"
    (line,) = printed(capsys, *flags)
    assert line["protocol"]["extractor"]["file"] == PICTURES.name
    measure(compared(scans("test")[:80], "all", section=config.source(f"folder:{folder}")), "frechet")
    assert "it knows digits and garments only: leave --extractor out" in capsys.readouterr().err


def test_points_and_foreign_files_are_refused(tmp_path, bundle):
    with pytest.raises(UserError, match="ring holds no images: measure mixture"):
        measure(compared(np.zeros((80, 8, 8, 1), np.uint8), section=config.source("ring")), "frechet")
    model = onnx.load(bundle / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match="but not one of genzoo's"):
        makers.create(str(tmp_path / "other.onnx"))
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(UserError, match="text.onnx"):
        makers.create(str(tmp_path / "text.onnx"))
    with pytest.raises(UserError, match="--image_size is for folders"):
        makers.create(str(bundle), image_size=8)
    with pytest.raises(UserError, match="unknown map 'decode'; known: generate"):
        makers.create(str(bundle)).choose("decode")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metrics=log_likelihood"], "--source is missing"),
        (["--source=/nowhere"], "/nowhere holds no run"),
        (["--source=/nowhere", "--metrics=frechett"], "unknown metric 'frechett'; did you mean 'frechet'?"),
        (["--source={folder}", "--metrics=mixture", "--reference=ring"], "mixture is not for a folder of pictures"),
        (["--source={folder}", "--metrics=pairs", "--reference=digits"], "pairs is not for a folder of pictures"),
        (["--source={folder}", "--metrics=frechet"], "--reference is missing"),
        (["--source={folder}", "--metrics=frechet", "--reference=digits"], "64 features: their covariance is singular"),
        (["--source={folder}", "--reference=digits", "--map=generate"], "unknown map 'generate'; known: none"),
        (["--source={folder}", "--reference=digits", "--picture=x.png"], "--picture is for --metrics=representation"),
        (["--source={folder}", "--reference=digits", "--checkpoint=best"], "--checkpoint=best is for runs"),
        (
            ["--source={folder}", "--metrics=frechet", "--reference=digits", "--extractor=x.onnx"],
            "cannot read the extractor x.onnx",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, flags, message):
    folder = save(np.zeros((4, 8, 8, 1), np.uint8), tmp_path / "folder")
    process = python("-m", "train.evaluate", *(flag.format(folder=folder) for flag in flags))
    output, _ = process.communicate()
    assert process.returncode == 2
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("metric", "reference", "message"),
    [
        ("pairs", None, "--metrics=pairs: dcgan makes nothing that data show"),
        ("mixture", None, "--metrics=mixture is for point; digits holds kind image"),
        ("frechet", "ring", "--metrics=frechet is for image; ring holds kind point"),
        ("stacked_modes", None, "stacked_modes is for stacked pictures; the reference is digits"),
        ("representation", "folder:{folder}", "--metrics=representation needs labels, and folder:.* has none"),
        ("frechet", "folder:/nowhere", "/nowhere is missing"),
        ("frechet", "nist", "unknown data set 'nist'"),
    ],
)
def test_what_a_run_cannot_have_is_told_before_tensorflow_starts(
    run, tmp_path, capsys, monkeypatch, metric, reference, message
):
    monkeypatch.setattr("train.engine.backend.start", lambda *_: pytest.fail("TensorFlow was started"))
    folder = save(scans("test")[:2], tmp_path / "folder")
    flags = [f"--reference={reference.format(folder=folder)}"] if reference else []
    with pytest.raises(UserError, match=message):
        printed(capsys, f"--source={run[0]}", f"--metrics={metric}", *flags)


@pytest.mark.parametrize("metric", ["log_likelihood", "representation", "pairs", "mixture"])
def test_what_a_bundle_or_a_folder_has_not_is_told_before_tensorflow_starts(
    bundle, tmp_path, capsys, monkeypatch, metric
):
    monkeypatch.setattr("train.engine.backend.start", lambda *_: pytest.fail("TensorFlow was started"))
    folder = save(scans("test")[:2], tmp_path / "folder")
    for source, message in ((bundle, f"{metric} (needs|is for)"), (folder, f"{metric} is not for a folder")):
        with pytest.raises(UserError, match=message):
            printed(capsys, f"--source={source}", f"--metrics={metric}", "--reference=digits")


def test_a_bundle_asks_where_the_folder_lies_that_it_was_trained_on(bundle, capsys, monkeypatch):
    """It knows only what the folder is called; another of that name may be here."""
    monkeypatch.setattr("train.engine.backend.start", lambda *_: pytest.fail("TensorFlow was started"))
    create = makers.create

    def of_a_folder(*arguments):
        maker = create(*arguments)
        maker.data.name = "folder:pictures"
        return maker

    monkeypatch.setattr(makers, "create", of_a_folder)
    with pytest.raises(
        UserError, match="^--reference is missing: a bundle does not say where its folder:pictures lies$"
    ):
        printed(capsys, f"--source={bundle}", "--metrics=frechet")


def test_a_home_directory_is_found_or_told_of(tmp_path, cache, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(scans("test")[:80], tmp_path / "a[1]")
    (line,) = printed(capsys, "--source=~/a[1]", "--reference=folder:~/a[1]", "--metrics=frechet")
    assert line["frechet_distance"] == pytest.approx(0, abs=1e-6)
    for flag, said in (
        ("--source=~nobody_here/x", "the source is '~nobody_here/x'"),
        ("--reference=folder:~nobody_here/x", "the path of data.name is '~nobody_here/x'"),
        ("--extractor=~nobody_here/x", "--extractor is '~nobody_here/x'"),
    ):
        with pytest.raises(UserError, match=said):
            printed(capsys, "--source=~/a[1]", "--reference=digits", flag)


def test_each_metric_has_a_count_of_its_own(tmp_path, cache, capsys, monkeypatch):
    folder = save(scans("test")[:50], tmp_path / "scans")
    monkeypatch.setattr(evaluate, "SAMPLES", 40)
    monkeypatch.setitem(evaluate.COUNTS, "ms_ssim", 30)
    asked = ["--source=" + folder, "--reference=digits", "--metrics=sliced_wasserstein,ms_ssim"]
    made = printed(capsys, *asked)
    assert [line["protocol"]["samples"] for line in made] == [40, 30]
    assert [line["protocol"]["samples"] for line in printed(capsys, *asked, "--count=20")] == [20, 20]


def test_range_and_output_may_be_those_of_our_extractor(tmp_path, cache, capsys):
    folder = save(scans("test")[:80], tmp_path / "folder")
    flags = f"--source={folder}", "--reference=digits", "--metrics=frechet", "--extractor_range=0,1"
    (line,) = printed(capsys, *flags, "--extractor_output=logits")
    assert (line["dimension"], line["protocol"]["extractor"]["output"]) == (20, "logits")
    assert line["protocol"]["extractor"]["input_range"] == [0, 1]


def test_the_documentation_names_every_metric():
    for name in METRICS:
        assert name in evaluate.__doc__
