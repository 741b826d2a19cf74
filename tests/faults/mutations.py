"""Ways in which a file rots, is torn, or is mixed up with another; each is drawn from a seeded generator."""

import random
from collections.abc import Callable
from pathlib import Path

_BLOCK = 64  # bytes, at most


def flip_a_bit(data: bytearray, draw: random.Random) -> bytearray:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def truncate(data: bytearray, draw: random.Random) -> bytearray:
    return data[: draw.randrange(len(data))] if data else data


def zero_a_block(data: bytearray, draw: random.Random) -> bytearray:
    first, length = _block(data, draw)
    data[first : first + length] = bytes(length)
    return data


def duplicate_a_block(data: bytearray, draw: random.Random) -> bytearray:
    first, length = _block(data, draw)
    return data[: first + length] + data[first:]


def empty(data: bytearray, draw: random.Random) -> bytearray:
    return bytearray()


OF_BYTES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    flip_a_bit,
    truncate,
    zero_a_block,
    duplicate_a_block,
    empty,
)


def mutate(path: Path, others: list[Path], draw: random.Random) -> str:
    """Mutate the file at `path`, in half of the cases by one bit; swap it with one of the `others`; or delete it.

    Returns what was done.
    """
    ways = [*OF_BYTES, *(["swapped"] if others else []), "deleted"]
    way = draw.choice([*ways, *[flip_a_bit] * len(ways)])
    if way == "deleted":
        path.unlink()
        return f"{path.name} deleted"
    if way == "swapped":
        other = draw.choice(others)
        first, second = path.read_bytes(), other.read_bytes()
        path.write_bytes(second)
        other.write_bytes(first)
        return f"{path.parent.name}/{path.name} swapped with {other.parent.name}/{other.name}"
    path.write_bytes(way(bytearray(path.read_bytes()), draw))
    return f"{path.parent.name}/{path.name}: {way.__name__}"


def _block(data: bytearray, draw: random.Random) -> tuple[int, int]:
    length = min(len(data), 1 + draw.randrange(_BLOCK))
    return draw.randrange(len(data) - length + 1) if data else 0, length
