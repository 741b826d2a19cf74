"""Presets: trained models by name, as small bundles (`zoo.bundle`). No TensorFlow here.

A preset is looked for in this order:

    $GENZOO_PRESETS/NAME/              a directory of your own, or several with ":" between
    presets/NAME/                      of a checkout
    zoo/presets/own/NAME/              the few that the wheel holds (pyproject.toml names them)
    ~/.cache/genzoo/presets/           what was fetched before; below $XDG_CACHE_HOME where that is set
    the project's release page         one archive each, once this version is released (`zoo.presets.fetching`)

presets.json is the index of what the release page holds. It comes with the package: an archive that differs from its
SHA-256 in there is refused.
"""

from pathlib import Path

from zoo import bundle
from zoo.presets.places import ABOUT, INDEX, VARIABLE, Entry, about, cached, directories, here, index, is_name, lines
from zoo.shared.errors import UserError, unknown

__all__ = ["ABOUT", "INDEX", "VARIABLE", "Entry", "about", "cached", "find", "here", "index", "is_name", "lines"]


def find(name: str, has_training: bool = False) -> Path:
    """Return the directory of a preset, which is fetched if it lies nowhere here.

    With `has_training`, it holds the whole model for a new run to begin with; the wheel's own do not. An unknown name,
    or one that cannot be fetched, is a `UserError`.
    """
    known = index()
    if is_name(name):
        kept = [cached(name, known[name])] if name in known else []
        for path in (*(place / name for place in directories()), *kept):
            if bundle.is_bundle(path) and (not has_training or (path / bundle.TRAINING).is_dir()):
                return path
    if name not in known:
        if has_training and name in here():
            raise UserError(
                f"the preset {name} in {here()[name]} lacks {bundle.TRAINING}/: no run can begin with its weights"
            )
        raise unknown("preset", name, {*known, *here()})
    from zoo.presets import fetching  # sockets are for those who need them

    what = f"{bundle.TRAINING}/ of the preset {name}" if has_training else f"the preset {name}"
    there = [one for one, path in here().items() if not has_training or (path / bundle.TRAINING).is_dir()]
    return fetching.fetch(name, known[name], cached(name, known[name]), what, there)
