"""The memory that all requests hold at once: one request is bounded by `Limits`, and this bounds their sum."""

import threading

from serving.server.refused import Refused


class Budget:
    """Bytes that are promised to requests. Safe to call from several threads at once."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    @property
    def held(self) -> int:
        """How many bytes are promised."""
        return self._held

    def take(self, size: int, own: int = 0) -> None:
        """Promise so many bytes to a request that has `own` already; `Refused` 503 if that is more than is left.

        Who is alone is refused nothing: `Limits` bounds what one request may take.
        """
        with self._lock:
            others = self._held - own
            if others and self._held + size > self._most:
                said = f"other requests hold {others:,} of {self._most:,} bytes; try again later"
                raise Refused(503, said, {"retry-after": "1"})
            self._held += size

    def give(self, size: int) -> None:
        """Take a promise back."""
        with self._lock:
            self._held -= size
