"""The index of the presets of a checkout, which comes with the package, and the archives that it has the SHA-256 of."""

from dataclasses import asdict
from pathlib import Path

from zoo.presets import archive, places
from zoo.shared import files
from zoo.shared.errors import UserError


def write(root: Path) -> None:
    """Write the index anew if `root` is the checkout's directory of presets; others have none."""
    if places.CHECKOUT and root.resolve() == places.CHECKOUT.resolve():
        packed = {
            name: archive.entry(name, places.about(path), archive.pack(path))
            for name, path in places.in_directory(root)
        }
        files.write_json(places.INDEX, {name: asdict(entry) for name, entry in packed.items()})


def pack(root: Path, target: Path) -> list[Path]:
    """Write the archive of each preset in `root` into the directory `target`; return their paths."""
    made = []
    for name, path in places.in_directory(root):
        data = archive.pack(path)
        made.append(target / archive.entry(name, "", data).file)
        files.write_bytes(made[-1], data)
    if not made:
        raise UserError(f"{root} holds no presets")
    return made
