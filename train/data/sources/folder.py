"""Pictures in a folder of the user's own: 'folder:/path'.

Provenance: every PNG, JPEG and WebP file below the folder, in the order of its path; links to directories are followed,
hidden files and folders are left out. The label is the first-level sub-folder, if every picture lies in one and there
are at least two; sub-folders that are numbers are in the order of these.

Preprocessing: first frame, EXIF orientation applied, 16-bit grey scaled to 8 bits, transparency over white, centre
square, Lanczos resize. Without an `image_size` all pictures must have one size, which is kept. A folder has 1 channel
if every picture is stored as grey, else 3, unless the configuration says. The held-out split is the files whose sha256
(of the path below the folder) is 0 mod 10; but of fewer than 10 files none is held out. The split 'all' is both.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging

from train.data.cache import cached
from train.data.source import Source, Table, image_spec, label_spec
from train.data.sources import ALL, PICTURES, files, pictures
from train.data.sources import SPLITS as _SPLITS
from zoo import images
from zoo.shared.errors import UserError

PREFIX = "folder:"
OPTIONS = {
    **PICTURES,
    "unreadable": "skip",  # a file that is no picture: skip (with a warning) or refuse
}
SPLITS = (*_SPLITS, ALL)


def check(section: Any) -> None:
    """Raise a `UserError` unless the section names a directory with at least one picture file below it."""
    pictures.check(section)
    check_unreadable(section)
    root = files.root_of(section.name, PREFIX)
    if next(files.walk(root), None) is None:
        others = files.left_out(root)
        raise UserError(
            f"no picture file below {root}; genzoo reads {', '.join(images.ENDINGS)}"
            + (f", not the {others} of other formats" if others else "")
        )


def check_unreadable(section: Any) -> None:
    """Refuse a rule for unreadable files that there is not."""
    if section.unreadable not in ("skip", "refuse"):
        raise UserError(f"data.unreadable is {section.unreadable!r}; it must be 'skip' or 'refuse'")


def kinds(section: Any) -> dict[str, str]:
    """Return the columns: the picture, and its class where each lies in a folder of its class."""
    names = list(files.walk(files.root_of(section.name, PREFIX)))
    return {"image": "image", **({"label": "class"} if _classes(names) else {})}


def load(section: Any, split: str) -> Source:
    """Return the `split` of the pictures below the folder that the data section names.

    Raises `UserError` where the split is empty, or holds a file that is unreadable and the section refuses these, or no
    readable one.
    """
    root = files.root_of(section.name, PREFIX)
    names = sorted(files.walk(root))
    chosen = files.chosen(root, names, split)
    classes = _classes(names)
    strays = [name for name in names if "/" not in name]
    if strays and len(strays) < len(names):
        logging.warning("%s lies in no sub-folder, so that the pictures of %s have no labels", root / strays[0], root)

    def rows() -> Iterator[dict[str, np.ndarray]]:
        size = (section.image_size,) * 2 if section.image_size else files.own_size(root, names)
        channels = section.channels or files.channels_of(root, names)
        stored = pictures.stored_size(size, section.crop)

        def decode(name: str) -> dict[str, np.ndarray]:
            row = {"image": images.decode(root / name, stored, channels)}
            return {**row, "label": np.array(classes.index(name.split("/")[0]), np.int32)} if classes else row

        return files.decoded(root, split, chosen, decode, section.unreadable)

    columns = cached(
        {
            "source": str(root.resolve()),
            "files": files.fingerprint(root, names),
            "split": split,
            **{option: section[option] for option in ("image_size", "crop", "channels", "unreadable")},
            "classes": classes,
            "preprocessing": images.PREPROCESSING,
        },
        rows,
    )
    specs = {"image": image_spec("image", columns["image"], section.crop)}
    if classes:
        specs["label"] = label_spec(tuple(classes))
    others = files.left_out(root)
    return (
        Table(
            dict(columns),
            specs,
            f"{len(columns['image']):,} pictures of {root}, split {split!r} ({len(chosen):,} of {len(names):,} files, "
            + ("" if split == ALL else "by the sha256 of the path; ")
            + f"{len(chosen) - len(columns['image']):,} unreadable"
            + (f"; {others:,} files of formats that genzoo does not read are left out" if others else "")
            + f"), centres resized to {pictures.told(specs['image'].shape[:2], section.crop)} (Lanczos)",
        ),
    )


def _classes(names: list[str]) -> list[str]:
    """Return the first-level sub-folders if they are classes: at least two, and every picture lies in one."""
    classes = sorted({name.split("/")[0] for name in names}, key=files.natural)
    return classes if len(classes) > 1 and all("/" in name for name in names) else []
