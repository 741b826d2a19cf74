"""Evaluation prints JSON lines that carry their protocol; every source of one map is judged alike."""

import json

import numpy as np
import onnx
import pytest
from PIL import Image
from shared import program, python, tiny_config, trained

from train import config, data
from train.evaluate import makers
from train.evaluate.comparison import Comparison
from train.evaluate.makers import Maker
from train.evaluate.metrics import METRICS, measure
from train.evaluate.reference import Reference, alike, ours
from zoo import images, noise
from zoo.metrics.extractor import DIGITS_AND_FASHION, PICTURES, Extracted, Extractor
from zoo.shared import files
from zoo.shared.errors import UserError

evaluate = program("train.evaluate.__main__")

DIGITS = config.source("digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    return directory, trained(tiny_config("dcgan"), directory)


@pytest.fixture(scope="module")
def bundle(run):
    from export import build

    build.build(run[0], run[0].parent / "bundle")
    return run[0].parent / "bundle"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))


def scans(split, section=DIGITS, column="image"):
    return data.load(section, split)[0].columns[column]


def save(pictures, folder):
    folder.mkdir()
    for index, picture in enumerate(pictures):
        (folder / f"{index:04d}.png").write_bytes(images.encode_png(picture))
    return str(folder)


def compared(samples, split="test", extractor=None, section=DIGITS):
    maker = Maker({}, {}, None, None, {}, lambda count, seed: samples)
    reference = Reference(section, split, len(samples), 0, extractor or Extractor())
    return Comparison(maker, reference, len(samples), 0, {})


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


RED = np.random.default_rng(3).integers(100, 256, (90, 16, 16, 1), np.uint8) * np.array([1, 0, 0], np.uint8)
LUMA = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in RED])[..., None]


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


def test_sets_of_pictures_get_as_many_channels():
    grey, red = LUMA[:2], RED[:2]
    assert [x.shape[-1] for x in alike(grey, red, grey.repeat(3, axis=-1))] == [3, 3, 3]
    for images_ in alike(grey.repeat(3, axis=-1), grey):
        np.testing.assert_array_equal(images_, grey)
    late = np.repeat(grey[:1].repeat(3, axis=-1), 3000, axis=0)
    late[-1, -1, -1, 2] ^= 1
    assert alike(late)[0].shape[-1] == 3, "one pixel of the last picture has colour"


@pytest.mark.parametrize(
    ("section", "metrics", "has_colour", "path"),
    [
        (("digits",), ["frechet"], False, DIGITS_AND_FASHION),
        (("mnist",), ["frechet"], False, DIGITS_AND_FASHION),
        (("mnist:3.0.1",), ["score"], False, DIGITS_AND_FASHION),
        (("fashion_mnist",), [], False, DIGITS_AND_FASHION),
        (("lowres:fashion_mnist",), ["frechet"], False, DIGITS_AND_FASHION),
        (("stacked:mnist",), ["stacked_modes", "frechet"], True, DIGITS_AND_FASHION),
        (("stacked:mnist",), ["frechet"], True, PICTURES),
        (("mnist",), ["frechet"], True, PICTURES),
        (("mnist", 3), ["frechet"], False, PICTURES),
        (("grey:mnist",), ["frechet"], True, PICTURES),
        (("cifar10",), ["frechet"], False, PICTURES),
        (("cifar10", 1), ["frechet"], False, PICTURES),
        (("kmnist",), ["frechet"], False, PICTURES),
        (("shapes",), ["frechet"], False, PICTURES),
        (("folder:mnist",), ["frechet"], False, PICTURES),
        (("folder:digits/mnist",), ["frechet"], False, PICTURES),
    ],
)
def test_the_data_choose_the_extractor(section, metrics, has_colour, path):
    name, *channels = section
    assert ours(config.source(name, **({"channels": channels[0]} if channels else {})), metrics, has_colour) == path


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


def test_real_images_beside_themselves_are_perfect_and_train_beside_test_nearly():
    train, test = scans("train"), scans("test")
    same, other = compared(test), compared(train[::5])
    assert len(same.reference.images) == len(other.reference.images) == 299
    assert measure(same, "frechet")["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert measure(same, "precision_recall")["precision"] == 1
    assert measure(same, "two_sample")["accuracy"] == 0, "each has a copy in the other set"
    for metric, figure in (("score", "inception_score"), ("ms_ssim", "ms_ssim")):
        of_test, beside = measure(same, metric), measure(other, metric)
        assert of_test[figure] == of_test[f"reference_{figure}"] == beside[f"reference_{figure}"] != beside[figure]
    assert measure(other, "two_sample")["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert measure(other, "precision_recall")["recall"] > 0.7
    assert abs(measure(other, "kernel")["kernel_distance"]) < 3 * measure(other, "kernel")["standard_error"]
    assert measure(other, "density_coverage")["coverage"] > 0.8
    assert (measure(other, "parzen")["validation"], measure(other, "parzen")["count"]) == (149, 150)
    assert measure(other, "sliced_wasserstein")["count"] == 299


def test_half_of_the_classes_cost_recall_and_not_precision():
    train, labels = scans("train"), scans("train", column="label")
    whole = measure(compared(train[:299]), "precision_recall")
    half = measure(compared(train[labels < 5][:299]), "precision_recall")
    assert half["precision"] > whole["precision"] - 0.05
    assert half["recall"] < whole["recall"] - 0.2


def test_the_score_of_few_real_images_is_that_of_as_many_samples():
    """It grows with the count: 1,000 samples would beat the 299 real ones that they are."""
    line = measure(compared(scans("test")[np.arange(1000) % 299]), "score")
    assert line["count"] == 299
    assert line["inception_score"] == line["reference_inception_score"]


def test_real_images_are_chosen_by_the_seed():
    chosen = [Reference(DIGITS, "test", 50, seed, Extractor()).images for seed in (0, 1, 0)]
    assert np.array_equal(chosen[0], chosen[2])
    assert len({bytes(np.sort(x.ravel())) for x in (*chosen, scans("test")[:50])}) == 3


def test_the_rows_of_a_reference_belong_together():
    reference = Reference(config.source("grey:digits"), "test", 50, 3, Extractor())
    rows = reference.rows
    np.testing.assert_array_equal(images.to_uint8(rows["image"]), reference.images)
    (table,) = data.load(config.source("grey:digits"), "test")
    np.testing.assert_array_equal(rows["label"], table.columns["label"][reference.chosen])
    np.testing.assert_array_equal(images.to_uint8(rows["input"])[..., 0], reference.images[..., 0])
    some = reference.rows_of("train", 30)
    assert {name: values.shape[0] for name, values in some.items()} == dict.fromkeys(("image", "label", "input"), 30)


def test_what_looks_at_whole_splits_says_so():
    comparison = compared(scans("train")[:100])
    for name, splits in (("nearest_neighbours", "train; test, held out"), ("parzen", "test: a part chooses sigma")):
        told = measure(comparison, name)["protocol"]["reference"]
        assert told["splits"].startswith(splits)
        assert not told.keys() & {"split", "count", "from"}


def test_the_width_of_the_parzen_window_is_not_chosen_on_what_was_trained_on():
    """Copies of the training images: the best width for these would be the least there is."""
    line = measure(compared(scans("train")), "parzen")
    assert line["sigma"] > 0.11


def test_every_metric_tells_noise_from_digits():
    rng = np.random.default_rng(0)
    junk = rng.integers(0, 256, (299, 8, 8, 1), dtype=np.uint8)
    noisy, fair = compared(junk), compared(scans("train")[::5])
    for name, key, sign in (
        ("frechet", "frechet_distance", 1),
        ("kernel", "kernel_distance", 1),
        ("precision_recall", "precision", -1),
        ("density_coverage", "coverage", -1),
        ("two_sample", "accuracy", 1),
        ("sliced_wasserstein", "average", 1),
        ("parzen", "nats", -1),
    ):
        assert sign * measure(noisy, name)[key] > sign * measure(fair, name)[key], name


def test_a_generator_that_copies_training_images_is_caught():
    line = measure(compared(scans("train")[:100]), "nearest_neighbours")
    assert (line["close_share"], line["median_ratio"]) == (1, 0)
    assert line["closer_probability"] == pytest.approx(1, abs=0.01)
    assert (line["count_train"], line["count_held_out"], line["count_fake"]) == (1498, 299, 100)


def test_copies_of_few_pictures_are_caught_too(tmp_path, cache):
    folder = config.source(f"folder:{save(scans('train')[:60], tmp_path / 'few')}")
    copied, held_out = (Reference(folder, split, 60, 0, Extractor()).images for split in ("train", "test"))
    line = measure(compared(copied, section=folder), "nearest_neighbours")
    assert 2 <= line["count_held_out"] == len(held_out) < 20
    assert (line["close_share"], line["close_share_held_out"]) == (1, 1 / len(held_out))
    assert line["percentile"] == 100 / len(held_out)
    one = config.source(f"folder:{save(scans('train')[:12], tmp_path / 'fewer')}")
    with pytest.raises(UserError, match="needs 2 held-out images or more, and the reference has 1"):
        measure(compared(copied, section=one), "nearest_neighbours")


def test_the_reference_is_seen_as_the_model_saw_it():
    binary = Reference(config.source("digits", binarize="dynamic"), "test", 50, 0, Extractor())
    assert binary.images.shape == (50, 8, 8, 1)
    assert set(np.unique(binary.images)) == {0, 255}
    assert binary.protocol["binarize"] == "dynamic"
    cropped = Reference(config.source("digits", image_size=8, crop=4), "test", 50, 0, Extractor())
    assert cropped.images.shape == (50, 8, 8, 1)


def test_score_needs_classes():
    def blind(pictures):
        return Extracted(pictures.reshape(len(pictures), -1), None)

    blind.path, blind.protocol = "blind.onnx", {}
    with pytest.raises(UserError, match=r"blind.onnx has no output called probabilities or logits"):
        measure(compared(scans("test"), extractor=blind), "score")


def test_an_extractor_that_cannot_see_what_it_judges_is_told_of(capsys):
    colour = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), np.uint8)
    shapes = config.source("shapes", image_size=8)
    for samples, section, path, said in (
        (colour, shapes, DIGITS_AND_FASHION, "does not see the colours of these pictures, since its input has one"),
        (colour, config.source("stacked:digits"), DIGITS_AND_FASHION, "does not see the colours"),
        (colour, config.source("digits"), DIGITS_AND_FASHION, "does not see the colours"),
        (colour, shapes, PICTURES, ""),
        (colour[..., :1], config.source("digits"), DIGITS_AND_FASHION, ""),
        (colour[..., :1], config.source("digits"), PICTURES, ""),
    ):
        measure(compared(samples, section=section, extractor=Extractor(path)), "frechet")
        told = capsys.readouterr().err
        assert f"warning: frechet by {path} {said}" in told if said else "warning" not in told
        assert told.count("\n") == bool(said)


def test_digits_and_garments_are_all_that_their_extractor_knows(tmp_path, cache, capsys):
    folder = save(scans("test")[:80], tmp_path / "folder")
    flags = f"--source={folder}", f"--reference=folder:{folder}", "--metrics=frechet"
    (line,) = printed(capsys, *flags)
    assert line["protocol"]["extractor"]["file"] == PICTURES.name
    measure(compared(scans("test")[:80], "all", section=config.source(f"folder:{folder}")), "frechet")
    assert "it knows digits and garments only: leave --extractor out" in capsys.readouterr().err


def test_modes_are_counted_beside_stacked_pictures_only_and_by_what_knows_digits():
    with pytest.raises(UserError, match="stacked_modes is for stacked pictures; the reference is digits: use stacked:"):
        measure(compared(scans("test")), "stacked_modes")
    stacked = config.source("stacked:digits")
    with pytest.raises(UserError, match=r"counts digits, and pictures.onnx knows the ten objects of cifar10 only"):
        measure(compared(RED[:, :8, :8], section=stacked, extractor=Extractor(PICTURES)), "stacked_modes")


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
