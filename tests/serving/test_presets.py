"""Presets by name: where they are looked for, and how one is fetched, or refused, from a server of ours."""

import dataclasses
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

import serving
from zoo import presets
from zoo.bundle import MANIFEST, TRAINING
from zoo.presets import archive, fetching, indexing, places
from zoo.shared import files
from zoo.shared.version import VERSION


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers with what `held` has; "short" breaks off after half of what it promised."""

    held: dict[str, bytes] = {}
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        name = self.path.rsplit("/", 1)[1]
        data = self.held.get(name)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if name.startswith("short") else data)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def nowhere(monkeypatch, tmp_path, server):
    """A machine without presets, with an empty index and our server for a release page."""
    monkeypatch.setattr(places, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr(places, "_OWN", tmp_path / "own")
    monkeypatch.setattr(places, "INDEX", tmp_path / "presets.json")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(presets.VARIABLE, raising=False)
    pattern = f"http://127.0.0.1:{server.server_port}/v{{version}}/{{file}}"
    monkeypatch.setenv(fetching.RELEASES_VARIABLE, pattern)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    Pages.held.clear(), Pages.asked.clear()
    (tmp_path / "presets.json").write_text("{}")
    return tmp_path


@pytest.fixture
def released(nowhere, bundle_path):
    """Release an archive under a name: `released("tiny", data=..., **changes of its entry)`; return the entry."""

    def release(name, data=None, **changes):
        data = archive.pack(bundle_path) if data is None else data
        entry = dataclasses.replace(archive.entry(name, "a tiny one", data), **changes)
        known = json.loads(places.INDEX.read_bytes())
        places.INDEX.write_text(json.dumps({**known, name: dataclasses.asdict(entry)}))
        Pages.held[entry.file] = data
        return entry

    return release


def put(bundle_path, place, **parts):
    shutil.copytree(bundle_path, place)
    for name in parts:
        (place / name).mkdir()
    return place


def samples(path):
    return serving.Generator(path).sample(3, seed=4)


# --- where they are looked for -----------------------------------------------------------------------------------


def test_a_directory_of_ones_own_goes_before_the_checkout_and_that_before_the_wheels_own(
    nowhere, bundle_path, monkeypatch
):
    own = put(bundle_path, nowhere / "own" / "tiny")
    assert presets.find("tiny") == own
    checkout = put(bundle_path, nowhere / "checkout" / "tiny")
    assert presets.find("tiny") == checkout
    mine = put(bundle_path, nowhere / "second" / "tiny")
    monkeypatch.setenv(presets.VARIABLE, f"{nowhere / 'first'}:{nowhere / 'second'}")
    assert presets.find("tiny") == mine
    assert presets.here() == {"tiny": mine}


def test_training_is_found_where_it_is(nowhere, bundle_path, refused):
    put(bundle_path, nowhere / "checkout" / "tiny")
    with refused("tiny", "lacks training/"):
        presets.find("tiny", has_training=True)
    whole = put(bundle_path, nowhere / "own" / "tiny", training=True)
    assert presets.find("tiny", has_training=True) == whole
    assert presets.find("tiny") == nowhere / "checkout" / "tiny"


@pytest.mark.parametrize("name", ["tinny", "../own/tiny", "/etc", "", "Tiny"])
def test_an_unknown_name_is_refused_and_never_becomes_a_path(nowhere, bundle_path, refused, name):
    put(bundle_path, nowhere / "own" / "tiny")
    with refused("unknown preset"):
        presets.find(name)


def test_a_generator_and_a_bundle_of_a_preset_are_those_of_its_directory(nowhere, several):
    put(several, nowhere / "checkout" / "tiny")
    made = serving.Generator.from_preset("tiny", threads=2).sample(3, seed=4)
    np.testing.assert_array_equal(made, samples(several))
    assert serving.Generator.from_preset("tiny", "translate").spec == serving.load(several)["translate"].spec
    assert serving.load_preset("tiny").keys() == serving.load(several).keys()


# --- fetching ----------------------------------------------------------------------------------------------------


def test_a_preset_is_fetched_once_and_kept(released, nowhere, bundle_path):
    entry = released("tiny")
    path = presets.find("tiny")
    assert path == nowhere / "cache" / "genzoo" / "presets" / entry.sha256[:16] / "tiny"
    np.testing.assert_array_equal(samples(path), samples(bundle_path))
    assert presets.find("tiny") == path and presets.here() == {"tiny": path}
    assert Pages.asked == [f"/v{VERSION}/{entry.file}"]


def test_another_archive_of_the_name_is_fetched_anew(released, factory):
    first = presets.find("tiny") if released("tiny") else None
    other = factory(recipe={"another": 1})
    released("tiny", archive.pack(other))
    assert presets.find("tiny") != first and serving.load_preset("tiny").manifest.recipe == {"another": 1}


def nothing_is_kept(nowhere):
    return not [path for path in (nowhere / "cache").rglob("*") if path.is_file() or path.name.startswith(".")]


def test_an_archive_with_another_hash_is_refused(released, nowhere, refused):
    released("tiny", sha256="0" * 64)
    with refused("is not the preset tiny", "SHA-256 differs"):
        presets.find("tiny")
    assert nothing_is_kept(nowhere)


def test_one_that_is_longer_than_the_index_says_is_not_read_on(released, nowhere, refused):
    released("tiny", bytes=100)
    with refused("SHA-256 differs"):
        presets.find("tiny")
    assert nothing_is_kept(nowhere)


def test_a_download_that_breaks_off_is_refused(released, nowhere, refused):
    entry = released("tiny", file="short.zip")
    with refused("short.zip", f"broke off after {entry.bytes // 2:,} of {entry.bytes:,} bytes"):
        presets.find("tiny")
    assert nothing_is_kept(nowhere)


def test_what_the_release_page_lacks_is_told_with_what_would_work(released, nowhere, bundle_path, refused):
    entry = released("tiny")
    Pages.held.clear()
    put(bundle_path, nowhere / "own" / "other")
    with refused(
        entry.file, "HTTP 404", "one that is here .other.", "copy the directory presets/tiny", "GENZOO_PRESETS="
    ):
        presets.find("tiny")


def test_without_a_network_one_line_says_what_would_work(released, nowhere, monkeypatch, refused):
    released("tiny")
    monkeypatch.setenv(fetching.RELEASES_VARIABLE, "http://127.0.0.1:9/{file}")
    with refused("is not on this machine", "Connection refused", "one that is here .none.", "GENZOO_PRESETS="):
        presets.find("tiny")
    monkeypatch.setenv(fetching.RELEASES_VARIABLE, f"file://{nowhere}/{{file}}")
    with refused("no address of the web"):
        presets.find("tiny")
    assert nothing_is_kept(nowhere)


def test_a_cache_that_cannot_be_written_is_told_in_one_line(released, nowhere, refused):
    released("tiny")
    (nowhere / "cache").write_text("a file in its place")
    with refused("the preset tiny cannot be kept in .*cache", "Not a directory"):
        presets.find("tiny")


def test_a_file_in_place_of_the_last_directory_is_told_too(released, nowhere, refused):
    entry = released("tiny")
    parent = places.cached("tiny", entry).parent
    parent.parent.mkdir(parents=True)
    parent.write_text("a file in its place")
    with refused("the preset tiny cannot be kept in .*cache", "File exists"):
        presets.find("tiny")


def test_a_damaged_directory_in_the_cache_is_replaced(released, nowhere, bundle_path):
    path = places.cached("tiny", released("tiny"))
    path.mkdir(parents=True)
    (path / "README.md").write_text("what a full disk left")
    assert presets.find("tiny") == path
    np.testing.assert_array_equal(samples(path), samples(bundle_path))
    assert presets.find("tiny") == path and len(Pages.asked) == 1


def test_without_a_network_only_presets_with_training_are_named_to_a_new_run(released, nowhere, bundle_path, refused):
    for name in ("tiny", "whole"):
        released(name)
        put(bundle_path, nowhere / "own" / name, **({TRAINING: True} if name == "whole" else {}))
    Pages.held.clear()
    with refused("training/ of the preset tiny is not on this machine", "HTTP 404, as of", "one that is here .whole."):
        presets.find("tiny", has_training=True)


def zipped(name="x", data=b"x", mode=0o100644, compressed=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        made.writestr(member, data, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (zipped("../escaped"), "leads out of it"),
        (zipped("/tmp/escaped"), "leads out of it"),
        (zipped("a\\..\\escaped"), "leads out of it"),
        (zipped("link", b"/etc", mode=0o120777), "no plain file"),
        (zipped("bomb", bytes(10**7), compressed=True), "no plain file"),
        (zipped("folder/", b"", mode=0o040755), "no plain file"),
        (b"no zip at all", "no archive"),
        (zipped("manifest.json", b"{}"), "manifest"),
        (zipped("README.md"), "is not a bundle"),
    ],
)
def test_a_malicious_archive_leaves_nothing(released, nowhere, refused, data, told):
    released("tiny", data)
    before = sorted(nowhere.rglob("escaped*"))
    with refused("cannot be used", told):
        presets.find("tiny")
    assert nothing_is_kept(nowhere) and sorted(nowhere.rglob("escaped*")) == before


def test_an_archive_is_the_same_bytes_wherever_it_is_packed(bundle_path, tmp_path):
    data = archive.pack(bundle_path)
    (bundle_path / "left by an editor").touch()
    shutil.copytree(bundle_path, tmp_path / "copy")
    os.utime(tmp_path / "copy" / MANIFEST, (10**9, 10**9))
    (tmp_path / "copy" / MANIFEST).chmod(0o600)
    assert archive.pack(tmp_path / "copy") == data
    (tmp_path / "out").mkdir()
    archive.unpack(data, tmp_path / "out")
    listed = {MANIFEST, *json.loads((bundle_path / MANIFEST).read_bytes())["files"]}
    assert files.checksums(tmp_path / "out") == {name: files.sha256(bundle_path / name) for name in listed}


def test_the_index_of_a_checkout_has_the_hash_of_every_archive(nowhere, bundle_path, several):
    put(bundle_path, nowhere / "checkout" / "one")
    put(several, nowhere / "checkout" / "two")
    (nowhere / "checkout" / "note.txt").touch()
    indexing.write(nowhere / "checkout")
    made = indexing.pack(nowhere / "checkout", nowhere / "dist")
    entries = presets.index()
    assert [path.name for path in made] == [entry.file for entry in entries.values()]
    for path, entry in zip(made, entries.values(), strict=True):
        data = path.read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert entries["one"].about == "tiny", "without words of its own, its model"


# --- programs ----------------------------------------------------------------------------------------------------


def program(nowhere, *arguments):
    environment = os.environ | {"PYTHONPATH": os.getcwd(), presets.VARIABLE: str(nowhere / "mine")}
    command = [sys.executable, "-m", "serving.sample", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=nowhere, env=environment)


def test_the_program_lists_presets_and_samples_one(nowhere, bundle_path):
    path = put(bundle_path, nowhere / "mine" / "tiny")
    (path / presets.ABOUT).write_text('{"about": "a tiny one"}')
    listed = program(nowhere, "--preset=list")
    assert listed.returncode == 0, listed.stderr
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith("tiny ")]
    assert line.split(maxsplit=2) == ["tiny", "here", "a tiny one"]
    sampled = program(nowhere, "--preset=tiny", "--count=3", "--seed=4", "--output=x.npy")
    assert sampled.returncode == 0, sampled.stderr
    made = serving.Generator(bundle_path).sample(3, seed=4, dtype="float32")
    np.testing.assert_array_equal(np.load(nowhere / "x.npy"), made)
    both = program(nowhere, "--preset=tiny", f"--bundle={path}", "--output=x.npy")
    assert (both.returncode, both.stderr) == (2, "error: give either --bundle or --preset, not both\n")


def test_training_may_be_left_out_as_a_whole(bundle_path, edit_manifest, refused):
    (bundle_path / TRAINING).mkdir()
    (bundle_path / TRAINING / "weights.npz").write_bytes(b"weights")
    digest = files.sha256(bundle_path / TRAINING / "weights.npz")
    edit_manifest(bundle_path, lambda value: value["files"].update({f"{TRAINING}/weights.npz": digest}))
    assert f"{TRAINING}/weights.npz" in serving.load(bundle_path).manifest.files
    (bundle_path / TRAINING / "weights.npz").write_bytes(b"other weights")
    with refused("corrupt"):
        serving.load(bundle_path)
    (bundle_path / TRAINING / "weights.npz").unlink()
    with refused("lacks training/weights.npz", "copy training again, or leave it out"):
        serving.load(bundle_path)
    (bundle_path / TRAINING).rmdir()
    assert f"{TRAINING}/weights.npz" not in serving.load(bundle_path).manifest.files
