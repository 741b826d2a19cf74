import hashlib
import json
import os
import stat
import subprocess
import sys
import tracemalloc

import pytest

from zoo.shared import files


def entries(directory):
    return sorted(path.name for path in directory.iterdir())


def test_write_bytes_makes_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.bin"
    files.write_bytes(path, b"one")
    files.write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert entries(path.parent) == ["b.bin"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "file", b"")
        with files.new_directory(tmp_path / "directory"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "directory").stat().st_mode) == 0o750


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_new_file_that_fails_leaves_the_old_one(tmp_path, error):
    files.write_bytes(tmp_path / "x", b"old")

    def fail():
        with files.new_file(tmp_path / "x") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert entries(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_write_json(tmp_path):
    files.write_json(tmp_path / "x.json", {"a": [1, 2.5, None]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2.5, None]}
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            files.write_json(tmp_path / "x.json", number)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2.5, None]}


def test_new_directory_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "out"
    with files.new_directory(f"{path}/") as directory:
        (directory / "sub").mkdir()
        (directory / "sub" / "x").write_text("1")
        assert not path.exists()
    assert (path / "sub" / "x").read_text() == "1"
    assert entries(path.parent) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("overwrite", [False, True])
def test_new_directory_that_fails_vanishes(tmp_path, error, overwrite):
    (tmp_path / "old").mkdir()

    def fail():
        with files.new_directory(tmp_path / "old", overwrite) as directory:
            (directory / "x").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert entries(tmp_path) == ["old"]
    assert entries(tmp_path / "old") == []


def test_new_directory_keeps_or_replaces_an_old_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with pytest.raises(FileExistsError), files.new_directory(tmp_path / "out"):
        pass
    assert entries(tmp_path / "out") == ["old"]
    with files.new_directory(tmp_path / "out", overwrite=True) as directory:
        (directory / "new").write_text("")
    assert entries(tmp_path / "out") == ["new"]
    assert entries(tmp_path) == ["out"]


def test_checksums(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"b" * 100_000)
    (tmp_path / "a").write_bytes(b"")
    digests = {"a": hashlib.sha256(b"").hexdigest(), "sub/b": hashlib.sha256(b"b" * 100_000).hexdigest()}
    assert files.checksums(tmp_path) == digests


def test_an_old_directory_and_the_new_one_change_places_at_once(tmp_path, monkeypatch):
    """There is no moment at which nothing is there: neither is moved away first."""
    (tmp_path / "kept" / "old").mkdir(parents=True)
    monkeypatch.setattr(files.os, "replace", None)
    with files.new_directory(tmp_path / "kept", overwrite=True) as directory:
        (directory / "new").touch()
    assert entries(tmp_path) == ["kept"]
    assert entries(tmp_path / "kept") == ["new"]


def stop_at(call, monkeypatch):
    """Let a writer of `directory / kept` end at its n-th renaming, on a file system that cannot exchange names."""
    calls, replace = [], os.replace

    def counted(source, target):
        calls.append(target)
        if len(calls) == call:
            raise OSError("pulled")
        replace(source, target)

    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    monkeypatch.setattr(files.os, "replace", counted)


def test_a_failed_replacement_puts_the_old_directory_back(tmp_path, monkeypatch):
    (tmp_path / "kept" / "old").mkdir(parents=True)
    stop_at(2, monkeypatch)
    with pytest.raises(OSError, match="pulled"), files.new_directory(tmp_path / "kept", overwrite=True):
        pass
    assert entries(tmp_path) == ["kept"]
    assert entries(tmp_path / "kept") == ["old"]


def test_where_names_cannot_be_exchanged_a_directory_is_replaced_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "kept" / "old").mkdir(parents=True)
    stop_at(0, monkeypatch)
    with files.new_directory(tmp_path / "kept", overwrite=True) as directory:
        (directory / "new").touch()
    assert entries(tmp_path) == ["kept"]
    assert entries(tmp_path / "kept") == ["new"]


@pytest.mark.parametrize("call, kept", [(1, "old"), (2, "old"), (3, "new")])
def test_a_kill_between_two_renamings_loses_neither(tmp_path, call, kept):
    (tmp_path / "kept" / "old").mkdir(parents=True)
    code = (
        "import os, sys\nfrom zoo.shared import files\nos.chdir(sys.argv[1])\nfiles._exchange = lambda *_: False\n"
        "left, replace, remove = [int(sys.argv[2])], os.replace, files._remove\n"
        "def counted(call, *paths):\n    left[0] -= 1\n    os._exit(9) if not left[0] else call(*paths)\n"
        "os.replace = lambda *paths: counted(replace, *paths)\n"
        "files._remove = lambda *paths: counted(remove, *paths)\n"
        "with files.new_directory('kept', overwrite=True) as directory:\n    (directory / 'new').touch()"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    assert subprocess.run([sys.executable, "-c", code, tmp_path, str(call)], env=environment).returncode == 9
    assert len(entries(tmp_path)) == 2
    files.sweep(tmp_path)
    assert entries(tmp_path) == ["kept"]
    assert entries(tmp_path / "kept") == [kept]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "far" / "old").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling"):
        with files.new_directory(tmp_path / name, overwrite=True) as directory:
            (directory / "new").touch()
        assert entries(tmp_path / name) == ["new"]
    assert entries(tmp_path) == ["dangling", "far", "link"]
    assert entries(tmp_path / "far") == ["old"]


def test_a_locked_file_is_refused_to_others_and_free_again_afterwards(tmp_path):
    with files.lock(tmp_path / "lock"), pytest.raises(BlockingIOError), files.lock(tmp_path / "lock"):
        pass
    with files.lock(tmp_path / "lock"):
        pass


def test_the_current_directory_is_a_path_like_any_other(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with files.new_directory(".", overwrite=True) as directory:
        (directory / "file").touch()
    assert (tmp_path / "here" / "file").exists()


@pytest.mark.parametrize("name", ["plain", "a[1]", "what?", "all*"])
def test_a_path_without_wildcards_leads_to_the_same_directory(tmp_path, name):
    directory = tmp_path / name
    directory.mkdir()
    with files.without_wildcards(directory) as plain:
        assert not set("*?[]") & set(str(plain))
        assert (plain == directory) == (name == "plain")
        (plain / "file").write_text("written through it")
    assert (directory / "file").read_text() == "written through it"
    assert name == "plain" or not plain.parent.exists()


def test_a_relative_path_without_wildcards_below_a_directory_with_some(tmp_path, monkeypatch):
    (tmp_path / "a[1]" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a[1]")
    with files.without_wildcards("b") as plain:
        assert "[" not in str(plain)
        assert os.path.samefile(plain, tmp_path / "a[1]" / "b")


def test_sweep_removes_what_killed_writers_left_and_nothing_else(tmp_path):
    for name in ("x.npz", ".hidden", ".x.npz.0123456789abcde", ".x.npz.0123456789abcdeg", "x.0123456789abcdef"):
        (tmp_path / name).touch()
    (tmp_path / "kept" / ".inner.0123456789abcdef").mkdir(parents=True)
    kept = entries(tmp_path)
    (tmp_path / ".x.npz.0123456789abcdef").touch()
    (tmp_path / ".run.fedcba9876543210" / "deep").mkdir(parents=True)
    (tmp_path / ".link.fedcba9876543210").symlink_to(tmp_path / "kept")
    files.sweep(tmp_path)
    assert entries(tmp_path) == kept
    assert entries(tmp_path / "kept") == [".inner.0123456789abcdef"]


KILLED = (
    "import os, sys\nfrom zoo.shared import files\nos.chdir(sys.argv[1])\n"
    "with files.new_file('x') as file, files.new_directory('y') as directory:\n    "
)


def test_what_a_killed_writer_leaves_is_swept(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", f"{KILLED}os._exit(9)", tmp_path], env=environment).returncode == 9
        assert len(entries(tmp_path)) == 2, "the second writer removes what the first one left"
    files.write_bytes(tmp_path / "x", b"")
    assert len(entries(tmp_path)) == 2, "x, and what is left of y"
    files.sweep(tmp_path)
    assert entries(tmp_path) == ["x"]


def test_what_a_living_writer_holds_is_not_swept(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    code = f"{KILLED}print('held', flush=True), input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], env=environment, **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        held = entries(tmp_path)
        files.sweep(tmp_path)
        assert entries(tmp_path) == held and len(held) == 2
        files.write_bytes(tmp_path / "x", b"mine")
        process.communicate(b"\n")
    assert process.returncode == 0
    assert entries(tmp_path) == ["x", "y"]
    assert (tmp_path / "x").read_bytes() == b"", "the last writer wins"


def test_a_writer_whose_file_was_swept_before_it_was_locked_begins_anew(tmp_path, monkeypatch):
    locked, made = files._locked, []

    def late(path, how):
        made.append(path)
        if len(made) == 1:
            path.unlink()
        return locked(path, how)

    monkeypatch.setattr(files, "_locked", late)
    files.write_bytes(tmp_path / "x", b"whole")
    assert len(made) == 2
    assert entries(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_checksum_needs_no_memory_for_the_whole_file(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**26)
    expected = hashlib.sha256(bytes(2**26)).hexdigest()
    tracemalloc.start()
    try:
        assert files.sha256(tmp_path / "sparse") == expected
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
