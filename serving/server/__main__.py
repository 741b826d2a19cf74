"""Serve the maps of a directory of bundles, or of presets, over HTTP.

    python -m serving.server --models=bundles/ --port=8501
    python -m serving.server --presets

speaks TF Serving's REST API (/v1/models/NAME:predict), the open inference protocol (/v2/models/NAME/infer), and makes
pictures (/v1/models/NAME:sample). A page to play with is at /. New versions are picked up while it serves. It listens
on this machine alone unless --host says otherwise. SIGTERM lets it finish what it has begun.
"""

import functools
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from absl import flags

from serving.server.limits import Limits
from serving.server.repository import Policy, Repository
from zoo import presets
from zoo.shared import program
from zoo.shared.errors import UserError, first_line, needs
from zoo.shared.inference import CPU, check_providers

_MODELS = flags.DEFINE_string("models", None, "A directory of bundles: NAME/ or NAME/VERSION/ below it.")
_PRESETS = flags.DEFINE_bool("presets", False, "Serve the presets that are on this machine too.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Where to listen; 0.0.0.0 for every network of this machine.")
_PORT = flags.DEFINE_integer("port", 8501, "Where to listen; 0 for any free port.", 0, 65535)
_VERSIONS = flags.DEFINE_string(
    "versions", "latest", "Which versions of a model serve: latest, latest:2, all, or numbers such as 3,5."
)
_LABELS = flags.DEFINE_multi_string(
    "label", [], "A name for a version, as MODEL:LABEL=VERSION, such as faces:stable=3; may be repeated."
)
_POLL = flags.DEFINE_float("poll", 1.0, "Seconds between two looks for new versions; 0 = never.", lower_bound=0.0)
_THREADS = flags.DEFINE_integer("threads", None, "Runs at the same time; by default the cores.", lower_bound=1)
_PROVIDERS = flags.DEFINE_list(
    "providers", [CPU], "onnxruntime's execution providers, the preferred first, such as CUDAExecutionProvider."
)
_BATCH = flags.DEFINE_integer(
    "batch", Limits.batch, "Requests of one row that run together, at most, where that changes no bit.", 1, 1024
)
_DELAY = flags.DEFINE_float("delay", 0.0, "Seconds that a request waits for others to run with.", 0.0, 10.0)
_QUEUE = flags.DEFINE_integer("queue", Limits.queue, "Requests that wait for one map; others are answered 503.", 1)
_TIMEOUT = flags.DEFINE_float("timeout", Limits.timeout, "Seconds until a request is answered 504.", 0.001)
_ROWS = flags.DEFINE_integer("max_rows", Limits.rows, "Samples in one request.", 1)
_BODY = flags.DEFINE_integer("max_body", Limits.body, "Bytes in the body of a request, unpacked.", 1)
_OUTPUT = flags.DEFINE_integer("max_output", Limits.output, "Bytes of the arrays that one request makes.", 1)
_PIXELS = flags.DEFINE_integer("max_pixels", Limits.pixels, "Pixels of all pictures of a condition that are sent.", 1)
_MEMORY = flags.DEFINE_integer(
    "max_memory", Limits.memory, "Bytes that requests and answers hold at once; more get 503.", 1
)
_CONNECTIONS = flags.DEFINE_integer("connections", Limits.connections, "Clients at once; more get 503.", 1)
_CORS = flags.DEFINE_multi_string(
    "cors_origin", [], "A site whose pages may ask, such as https://example.org, or *; may be repeated."
)
_KEYS = flags.DEFINE_string("api_keys", None, "A file of keys, one a line; only who sends one of them is answered.")
_BROWSER = flags.DEFINE_string(
    "browser_runtime", None, "The directory dist/ of the npm package onnxruntime-web: the page then runs models itself."
)
_CERTIFICATE = flags.DEFINE_string("tls_certificate", None, "A PEM file: speak HTTPS. Needs --tls_key.")
_KEY = flags.DEFINE_string("tls_key", None, "The PEM file of the certificate's private key.")
_GRACE = flags.DEFINE_integer("grace", 30, "Seconds to finish what has begun, after SIGTERM.", 0)
_LOG = flags.DEFINE_bool("access_log", True, "Write a line of JSON on stdout for each request.")


def main() -> None:
    """Do what the flags say."""
    if not (_MODELS.value or _PRESETS.value):
        raise UserError("--models is missing; see --help, or try --presets")
    if (_CERTIFICATE.value is None) != (_KEY.value is None):
        raise UserError("--tls_certificate and --tls_key go together")
    check_providers(_PROVIDERS.value)
    try:
        import httptools  # noqa: F401
        import orjson  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(needs("the server", str(error.name), "server")) from None
    others = presets.here() if _PRESETS.value else {}
    if not (_MODELS.value or others):
        raise UserError(
            "--presets: none is on this machine; genzoo-sample --preset=NAME fetches one, --preset=list names them"
        )
    _serve(_MODELS.value, others)


def run() -> None:
    """The console entry point: takes its arguments from the command line and exits with a status."""
    program.run(main)


def _limits() -> Limits:
    return Limits(
        body=_BODY.value,
        rows=_ROWS.value,
        output=_OUTPUT.value,
        pixels=_PIXELS.value,
        memory=_MEMORY.value,
        connections=_CONNECTIONS.value,
        queue=_QUEUE.value,
        timeout=_TIMEOUT.value,
        batch=_BATCH.value,
        delay=_DELAY.value,
        lanes=_THREADS.value or len(os.sched_getaffinity(0)),
    )


def _labels() -> dict[tuple[str, str], int]:
    """Return the numbers that --label gives to (model, label)."""
    labels = {}
    for text in _LABELS.value:
        names, _, number = text.partition("=")
        model, _, label = names.partition(":")
        if not (model and label and number.isascii() and number.isdigit() and len(number) <= 18):
            raise UserError(f"--label={text}: write it as MODEL:LABEL=VERSION, such as faces:stable=3")
        labels[model, label] = int(number)
    return labels


def _serve(models: str | None, others: Mapping[str, Path]) -> None:
    # what follows needs the extra
    import uvicorn

    from serving.server.app import App
    from serving.server.cors import Cors
    from serving.server.keys import Keys
    from serving.server.loading import load
    from serving.server.metrics import Metrics
    from serving.server.protocol import Protocol
    from serving.server.service import Service
    from serving.server.static import browser_runtime

    limits, metrics = _limits(), Metrics()
    pool, provers = ThreadPoolExecutor(limits.lanes, "run"), ThreadPoolExecutor(1, "prove")
    repository = Repository(
        models,
        lambda path, model, number: load(path, model, number, limits, pool, metrics.ran, _PROVIDERS.value),
        Policy.parse(_VERSIONS.value),
        _labels(),
        _say,
        lambda loaded: provers.submit(_prove, loaded),
        others,
    )
    service = Service(repository, limits, pool, browser_runtime(_BROWSER.value))
    keys = Keys.read(_KEYS.value) if _KEYS.value else None
    app = App(service, metrics, keys, _Lines() if _LOG.value else None, Cors(_CORS.value))
    # uvicorn calls it as it would call the class
    protocol: Any = functools.partial(Protocol, timeout=limits.timeout, most=limits.connections)
    config = uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=_CERTIFICATE.value,
        ssl_keyfile=_KEY.value,
        timeout_graceful_shutdown=_GRACE.value,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError too, which names no file
        raise UserError(f"cannot use {_CERTIFICATE.value} with {_KEY.value}: {error.strerror or error}") from None
    listener = socket.create_server(
        (_HOST.value, _PORT.value), family=socket.AF_INET6 if ":" in _HOST.value else socket.AF_INET, backlog=2048
    )
    server = _server(config, service)
    stop = threading.Event()
    poller = threading.Thread(target=repository.poll_until, args=(stop, _POLL.value), daemon=True)
    poller.start()
    host = f"[{_HOST.value}]" if ":" in _HOST.value else _HOST.value
    if not keys and not _is_loopback(_HOST.value):
        _say(f"whoever reaches {_HOST.value} may ask: --api_keys would change that")
    _say(f"listening on http{'s' if _KEY.value else ''}://{host}:{listener.getsockname()[1]}")
    server.run(sockets=[listener])
    stop.set()
    _say("stopped")
    _leave([pool, provers], poller)


def _server(config: Any, service: Any) -> Any:
    """Return the server, which SIGTERM and SIGINT let finish what it has begun, and end with status 0."""
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:
            # uvicorn's own would raise the signal once more in the end
            self.force_exit = service.is_draining and sig == signal.SIGINT
            service.is_draining = self.should_exit = True

    return Server(config)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def _prove(loaded: Any) -> None:
    try:
        loaded.prove()
    except Exception as error:  # it serves as it is, each request by itself
        _say(f"a trial of batches failed: {first_line(error)}")


def _leave(pools: Sequence[ThreadPoolExecutor], poller: threading.Thread) -> None:
    """Return when no run is left; leave at once if one goes on: its client has gone, or it was a mere trial."""

    def end() -> None:
        for pool in pools:
            pool.shutdown(cancel_futures=True)

    last = threading.Thread(target=end, daemon=True)
    last.start()
    last.join(0.5)
    poller.join(0.1)
    # onnxruntime aborts where Python ends around a run
    if last.is_alive() or poller.is_alive():
        sys.stdout.flush()
        os._exit(0)


def _say(line: str) -> None:
    print(f"genzoo-serve: {line}", file=sys.stderr, flush=True)


class _Lines:
    """The access log on stdout. Where nobody reads it any more it ends, and the server goes on."""

    is_open = True

    def __call__(self, line: bytes) -> None:
        try:
            while line and self.is_open:
                line = line[os.write(1, line) :]
        except OSError as error:
            self.is_open = False
            _say(f"the access log ends: {error.strerror}")


if __name__ == "__main__":
    run()
