"""uvicorn's HTTP connection, with bounds on the head of a request: uvicorn itself takes any number of its bytes."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 2**16  # bytes of a request line and its headers, or one read more


class Protocol(HttpToolsProtocol):
    """One connection. A head that is too long, or takes longer than `timeout` seconds to arrive, ends it."""

    def __init__(self, *arguments: Any, timeout: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timeout = timeout
        self._is_in_head, self._size = True, 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._timeout, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

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

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
