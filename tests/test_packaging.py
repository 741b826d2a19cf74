"""The wheel in an environment of its own, the presets, the console scripts, and the pinned requirements."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from shared import REPOSITORY, tiny_config, trained

import serving
from export import cost, recorded
from zoo.presets import archive, places
from zoo.shared.errors import needs

TOML = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT = TOML["project"]
PACKAGES = {"zoo", "train", "export", "serving"}
PRESETS = REPOSITORY / "presets"
# those that the wheel brings along
OWN = [
    place.removeprefix("presets/")
    for place in TOML["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    if place.startswith("presets/")
]
DEPENDENCIES = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"]


def call(*command, **options):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dist")
    built = call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, REPOSITORY)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = directory.iterdir()
    return path


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """Run the scripts of a fresh environment that holds the wheel and what it requires, without any extra."""
    directory = tmp_path_factory.mktemp("base")
    assert call(sys.executable, "-m", "venv", directory / "venv").returncode == 0
    pip = [directory / "venv/bin/python", "-m", "pip", "install", "--quiet"]
    # what fails even for a requirement that surely exists is the index; after that, no failure is excused
    probe = call(*pip, "--retries=1", "--timeout=15", "--dry-run", "--no-deps", "absl-py")
    if probe.returncode:
        pytest.skip(f"pip reaches no package index: {probe.stderr.strip().splitlines()[-1]}")
    installed = call(*pip, wheel)
    assert installed.returncode == 0, installed.stderr
    return lambda script, *arguments: call(directory / "venv/bin" / script, *arguments, cwd=directory)


def test_the_wheel_holds_the_four_packages_and_its_presets_with_all_their_files_and_nothing_else(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = {path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()}
    ours = {str(path.relative_to(REPOSITORY)) for path in here if "__pycache__" not in path.parts}
    files = {path for name in OWN for path in (PRESETS / name).rglob("*") if path.is_file()}
    presets = {str("zoo/presets/own" / path.relative_to(PRESETS)) for path in files if "training" not in path.parts}
    assert packed == ours | presets and len(presets) >= 5 * len(OWN)
    assert packed >= {f"{package}/py.typed" for package in PACKAGES}, "type checkers read no annotations"


def test_presets_stay_small():
    sizes = {path: path.stat().st_size for path in PRESETS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) <= 42.5e6, "of the repository"
    brought = {path: path.relative_to(PRESETS).parts for path in sizes if path.parent.name != "training"}
    of_the_wheel = [sizes[path] for path, parts in brought.items() if parts[0] in OWN]
    assert 0 < sum(of_the_wheel) <= 5e6 and len(OWN) <= 4


def test_the_index_has_every_preset_as_it_is_packed():
    found = dict(places.in_directory(PRESETS))
    entries = {name: archive.entry(name, places.about(path), archive.pack(path)) for name, path in found.items()}
    assert json.loads(places.INDEX.read_bytes()) == {name: vars(entry) for name, entry in entries.items()}
    assert entries.keys() == {path.name for path in PRESETS.iterdir()} >= set(OWN)


@pytest.mark.parametrize("name", sorted(path.name for path in PRESETS.iterdir()))
def test_a_preset_runs_and_says_what_it_is(name):
    """Every map makes what it made at export, on the rows that are kept of it: within 8 of 255 grey levels.

    Where a map chooses, one row in four may choose otherwise: few are kept, and blocks differ in their last bits.
    """
    path = PRESETS / name
    opened = serving.load(path)
    kept = recorded.read(path, opened.manifest, path)
    for map_name, rows in kept.items():
        inputs, expected = ({key: values[:4] for key, values in arrays.items()} for arrays in rows)
        spec = opened[map_name].spec
        found = cost.differences([(expected, opened[map_name].run(inputs))], spec, map_name)
        for tensor in spec.outputs:
            assert found[tensor.name] <= (0.25 if tensor.may_flip else 8), (map_name, tensor.name)
    card = (path / "README.md").read_text()
    assert card.startswith(f"# {name}\n")
    for section in ("Beside real pictures", "Figures", "Training data", "Training", "Maps"):
        assert f"\n## {section}\n" in card
    for words in ("python -m train ", "- Seed: ", "- Hardware: ", "- Time: ", "Licence: ", "not recorded"):
        assert (words in card) == (words != "not recorded"), words
    assert all((path / file).is_file() for file in re.findall(r"!\[.*?\]\((.*?)\)", card))
    told = (path / "training/config.json").read_text() + (path / "preset.json").read_text() + card
    assert not re.findall(r"(?:^|[\s\"'=:(])/(?:tmp|home|root|srv|work|usr)/", told), "a path of its trainer's machine"


def test_the_base_installation_has_no_tensorflow(base):
    for module in ("tensorflow", "keras", "ml_collections", "onnx"):
        tried = base("python", "-c", f"import {module}")
        assert f"No module named '{module}'" in tried.stderr
    found = base("python", "-c", "import serving, zoo; print(zoo.__version__, zoo.available())")
    assert found.returncode == 0, found.stderr


def test_a_program_that_embeds_the_wheel_sees_its_types(base, tmp_path):
    python = base("python", "-c", "import sys; print(sys.executable)").stdout.strip()
    (tmp_path / "program.py").write_text(
        "import export, numpy, serving, train, zoo\n"
        "from zoo.spec import MapSpec\n"
        "generator = serving.Generator(b'', 'encode', providers=['CPUExecutionProvider'])\n"
        "spec: MapSpec = generator.spec\n"
        "names = zoo.__version__.split() + serving.__version__.split() + [generator.manifest.model]\n"
        "pixels: numpy.ndarray = generator.sample(3, dtype=numpy.uint8)\n"
        "arrays: dict[str, numpy.ndarray] = serving.load('bundle')['encode'](photo=pixels)\n"
        "wrong: str = generator.sample(3)  # line 8\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "program.py"]
    first, last = call(*command, cwd=tmp_path).stdout.splitlines()
    assert first.startswith("program.py:8: error: ")
    assert last == "Found 1 error in 1 file (checked 1 source file)"


def test_the_base_installation_samples(base, tmp_path):
    from export import build

    trained(tiny_config("dcgan"), tmp_path / "run")
    build.build(tmp_path / "run", tmp_path / "bundle")
    arguments = [f"--bundle={tmp_path / 'bundle'}", "--count=4", f"--output={tmp_path / 'grid.png'}"]
    sampled = base("genzoo-sample", *arguments)
    assert sampled.returncode == 0, sampled.stderr
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_the_base_installation_explains_itself(base, tmp_path):
    shown = base("genzoo-sample", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "--bundle" in shown.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["genzoo-train", "--workdir=run"],
        ["genzoo-train", "--help"],
        ["genzoo-evaluate"],
        ["genzoo-study"],
        ["genzoo-theory"],
        ["genzoo-uses"],
        ["genzoo-export", "--workdir=run", "--output=bundle"],
        ["genzoo-preset", "--workdir=run", "--name=mine"],
        ["python", "-m", "train"],
    ],
    ids=" ".join,
)
def test_training_without_its_extra_is_one_line_that_names_it(base, command):
    refused = base(*command)
    message = f"error: {needs('this', 'ml_collections', 'train')}\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", message)


def test_importing_a_package_without_its_extra_is_an_import_error(base):
    code = "try:\n    import {}\nexcept ImportError as error:\n    print(error)"
    for module in ("train", "train.evaluate.metrics"):
        tried = base("python", "-c", code.format(module))
        assert tried.stdout == needs("this", "ml_collections", "train") + "\n", tried.stderr


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_a_console_script_shows_its_help_without_tensorflow(name):
    code = """
import sys
from importlib.metadata import EntryPoint
name, value = sys.argv[1:]
sys.argv = [name, "--help"]
try:
    EntryPoint(name, value, "console_scripts").load()()
finally:
    assert not {"tensorflow", "keras"} & sys.modules.keys()
"""
    shown = call(sys.executable, "-c", code, name, PROJECT["scripts"][name], cwd=REPOSITORY)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Flags:" in shown.stdout


@pytest.mark.parametrize("name", ["dev", "docs"])
def test_every_requirement_is_pinned_with_hashes_and_names_no_place(name):
    text = (REPOSITORY / f"requirements/{name}.txt").read_text()
    assert "://" not in text
    names = set(re.findall(r"\b[a-z][\w-]*(?:\.[a-z][\w-]*)+", text))
    assert names <= {"pyproject.toml", f"{name}.txt", f"{name}.in"}, "host names?"
    for line in requirement_lines(text):
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [^:@]+?)?( --hash=sha256:[0-9a-f]{64})+", line), line


def test_the_pins_are_what_the_project_asks_for():
    pinned = {}
    for line in requirement_lines((REPOSITORY / "requirements/dev.txt").read_text()):
        pin = Requirement(line.split(" --hash")[0])
        pinned.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier).removeprefix("=="))
    tools = (REPOSITORY / "requirements/dev.in").read_text().splitlines()
    for text in [*DEPENDENCIES, *(line for line in tools if not line.startswith("#"))]:
        wanted = Requirement(text)
        versions = pinned[canonicalize_name(wanted.name)]
        assert all(wanted.specifier.contains(version) for version in versions), f"{text}: pinned to {versions}"


def requirement_lines(text):
    """Return one line per requirement, without comments and continuations."""
    lines = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^\s*#.*\n?", "", text, flags=re.MULTILINE)).splitlines()
    return [line.strip() for line in lines if line.strip()]
