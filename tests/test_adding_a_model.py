"""docs/adding_a_model.md: its file trains, exports and passes the conformance suite, by the commands on the page."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from shared import REPOSITORY

PAGE = (REPOSITORY / "docs" / "adding_a_model.md").read_text()
SOURCE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mine")
    (directory / "noisy_code.py").write_text(SOURCE)
    return directory


def run(place, command, *more):
    words = shlex.split(command)
    assert words[0] == "python"
    done = subprocess.run(
        [sys.executable, *words[1:], *more], cwd=place, capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment():
    import os

    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def test_the_commands_of_the_page_run_in_order(place):
    train, *others = [command for command in COMMANDS if "pytest" not in command]
    small = ("train_steps=4", "checkpoint_every=2", "sample_every=2", "batch_size=4", "model.code_dim=3")
    said = run(place, train, *(f"--config.{setting}" for setting in small))
    assert json.loads((place / "runs/mine/config.json").read_text())["model"]["code_dim"] == 3
    assert "trained to step 4" in said
    for command in others:
        run(place, command)
    assert (place / "grid.png").stat().st_size
    assert (place / "bundles/mine/encode.onnx").is_file()


def test_it_passes_the_conformance_suite(place):
    (command,) = [command for command in COMMANDS if "pytest" in command]
    command = command.replace("tests/conformance", str(REPOSITORY / "tests" / "conformance"))
    command = command.replace("noisy_code.py", str(place / "noisy_code.py"))
    said = run(REPOSITORY, command, "-q", "-p", "no:cacheprovider")
    assert " failed" not in said
    assert "passed" in said


def test_the_page_speaks_of_every_literal():
    from zoo.registry import LITERALS

    for literal in LITERALS:
        assert f"`{literal}`" in PAGE
