"""From a run to a preset: its card, its figures, its licence, and the model that a new run begins with."""

import dataclasses
import json
import re
import shlex
import shutil
import sys

import numpy as np
import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags
from shared import REPOSITORY, checkpoint, tiny_config, trained, trainer

from export import build, licences, preset_card, retraining
from export.preset_facts import Facts, _placeless
from train import config as configuration
from train import data
from train.rundir import hardware, portable, restore
from zoo import bundle, images, presets
from zoo.shared.errors import UserError

PRESETS = REPOSITORY / "presets"


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


def line(step, figure=1.5, **source):
    protocol = {"source": {"kind": "run", "model": "dcgan", "step": step} | source, "samples": 2000, "seed": 7}
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
    before_maps = ["Beside real pictures", "Figures", "Training data", "Training", "Intended use"]
    assert sections == [*before_maps, "Maps", "How it was made"]
    assert "\n### generate\n" in card, "a map is a part of the section Maps"
    assert "| frechet | frechet distance 1.5 ± 0.25 | 2,000 samples or rows; seed 7 |" in card, "counts are no figures"
    assert "\n1,498 rows of `digits`, train split.\n" in card
    assert "Licence: none stated by scikit-learn. By E. Alpaydin" in card
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
    assert list(preset_card.protocol(told)) == [*words, "seed 3"]
    told["protocol"] = {"reference": {"name": "mnist", "splits": "train, test"}}
    assert list(preset_card.protocol(told))[1:] == ["beside mnist, train, test split"]
    likelihood = {"metric": "bits", "bits": 4.25, "standard_error": 0.5, "levels": 256, "rows": 3}
    assert list(preset_card.numbers(likelihood)) == ["bits 4.25 ± 0.5"]


def test_a_likelihood_is_of_its_rows_and_a_bound_is_told_as_one():
    bound = "a lower bound: 500 importance samples an example (Burda et al. 2016, eq. 8)"
    reference = {"name": "mnist", "split": "test", "count": 1000}
    told = {
        "metric": "log_likelihood",
        "nats": -89.25,
        "standard_error": 0.5,
        "bits_per_dimension": 0.125,
        "elbo": -94.0,
    }
    told |= {"elbo": -94.0, "count": 1000, "bound": bound, "protocol": {"map": "log_prob", "reference": reference}}
    numbers = ["nats at least -89.25 ± 0.5", "bits per dimension at most 0.125", "elbo -94"]
    assert list(preset_card.numbers(told)) == numbers
    assert list(preset_card.protocol(told)) == [bound, "of 1,000 rows of mnist, test split"]
    told["bound"] = "exact"
    assert list(preset_card.numbers(told))[:2] == ["nats -89.25 ± 0.5", "bits per dimension 0.125"]
    assert list(preset_card.protocol(told)) == ["of 1,000 rows of mnist, test split"]


def test_baselines_have_rows_of_their_own():
    told = {"metric": "pairs", "psnr_db": 19.5, "count": 7, "protocol": {}}
    told["baselines"] = {"do_nothing": {"psnr_db": 20.5, "ssim": 0.75}, "grey": {"psnr_db": 21.0}}
    assert preset_card.baselines(told) == {"do nothing": ["psnr db 20.5", "ssim 0.75"], "grey": ["psnr db 21"]}
    assert "| pairs | psnr db 19.5 | 7 samples or rows |\n| do nothing | psnr db 20.5, ssim 0.75 | as above |" in (
        preset_card._figures([told])
    )
    nats = {"metric": "log_likelihood", "nats": -80.0, "baseline_nats": -200.0, "baseline": "independent pixels"}
    assert list(preset_card.numbers(nats)) == ["nats -80"]
    assert preset_card.baselines(nats) == {"independent pixels": ["nats -200"]}
    returns = {"model_mean": -150.0, "true_dynamics_mean": -140.0, "random_mean": -1200.0, "random_deviation": 300.0}
    assert list(preset_card.numbers(returns)) == ["model mean -150"]
    assert preset_card.baselines(returns) == {
        "random actions": ["mean -1,200", "deviation 300"],
        "the true dynamics": ["mean -140"],
    }


def test_returns_are_of_episodes():
    told = {"metric": "returns", "env": "Pendulum-v1", "planner": "cem", "horizon": 15, "plans": 200, "step": 6000}
    told |= {"model_mean": -150.0, "protocol": {"source": {}, "seeds": [0, 1, 2]}}
    assert list(preset_card.numbers(told)) == ["model mean -150"]
    assert list(preset_card.protocol(told)) == ["3 episodes of Pendulum-v1, planned 15 steps ahead by cem"]


@pytest.mark.parametrize(
    ("seconds", "told"), [(7200, "2 hours"), (90, "1.5 minutes"), (3.04, "3.04 seconds"), (0.5, "0.5 seconds")]
)
def test_times_are_told_in_the_unit_that_fits(seconds, told):
    assert preset_card._time(seconds).startswith(f"{told} of")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"step": 3}, "frechet is of step 3 of dcgan, this is step 4 of dcgan"),
        ({"model": "lsgan", "step": 4}, "frechet is of step 4 of lsgan, this is step 4 of dcgan"),
        ({"step": 4, "kind": "folder"}, "frechet is of folder: only figures of a run or a bundle"),
    ],
)
def test_figures_of_another_maker_are_refused(run, preset, tmp_path, source, told):
    (tmp_path / "lines.jsonl").write_text(json.dumps(line(**source)) + "\n")
    facts = Facts("tiny", run, evaluations=[tmp_path / "lines.jsonl"])
    with pytest.raises(UserError, match=told):
        facts._figures(bundle.read_manifest(preset))


def test_figures_of_a_file_and_lines_of_another_kind_are_refused(run, preset, tmp_path):
    held = line(4)
    held["protocol"]["source"] = "pictures/x.png"
    (tmp_path / "lines.jsonl").write_text(json.dumps(held) + "\n")
    facts = Facts("tiny", run, evaluations=[tmp_path / "lines.jsonl"])
    with pytest.raises(UserError, match="frechet is of 'pictures/x.png': only figures of a run"):
        build.build(run, tmp_path / "tiny", bits="float16", finish=facts.finish)
    assert not (tmp_path / "tiny").exists()
    (tmp_path / "lines.jsonl").write_text('{"metric": "frechet"}\n')
    with pytest.raises(UserError, match="a line that is none of train.evaluate"):
        Facts("tiny", run, evaluations=[tmp_path / "lines.jsonl"])


def test_other_data_than_the_run_began_with_are_refused(run, tmp_path):
    with pytest.raises(UserError, match="mnist_like.* holds other data than the run .* name where those lie"):
        Facts("tiny", run, data="folder:" + other_pictures(tmp_path / "mnist_like"), licence=("digits", ""))
    assert Facts("tiny", run, data="digits").tables[0].specs.keys() == {"image", "label"}


def other_pictures(directory):
    directory.mkdir()
    for number in range(20):
        (directory / f"{number}.png").write_bytes(images.encode_png(np.full((8, 8, 1), number, np.uint8)))
    return str(directory)


def test_data_are_compared_in_full_with_runs_from_before_there_were_digests(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "model.json"
    held = json.loads(path.read_text())
    (table,) = Facts("tiny", run).tables
    digested = dataclasses.replace(table, digests={"image": "0123"})
    assert digested.fingerprint() != digested.fingerprint(in_full=True) == held["data"]
    monkeypatch.setattr(data, "load", lambda section, split: (digested,))
    assert Facts("tiny", tmp_path / "run").tables == (digested,)
    path.write_text(json.dumps({**held, "data": "another"}))
    with pytest.raises(UserError, match="digits holds other data"):
        Facts("tiny", tmp_path / "run")


def test_figures_name_no_place():
    told = {"from": ["2,500 rows of /srv/x y/cats/train, 3.5 px/s", "../runs/a", "folder:/a/b", "tfds/mnist"]}
    assert _placeless(told) == {"from": ["2,500 rows of x y/cats/train, 3.5 px/s", "a", "folder:b", "tfds/mnist"]}
    pages = "as https://example.org/~ann/a-/b.html says, not file:///srv/ann/b"
    assert _placeless(pages) == "as https://example.org/~ann/a-/b.html says, not file://b"


@pytest.mark.parametrize(
    ("name", "given", "titles"),
    [
        ("mnist", "", ["MNIST"]),
        ("moving_digits:mnist", "", ["MNIST"]),
        ("grey:cifar10", "", ["CIFAR-10"]),
        ("folder:avatars/train", "avatars", ["Avatars, drawn by a seeded program with DiceBear"]),
        ("domains:emoji", "noto,openmoji", ["Noto Emoji, drawn at 64 px", "OpenMoji, drawn at 64 px"]),
    ],
)
def test_the_data_say_their_licence(name, given, titles):
    assert [licence.title for licence in licences.of(name, given, "")] == titles


def test_a_licence_may_be_given_in_words_and_must_be_given_where_none_is_known():
    assert licences.of("folder:mine", "CC0", "me") == [licences.Licence("folder:mine", "CC0", "me")]
    # a folder may be called anything
    for name in ("folder:mine", "folder:faces", "attributes:avatars", "grey:folder:mnist/train"):
        with pytest.raises(UserError, match=f"no licence is known of {name}: give --licence"):
            licences.of(name, "", "")
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


def test_what_follows_another_key_has_no_flag(few_recipes, made_by):
    config = configuration.load("gan_grid_fashion")
    config.learning_rate = 3e-3  # both players' follows
    config.objective = "hinge"  # the model's follows
    config.optimizers.generator.learning_rate = 1e-3
    stored = ConfigDict(config.to_dict())
    followed = ["--config.objective=hinge", "--config.learning_rate=0.003"]
    own = "--config.optimizers.generator.learning_rate=0.001"
    words = shlex.split(retraining.command(stored, "runs/x"))
    assert words[3] == "--recipe=gan_grid_fashion" and set(words[4:-1]) == {*followed, own}
    assert words.index(own) > max(map(words.index, followed)), "which would overwrite it"
    assert made_by(words).to_dict() == stored.to_dict()


@pytest.fixture
def made_by(monkeypatch):
    """Return what makes the configuration that `python -m train` makes of a command."""
    return lambda words: _made_by(words, monkeypatch)


def _made_by(words, monkeypatch):
    (recipe,) = [word.removeprefix("--recipe=") for word in words if word.startswith("--recipe=")]
    own = [word for word in words if word.startswith("--config.")]
    held = flags.FlagValues()
    monkeypatch.setattr(sys, "argv", ["train", *own])  # in which config_flags looks for overrides
    config_flags.DEFINE_config_dict("config", configuration.load(recipe, own), flag_values=held)
    held(sys.argv)
    return held.config


@pytest.mark.parametrize("path", sorted(PRESETS.iterdir()), ids=lambda path: path.name)
def test_the_command_of_every_preset_gives_its_configuration(path, made_by):
    told = json.loads((path / presets.ABOUT).read_text())
    words = shlex.split(told["command"])
    trained_by = configuration.read(path / bundle.TRAINING)
    configuration.complete(trained_by)
    start, trained_by.init_from = trained_by.init_from, ""
    assert dict(configuration.flatten(made_by(words).to_dict())) == dict(configuration.flatten(trained_by.to_dict()))
    # nobody else has the runs of whoever made it
    assert {word for word in words if word.startswith("--init_from=")} <= {f"--init_from={n}" for n in presets.index()}
    if start and start not in presets.index():
        assert f"began with the weights of another, `{start}`" in (path / bundle.CARD).read_text()


def test_a_run_that_it_began_with_is_in_no_command_but_a_preset_is(few_recipes):
    config = configuration.load("rpgan_digits")
    config.init_from = "runs/mine"
    assert retraining.command(config, "runs/x") == "python -m train --recipe=rpgan_digits --workdir=runs/x"
    config.init_from = "vae_mnist"
    assert "--init_from=vae_mnist" in shlex.split(retraining.command(config, "runs/x"))


def test_the_example_of_the_guide_keeps_the_size_of_the_preset():
    text = (REPOSITORY / "docs" / "presets.md").read_text()
    (start, given) = re.search(r"train --init_from=(\w+) .*(--config.data.name=\S+)", text).groups()
    made = configuration.load(str(PRESETS / start / bundle.TRAINING), [given])
    assert (made.data.name, made.data.image_size) == ("folder:pictures", 32)


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
