"""TF Serving's model repository: bundles laid out as versions, models.config, and what is refused."""

import fcntl
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shared import REPOSITORY

from serving.tf_serving import models_config, repository
from serving.tf_serving.models_config import Model
from serving.tf_serving.repository import Change
from zoo.bundle import MANIFEST
from zoo.shared import files
from zoo.spec import MapSpec, TensorSpec

PARTS = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"index",
    "assets.extra/tf_serving_warmup_requests": b"requests",
}


@pytest.fixture
def with_saved_model(edit_manifest):
    """Give a bundle a saved_model/1 of a few bytes."""

    def add(path):
        for name, data in PARTS.items():
            place = path / "saved_model/1" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        (path / MANIFEST).rename(path.parent / "manifest")
        sums = files.checksums(path)
        (path.parent / "manifest").rename(path / MANIFEST)
        return edit_manifest(path, lambda manifest: manifest.update(files=sums))

    return add


@pytest.fixture
def bundle(factory, with_saved_model):
    return with_saved_model(factory())


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


def laid_out(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def config(root):
    return models_config.parse((root / "models.config").read_text())


def test_a_bundle_becomes_the_version_that_tensorflow_serving_looks_for(bundle, root):
    model, version = repository.apply(root, Change("digits", bundle))
    assert (model, version) == (Model("digits", "/models/digits"), 1)
    assert laid_out(root / "digits" / "1") == PARTS
    assert sorted(path.name for path in root.iterdir()) == [".lock", "digits", "models.config"]
    assert [path.name for path in (root / "digits").iterdir()] == ["1"]


def test_models_config_is_as_tensorflow_serving_s_guide_writes_it(bundle, root):
    for _ in range(3):
        repository.apply(root, Change("digits", bundle))
    repository.apply(root, Change("nade", bundle, version=40, base_path="/srv/m/"))
    repository.apply(root, Change("digits", policy="3,2", labels={"stable": 2, "canary": 3}))
    repository.apply(root, Change("nade", policy="all"))
    lines = (root / "models.config").read_text().splitlines()
    assert lines[0].startswith("# Written by ") and lines[1:] == [
        "model_config_list {",
        "  config {",
        '    name: "digits"',
        '    base_path: "/models/digits"',
        '    model_platform: "tensorflow"',
        "    model_version_policy { specific { versions: 2 versions: 3 } }",
        '    version_labels { key: "stable" value: 2 }',
        '    version_labels { key: "canary" value: 3 }',
        "  }",
        "  config {",
        '    name: "nade"',
        '    base_path: "/srv/m/nade"',
        '    model_platform: "tensorflow"',
        "    model_version_policy { all { } }",
        "  }",
        "}",
    ]


def test_versions_count_on_and_never_change(bundle, root, refused):
    assert [repository.apply(root, Change("digits", bundle))[1] for _ in range(2)] == [1, 2]
    assert repository.apply(root, Change("digits", bundle, version=2**62))[1] == 2**62
    assert repository.apply(root, Change("digits", bundle))[1] == 2**62 + 1
    (root / "digits" / "0007").mkdir()  # 7, as TF Serving reads it
    (root / "digits" / "seven").mkdir()  # none
    assert repository.versions(root / "digits") == {1, 2, 7, 2**62, 2**62 + 1}
    for version in (2, 7):
        with refused(f"has a version {version} already"):
            repository.apply(root, Change("digits", bundle, version=version))


def test_what_a_change_does_not_name_stays(bundle, root):
    for _ in range(2):
        repository.apply(root, Change("digits", bundle))
    repository.apply(root, Change("digits", policy="all", labels={"stable": 1, "old": 1}, base_path="/srv"))
    model, _ = repository.apply(root, Change("digits", bundle, labels={"canary": 3, "old": None}))
    assert model == Model("digits", "/srv/digits", "all", {"stable": 1, "canary": 3}) == config(root)["digits"]


def test_the_policy_says_what_is_served():
    there = {1, 2, 7}
    policies = {1: {7}, 2: {2, 7}, 9: there, "all": there, (1, 2): {1, 2}}
    assert {policy: Model("m", "/m", policy).served(there) for policy in policies} == policies


def test_a_file_written_by_hand_is_understood():
    """The example of TF Serving's guide, with its quotes, and every way to write a field that its own files use."""
    text = """
    # two models
    model_config_list: {
      config { name: 'a', base_path: '/models/a/' }
      config: {
        name: "b"; base_path: "/models/b"  model_platform: 'tensorflow'
        model_version_policy: { latest: { num_versions: 2 } }
        version_labels { key: 'stable' value: 42 } version_labels { value: 43 key: 'canary' }
      }
    }
    """
    labels = {"stable": 42, "canary": 43}
    models = {"a": Model("a", "/models/a/", 1), "b": Model("b", "/models/b", 2, labels)}
    assert models_config.parse(text) == models
    assert models_config.parse(models_config.text(models)) == models
    assert models_config.parse("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "model_config_list { config { name: 'a' base_path: '/a' logging_config { } } }",
            ["logging_config", "by hand"],
        ),
        ("custom_model_config { }", ["custom_model_config"]),
        ("model_config_list { config { name: 'a' } }", ["one base_path"]),
        ("model_config_list { config { name: 3 base_path: '/a' } }", ["name must be a string"]),
        ("model_config_list { config { name: 'a' base_path: '/a' } config { name: 'a' base_path: '/b' } }", ["twice"]),
        ("model_config_list { config { name: 'a' base_path: '/a' model_platform: 'other' } }", ["tensorflow"]),
        ("model_config_list { config { name: 'a' base_path: '/a' model_version_policy { best { } } } }", ["best"]),
        ("model_config_list { config { name: 'a' base_path: '/a' model_version_policy { all: 3 } } }", ["all must be"]),
        ("model_config_list { config { name: 'a\"b' base_path: '/a' } }", ["line 1"]),
        ("model_config_list {", ["lacks its }"]),
        ("model_config_list { } }", ["too many"]),
        ("model_config_list { config { name: 'a\\n' } }", ["line 1"]),
        ("\n\nmodel_config_list { name = 3 }", ["line 3"]),
        ("a { " * 5000, ["stands where"]),
        ("name:", ["neither"]),
    ],
)
def test_a_file_that_would_lose_something_is_refused_and_stays(bundle, root, refused, text, words):
    repository.apply(root, Change("digits", bundle))
    (root / "models.config").write_text(text)
    before = laid_out(root)
    with refused("models.config: ", *words):
        repository.apply(root, Change("digits", bundle))
    assert laid_out(root) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "../up"}, ["name '../up'", "letters, digits"]),
        ({"name": "a/b"}, ["name"]),
        ({"name": "a:b"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "models.config"}, ["name"]),
        ({"version": 0}, ["version 0", "from 1 to"]),
        ({"version": 2**63}, ["from 1 to"]),
        ({"batch": 0}, ["batch 0"]),
        ({"policy": "newest"}, ["serve 'newest'", "latest, all"]),
        ({"policy": "1,9"}, ["no version 9, only 1"]),
        ({"policy": "1,"}, ["serve '1,'"]),
        ({"labels": {"stable": 9}}, ["'stable'", "9 is not there"]),
        ({"labels": {"no slash/": 1}}, ["label 'no slash/'"]),
        ({"base_path": 'a"b'}, ["base_path"]),
    ],
)
def test_what_cannot_be_served_is_refused_and_leaves_no_trace(bundle, root, refused, change, words):
    with refused(*words):
        repository.apply(root, Change(**{"name": "digits", "bundle": bundle, **change}))
    assert not root.exists()


def test_a_label_stays_on_a_version_that_is_served(bundle, root, refused):
    repository.apply(root, Change("digits", bundle, labels={"stable": 1}))
    before = laid_out(root)
    with refused("label 'stable' of 'digits': version 1 would not be served, only 2"):
        repository.apply(root, Change("digits", bundle))
    assert laid_out(root) == before
    repository.apply(root, Change("digits", bundle, policy="all"))
    assert config(root)["digits"].served({1, 2}) == {1, 2}


def test_without_a_bundle_a_model_must_be_there(root, refused):
    with refused("no version of 'digits'"):
        repository.apply(root, Change("digits", policy="all"))
    with refused("belong to a bundle"):
        repository.apply(root, Change("digits", version=2))
    assert not root.exists()


def test_a_bundle_without_a_saved_model_or_with_a_changed_byte_is_refused(factory, bundle, root, refused):
    with refused("holds no saved_model/1"):
        repository.apply(root, Change("digits", factory()))
    (bundle / "saved_model/1/variables/variables.index").write_bytes(b"inde?")
    with refused("variables.index is corrupt"):
        repository.apply(root, Change("digits", bundle))
    assert not root.exists()


def test_a_bundle_that_changes_while_it_is_copied_leaves_no_version(bundle, root, refused, monkeypatch):
    monkeypatch.setattr(repository.shutil, "copyfile", lambda source, target: Path(target).write_bytes(b"torn"))
    with refused("changed while it was copied"):
        repository.apply(root, Change("digits", bundle))
    assert not list((root / "digits").iterdir())
    assert not (root / "models.config").exists()


def test_only_what_the_manifest_lists_is_laid_out(bundle, root):
    (bundle / "saved_model/1/notes.txt").write_text("mine")
    repository.apply(root, Change("digits", bundle))
    assert laid_out(root / "digits" / "1") == PARTS


def test_a_batched_version_says_so_beside_its_graph(bundle, root):
    repository.apply(root, Change("digits", bundle, batch=32))
    assert (root / "digits/1/batching_params.pbtxt").read_text() == (
        "max_batch_size { value: 32 }\nbatch_timeout_micros { value: 2000 }\nmax_enqueued_batches { value: 8 }\n"
    )


def test_pictures_of_any_size_are_not_batched(factory, with_saved_model, root, refused):
    photo = TensorSpec("photo", (4, 4, 3), "condition", "image", multiple=1)
    styled = TensorSpec("styled", (4, 4, 3), "output", "image", follows="photo")
    path = with_saved_model(factory(others={"stylise": MapSpec((photo,), (styled,))}))
    with refused("'stylise' takes pictures of any size"):
        repository.apply(root, Change("digits", path, batch=8))
    repository.apply(root, Change("digits", path))


def test_one_program_at_a_time_changes_a_repository(bundle, root, refused):
    root.mkdir()
    with open(root / ".lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with refused("another program changes"):
            repository.apply(root, Change("digits", bundle))
    assert [path.name for path in root.iterdir()] == [".lock"]


def program(*arguments):
    command = [sys.executable, "-m", "serving.tf_serving", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


def test_the_program_lays_out_and_tells_what_is_served(bundle, root):
    done = program(f"--bundle={bundle}", f"--repository={root}", "--version=3", "--label=stable=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {root / 'tiny' / '3'}\ntiny: serves 3 of the versions 3\ntiny: stable is 3\n"
    assert laid_out(root / "tiny" / "3") == PARTS


def test_a_version_that_the_policy_leaves_out_is_told_with_the_command_that_serves_it(bundle, root):
    for _ in range(2):
        repository.apply(root, Change("mine", bundle))
    repository.apply(root, Change("mine", policy="1,2"))
    told = program(f"--bundle={bundle}", f"--repository={root}", "--name=mine", "--version=7").stdout
    assert "mine: serves 1, 2 of the versions 1, 2, 7\nmine: 7 is not served; " in told
    (command,) = re.findall(r"python -m serving.tf_serving (.*) serves it too$", told, re.MULTILINE)
    assert program(*shlex.split(command)).stdout == "mine: serves 1, 2, 7 of the versions 1, 2, 7\n"


def test_the_commands_of_the_page_work_in_their_order(bundle, root):
    """Those that need neither Docker nor a server."""
    section = (REPOSITORY / "docs" / "deploying.md").read_text().split("## TensorFlow Serving")[1].split("\n## ")[0]
    commands = re.findall(r"^ +(python -(?:m serving.tf_serving|c) .*(?:\n +numpy.*)?)$", section, re.MULTILINE)
    assert len(commands) == 5
    (root.parent / "bundles" / "digits").symlink_to(bundle)
    (root.parent / "bundles" / "better").symlink_to(bundle)
    for command in commands:
        words = [sys.executable, *shlex.split(re.sub(r"\n +", "\n", command))[1:]]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run(words, cwd=root.parent, env=environment, check=True)
    assert config(root) == {"digits": Model("digits", "/models/digits", (1, 2), {"stable": 2, "canary": 2})}
    with np.load(root.parent / "in.npz") as inputs:
        assert {name: values.shape for name, values in inputs.items()} == {"z": (4, 8)}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--repository=models"], "error: --bundle or --name is missing; see --help\n"),
        (["--bundle=x"], "error: --repository is missing; see --help\n"),
        (["--bundle=x", "--repository=models"], "error: x is not a bundle: it has no manifest.json\n"),
        (
            ["--name=x", "--repository=models", "--label=stable"],
            "error: --label=stable: write it as label=version, such as stable=2\n",
        ),
    ],
)
def test_the_program_says_what_is_wrong_in_one_line(arguments, line):
    done = program(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
