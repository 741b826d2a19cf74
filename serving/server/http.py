"""One request and its answer, above the bare ASGI protocol."""

import asyncio
import contextlib
import functools
import threading
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from serving.server.budget import Budget
from serving.server.refused import Refused

Message = MutableMapping[str, Any]
JSON, BINARY = "application/json", "application/octet-stream"
_GZIP = 31  # zlib's number for the format of gzip
# measured: a list of short numbers takes 10 times its JSON, and 15 times while it becomes an array; long ones 3 and 5
_PARSED = 15


class Response:
    """A status, a body and its type, and further headers."""

    __slots__ = ("body", "headers", "status", "type")

    def __init__(
        self, body: bytes = b"", type: str = JSON, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.body, self.type, self.headers = status, body, type, headers or {}


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON answer; numpy arrays, if they are contiguous, become lists."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), JSON, status, headers)


class Request:
    """What a client asks. `path` is as it was sent, percent signs included; the names of headers are lower-case.

    `model`, `version` and `map` are what it turned out to be for: the log and the metrics name them. `is_read` says
    whether its body has arrived. What it holds of the `budget` is given back by `release`. Another thread that works
    for it may take more until then, and nothing afterwards.
    """

    def __init__(self, scope: Message, receive: Callable[[], Awaitable[Message]], budget: Budget) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1")
        self.headers: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.model = self.version = self.map = ""
        self.is_read = self.method in ("GET", "HEAD")
        self._budget, self._held = budget, 0
        self._lock, self._is_over = threading.Lock(), False
        self._query: bytes = scope["query_string"]
        self._receive = receive

    def hold(self, size: int) -> None:
        """Take so many bytes of the budget; `Refused` 503 if there are not so many, or the request is over."""
        with self._lock:
            if self._is_over:
                raise Refused(503, "the request is over: its deadline has passed, or its client has left")
            self._budget.take(size, self._held)
            self._held += size

    def release(self) -> None:
        """Give back what was taken, and take no more."""
        with self._lock:
            self._budget.give(self._held)
            self._held, self._is_over = 0, True

    @functools.cached_property
    def query(self) -> dict[str, str]:
        """The parameters after the question mark; one that is given twice is refused."""
        pairs = parse_qsl(self._query.decode("latin-1"), keep_blank_values=True)
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused(400, "a parameter of the query is given twice")
        return dict(pairs)

    @property
    def type(self) -> str:
        """The media type of the body, without its parameters; "" if none is named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_packed(self) -> bool:
        """Whether the body is gzip; another encoding than that is refused."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Refused(415, f"content-encoding {encoding[:40]!r}: send the body as it is, or gzip")
        return encoding == "gzip"

    async def body(self, most: int) -> bytes:
        """Return the body as it was sent; one of more than `most` bytes is refused."""
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and len(declared) <= 19 and int(declared) > most:
            raise _too_large(most)
        return await self._whole(most)

    def unpack(self, data: bytes, most: int) -> bytes:
        """Return what a packed body holds, see `unpacked`."""
        made = unpacked(data, most)
        self.hold(len(made))
        return made

    def parse(self, data: bytes) -> Any:
        """Return the JSON value of the body, or of a part of it; what is no JSON is refused in TF Serving's words."""
        self.hold(_PARSED * len(data))
        return parse(data)

    async def discard(self, seconds: float) -> None:
        """Read what is left of a body for a time: a client that still sends would not see an answer before its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.is_read:
                    message = await self._receive()
                    self.is_read = message["type"] == "http.disconnect" or not message.get("more_body")

    async def _whole(self, most: int) -> bytes:
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the client went away before the body was complete")
            self.is_read = not message.get("more_body")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
            self.hold(len(parts[-1]))
            if self.is_read:
                return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most:,} bytes", {"connection": "close"})


def unpacked(data: bytes, most: int) -> bytes:
    """Return what a gzip body holds; more than `most` bytes, of which no more are unpacked, are refused."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        made = unpacker.decompress(data, most + 1)
    except zlib.error:
        raise Refused(400, "the body is not gzip, as its content-encoding says") from None
    if len(made) > most:
        raise _too_large(most)
    if not unpacker.eof or unpacker.unused_data:
        raise Refused(400, "the gzip body is cut off, or something follows it")
    return made


def parse(body: bytes) -> Any:
    """Return the JSON value of a body; what is no JSON, NaN included, is refused in TF Serving's words."""
    if not body:
        raise Refused(400, "JSON Parse error: The document is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"JSON Parse error: Invalid value. at offset: {error.pos} ({error.msg})") from None
