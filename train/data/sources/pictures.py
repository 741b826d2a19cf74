"""Checks and words that all sources of pictures share, and how a source over another one finds it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from train.data.source import Derived, Table
from zoo.shared.errors import UserError
from zoo.spec import TensorSpec

_LARGEST = 1024


class Section(SimpleNamespace):
    """A data section with other values, for the source that another one is made of."""

    def __iter__(self) -> Any:
        return iter(vars(self))

    def __getitem__(self, key: str) -> Any:
        return vars(self)[key]


def check(section: Any) -> None:
    """Raise a `UserError` for options of pictures that cannot be."""
    sizes = (0, *range(4, _LARGEST + 1))
    check_integer("image_size", section.image_size, sizes, f"0 (the data's own) or a number from 4 to {_LARGEST}")
    check_integer("channels", section.channels, (0, 1, 3), "0 (as in the source), 1 or 3")
    check_integer("crop", section.crop, range(257), "0 or a number of pixels up to 256")
    if section.binarize not in ("none", "dynamic"):
        raise UserError(f"data.binarize is {section.binarize!r}; it must be 'none' or 'dynamic'")
    if not isinstance(section.flip, bool):
        raise UserError(f"data.flip is {section.flip!r}; it must be true or false")


def check_integer(field: str, value: Any, valid: range | tuple[int, ...], meaning: str) -> None:
    """Raise a `UserError` unless the value of the option `field` is one of the `valid` integers."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in valid:
        raise UserError(f"data.{field} is {value!r}; it must be {meaning}")


def over(section: Any, prefix: str, **changes: Any) -> Section:
    """Return the section of the source whose name follows the `prefix` in the section's name."""
    from train.data.sources import defaults

    name = section.name.removeprefix(prefix)
    known = defaults(name)
    return Section(**{"name": name, **{key: section[key] for key in known if key in section}, **changes})


def check_over(section: Any, prefix: str, **changes: Any) -> None:
    """Raise a `UserError` unless the source after the `prefix` holds pictures that an "input" can be made of."""
    from train.data.sources import module_of

    inner = over(section, prefix, **changes)
    module = module_of(inner.name)
    module.check(inner)
    kinds = module.kinds(inner)
    if kinds.get("image") != "image":
        raise UserError(f"data.name is {section.name!r}; {inner.name!r} holds no pictures")
    if "input" in kinds:
        raise UserError(f"data.name is {section.name!r}; {inner.name!r} has inputs of its own")


def stored_size(size: tuple[int, int], crop: int) -> tuple[int, int]:
    """Return the size that pictures are stored at, of which training takes windows of `size`."""
    return size[0] + crop, size[1] + crop


def own_size(size: tuple[int, int], whose: str) -> tuple[int, int]:
    """Return the (height, width) that pictures have and keep; `UserError` where they are too large to be kept."""
    if max(size) > _LARGEST:
        raise UserError(
            f"the pictures of {whose} have {told(size)}, and at most {_LARGEST} px are kept: {choice(min(size))}"
        )
    return size


def choice(shortest: int) -> str:
    """Return how to choose a size for pictures whose shortest side has so many pixels."""
    return f"choose one, such as --config.data.image_size={min(64, max(8, 2 ** (shortest.bit_length() - 1)))}"


def told(size: tuple[int, ...], crop: int = 0) -> str:
    """Return how a description tells the size of pictures."""
    side = f"{size[0]}" if size[0] == size[1] else f"{size[1]} x {size[0]}"
    return f"{side} px" + (f" (stored {crop} px larger)" if crop else "")


def with_input(table: Table, column: Derived, shape: tuple[int, ...], told: str) -> Table:
    """Return the table with one more column, "input", of that shape; `told` is added to its description."""
    spec = TensorSpec("input", shape, "condition", "image")
    return replace(
        table,
        columns={**table.columns, "input": column},
        specs={**table.specs, "input": spec},
        description=f"{table.description}; {told}",
    )
