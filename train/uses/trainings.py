"""The trainings that a use looks at: runs of recipes, in WORKDIR/NAME/SEED. What is missing there is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from train.study.programs import Programs
from train.uses.stored import Study
from zoo.shared.errors import UserError


def run_of(study: Study, name: str, seed: int) -> Path:
    """Return the run `name` of a seed, trained by the recipe and keys that the protocol has for it.

    A finished one is left as it is, one that was stopped goes on; one that was trained otherwise is a `UserError`.
    """
    keys: dict[str, Any] = dict(study.result["protocol"]["runs"][name])
    workdir = study.workdir / name / str(seed)
    arguments = [f"--recipe={keys.pop('recipe')}", f"--workdir={workdir}", f"--config.seed={seed}", *_flags(keys)]
    printed = Programs().call(workdir.with_name(f"{seed}.log"), "train", *arguments)
    if stopped := next((line for line in printed if line.startswith("stopped at step ")), ""):
        raise UserError(f"the run {name} of seed {seed} {stopped}")
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
