"""Lay a bundle out for TF Serving, as the next version of a model in its repository, and list it in models.config.

    python -m serving.tf_serving --bundle=bundles/digits --repository=models/ --name=digits
    python -m serving.tf_serving --repository=models/ --name=digits --serve=1,2 --label=stable=1 --label=canary=2

Serve it by `docker compose --file serving/tf_serving/compose.yaml up`. A running server finds a new version by itself.
"""

from pathlib import Path

from absl import flags

from serving.tf_serving import repository
from zoo import bundle
from zoo.shared import program
from zoo.shared.errors import UserError

_BUNDLE = flags.DEFINE_string("bundle", None, "The bundle to lay out. Without it only models.config changes.")
_REPOSITORY = flags.DEFINE_string("repository", None, "The directory of all models; made if need be. Required.")
_NAME = flags.DEFINE_string("name", None, "What the server calls the model; by default as the bundle does.")
_VERSION = flags.DEFINE_integer("version", None, "The number of the version; by default one more than the largest.")
_SERVE = flags.DEFINE_string(
    "serve", None, "The versions to serve: latest (of a new model), all, or some such as 2,3. Otherwise as before."
)
_LABEL = flags.DEFINE_multi_string(
    "label", [], "A name for a version, such as stable=2, or stable= to remove it; may be repeated."
)
_BATCH = flags.DEFINE_integer(
    "batch", None, "Let the server run up to so many rows of waiting requests as one; by default it runs each alone."
)
_BASE_PATH = flags.DEFINE_string(
    "base_path", None, f"The repository as the server sees it; {repository.BASE_PATH} for a new model."
)


def main() -> None:
    """Do what the flags say."""
    if not _REPOSITORY.value:
        raise UserError("--repository is missing; see --help")
    if not (name := _NAME.value):
        if not _BUNDLE.value:
            raise UserError("--bundle or --name is missing; see --help")
        name = bundle.read_manifest(_BUNDLE.value).model
    change = repository.Change(
        name=name,
        bundle=Path(_BUNDLE.value) if _BUNDLE.value else None,
        version=_VERSION.value,
        batch=_BATCH.value,
        policy=_SERVE.value,
        labels=dict(map(_label, _LABEL.value)),
        base_path=_BASE_PATH.value,
    )
    model, version = repository.apply(Path(_REPOSITORY.value), change)
    there = repository.versions(Path(_REPOSITORY.value) / model.name)
    served, of = (", ".join(map(str, sorted(versions))) for versions in (model.served(there), there))
    if version is not None:
        print(f"wrote {Path(_REPOSITORY.value) / model.name / str(version)}")
    print(f"{model.name}: serves {served} of the versions {of}")
    if version is not None and version not in model.served(there):
        more = ",".join(map(str, sorted(model.served(there) | {version})))
        print(
            f"{model.name}: {version} is not served; python -m serving.tf_serving --repository={_REPOSITORY.value} "
            f"--name={model.name} --serve={more} serves it too"
        )
    for label, labelled in model.labels.items():
        print(f"{model.name}: {label} is {labelled}")


def _label(text: str) -> tuple[str, int | None]:
    label, equals, version = text.partition("=")
    if not equals or (version and not (version.isascii() and version.isdecimal())):
        raise UserError(f"--label={text}: write it as label=version, such as stable=2")
    return label, int(version) if version else None


def run() -> None:
    """Run the program: `python -m serving.tf_serving`."""
    program.run(main)


if __name__ == "__main__":
    run()
