"""API keys: who may ask."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from serving.server.refused import Refused
from zoo.shared.errors import UserError

_SHORTEST = 16


class Keys:
    """The keys that are accepted, as digests: comparing these takes the same time whatever was sent."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Keys":
        """Return the keys in a file, one a line; a short one, or a file without any, is a `UserError`."""
        try:
            keys = Path(path).read_text().split()
        except UnicodeDecodeError:
            raise UserError(f"{path} is no text: put one key on each line") from None
        if not keys:
            raise UserError(f"{path} holds no key: put one on each line")
        if short := [number for number, key in enumerate(keys, 1) if len(key) < _SHORTEST]:
            raise UserError(f"{path}: key {short[0]} has fewer than {_SHORTEST} characters")
        if odd := [number for number, key in enumerate(keys, 1) if not key.isascii()]:
            raise UserError(f"{path}: key {odd[0]} has letters that no header can hold: use ASCII")
        return cls(keys)

    def check(self, headers: Mapping[str, str]) -> None:
        """Refuse a request without a key of ours in `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        sent = headers.get("x-api-key", bearer if scheme.lower() == "bearer" else "")
        digest, is_known = _digest(sent), False
        for known in self._digests:  # all of them, so that the time tells nothing
            is_known |= hmac.compare_digest(known, digest)
        if not is_known:
            raise Refused(401, "send an API key as 'Authorization: Bearer KEY'", {"www-authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
