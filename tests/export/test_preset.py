"""From a run to a preset: its card, its figures, its licence, and the model that a new run begins with."""

import json
import shlex
import shutil

import numpy as np
import pytest
from shared import checkpoint, tiny_config, trained, trainer

from export import build, licences, preset_card, retraining
from export.preset_facts import Facts, _placeless
from train import config as configuration
from train.rundir import hardware, portable, restore
from zoo import bundle, presets
from zoo.shared.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of DCGAN that takes 4 steps of 2 and of 8 seconds, on a machine that it names."""
    directory = tmp_path_factory.mktemp("run")
    trained(tiny_config("dcgan", ema=0.5), directory)
    (directory / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": step, "steps_per_second": speed}) + "\n" for step, speed in ((2, 1.0), (4, 0.25)))
    )
    machine = {"processor": "A CPU", "cores": 4, "accelerators": [], "replicas": 1}
    told = {"seconds": 10.0, "hardware": [{**machine, "seconds": 10.0}]}
    (directory / hardware.HARDWARE).write_text(json.dumps(told))
    return directory


def line(step, figure=1.5):
    protocol = {"source": {"kind": "run", "step": step}, "samples": 2000, "seed": 7}
    return {
        "metric": "frechet",
        "frechet_distance": figure,
        "count_real": 900,
        "frechet_distance_standard_error": 0.25,
        "mean": {"x": 1},
        "protocol": protocol,
    }


@pytest.fixture(scope="module")
def preset(run, tmp_path_factory):
    """The preset "tiny" of the run."""
    root = tmp_path_factory.mktemp("presets")
    (root / "lines.jsonl").write_text(json.dumps(line(4)) + "\n")
    facts = Facts("tiny", run, about="DCGAN: digits", intended_use="To be tried.", evaluations=[root / "lines.jsonl"])
    build.build(run, root / "tiny", bits="float16", finish=facts.finish)
    return root / "tiny"


def test_a_preset_is_a_bundle_without_a_saved_model_and_with_what_training_needs(preset):
    manifest = bundle.read_manifest(preset)
    there = {path.relative_to(preset).as_posix() for path in preset.rglob("*") if path.is_file()}
    assert there == {*manifest.files, bundle.MANIFEST}
    assert there >= {"preset.json", "real.png", "samples.png", "training/weights.npz", "training/config.json"}
    assert not manifest.has_saved_model
    assert manifest.parity["generate"]["precision"]["stored_as"] == "float16"


def test_the_card_says_what_was_trained_on_how_and_how_good_it_is(preset, run):
    card = (preset / bundle.CARD).read_text()
    assert card.startswith("# tiny\n\nDCGAN: digits.\n\n    genzoo-sample --preset=tiny --output=grid.png ")
    sections = [text.splitlines()[0] for text in card.split("\n## ")[1:]]
    assert sections[:6] == ["Beside real pictures", "Figures", "Training data", "Training", "Intended use", "Maps"]
    assert "| frechet | frechet distance 1.5 ± 0.25 | 2,000 samples or rows; seed 7 |" in card, "counts are no figures"
    assert "\n1,498 rows of `digits`, train split.\n" in card
    assert "Licence: CC BY 4.0. By E. Alpaydin" in card
    assert "- Time: 10 seconds of training steps" in card, "2 steps at 1 a second, 2 at a quarter"
    assert "- Hardware: 4 cores (A CPU)\n" in card
    assert "To be tried." in card and "saved_model`" not in card


def test_without_an_intended_use_there_is_no_such_section(preset):
    told = {**json.loads((preset / presets.ABOUT).read_text()), "intended_use": "", "figures": [], "seconds": 0}
    text = preset_card.text("tiny", told, bundle.read_manifest(preset), True, False)
    assert "Intended use" not in text and "real.png" not in text and "samples.png" in text
    assert "None was measured" in text and "- Time: not recorded" in text


def test_a_protocol_is_told_in_words():
    extractor = {"file": "x.onnx", "sha256": "0123456789"}
    reference = {"name": "mnist", "split": "test", "count": 1000}
    told = {"metric": "m", "rows": 5, "protocol": {"reference": reference, "extractor": extractor, "seed": 3}}
    words = ["5 samples or rows", "beside 1,000 rows of mnist, test split", "features of x.onnx (SHA-256 01234567)"]
    assert list(preset_card._protocol(told)) == [*words, "seed 3"]
    told["protocol"] = {"reference": {"name": "mnist", "splits": "train, test"}}
    assert list(preset_card._protocol(told))[1:] == ["beside mnist, train, test split"]
    likelihood = {"metric": "bits", "bits": 4.25, "standard_error": 0.5, "levels": 256, "rows": 3}
    assert list(preset_card._numbers(likelihood)) == ["bits 4.25 ± 0.5"]


@pytest.mark.parametrize(
    ("seconds", "told"), [(7200, "2 hours"), (90, "1.5 minutes"), (3.04, "3.04 seconds"), (0.5, "0.5 seconds")]
)
def test_times_are_told_in_the_unit_that_fits(seconds, told):
    assert preset_card._time(seconds).startswith(f"{told} of")


def test_figures_of_another_step_are_refused(run, tmp_path):
    (tmp_path / "lines.jsonl").write_text(json.dumps(line(3)) + "\n")
    facts = Facts("tiny", run, evaluations=[tmp_path / "lines.jsonl"])
    with pytest.raises(UserError, match="frechet is of step 3, this is step 4"):
        build.build(run, tmp_path / "tiny", bits="float16", finish=facts.finish)
    assert not (tmp_path / "tiny").exists()
    (tmp_path / "lines.jsonl").write_text('{"metric": "frechet"}\n')
    with pytest.raises(UserError, match="a line that is none of train.evaluate"):
        Facts("tiny", run, evaluations=[tmp_path / "lines.jsonl"])


def test_figures_name_no_place():
    told = {"from": ["2,500 rows of /srv/x y/cats/train, 3.5 px/s", "../runs/a", "folder:/a/b", "tfds/mnist"]}
    assert _placeless(told) == {"from": ["2,500 rows of x y/cats/train, 3.5 px/s", "a", "folder:b", "tfds/mnist"]}


@pytest.mark.parametrize(
    ("name", "given", "titles"),
    [
        ("mnist", "", ["MNIST"]),
        ("moving_digits:mnist", "", ["MNIST"]),
        ("attributes:avatars", "", ["Avatars, drawn by a seeded program with DiceBear"]),
        ("folder:avatars/train", "", ["Avatars, drawn by a seeded program with DiceBear"]),
        ("domains:emoji", "noto,openmoji", ["Noto Emoji, drawn at 64 px", "OpenMoji, drawn at 64 px"]),
    ],
)
def test_the_data_say_their_licence(name, given, titles):
    assert [licence.title for licence in licences.of(name, given, "")] == titles


def test_a_licence_may_be_given_in_words_and_must_be_given_where_none_is_known():
    assert licences.of("folder:mine", "CC0", "me") == [licences.Licence("folder:mine", "CC0", "me")]
    with pytest.raises(UserError, match="no licence is known of folder:mine: give --licence"):
        licences.of("folder:mine", "", "")
    with pytest.raises(UserError, match="GPL is none of mnist"):
        licences.of("folder:mine", "GPL", "")
    with pytest.raises(UserError, match="give both"):
        licences.of("mnist", "", "me")


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def few_recipes(monkeypatch):
    """Look at four recipes alone: each is read anew, which takes a while."""
    few = ("dcgan_digits", "gan_grid_digits", "gan_grid_fashion", "rpgan_digits")
    monkeypatch.setattr(configuration, "recipes", lambda: few)


def test_a_recipe_as_it_stands_is_its_own_command(few_recipes):
    config = configuration.load("rpgan_digits")
    assert retraining.command(config, "runs/x") == "python -m train --recipe=rpgan_digits --workdir=runs/x"


@pytest.mark.parametrize(
    "flags", [["--config.seed=3", "--config.data.name=mnist"], ["--config.jit=true", "--config.model.latent_dim=7"]]
)
def test_the_command_gives_the_configuration_again(few_recipes, flags):
    config = configuration.load("gan_grid_digits", flags)
    for flag in flags:  # what config_flags does with them
        key, value = flag.removeprefix("--config.").split("=")
        section = config
        for part in key.split(".")[:-1]:
            section = section[part]
        section[key.split(".")[-1]] = int(value) if value.isdecimal() else value
    words = shlex.split(retraining.command(config, "runs/x"))
    assert words[:3] == ["python", "-m", "train"] and words[-1] == "--workdir=runs/x"
    assert set(flags) == set(words[4:-1])


def test_a_configuration_that_no_recipe_leads_to_has_no_command(few_recipes):
    config = configuration.load("dcgan_digits")
    config.optimizers.another = configuration.adam(1e-3)
    assert retraining.command(config, "runs/x") == ""


# --- a new run begins with it ------------------------------------------------------------------------------------


def test_a_new_run_begins_with_the_averaged_weights(preset, run, tmp_path, monkeypatch):
    monkeypatch.setenv(presets.VARIABLE, str(preset.parent))
    made = trainer(tiny_config("dcgan", init_from="tiny", seed=5), tmp_path / "run")
    made._resume()
    _, model, _ = restore.load(run)
    for own, other in zip(made.model.variables, model.variables, strict=True):
        np.testing.assert_allclose(own.numpy(), other.numpy(), rtol=2**-11, atol=2**-24, err_msg=own.path)
    for shadow, weight in zip(made.averages.shadows, made.averages.weights, strict=True):
        np.testing.assert_array_equal(shadow, weight)
    assert made.step == 0 and len(made.averages.shadows) > 3


def test_small_weights_stay_as_they_are_and_large_ones_are_halves():
    values = np.random.default_rng(0).normal(size=portable._LARGE).astype(np.float32)
    assert portable._small(values).dtype == np.float16
    np.testing.assert_array_equal(portable._small(values), values.astype(np.float16))
    for kept in (values[1:], np.append(values, np.float32(1e5)), np.arange(5000)):
        assert portable._small(kept) is kept


@pytest.mark.parametrize(
    ("model", "changes", "told"),
    [
        ("dcgan", {"model.base_channels": 3}, "the weights of .* do not fit: it has .*kernel .* where this model has"),
        ("lsgan", {}, "is a preset of dcgan: a run of lsgan cannot begin with its weights"),
    ],
)
def test_a_preset_that_does_not_fit_is_refused(preset, tmp_path, model, changes, told):
    made = trainer(tiny_config(model, init_from=str(preset), **changes), tmp_path / "run")
    with pytest.raises(UserError, match=told):
        made.run()


def test_a_damaged_preset_and_one_without_its_model_are_refused(preset, tmp_path):
    shutil.copytree(preset, tmp_path / "tiny")
    weights = tmp_path / "tiny" / bundle.TRAINING / portable.WEIGHTS
    assert portable.place_of(tmp_path / "tiny") == weights.parent
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match="corrupt"):
        portable.place_of(tmp_path / "tiny")
    weights.write_bytes(data[:100])
    with pytest.raises(UserError, match="cannot read the model in .*; copy the preset again"):
        portable.read(weights.parent)
    shutil.rmtree(weights.parent)
    with pytest.raises(UserError, match="a bundle without training/"):
        portable.place_of(tmp_path / "tiny")
    with pytest.raises(UserError, match="unknown preset 'nosuch'"):
        portable.place_of("nosuch")
    assert portable.place_of("runs/nosuch").name == "nosuch", "a path is no name: its reader says what it lacks"


def test_the_weights_of_a_checkpoint_are_all_there(run, preset):
    weights = [name for name in checkpoint(run, 4) if name.startswith("weights")]
    with np.load(preset / bundle.TRAINING / portable.WEIGHTS) as held:
        assert len(held.files) == len(weights) + 1 and held["step"] == 4
