"""The trainings that a use looks at: runs of recipes, in WORKDIR/NAME/SEED. What is missing there is trained."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train import config
from train.uses.stored import Study
from zoo.shared.errors import UserError


def run_of(study: Study, name: str, seed: int) -> Path:
    """Return the run `name` of a seed, trained by the recipe and keys that the protocol has for it.

    A finished one is left as it is, one that was stopped goes on; one that was trained otherwise is a `UserError`.
    """
    keys: dict[str, Any] = dict(study.result["protocol"]["runs"][name])
    workdir = study.workdir / name / str(seed)
    arguments = [f"--recipe={keys.pop('recipe')}", f"--workdir={workdir}", f"--config.seed={seed}", *_flags(keys)]
    # our own trainer, whatever file called train.py stands in the current directory
    places = [str(Path(config.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-P", "-m", "train", *arguments]
    workdir.parent.mkdir(parents=True, exist_ok=True)
    with open(workdir.with_name(f"{seed}.log"), "a") as log:
        begin = log.tell()
        status = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        ).returncode
    if status:
        said = Path(log.name).read_bytes()[begin:].decode(errors="replace").splitlines()
        last = next((line for line in reversed(said) if line.startswith("error: ")), f"error: it ended with {status}")
        raise UserError(f"python -m train failed, see {log.name}: {last.removeprefix('error: ')}")
    return workdir


def told(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the runs of a protocol in words: their recipes, and the keys that differ from them."""
    said = []
    for name, keys in runs.items():
        changes = ", ".join(f"{key}={value}" for key, value in keys.items() if key != "recipe")
        said.append(f"{name}: `{keys['recipe']}`{f' with {changes}' if changes else ''}")
    return "; ".join(said)


def _flags(keys: Mapping[str, Any]) -> list[str]:
    return [f"--config.{key}={value}" for key, value in keys.items()]
