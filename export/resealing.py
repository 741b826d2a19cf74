"""Seal a bundle again whose ONNX files were changed on purpose: prove the new files, and write what they cost.

Each changed file is run on the rows that the bundle keeps from its export. Within the bound the manifest, the card and
the seals are written anew, all at once; past it the bundle stays as it is. No TensorFlow.
"""

import dataclasses
import datetime
import os
import shutil
from pathlib import Path

from export import cost, ort, parity, recorded
from zoo import bundle, runtime
from zoo.shared import files
from zoo.shared.errors import UserError

MOST = cost.MOST_LEVELS["int8"]


def seal(path: Path) -> dict[str, dict[str, float]]:
    """Seal the bundle at `path` again, and return how far its changed maps are off, by map and output.

    A bundle in which nothing changed, or something that is no ONNX file of a map, and a map that is off by more than
    `MOST` grey levels, are a `UserError`; the bundle is then as it was.
    """
    manifest = bundle.without_what_is_left_out(bundle.read_manifest(path), path)
    models = {manifest.onnx_file(name): name for name in manifest.maps}
    for name in manifest.files:
        bundle.inside(path, name)
    target = Path(os.path.realpath(path))  # a link to a bundle stays a link
    with files.new_directory(target, overwrite=True) as directory:
        shutil.copytree(target, directory, dirs_exist_ok=True)
        changed = _changed(directory, manifest)
        if others := changed - models.keys():
            raise UserError(f"{path / min(others)} is corrupt: only ONNX files can be sealed again; copy it again")
        if not (maps := [models[name] for name in models if name in changed]):
            raise UserError(f"{path} holds the ONNX files that its manifest lists: there is nothing to seal again")
        found = _measured(directory, path, manifest, maps)
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        for name in maps:
            told = {"on": when, "largest_difference_in_levels": found[name], "most_levels": MOST}
            manifest.parity[name] = {**manifest.parity.get(name, {}), "sealed_again": told}
        _write(directory, manifest, maps, found, when)
        runtime.open_maps(directory)  # a bundle that serving would refuse is not shown
    return found


def _changed(directory: Path, manifest: bundle.Manifest) -> set[str]:
    """Return the listed files that are not as the manifest has them."""
    return {name for name, digest in manifest.files.items() if files.sha256(directory / name) != digest}


def _measured(directory: Path, path: Path, manifest: bundle.Manifest, maps: list[str]) -> dict[str, dict[str, float]]:
    """Return how far the changed maps are off, by map and output."""
    kept, found = recorded.read(directory, manifest, path), {}
    for name in maps:
        spec, file = manifest.maps[name], manifest.onnx_file(name)
        inputs, expected = kept[name]
        opened = runtime.open_map(bundle.read_onnx(directory / file), spec, path / file)
        try:
            found[name] = cost.differences([(expected, opened.run(inputs))], spec, file)
            cost.check(found[name], spec, MOST)
        except parity.NotEqual as failure:
            raise UserError(f"{path} is not sealed: its map {name} loses too much: {failure}") from failure
    return found


def _write(
    directory: Path, manifest: bundle.Manifest, maps: list[str], found: dict[str, dict[str, float]], when: str
) -> None:
    """Write the new manifest into the card, into every ONNX file, and beside them."""
    for name in manifest.maps:
        place, made = directory / manifest.onnx_file(name), directory / manifest.ort_file(name)
        data = bundle.describe(bundle.read_onnx(place), manifest, name)
        place.write_bytes(data)
        if made.name in manifest.files:
            made.write_bytes(bundle.seal(ort.convert(data)))
    lines = [f"- {name}: {', '.join(f'{t} by {figure:.3g}' for t, figure in found[name].items())}" for name in maps]
    with open(directory / bundle.CARD, "a") as card:
        told = (
            f"\n## Sealed again\n\nOn {when} these maps were changed after the export. They are off by at most, in "
            f"grey levels of 255 (of a choice, the share of rows; at most {MOST:g} levels are allowed):\n\n"
        )
        card.write(told + "\n".join(lines) + "\n")
    listed = {name: files.sha256(directory / name) for name in manifest.files}
    files.write_json(directory / bundle.MANIFEST, dataclasses.replace(manifest, files=listed).to_json())
