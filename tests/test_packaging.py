"""The wheel in an environment of its own, the console scripts, and the pinned requirements."""

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

from zoo.shared.errors import needs

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PACKAGES = {"zoo", "train", "export", "serving"}
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


def test_the_wheel_holds_the_four_packages_with_all_their_files_and_nothing_else(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = {path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()}
    assert packed == {str(path.relative_to(REPOSITORY)) for path in here if "__pycache__" not in path.parts}
    assert packed >= {f"{package}/py.typed" for package in PACKAGES}, "type checkers read no annotations"


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
