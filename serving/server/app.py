"""The ASGI application: which path is whose, who may ask, what is written down, and how errors look."""

import asyncio
import datetime
import itertools
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from serving.maps import TooLittleMemory
from serving.server import gallery, oip, openapi, pictures, static, tfserving
from serving.server.cors import Cors
from serving.server.http import Message, Request, Response, json_response
from serving.server.keys import Keys
from serving.server.metrics import TYPE as METRICS_TYPE
from serving.server.metrics import Metrics
from serving.server.protocol import GONE
from serving.server.refused import Refused
from serving.server.service import Service
from zoo.runtime import ModelFailed
from zoo.shared.errors import UserError

Handler = Callable[[Service, Request, Mapping[str, str | None]], Awaitable[Response]]
Send = Callable[[Message], Awaitable[None]]

_IDENTITY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SHOWN, _LONGEST = 200, 500
_LINGERING = 1.0  # seconds
_LONG = 2**16  # bytes, about what a connection takes before it is read
_CLIENT_CLOSED = 499  # of no standard, but every tool that reads logs knows it of nginx

ROUTES: list[tuple[Any, dict[str, Handler]]] = [
    (tfserving.PREDICT, {"POST": tfserving.predict}),
    (pictures.ACTION, {"GET": pictures.make, "POST": pictures.make}),
    (tfserving.MODEL, {"GET": tfserving.describe}),
    (oip.INFER, {"POST": oip.infer}),
    (oip.HEALTH, {"GET": oip.health}),
    (oip.READY, {"GET": oip.ready}),
    (oip.MODEL, {"GET": oip.model}),
    (oip.SERVER, {"GET": oip.server}),
    (oip.INDEX, {"POST": oip.index}),
    (re.compile(r"/openapi\.json"), {"GET": openapi.describe}),
    *static.ROUTES,
    *gallery.ROUTES,
]


class App:
    """The whole server as an ASGI application."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        keys: Keys | None = None,
        log: Callable[[bytes], Any] | None = None,
        cors: Cors | None = None,
    ) -> None:
        """Answer by `service`; `log` is given one line of JSON, with its end, for each request."""
        self._service, self._metrics, self._keys, self._log = service, metrics, keys, log
        self._cors = cors or Cors()
        self._prefix, self._numbers = secrets.token_hex(4), itertools.count(1)

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        begin = time.perf_counter()
        request = Request(scope, receive, self._service.budget)
        sent = request.headers.get("x-request-id", "")
        identity = sent if _IDENTITY.fullmatch(sent) else f"{self._prefix}-{next(self._numbers):x}"
        try:
            response = await self._cancellable(request)
            headers = [
                (b"content-type", response.type.encode()),
                (b"content-length", b"%d" % len(response.body)),
                (b"x-request-id", identity.encode()),
                *((name.encode(), value.encode()) for name, value in response.headers.items()),
                *((name.encode(), value.encode()) for name, value in self._cors.headers(request).items()),
            ]
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            is_long = len(response.body) > _LONG
            await send({"type": "http.response.body", "body": response.body, "more_body": is_long})
            if is_long:
                # returns when all but a little is sent: until then it counts as memory that the request holds
                await send({"type": "http.response.body"})
        except asyncio.CancelledError as error:
            response = _cancelled(error)
        finally:
            request.release()
        seconds = time.perf_counter() - begin
        self._metrics.answered(request.model, request.version, request.map, response.status, seconds)
        if self._log:
            told = {
                "time": datetime.datetime.now(datetime.UTC),
                "id": identity,
                "client": (scope.get("client") or ("",))[0],
                "method": request.method,
                "path": request.path[:_SHOWN],
                "status": response.status,
                "bytes": len(response.body),
                "seconds": round(seconds, 6),
                "model": request.model,
                "version": request.version,
                "map": request.map,
            }
            self._log(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))

    async def _cancellable(self, request: Request) -> Response:
        """Return the answer, also to a request that is cancelled: where the server stops, its client still reads."""
        try:
            return await self._response(request)
        except asyncio.CancelledError as error:
            return _cancelled(error)

    async def _response(self, request: Request) -> Response:
        timeout = self._service.limits.timeout
        try:
            async with asyncio.timeout(timeout):
                return await self._routed(request)
        except TimeoutError:
            if request.is_read:
                return _error(f"no answer within {timeout:g} seconds: ask for less at a time, or later", 504)
            return _error(f"the body did not arrive within {timeout:g} seconds", 408, {"connection": "close"})
        except TooLittleMemory as error:
            return _error(str(error), 503, {"retry-after": "1"})
        except ModelFailed as error:
            return _error(str(error), 500)
        except UserError as error:
            return _error(str(error), 400)
        except Refused as error:
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                await request.discard(_LINGERING)
            return _error(str(error), error.status, error.headers)
        except Exception:  # a bug of ours: its traceback is for the log, not for the client
            traceback.print_exc()
            return _error("internal error; the server's log has the reason", 500)

    async def _routed(self, request: Request) -> Response:
        if preflight := self._cors.preflight(request):
            return preflight
        if self._keys and not oip.HEALTH.fullmatch(request.path) and not static.is_public(request.path):
            self._keys.check(request.headers)
        method = "GET" if request.method == "HEAD" else request.method  # the connection leaves the body out
        if request.path == "/metrics" and method == "GET":
            return Response(self._metrics.text(self._service.depths).encode(), METRICS_TYPE)
        allowed: set[str] = set()
        for pattern, methods in ROUTES:
            if found := pattern.fullmatch(request.path):
                if method in methods:
                    return await methods[method](self._service, request, found.groupdict())
                # the first that fits decides: `predict` is no map
                allowed = set(methods)
                break
        if not allowed:
            raise Refused(404, "Not Found: /docs lists the paths")
        if request.path.lower().startswith("/v1/"):  # as TF Serving has it
            raise Refused(400, f"Malformed request: {request.method} {request.path[:_SHOWN]}")
        raise Refused(405, "Method Not Allowed", {"allow": ", ".join(sorted(allowed))})


def _cancelled(error: asyncio.CancelledError) -> Response:
    """Return what the log, and perhaps the client, is told of a request that was cancelled before all was sent."""
    if GONE in error.args:
        return _error("the client left before its answer", _CLIENT_CLOSED)
    return _error("the server stops, and its grace is over", 503)


def _error(said: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error of one line, whatever was sent and is quoted in it."""
    line = " ".join(said.split())
    return json_response({"error": line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."}, status, headers)
