"""A server in a thread, on a port of its own, and clients that speak plain HTTP."""

import asyncio
import contextlib
import functools
import http.client
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn

from serving.server.app import App
from serving.server.limits import Limits
from serving.server.loading import Loaded, load
from serving.server.metrics import Metrics
from serving.server.protocol import Protocol
from serving.server.repository import Policy, Repository
from serving.server.service import Service
from zoo import bundle
from zoo.shared import files


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The one line of an error; its body holds nothing else."""
        assert self.json.keys() == {"error"}
        assert "\n" not in self.json["error"]
        return self.json["error"]


class Running:
    """A server that runs in a thread of this process."""

    def __init__(self, root, versions="latest", labels=None, **options):
        limits = {name: options.pop(name) for name in list(options) if name in Limits.__dataclass_fields__}
        self.limits = Limits(**limits)
        self.lines, self.batches = [], []
        self.pool = ThreadPoolExecutor(self.limits.lanes)

        def loader(path, model, number):
            return load(path, model, number, self.limits, self.pool, self.ran)

        self.metrics = Metrics()
        self.repository = Repository(root, loader, Policy.parse(versions), labels, self.lines.append, Loaded.prove)
        self.repository.poll()
        self.service = Service(self.repository, self.limits, self.pool)
        self.access = []
        self.app = App(self.service, self.metrics, log=self.access.append, **options)
        http = functools.partial(Protocol, timeout=self.limits.timeout, most=self.limits.connections)
        config = uvicorn.Config(
            self.app, port=0, http=http, ws="none", log_config=None, access_log=False, lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=asyncio.run, args=(self.server.serve(),))
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def ran(self, *batch):
        self.batches.append(batch)
        self.metrics.ran(*batch)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body=b"", **headers):
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.ask("POST", path, data, {name.replace("_", "-"): value for name, value in headers.items()})

    def stop(self):
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.pool.shutdown()


@pytest.fixture(scope="session")
def meanwhile():
    """A function that returns the answer to a request, and which share of its time /v2/health/live waited at most.

    The share is near 1 if the request is worked on in the event loop's thread, however fast the machine is. It is the
    smallest of three, for a machine that is busy with something else.
    """

    def measured(running, request):
        answer, share = measure(running, request)
        for _ in range(2):
            share = min(share, measure(running, request)[1]) if share > 0.3 else share
        return answer, share

    def measure(running, request):
        with ThreadPoolExecutor(1) as pool:
            begin, worst = time.perf_counter(), 0.0
            future = pool.submit(request)
            while not future.done():
                asked = time.perf_counter()
                assert running.get("/v2/health/live").status == 200
                worst = max(worst, time.perf_counter() - asked)
            return future.result(), worst / (time.perf_counter() - begin)

    return measured


@contextlib.contextmanager
def servers():
    """Yield a function that starts a server of a directory of bundles; all are stopped in the end."""
    running = []

    def start(root, **options):
        running.append(Running(root, **options))
        return running[-1]

    try:
        yield start
    finally:
        for server in running:
            server.stop()


@pytest.fixture
def start():
    with servers() as made:
        yield made


@pytest.fixture(scope="module")
def start_shared():
    with servers() as made:
        yield made


@pytest.fixture(scope="session")
def add_files():
    """A function that writes files, bytes by name, into a bundle, and lists them in its manifest."""

    def add(path, added):
        for name, data in added.items():
            (path / name).write_bytes(data)
        manifest = bundle.read_manifest(path).to_json()
        (path / bundle.MANIFEST).unlink()
        files.write_json(path / bundle.MANIFEST, manifest | {"files": files.checksums(path)})
        return path

    return add


class Models:
    """A repository: `put(bundle, "name/2")` copies a bundle into it, at once."""

    def __init__(self, root):
        self.root = root
        root.mkdir()

    def put(self, bundle, place):
        target = self.root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(f".{target.name}.new")
        shutil.copytree(bundle, hidden)
        hidden.rename(target)
        return target


@pytest.fixture
def models(tmp_path):
    return Models(tmp_path / "models")


@pytest.fixture(scope="module")
def shared_models(tmp_path_factory):
    return Models(tmp_path_factory.mktemp("served") / "models")


@pytest.fixture(scope="module")
def tiny(start_shared, shared_models, shared_several):
    """A server of one model with the maps generate, encode and translate, which no test changes."""
    shared_models.put(shared_several, "tiny")
    return start_shared(shared_models.root, labels={("tiny", "stable"): 1, ("tiny", "next"): 2})
