"""TF Serving's model repository: NAME/VERSION/saved_model.pb for each version of each model, and models.config.

A server that runs already sees a version when it is whole: it is written under a hidden name, which no number is, then
renamed. models.config is replaced as a whole, and last.
"""

import dataclasses
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from serving.tf_serving import models_config
from serving.tf_serving.models_config import MAX_VERSION, Model
from zoo import bundle
from zoo.shared import files
from zoo.shared.errors import UserError, first_line

BASE_PATH = "/models"  # where the images of TF Serving have their models
BATCHING = "batching_params.pbtxt"
_LOCK = ".lock"
_MAX_BATCH = 2**16
# a URL holds names and labels as they are, and models.config between quotes
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclasses.dataclass(frozen=True)
class Change:
    """What is to change of a model; None leaves it as it is, or as a new model has it.

    - `bundle` is laid out as `version`: by default the one after the largest that there is.
    - `batch`: at most so many rows of several requests run as one, and the server refuses a request of more; without
      it, each request runs by itself.
    - `policy` is "latest", "all" or versions such as "2,3"; `labels` has a version for each label, None to remove it.
    - `base_path`: the repository as the server sees it, `BASE_PATH` for a new model.
    """

    name: str
    bundle: Path | None = None
    version: int | None = None
    batch: int | None = None
    policy: str | None = None
    labels: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    base_path: str | None = None


def apply(repository: Path, change: Change) -> tuple[Model, int | None]:
    """Make the change in the repository; return the model as models.config now has it, and the version laid out.

    Whatever cannot be done is a `UserError`, and found before anything is written.
    """
    _check_word("name", change.name)
    manifest = _manifest(change.bundle, change.batch) if change.bundle else None
    if manifest is None and (change.version is not None or change.batch is not None):
        raise UserError("a version and its batches belong to a bundle: give one")
    _planned(repository, change)  # what is refused leaves no trace, not even the directory
    repository.mkdir(parents=True, exist_ok=True)
    try:
        with files.lock(repository / _LOCK):
            models, model, added = _planned(repository, change)
            if manifest is not None and change.bundle is not None:
                _lay_out(change.bundle, manifest, repository / change.name / str(added), change.batch)
            config = models_config.text({**models, change.name: model})
            files.write_bytes(repository / models_config.FILE, config.encode())
    except BlockingIOError:
        raise UserError(f"another program changes {repository} just now: try again") from None
    return model, added


def versions(directory: Path) -> set[int]:
    """Return the versions in a model's directory: names of directories that are numbers, as TF Serving reads them."""
    if not directory.is_dir():
        return set()
    return {int(place.name) for place in directory.iterdir() if _is_number(place.name) and place.is_dir()}


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 40 and int(name) <= MAX_VERSION


def _check_word(what: str, word: str) -> None:
    if not _WORD.fullmatch(word) or word == models_config.FILE:
        letters = "up to 64 letters, digits, '_', '.' and '-', a letter or digit first"
        raise UserError(f"{what} {word!r}: use {letters}, but not {models_config.FILE}")


def _manifest(directory: Path, batch: int | None) -> bundle.Manifest:
    """Return the manifest of a bundle that is whole and has a SavedModel."""
    manifest, _ = bundle.read(directory, ())
    if f"{bundle.SAVED_MODEL}/saved_model.pb" not in manifest.files:
        raise UserError(f"the bundle {directory} holds no {bundle.SAVED_MODEL}: export the run again")
    if batch is not None and not 1 <= batch <= _MAX_BATCH:
        raise UserError(f"batch {batch}: use a number from 1 to {_MAX_BATCH}")
    free = [name for name, spec in manifest.maps.items() if any(tensor.is_free for tensor in spec.inputs)]
    if batch is not None and free:
        raise UserError(f"batch {batch}: {free[0]!r} takes pictures of any size, and only equal sizes share a batch")
    return manifest


def _read(repository: Path) -> dict[str, Model]:
    path = repository / models_config.FILE
    try:
        return models_config.parse(path.read_text("utf-8")) if path.exists() else {}
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {first_line(error)}") from None


def _planned(repository: Path, change: Change) -> tuple[dict[str, Model], Model, int | None]:
    """Return the models that there are, the changed one, and the version to lay out."""
    models, there = _read(repository), versions(repository / change.name)
    added = _number(repository / change.name, there, change.version) if change.bundle else None
    if added is not None:
        there.add(added)
    if not there:
        raise UserError(f"{repository} holds no version of {change.name!r}: give a bundle")
    return models, _changed(models.get(change.name), change, there), added


def _number(directory: Path, there: set[int], version: int | None) -> int:
    if directory.exists() and not directory.is_dir():
        raise UserError(f"{directory} is no directory")
    number = max(there, default=0) + 1 if version is None else version
    if not 1 <= number <= MAX_VERSION:
        raise UserError(f"version {number}: use a number from 1 to 2^63 - 1")
    if number in there:
        raise UserError(f"{directory} has a version {number} already, and a version never changes: give another number")
    return number


def _changed(model: Model | None, change: Change, there: set[int]) -> Model:
    """Return the model with what the change says, and make sure that the server could load it."""
    model = model or Model(change.name, f"{BASE_PATH}/{change.name}")
    if change.base_path is not None:
        if not re.fullmatch(r"[^\s\"'\\]+", change.base_path):
            raise UserError(f"base_path {change.base_path!r}: use a path without spaces, quotes and backslashes")
        model = dataclasses.replace(model, base_path=f"{change.base_path.rstrip('/')}/{change.name}")
    if change.policy is not None:
        model = dataclasses.replace(model, policy=_policy(change.policy))
    labels = {**model.labels, **change.labels}
    for label in labels:
        _check_word("label", label)
    model = dataclasses.replace(model, labels={label: to for label, to in labels.items() if to is not None})
    if isinstance(model.policy, tuple) and (absent := set(model.policy) - there):
        raise UserError(f"{change.name!r} has no version {min(absent)}, only {_listed(there)}")
    served = model.served(there)
    for label, version in model.labels.items():
        if version not in served:
            why = "is not there" if version not in there else f"would not be served, only {_listed(served)}"
            raise UserError(
                f"label {label!r} of {change.name!r}: version {version} {why}; move it, or serve {version} too"
            )
    return model


def _policy(text: str) -> str | int | tuple[int, ...]:
    if text in ("latest", "all"):
        return 1 if text == "latest" else "all"
    numbers = text.split(",")
    if not all(_is_number(number) for number in numbers):
        raise UserError(f"serve {text!r}: use latest, all, or versions such as 2,3")
    return tuple(sorted(set(map(int, numbers))))


def _lay_out(directory: Path, manifest: bundle.Manifest, place: Path, batch: int | None) -> None:
    """Write the version at `place`: the SavedModel of the bundle, its bytes checked where they arrived."""
    prefix = PurePosixPath(bundle.SAVED_MODEL)
    wanted = {
        str(PurePosixPath(name).relative_to(prefix)): digest
        for name, digest in manifest.files.items()
        if PurePosixPath(name).is_relative_to(prefix)
    }
    with files.new_directory(place) as new:
        for name in wanted:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / bundle.SAVED_MODEL / name, new / name)
        if files.checksums(new) != wanted:
            raise UserError(f"{directory} changed while it was copied: try again")
        if batch is not None:
            # TF Serving reads this beside saved_model.pb, under --enable_per_model_batching_parameters
            (new / BATCHING).write_text(
                f"max_batch_size {{ value: {batch} }}\nbatch_timeout_micros {{ value: 2000 }}\n"
                "max_enqueued_batches { value: 8 }\n"
            )


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"
