"""The fields of a serialised protobuf message: enough to replace one of them in an ONNX file. Standard library only.

The wire format: https://protobuf.dev/programming-guides/encoding/ (a key, number << 3 | type, then the value).
"""

from collections.abc import Iterator

from zoo.shared.errors import UserError

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_MOST = 10  # bytes of a number


def fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield each field's number, where it begins, where its value does (behind a length), and where both end.

    What is no message is a `UserError`.
    """
    start = 0
    while start < len(message):
        key, place = _number(message, start)
        if key & 7 == _VARINT:
            _, end = _number(message, place)
        elif key & 7 == _LENGTH:
            size, place = _number(message, place)
            end = place + size
        elif key & 7 in (_EIGHT_BYTES, _FOUR_BYTES):
            end = place + (8 if key & 7 == _EIGHT_BYTES else 4)
        else:
            raise UserError(f"no protobuf message: a field of type {key & 7} at byte {start:,}")
        if end > len(message):
            raise UserError(f"no protobuf message: it ends within a field, at byte {len(message):,}")
        yield key >> 3, start, place, end
        start = end


def field(number: int, value: bytes) -> bytes:
    """Return a field that holds text, bytes or a message."""
    return _encoded(number << 3 | _LENGTH) + _encoded(len(value)) + value


def _number(message: bytes, place: int) -> tuple[int, int]:
    """Return the number at `place`, seven bits a byte from the least, and where it ends."""
    value = 0
    for count, byte in enumerate(message[place : place + _MOST]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise UserError(f"no protobuf message: a number at byte {place:,} does not end")


def _encoded(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
