import errno
import fcntl
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import threading
import time
from collections import Counter, namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from train.data import cache as module
from train.data.cache import Decoding, NoRows
from zoo.shared.errors import UserError

IMAGES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], np.int32)


def cached(key, decoding):
    return module.cached(key, decoding).columns


def of(rows, items=1):
    """Return the decoding of all rows in one part, which a function without arguments yields."""
    return Decoding(items, lambda start, stop: rows(), lambda: 5)


def some(start, stop):
    for image, label in zip(IMAGES[start:stop], LABELS[start:stop], strict=True):
        yield {"image": image, "label": label}


def never(start, stop):
    raise AssertionError("decoded again")


ROWS = Decoding(5, some)
NO_ROWS = Decoding(5, never)


@pytest.fixture
def in_parts(monkeypatch):
    """Let each item be a part."""
    monkeypatch.setattr(module, "_SMALLEST_PART", 1)


def assert_whole(entry):
    assert list(entry) == ["image", "label"]
    for name, expected in (("image", IMAGES), ("label", LABELS)):
        np.testing.assert_array_equal(entry[name], expected)
        assert entry[name].dtype == expected.dtype


def test_rows_are_decoded_once_and_then_mapped():
    assert_whole(cached({"set": "a"}, ROWS))
    entry = cached({"set": "a"}, NO_ROWS)
    assert_whole(entry)
    assert all(isinstance(column, np.memmap) and not column.flags.writeable for column in entry.values())


def test_another_key_is_another_entry():
    cached({"set": "a", "size": 4}, ROWS)
    other = cached({"set": "a", "size": 8}, of(lambda: iter([{"image": np.zeros((8, 8, 1), np.uint8)}])))
    assert list(other) == ["image"] and other["image"].shape == (1, 8, 8, 1)
    assert_whole(cached({"size": 4, "set": "a"}, NO_ROWS))


@pytest.mark.parametrize("name", ["image.bin", "label.bin", "entry.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "empty object", "flip a bit"])
def test_a_damaged_entry_is_rebuilt(cache, name, damage):
    cached({}, ROWS)
    (file,) = cache.glob(f"*/{name}")
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[:-3])
    elif damage == "remove":
        file.unlink()
    elif damage == "flip a bit":
        content[-5] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(b"{}")
    assert_whole(cached({}, ROWS))
    assert_whole(cached({}, NO_ROWS))


def test_an_interrupted_build_leaves_nothing(cache):
    def interrupted():
        yield {"image": IMAGES[0]}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached({}, of(interrupted))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_several_make_an_entry_together_and_no_row_twice(cache, in_parts, count):
    """Each is a process, or a thread with files of its own, which is the same to a lock."""
    made, meeting = Counter(), threading.Barrier(min(count, 5))

    def slowly(start, stop):
        if made[start] == 0 and start < meeting.parties:
            meeting.wait(timeout=20)  # so many are at it at once
        made[start] += 1
        yield from some(start, stop)

    with ThreadPoolExecutor(count) as threads:
        for entry in threads.map(lambda _: cached({}, Decoding(5, slowly)), range(count)):
            assert_whole(entry)
    assert made == dict.fromkeys(range(5), 1)
    assert len(list(cache.iterdir())) == 1


def test_several_rebuild_a_damaged_entry_at_once(cache, in_parts):
    cached({}, ROWS)
    for _ in range(3):
        (file,) = cache.glob("*/image.bin")
        file.write_bytes(b"")
        with ThreadPoolExecutor(8) as threads:
            for entry in threads.map(lambda _: cached({}, ROWS), range(16)):
                assert_whole(entry)
        assert len(list(cache.iterdir())) == 1


def test_parts_make_the_same_bytes_as_the_whole(cache, monkeypatch):
    for size in (64, 1, 2, 3):
        monkeypatch.setattr(module, "_SMALLEST_PART", size)
        assert_whole(cached({"parts": size}, ROWS))
    told = [json.loads(path.read_text())["columns"] for path in cache.glob("*/entry.json")]
    assert len(told) == 4 and all(columns == told[0] for columns in told)


def test_there_are_at_most_256_parts_of_64_items_and_more():
    assert Decoding(7, some).parts == [(0, 7)]
    assert Decoding(130, some).parts == [(0, 64), (64, 128), (128, 130)]
    assert len(Decoding(64 * 256, some).parts) == 256
    assert Decoding(100_000, some).parts[:2] == [(0, 391), (391, 782)]
    assert Decoding(100_000, some).parts[-1] == (255 * 391, 100_000)


def test_what_was_decoded_before_an_interruption_is_kept(cache, in_parts):
    decoded = []

    def interrupted(start, stop):
        decoded.append(start)
        yield from some(start, stop)
        if start == 3 and decoded.count(3) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached({}, Decoding(5, interrupted))
    assert_whole(cached({}, Decoding(5, interrupted)))
    assert decoded == [0, 1, 2, 3, 3, 4]
    assert len(list(cache.iterdir())) == 1


def _killed_at(start, stop):
    yield from some(start, stop)
    if start == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_part_of_a_killed_process_is_made_by_another(cache, in_parts):
    killed = multiprocessing.get_context("fork").Process(target=module.cached, args=({}, Decoding(5, _killed_at)))
    killed.start()
    killed.join(timeout=20)
    assert killed.exitcode == -signal.SIGKILL
    assert {path.name for path in cache.glob("*.parts/[0-9]*") if path.is_dir()} == {"0-1", "1-2"}
    decoded = []

    def rest(start, stop):
        decoded.append(start)
        return some(start, stop)

    assert_whole(cached({}, Decoding(5, rest)))
    assert decoded == [2, 3, 4]


@pytest.mark.parametrize("made", ["the part", "everything"])
def test_who_is_overtaken_takes_what_another_made(cache, in_parts, made):
    """As where a third one failed and removed the lock that the first holds."""
    is_overtaken = False

    def overtaken(start, stop):
        nonlocal is_overtaken
        yield from some(start, stop)
        if start == 2 and not is_overtaken:
            is_overtaken = True
            (lock,) = cache.glob("*.parts/2-3.lock")
            lock.unlink()
            if made == "everything":
                assert_whole(cached({}, ROWS))
            else:
                assert module._Making(lock.parent.with_suffix(""), lock.parent, {}, ROWS)._make((2, 3), [(2, 3)])

    assert_whole(cached({}, Decoding(5, overtaken)))
    assert is_overtaken and not list(cache.glob(".*"))
    cached({}, NO_ROWS)
    assert len(list(cache.iterdir())) == 1


def test_who_finds_all_parts_in_other_hands_says_so_and_waits(cache, capsys):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(start, stop):
        begun.set()
        go_on.wait(timeout=20)
        return some(start, stop)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cached, {}, Decoding(5, slowly))
        begun.wait(timeout=20)
        second = threads.submit(cached, {}, NO_ROWS)
        while "waiting" not in (said := capsys.readouterr().err):
            assert not second.done()
            time.sleep(0.01)
        go_on.set()
        assert_whole(first.result(timeout=20))
        assert_whole(second.result(timeout=20))
    assert said == "waiting for what another process decodes\n"


def test_a_joining_that_was_killed_is_done_again(cache, in_parts, monkeypatch):
    """Whoever joins removes each part that it has copied."""
    append = module._append

    def killed(target, source):
        if source.parent.name == "2-3":
            raise KeyboardInterrupt
        append(target, source)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_append", killed)
        cached({}, ROWS)
    assert_whole(cached({}, ROWS))
    assert len(list(cache.iterdir())) == 1


def test_nobody_makes_anew_what_another_joins(cache, in_parts, monkeypatch):
    append, decoded, joining, go_on = module._append, [], threading.Event(), threading.Event()

    def slowly(target, source):
        append(target, source)
        if source.parent.name == "2-3":  # two parts are gone
            joining.set()
            go_on.wait(timeout=20)

    def noted(start, stop):
        decoded.append(start)
        return some(start, stop)

    monkeypatch.setattr(module, "_append", slowly)
    decoding = Decoding(5, noted)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cached, {}, decoding)
        joining.wait(timeout=20)
        second = threads.submit(cached, {}, decoding)
        time.sleep(0.3)
        go_on.set()
        assert_whole(first.result(timeout=20))
        assert_whole(second.result(timeout=20))
    assert decoded == [0, 1, 2, 3, 4]


def test_who_comes_late_takes_what_others_made_meanwhile(cache):
    """Such as a worker that counted the rows for minutes."""

    def late():
        assert_whole(cached({}, ROWS))
        return 5

    assert_whole(cached({}, Decoding(5, never, late)))
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_where_the_file_system_knows_no_locks_each_makes_the_entry_by_itself(cache, in_parts, monkeypatch, damaged):
    def no_lock(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_lock)
    if damaged:
        cached({}, ROWS)
        (file,) = cache.glob("*/image.bin")
        file.write_bytes(b"")
    decoded, meeting = [], threading.Barrier(3)

    def together(start, stop):
        meeting.wait(timeout=20)
        decoded.append((start, stop))
        yield from some(start, stop)
        meeting.wait(timeout=20)

    with ThreadPoolExecutor(3) as threads:
        for entry in threads.map(lambda _: cached({}, Decoding(5, together)), range(3)):
            assert_whole(entry)
    assert decoded == [(0, 5)] * 3
    assert len(list(cache.iterdir())) == 1


def test_where_no_item_has_a_row_nothing_is_left(cache, in_parts):
    with pytest.raises(NoRows):
        cached({}, Decoding(5, lambda start, stop: iter(())))
    assert list(cache.iterdir()) == []


def test_items_without_rows_leave_the_others(cache, in_parts):
    """Such as unreadable files: of a part some, of another all."""
    entry = cached({}, Decoding(5, lambda start, stop: some(start, stop) if start >= 3 else iter(())))
    np.testing.assert_array_equal(entry["label"], LABELS[3:])


def _with_room(monkeypatch, free):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 0, free))


def test_what_an_entry_takes_is_told_before_it_is_written_and_refused_without_room(cache, monkeypatch, capsys):
    row = 4 * 4 * 3 + 4
    _with_room(monkeypatch, 5 * row - 1)
    with pytest.raises(
        UserError, match=r"needs 0.0 MiB for 5 rows of 52 bytes and has room for 0.0 MiB: make"
    ) as error:
        cached({}, ROWS)
    assert "\n" not in str(error.value) and "GENZOO_CACHE" in str(error.value)
    assert list(cache.iterdir()) == []
    _with_room(monkeypatch, 5 * row)

    def looked_at():
        for row in some(0, 5):
            yield row
            assert capsys.readouterr().err.startswith(
                f"the picture cache {cache} takes 0.0 MiB for 5 rows of 52 bytes; "
            )
            break
        yield from some(1, 5)

    assert_whole(cached({}, of(looked_at, items=5)))
    assert_whole(cached({}, NO_ROWS))
    assert capsys.readouterr().err == "", "nothing is made"


def test_what_is_there_already_needs_no_room(cache, in_parts, monkeypatch, capsys):
    """Of five parts two are made; while the five are joined, one of them is there twice."""

    def interrupted(start, stop):
        if start == 2:
            raise KeyboardInterrupt
        return some(start, stop)

    row = 4 * 4 * 3 + 4
    _with_room(monkeypatch, 6 * row)
    with pytest.raises(KeyboardInterrupt):
        cached({}, Decoding(5, interrupted))
    _with_room(monkeypatch, 4 * row - 1)
    with pytest.raises(UserError, match="make room"):
        cached({}, ROWS)
    _with_room(monkeypatch, 4 * row)
    assert_whole(cached({}, ROWS))


@pytest.mark.parametrize(("size", "told"), [(2**20, "1.0 MiB"), (3 * 2**29, "1.5 GiB"), (2**40, "1,024.0 GiB")])
def test_sizes_are_told_in_words(size, told):
    assert module._told(size) == told


def test_an_entry_is_read_once_to_be_compared(cache, monkeypatch):
    read, sha256 = [], module.files.sha256
    monkeypatch.setattr(module.files, "sha256", lambda path: read.append(os.path.basename(path)) or sha256(path))
    cached({}, ROWS)
    monkeypatch.setattr(module, "_YOUNG", -1)  # as though all was written long ago
    for _ in range(3):
        read.clear()
        assert_whole(cached({}, NO_ROWS))
        assert read in (["image.bin", "label.bin"], [])
    assert read == []
    (file,) = cache.glob("*/label.bin")
    os.utime(file)
    assert_whole(cached({}, NO_ROWS))
    assert read == ["label.bin"]


def test_a_file_that_changed_a_moment_ago_is_compared_again(cache, monkeypatch):
    """A second change might have the same time."""
    cached({}, ROWS)
    cached({}, NO_ROWS)
    monkeypatch.setattr(module.files, "sha256", lambda _: "another")
    with pytest.raises(AssertionError, match="decoded again"):
        cached({}, NO_ROWS)


def test_the_digests_are_those_of_the_columns(in_parts):
    entry = module.cached({}, ROWS)
    assert entry.digests == {
        name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in (("image", IMAGES), ("label", LABELS))
    }


def test_what_a_killed_process_left_goes_with_the_next_entry(cache):
    left = cache / f".{'0' * 64}.{'1' * 16}"
    left.mkdir(parents=True)
    (left / "image.bin").write_bytes(b"half")
    cached({}, ROWS)
    assert not left.exists()


def test_the_entry_says_what_it_is(cache):
    cached({"set": "a"}, ROWS)
    (file,) = cache.glob("*/entry.json")
    columns = {
        "image": {"dtype": "|u1", "shape": [4, 4, 3], "sha256": hashlib.sha256(IMAGES.tobytes()).hexdigest()},
        "label": {"dtype": "<i4", "shape": [], "sha256": hashlib.sha256(LABELS.tobytes()).hexdigest()},
    }
    entry = {"key": {"set": "a"}, "count": 5, "columns": columns}
    told = json.loads(file.read_text())
    assert told == {**entry, "sha256": hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()}


def test_a_type_that_became_another_type_is_no_entry(cache):
    cached({"set": "a"}, ROWS)
    (file,) = cache.glob("*/entry.json")
    file.write_text(file.read_text().replace("<i4", ">i4"))
    made = cached({"set": "a"}, ROWS)
    np.testing.assert_array_equal(made["label"], LABELS)


def test_an_unwritable_location_names_the_variable_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="cannot write the picture cache .*GENZOO_CACHE") as error:
        cached({}, ROWS)
    assert "\n" not in str(error.value)


def test_a_write_that_fails_names_the_variable_to_set_and_leaves_nothing(cache):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(UserError, match="GENZOO_CACHE"):
            cached({}, of(lambda: ({"image": np.zeros((64, 64, 3), np.uint8)} for _ in range(5))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(cache.iterdir()) == []


def test_without_the_variable_the_xdg_directory_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("GENZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cached({}, ROWS)
    assert len(list((tmp_path / "xdg" / "genzoo").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cached({}, ROWS)
    assert len(list((tmp_path / "home" / ".cache" / "genzoo").iterdir())) == 1


def test_rows_are_streamed(cache):
    """While the last row is made, the first ones have left the process."""

    def many():
        for level in range(64):
            yield {"image": np.full((64, 64, 3), level, np.uint8)}
        (file,) = cache.glob("*.parts/.*/image.bin")
        assert file.stat().st_size >= 60 * 64 * 64 * 3

    assert cached({}, of(many))["image"][63].min() == 63


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_columns_of_every_kind_come_back(dtype):
    """Sound, actions and videos are columns too."""
    values = np.arange(3 * 2 * 5).reshape(3, 2, 5).astype(dtype)
    entry = cached({}, of(lambda: ({"first": row, "second": row[:1]} for row in values)))
    np.testing.assert_array_equal(entry["first"], values)
    np.testing.assert_array_equal(entry["second"], values[:, :1])
    assert entry["first"].dtype == dtype


def test_a_home_directory_that_there_is_not_is_one_line(monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", "~nouser/cache")
    with pytest.raises(UserError, match="GENZOO_CACHE .* is '~nouser/cache'") as error:
        cached({}, ROWS)
    assert "\n" not in str(error.value)
