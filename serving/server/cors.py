"""Pages of other sites: a browser lets their scripts ask this server only if it says so (the Fetch standard, CORS)."""

import re
from collections.abc import Mapping, Sequence

from serving.server.http import Request, Response
from zoo.shared.errors import UserError

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")
_READABLE = "inference-header-content-length, retry-after, x-request-id"
_DAY = "86400"


class Cors:
    """The origins whose pages may ask, such as https://example.org; "*" is every one."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise UserError(
                    f"origin {origin!r}: write it as https://example.org, without a path, or * for every one"
                )
        self._origins = frozenset(origins)

    def headers(self, request: Request) -> Mapping[str, str]:
        """Return what an answer says to the browser that asks."""
        origin = request.headers.get("origin")
        if not self._origins or origin is None:
            return {}
        if "*" not in self._origins and origin not in self._origins:
            return {"vary": "origin"}
        allowed = "*" if "*" in self._origins else origin
        return {"access-control-allow-origin": allowed, "access-control-expose-headers": _READABLE, "vary": "origin"}

    def preflight(self, request: Request) -> Response | None:
        """Return the answer to a browser that asks what it may ask; None to any other request."""
        wanted = request.headers.get("access-control-request-method")
        if not self._origins or request.method != "OPTIONS" or wanted is None:
            return None
        told = {
            "access-control-allow-methods": "GET, HEAD, POST",
            "access-control-allow-headers": request.headers.get("access-control-request-headers", "content-type"),
            "access-control-max-age": _DAY,
        }
        return Response(headers=told)
