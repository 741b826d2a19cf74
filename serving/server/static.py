"""The files of the pages at `/` and `/docs`, and those of onnxruntime-web, from fixed lists of names.

The page's files lie under a path that holds the digest of all of them. They may be kept for ever, and a page never
mixes two releases. Every answer forbids what the page does not need: other hosts, inline scripts, frames. The headers
of cross-origin isolation let onnxruntime-web use threads. No key is asked for, since nothing here is the user's.
"""

import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.server.http import Request, Response
from serving.server.refused import Refused
from serving.server.service import Service
from zoo.shared.errors import UserError

PAGE = re.compile(r"/(?P<name>docs)?")
ICON = re.compile(r"/favicon\.ico")
FILE = re.compile(r"/page/(?P<digest>[0-9a-f]{16})/(?P<name>[a-z_]+\.[a-z]+)")
RUNTIME = re.compile(r"/page/runtime/(?P<name>[a-z.-]+)")

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
# of onnxruntime-web 1.30: for the processor, and for WebGPU; each loads its own WebAssembly
WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
        "img-src 'self' blob:; media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_FOREVER = "public, max-age=31536000, immutable"

Found = Mapping[str, str | None]


def _read() -> tuple[str, dict[str, bytes]]:
    """Return the digest of the page's files, and their bytes by name."""
    files = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "page").iterdir())}
    files = {name: data for name, data in files.items() if Path(name).suffix in _TYPES}
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + data + b"\0" for name, data in files.items()))
    return digest.hexdigest()[:16], files


DIGEST, _FILES = _read()
_PAGES = {name: _FILES[f"{name}.html"].replace(b"{{digest}}", DIGEST.encode()) for name in ("index", "docs")}


def is_public(path: str) -> bool:
    """Return whether the path is answered without a key."""
    return path in ("/", "/docs", "/favicon.ico") or path.startswith("/page/")


def browser_runtime(path: str | None) -> Path | None:
    """Return the directory of onnxruntime-web; one that lacks its files is a `UserError`."""
    if path is None:
        return None
    if missing := [name for name in WASM if not (Path(path) / name).is_file()]:
        raise UserError(
            f"--browser_runtime={path} lacks {missing[0]}: give the directory dist/ of what "
            "'npm pack onnxruntime-web' packs"
        )
    return Path(path)


async def page(service: Service, request: Request, found: Found) -> Response:
    """Answer GET / and GET /docs."""
    return _answer(request, _PAGES[found["name"] or "index"], _TYPES[".html"], f'"{DIGEST}"', "no-cache")


async def icon(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /favicon.ico, which browsers ask for unasked."""
    return _answer(request, _FILES["icon.svg"], _TYPES[".svg"], f'"{DIGEST}"', "no-cache")


async def file(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /page/DIGEST/NAME."""
    name = found["name"] or ""
    if found["digest"] != DIGEST or name not in _FILES:
        raise Refused(404, "the page has no such file; the server may have been renewed: load the page again")
    return _answer(request, _FILES[name], _TYPES[Path(name).suffix], f'"{DIGEST}"', _FOREVER)


async def runtime(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /page/runtime/NAME."""
    name = found["name"] or ""
    if service.browser_runtime is None or name not in WASM + WEBGPU:
        raise Refused(404, "the server has no such file of onnxruntime-web; see --browser_runtime")
    path = service.browser_runtime / name
    try:
        status = path.stat()
        tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        is_known = request.headers.get("if-none-match") == tag
        data = b"" if is_known else await service.work(status.st_size, _read_runtime, path, tag)
    except OSError:
        raise Refused(404, f"--browser_runtime has no {name}") from None
    return _answer(request, data, _TYPES[path.suffix], tag, "no-cache")


# megabytes, which all who ask share
@functools.lru_cache(len(WASM + WEBGPU))
def _read_runtime(path: Path, tag: str) -> bytes:
    """Return the bytes of a file, whose state the `tag` names."""
    return path.read_bytes()


def _answer(request: Request, data: bytes, type: str, tag: str, keep: str) -> Response:
    """Return a file, or 304 where the client has it."""
    headers = {**_HEADERS, "etag": tag, "cache-control": keep}
    if request.headers.get("if-none-match") == tag:
        return Response(type=type, status=304, headers=headers)
    return Response(data, type, headers=headers)


ROUTES: list[tuple[re.Pattern[str], dict[str, Any]]] = [
    (PAGE, {"GET": page}),
    (ICON, {"GET": icon}),
    (FILE, {"GET": file}),
    (RUNTIME, {"GET": runtime}),
]
