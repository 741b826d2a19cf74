"""Every command of the shell blocks of README and the guides works, in its order, with tiny settings.

What `make` does is run elsewhere: here its targets only have to exist.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared import REPOSITORY

# in the order in which their commands build on each other; adding_a_model.md has a test of its own
PAGES = (
    "README.md",
    "docs/own_pictures.md",
    "docs/models/gan_grid.md",
    "docs/models/cyclegan.md",
    "docs/models/vae.md",
    "docs/embedding.md",
    "docs/evaluating.md",
    "docs/deploying.md",
)
TEXT = "\n".join((REPOSITORY / page).read_text() for page in PAGES)
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]
TINY = ["--config.train_steps=2", "--config.log_every=2", "--config.batch_size=4", "--config.sample_count=4"]
TINY_MODEL = {True: ["--config.model.hidden_units=4"], False: ["--config.model.base_channels=4"]}  # is it nade?


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """A directory with a folder of pictures, and an environment in which `python` is this one."""
    directory = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    for index in range(12):
        path = directory / "pictures" / f"{index % 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40 + index, 50, 3), dtype=np.uint8)).save(path)
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(directory / "photo.png")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "GENZOO_CACHE": str(directory / "cache"),
    }
    return directory, {**os.environ, **environment}


def test_the_commands_work_in_their_order(playground):
    directory, environment = playground
    ran = []
    with contextlib.ExitStack() as stack:
        for command in COMMANDS:
            ran.append(run(command, directory, environment, stack))
    assert ran.count("python") >= 6
    assert (directory / "mine.png").is_file()
    with Image.open(directory / "asked.png") as asked:
        assert asked.size[0] == asked.size[1] > 4 * 32  # a grid of 4 x 4
    photo = photo_for(directory / "bundles" / "vae")
    names: dict = {"photo": photo}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
            exec(block, names)
    assert names["images"].shape == (16, 32, 32, 3)
    assert names["images"].dtype == np.uint8
    assert len(names["walk"]) == 8
    assert names["code"].shape[0] == 1
    assert names["again"].shape == (1, *photo.shape)


def run(command, directory, environment, stack):
    """Run a command as a newcomer would, a server until the `stack` is left; return its first word."""
    words = shlex.split(command)
    if words[0] == "make":
        # the targets exist; what they do is `make demo` in test_demo, and this very run
        subprocess.run([*words, "--dry-run"], check=True, cwd=REPOSITORY, capture_output=True)
    elif words[0] == "source":
        assert words[1] == ".venv/bin/activate"
    elif words[0] == "curl":
        # urllib, since curl may be missing
        url, option, output = words[1:]
        assert option == "--output"
        with urllib.request.urlopen(url.replace("localhost:8501", environment["ADDRESS"]), timeout=60) as answer:
            (directory / output).write_bytes(answer.read())
    elif "serving.server" in words:
        environment["ADDRESS"] = stack.enter_context(serving(words, directory, environment))
    else:
        assert words[0] == "python", command
        if words[1:3] == ["-m", "train"] and not {"--dry_run", "--recipe=list"} & {*words}:
            words += TINY + TINY_MODEL["nade" in command]
        done = subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return words[0]


@contextlib.contextmanager
def serving(words, directory, environment):
    """Run a server on a free port; yield its address when it is ready, and ask it to end by SIGTERM."""
    with subprocess.Popen(
        [*words, "--port=0"],
        cwd=directory,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stderr:
                if address := re.search(r"listening on http://(\S+)", line):
                    break
            assert address, line
            while not is_ready(address[1]):
                time.sleep(0.1)
            yield address[1]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def is_ready(address):
    """Return whether the server is; pytest's own bounds end the wait for one that never is."""
    try:
        with urllib.request.urlopen(f"http://{address}/v2/health/ready", timeout=60):
            return True
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return False


def photo_for(bundle):
    """Return a picture as bytes that the encoder of the bundle takes."""
    from serving import load

    (image,) = load(bundle)["encode"].spec.inputs
    return np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)


def test_no_other_page_has_commands_that_nothing_runs():
    have = {
        str(path.relative_to(REPOSITORY))
        for path in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
        if "```bash" in path.read_text()
    }
    assert have == {*PAGES, "BUILD.md", "docs/adding_a_model.md"}


@pytest.mark.slow
def test_demo(tmp_path):
    """`make demo` in a clone leaves all that it promises."""
    clone = tmp_path / "genzoo"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    done = subprocess.run(["make", "demo"], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Try next:" in done.stdout
    for name in ("checkpoints", "samples", "training.gif", "curves.png", "sampled.png", "bundle/manifest.json"):
        assert (clone / "runs" / "demo" / name).exists(), name
    shutil.rmtree(clone)
