"""The edge: what is wrong with a configuration is said in one line, before TensorFlow is imported."""

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from shared import REPOSITORY, tiny_config

import train.data
import zoo
from train import config
from train.check import check
from train.engine import strategies
from zoo.shared.errors import UserError

KEYS = sorted(key for key, _ in config.flatten(config.load("dcgan_digits").to_dict()))


def parse(*flags: str):
    """Return the configuration that `python -m train flags...` would print, or its error line."""
    program = (
        "import sys; from train import __main__ as program, config; from train.check import check\n"
        "from zoo.shared import program as runner\n"
        "def main():\n"
        "    check(program.CONFIG.value)\n"
        "    program.strategies.check(program.STRATEGY.value)\n"
        "    print(config.to_json(program.CONFIG.value))\n"
        "    assert 'tensorflow' not in sys.modules, 'the edge imported TensorFlow'\n"
        "main.__module__ = program.__name__\n"
        "runner.run(main, program.define_config)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *flags], cwd=REPOSITORY, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else (done.returncode, done.stderr)


def test_overrides_reach_every_kind_of_value():
    made = parse(
        "--recipe=dcgan_digits",
        "--config.train_steps=7",
        "--config.ema=0",
        "--config.model.latent=uniform",
        "--config.optimizers.generator.learning_rate=1e-3",
        "--config.data.image_size=8",
    )
    assert made["train_steps"] == 7
    assert made["ema"] == 0
    assert made["model"]["latent"] == "uniform"
    assert made["optimizers"]["generator"]["learning_rate"] == 1e-3
    assert made["data"]["image_size"] == 8


def test_another_model_or_optimizer_brings_its_own_options():
    flags = ["--config.optimizers.nade.name=sgd", "--config.optimizers.nade.momentum=0.5"]
    made = config.load("nade_digits", flags).to_dict()
    assert made["optimizers"]["nade"].keys() == {"name", "learning_rate", "schedule", "warmup_steps", "momentum"}
    assert made["optimizers"]["nade"]["learning_rate"] == 1e-3
    assert parse("--recipe=nade_digits", *flags)["optimizers"]["nade"]["momentum"] == 0.5
    made = parse("--recipe=nade_digits", "--config.model.name=dcgan", "--config.model.latent_dim=7")
    assert made["model"] == {"name": "dcgan", **zoo.defaults("dcgan"), "latent_dim": 7}
    assert made["optimizers"] == dict.fromkeys(("discriminator", "generator"), config.adam(1e-3).to_dict())
    status, text = parse("--recipe=nade_digits", "--config.model.name=dcgan", *flags)
    assert status == 2
    assert "unknown configuration key 'optimizers.nade.name'" in text


def test_another_model_keeps_what_both_have_and_drops_the_recipe_s_own_flags():
    flags = ["--config.model.name=projection_gan", "--config.model.latent_dim=64"]
    made = config.load("gan_grid_fashion", flags)
    assert made.model.base_channels == config.load("gan_grid_fashion").model.base_channels != 64
    assert made.optimizers.generator.beta_1 == 0.5
    assert "penalty" not in made.model
    assert {"objective", "penalty", "learning_rate"}.isdisjoint(made)
    check(made)


def test_another_source_brings_its_own_options_and_its_own_size():
    made = config.load("nade_digits", ["--config.data.name=lowres:mnist", "--config.data.factor=2"])
    assert made.data.to_dict() == {"name": "lowres:mnist", **train.data.defaults("lowres:mnist"), "binarize": "dynamic"}
    made = config.load("gan_grid_fashion", ["--config.data.name=ring"])
    assert made.data.to_dict() == {"name": "ring"}
    assert parse("--recipe=gan_grid_digits", "--config.data.name=ring", "--config.model.network=mlp")["data"] == {
        "name": "ring"
    }
    sized = config.load("dcgan_digits")
    sized.data.image_size = 32
    for old, new, size in (("digits", "mnist", 0), ("folder:a", "folder:b", 32), ("lowres:mnist", "grey:mnist", 0)):
        sized.data = config.source(old, image_size=32)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(config, "read_recipe", lambda _: sized.copy_and_resolve_references())
            assert config.load("dcgan_digits", [f"--config.data.name={new}"]).data.image_size == size, new


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--recipe=dcgan_digit", "unknown recipe 'dcgan_digit'; did you mean 'dcgan_digits'?"),
        ("--recipe=missing.py", "no recipe file missing.py"),
        ("--config.batchsize=3", "unknown configuration key 'batchsize'; did you mean 'batch_size'?"),
        (
            "--config.model.latent_dims=3",
            "unknown configuration key 'model.latent_dims'; did you mean 'model.latent_dim'?",
        ),
        ("--config.batch_size=many", "flag --config.batch_size=many: use a whole number"),
        ("--config.ema=most", "flag --config.ema=most: use a number"),
        ("--config.model.name=dcgun", "unknown model 'dcgun'; did you mean 'dcgan'?"),
        ("--config.data.name=minst", "unknown data set 'minst'; did you mean 'mnist'?"),
        ("--config.optimizers.generator.name=adan", "unknown optimizer 'adan'; did you mean 'adam'?"),
        (
            "--config.optimizers.generator.schedule=cosin",
            "unknown learning-rate schedule 'cosin'; did you mean 'cosine'?",
        ),
        ("--strategy=miror", "unknown strategy 'miror'; did you mean 'mirrored'?"),
        ("--strategy=multi_worker", "--strategy=multi_worker needs TF_CONFIG"),
        ("--workdirs=x", "unknown flag '--workdirs'; did you mean '--workdir'?"),
        ("stray", "unexpected argument 'stray'"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_would_be_right(flag, message):
    status, text = parse(flag)
    assert status == 2
    assert text.startswith(f"error: {message}"), text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"train_steps": 0}, {"batch_size": -1}, {"log_every": 0}, {"checkpoint_every": 0},
        {"checkpoint_minutes": -1.0}, {"checkpoint_minutes": float("inf")}, {"checkpoint_minutes": float("nan")},
        {"sample_every": 0},
        {"sample_count": 0}, {"keep_checkpoints": 1}, {"seed": -1}, {"seed": 2**32}, {"ema": 1.0}, {"ema": -0.1},
        {"ema": float("nan")}, {"precision": "float16"}, {"jit": "yes"}, {"data.image_size": 3},
        {"data.channels": 2}, {"data.binarize": "static"}, {"data.crop": -1}, {"stop.steps": -1}, {"stop.within": 0.0},
        {"optimizers.nade.learning_rate": 0.0}, {"optimizers.nade.learning_rate": float("nan")},
        {"optimizers.nade.warmup_steps": 4}, {"optimizers.nade.learning_rate": float("inf")},
        {"optimizers.nade.beta_1": 1.0}, {"optimizers.nade.beta_1": 1 - 1e-9}, {"optimizers.nade.epsilon": 1e-320},
        {"optimizers.nade.learning_rate": 1e39}, {"stop.near": float("-inf")}, {"stop.steps": 2**63},
        {"batch_size": 10**12}, {"sample_count": 10**12}, {"evaluate.metrics": "frechet", "evaluate.count": 10**13},
        {"optimizers.nade.epsilon": 0.0}, {"data.name": "folder:"},
        {"data.name": "folder:/nowhere/at/all"},
    ],
)  # fmt: skip
def test_values_that_no_run_could_use_are_refused_by_key(change):
    key = list(change)[-1]
    with pytest.raises(UserError) as caught:
        tiny_config("nade", **change)
    words = str(caught.value)
    assert key.split(".")[-1] in words or "folder" in words
    assert "\n" not in words


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=20))
@example("train_steps")
@example("model")
@example("")
def test_any_key_is_either_known_or_refused_with_one_line(key):
    try:
        config.load("dcgan_digits", [f"--config.{key}=1"])
    except UserError as error:
        assert key.partition("=")[0] not in KEYS
        assert "configuration key" in str(error)
    else:
        assert key.partition("=")[0] in KEYS


@given(st.sampled_from(KEYS), st.integers(0, 20), st.characters(codec="ascii", categories=["L"]))
def test_a_slip_in_a_key_is_answered_with_the_nearest_key(key, position, letter):
    slip = key[:position] + letter + key[position + 1 :]
    if slip in KEYS:
        return
    with pytest.raises(UserError, match="did you mean"):
        config.load("dcgan_digits", [f"--config.{slip}=1"])


@given(st.text(max_size=60))
@example('{"cluster": {"worker": "ab"}}')
@example('{"cluster": []}')
@example("[]")
@example("null")
@example("[" * 10_000)
@example('{"cluster": {"worker": ["a:1"]}}')
@example('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}')
@example('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}')
@example('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}')
@example('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}')
@example('{"cluster": {"worker": ["a:1"], "chief": ["b:1"]}, "task": {"type": "worker", "index": 0}}')
@example('{"cluster": {"worker": ["a:70000"]}, "task": {"type": "worker", "index": 0}}')
@example('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}')
def test_any_tf_config_is_either_whole_or_refused(text):
    with pytest.MonkeyPatch.context() as patch:
        try:
            patch.setenv("TF_CONFIG", text)
        except ValueError:
            return  # no environment can hold it
        with pytest.raises(UserError, match="TF_CONFIG") if text else contextlib.nullcontext():
            strategies.check("auto")


def test_two_workers_and_a_single_machine_strategy_contradict(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps({**cluster, "task": {"type": "worker", "index": 1}}))
    assert not strategies.is_chief()
    strategies.check("auto")
    strategies.check("multi_worker")
    with pytest.raises(UserError, match="TF_CONFIG names 2 workers"):
        strategies.check("mirrored")


def test_resuming_names_every_key_that_differs():
    old, new = tiny_config("nade"), tiny_config("nade", batch_size=8)
    new.model.hidden_units = 6
    with pytest.raises(UserError, match=r"batch_size \(4 -> 8\), model.hidden_units \(5 -> 6\)"):
        config.check_resumable(old, new)
    config.check_resumable(old, tiny_config("nade"))


def test_bookkeeping_and_the_place_of_the_data_may_change():
    """Of the data, the run compares the fingerprint."""
    changes = {"keep_checkpoints": 5, "checkpoint_every": 1, "checkpoint_minutes": 0.0, "sample_every": 1}
    changes |= {"data.name": "mnist"}
    measured = {"evaluate.metrics": "log_likelihood", "evaluate.every": 4, "evaluate.count": 5}
    for change in (changes, measured):
        config.check_resumable(tiny_config("nade"), tiny_config("nade", **change))
        config.check_resumable(tiny_config("nade", **change), tiny_config("nade"))
    with pytest.raises(UserError, match="sample_count"):
        config.check_resumable(tiny_config("nade"), tiny_config("nade", sample_count=9))


def test_only_more_steps_are_allowed_and_not_under_a_schedule_that_depends_on_them():
    config.check_resumable(tiny_config("nade"), tiny_config("nade", train_steps=8))
    with pytest.raises(UserError, match=r"train_steps \(4 -> 2\)"):
        config.check_resumable(tiny_config("nade"), tiny_config("nade", train_steps=2))
    linear = {"optimizers.nade.schedule": "linear"}
    with pytest.raises(UserError, match=r"train_steps \(4 -> 8\)"):
        config.check_resumable(tiny_config("nade", **linear), tiny_config("nade", train_steps=8, **linear))


def test_flags_may_be_written_with_a_space():
    made = parse("--recipe", "nade_digits", "--config.optimizers.nade.name", "sgd", "--config.batch_size", "3")
    assert made["optimizers"]["nade"]["name"] == "sgd"
    assert made["batch_size"] == 3
    assert made["data"]["binarize"] == "dynamic"


def test_a_recipe_of_one_s_own_is_a_file(tmp_path):
    own = tmp_path / "own.py"
    own.write_text((config.RECIPES / "nade_digits.py").read_text().replace("hidden_units=", "hidden_units=1 + "))
    assert config.load(str(own)).model.hidden_units == 1 + config.load("nade_digits").model.hidden_units


def test_a_run_from_before_a_key_had_its_name_goes_on_under_the_new_one(tmp_path):
    now = tiny_config("nade")
    stored = now.to_dict()
    stored["steps_per_call"] = stored.pop("log_every")
    del stored["checkpoint_minutes"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    assert config.read(tmp_path).to_dict() == now.to_dict()
    config.check_resumable(config.read(tmp_path), now)
    assert config.load(str(tmp_path)).log_every == now.log_every
    own = tmp_path / "own.py"
    own.write_text("from train import config as c\ndef get_config():\n    made = c.load('nade_digits')\n    ")
    with open(own, "a") as file:
        file.write("made.steps_per_call = 5\n    return made\n")
    told = "'steps_per_call' is called 'log_every' now"
    for load in (lambda: config.load(str(own)), lambda: config.load("nade_digits", ["--config.steps_per_call=5"])):
        with pytest.raises(UserError, match=told):
            load()


CORRUPT = ["", "{", "[1]", "3", '"x"', "{}", "null", '{"model": {}, "optimizers": {}, "data": {}}']


@pytest.mark.parametrize("text", [*CORRUPT, json.dumps(config.defaults().to_dict())])
def test_a_corrupt_config_json_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match="is corrupt"):
        config.read(tmp_path)


def test_a_config_json_that_lacks_a_key_is_corrupt(tmp_path):
    settings = tiny_config("dcgan").to_dict()
    del settings["evaluate"]
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="config.json is corrupt: it lacks evaluate"):
        config.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "own.py is no recipe: its get_config\\(\\) must return a ConfigDict, as in .*nade_digits.py"),
        ("get_config = 3", "own.py is no recipe"),
        ("def get_config(): return None", "own.py is no recipe"),
        ("def get_config(): return {'model': 1}", "own.py is no recipe"),
        ("def get_config(): raise ValueError('no\\nway')", "own.py fails: ValueError: no$"),
        ("def get_config(size): return size", "own.py fails: TypeError: .*missing 1 required positional argument"),
        ("def get_config(): return train", "own.py fails: NameError"),
        ("import nowhere_at_all", "own.py fails: ModuleNotFoundError"),
        ("def get_config(:", "own.py fails: SyntaxError"),
        ("from train import config as c\ndef get_config(): return c.defaults()", "own.py lacks model.name: start from"),
        (
            "from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({'seed': 1})",
            "own.py lacks batch_size, .*, train_steps: start from train.config.defaults",
        ),
        ("import sys\nsys.exit()", "own.py fails: SystemExit"),
        (
            "from train import config as c\ndef get_config():\n    made = c.load('nade_digits')\n"
            "    made.train_step = 9\n    return made",
            "nothing reads a key of .*own.py: unknown key 'train_step'; did you mean 'train_steps'",
        ),
        (
            "from train import config as c\nfrom ml_collections import ConfigDict\ndef get_config():\n"
            "    return ConfigDict({**c.load('nade_digits').to_dict(), 'seed': '1'})",
            "own.py has seed='1', which is not a whole number: start from",
        ),
        (
            "from train import config as c\ndef get_config(): return c.model('dcgan', latentdim=3)",
            "unknown option of model dcgan 'latentdim'; did you mean 'latent_dim'",
        ),
        (
            "from train import config as c\ndef get_config(): return c.source('digits', size=3)",
            "unknown option of the data source 'digits' 'size'",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_one_line(tmp_path, text, message):
    (tmp_path / "own.py").write_text(text + "\n")
    with pytest.raises(UserError, match=message) as caught:
        config.load(str(tmp_path / "own.py"))
    assert "\n" not in str(caught.value)


LAID = """
from train import config
from ml_collections import ConfigDict, FrozenConfigDict

def get_config():
    made = {**config.load("nade_digits").to_dict(), "data": {"name": "digits"}, "model": {"name": "nade"}}
    return FrozenConfigDict({**made, "optimizers": {"nade": {"name": "sgd", "learning_rate": 1}}})
"""


def test_what_a_recipe_leaves_out_is_filled_in_and_has_its_flag(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(LAID)
    made = config.load(str(path), ["--config.model.hidden_units=7", "--config.data.flip=true"])
    assert made.model.to_dict() == {"name": "nade", **zoo.defaults("nade")}
    assert made.data == config.source("digits")
    assert made.optimizers.nade == config.sgd(1)
    check(made)


def test_a_whole_number_in_a_recipe_leaves_its_flag_open_to_others():
    assert type(config.adam(1).learning_rate) is float
    assert type(config.model("gan_grid", clip=1).clip) is float
    assert type(config.model("gan_grid", n_critic=1).n_critic) is int


def test_a_recipe_s_own_flag_is_refused_where_nothing_follows_it(tmp_path):
    """A run stores values, so that a key no longer follows another."""
    assert config.load("gan_grid_digits", ["--config.objective=hinge"])
    (tmp_path / "config.json").write_text(config.to_json(config.load("gan_grid_digits")))
    assert config.load(str(tmp_path)).objective == "non_saturating"
    with pytest.raises(UserError, match="unknown configuration key 'objective'; did you mean 'model.objective'"):
        config.load(str(tmp_path), ["--config.objective=hinge"])


def test_flags_may_stand_in_a_file(tmp_path):
    (tmp_path / "my.flags").write_text("--recipe=vae_digits\n--config.model.depth=1\n")
    given = dict(config.given([f"--flagfile={tmp_path}/my.flags", "--config.seed=3"]))
    assert given == {"recipe": "vae_digits", "config.model.depth": "1", "config.seed": "3"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "0", "it has seed='0', which is not a whole number"),
        ("ema", True, "it has ema=True, which is not a number"),
        ("stop", 3, "it has stop=3, which is not a section"),
        ("data", {"name": "digits", "flip": 1}, "it has data.flip=1, which is not true or false"),
        ("model", {"name": 3}, "it has model.name=3, which is not text"),
        (
            "model",
            {"name": "nade", "hidden": 3},
            "it has an unknown key 'model.hidden'; did you mean 'model.hidden_uni",
        ),
        ("optimizers", {"nade": None}, "it has optimizers.nade=None, which is not a section"),
        ("optimizers", {"nade": {"name": "adam"}}, "it lacks optimizers.nade.learning_rate"),
        ("evaluate", {}, "it lacks evaluate.count, evaluate.every, "),
    ],
)
def test_a_config_json_of_other_types_is_corrupt(tmp_path, key, value, message):
    stored = {**tiny_config("nade").to_dict(), key: value}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(UserError, match=f"config.json is corrupt: {message}"):
        config.read(tmp_path)


def test_what_stands_beside_the_recipes_is_none():
    with pytest.raises(UserError, match="unknown recipe '__init__'"):
        config.load("__init__")


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("nade", {"data.name": "ring"}, "nade reads 'image' of kind image, and that of 'ring' is of kind point"),
        (
            "pix2pix",
            {"data.name": "digits"},
            r"pix2pix reads a column 'input', and 'digits' has image \(image\), label \(class\); pairs:PATH, grey:NAME",
        ),
        ("acgan", {"data.name": "folder:{}"}, "the data have no labels and acgan reads them: set --config.data.name"),
    ],
)
def test_data_that_the_model_cannot_read_are_refused_before_tensorflow(tmp_path, model, changes, message):
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    with pytest.raises(UserError, match=message):
        tiny_config(model, **{key: value.format(tmp_path) for key, value in changes.items()})


OWN_MODEL = """
import {missing}
from zoo.model import GenerativeModel

class Own(GenerativeModel):
    options = {{"width": 4, "labelled": False}}
    reads = {{"image": ("image",)}}
    reads_if = {{"labelled": {{"label": ("class",)}}}}
    players = ("one", "other")
"""


def test_a_model_of_one_s_own_is_checked_without_being_imported(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_MODEL.format(missing="nothing_that_is_installed"))
    made = parse(f"--config.model.name={path}:Own", "--config.model.width=5", "--config.optimizers.one.name=sgd")
    assert made["model"] == {"name": f"{path}:Own", "width": 5, "labelled": False}
    assert made["optimizers"].keys() == {"one", "other"}
    for name, message in (
        (f"{path}:Other", "unknown class in .*own.py 'Other'; known: Own"),
        (f"{tmp_path}/none.py:Own", "no file .*none.py: a model of your own is file.py:Class"),
    ):
        with pytest.raises(UserError, match=message):
            config.load("dcgan_digits", [f"--config.model.name={name}"])


def test_remarks_are_the_paragraphs_behind_their_words(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('''"""Faces.

    python -m train --recipe=mine.py

Result: Time: is no word within a line.
Time: 3 minutes
on 2 cores.
Better: more steps,
    --config.train_steps=9.

Not this.
"""''')
    assert config.remarks(str(path)) == {
        "Time": "3 minutes on 2 cores.",
        "Better": "more steps, --config.train_steps=9.",
    }
    path.write_text("x = 1")
    assert config.remarks(str(path)) == {}


def test_a_run_that_is_taken_as_a_recipe_has_no_remarks(tmp_path):
    (tmp_path / "config.json").write_text(config.to_json(config.load("nade_digits")))
    assert config.load(str(tmp_path)).model.name == "nade"
    assert config.remarks(str(tmp_path)) == {}
