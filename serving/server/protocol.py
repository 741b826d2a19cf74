"""uvicorn's HTTP connection, with bounds: on how many there are, on the head of a request, and on who does not read.

uvicorn itself takes any number of bytes before the end of a head, holds an answer for ever that nobody reads, and lets
the work for a client go on that has left.
"""

import asyncio
import fcntl
import sys
import termios
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 2**16  # bytes of a request line and its headers, or one read more
GONE = "the client is gone"  # what a task is cancelled with
_TOLD = 1.5  # of the connections that are answered: so many are told why they are not, and more are closed at once


class Protocol(HttpToolsProtocol):
    """One connection.

    A head that is too long, or takes longer than `timeout` seconds to arrive, ends it; so does a client that reads
    nothing of its answer for as long. With more than `most` connections, those that come last are answered 503. When a
    client leaves, the work for its request is cancelled.
    """

    def __init__(self, *arguments: Any, timeout: float, most: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timeout, self._most = timeout, most
        self._is_in_head, self._size = True, 0
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._answer, self.app = self.app, self._run

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the application answer, in a task that is known here."""
        self._task = asyncio.current_task()
        await self._answer(scope, receive, send)
        self._task = None

    async def _refuse(self, scope: Any, receive: Any, send: Any) -> None:
        body = b'{"error":"too many connections; try again later"}'
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"1"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self.app = self._refuse
            if len(self.connections) > _TOLD * self._most:
                transport.abort()
        self._timer = self.loop.call_later(self._timeout, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting, and whatever is done for a client that has left."""
        self._stop()
        self.resume_writing()
        super().connection_lost(exc)
        if self._task:
            self._task.cancel(GONE)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; most heads are complete with the first of them."""
        super().data_received(data)
        if not self._is_in_head:
            return
        self._size += len(data)
        if self._size > MOST:
            self.send_400_response("The head of the request is too long.")
        self._timer = self._timer or self.loop.call_later(self._timeout, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head, self._size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._is_in_head = False
        self._stop()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Begin to wait for a client to read; called when more is to be sent than the socket takes."""
        super().pause_writing()
        self._watch(self._left())

    def resume_writing(self) -> None:
        """Stop waiting for a client to read."""
        super().resume_writing()
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def _watch(self, left: int) -> None:
        def look() -> None:
            now = self._left()
            if now >= left:
                self.transport.abort()
            else:
                self._watch(now)

        self._stalled = self.loop.call_later(self._timeout, look)

    def _left(self) -> int:
        """Return how many bytes the client has not received: those of the connection and of the kernel's queue."""
        queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
