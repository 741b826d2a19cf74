import json
import resource
import signal

import numpy as np
import pytest

from train.data.cache import cached
from zoo.shared.errors import UserError

IMAGES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
LABELS = [3, 1, 4, 1, 5]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def rows():
    yield from zip(IMAGES, LABELS, strict=True)


def no_rows():
    raise AssertionError("decoded again")


def assert_whole(entry):
    np.testing.assert_array_equal(entry[0], IMAGES)
    np.testing.assert_array_equal(entry[1], LABELS)
    assert entry[0].dtype == np.uint8 and entry[1].dtype == np.int32


def test_rows_are_decoded_once_and_then_mapped():
    assert_whole(cached({"set": "a"}, rows))
    images, labels = cached({"set": "a"}, no_rows)
    assert_whole((images, labels))
    assert isinstance(images, np.memmap) and not images.flags.writeable


def test_another_key_is_another_entry():
    cached({"set": "a", "size": 4}, rows)
    images, _ = cached({"set": "a", "size": 8}, lambda: iter([(np.zeros((8, 8, 1), np.uint8), 0)]))
    assert images.shape == (1, 8, 8, 1)
    assert_whole(cached({"size": 4, "set": "a"}, no_rows))


@pytest.mark.parametrize("name", ["images.bin", "labels.bin", "entry.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "empty object"])
def test_a_damaged_entry_is_rebuilt(cache, name, damage):
    cached({}, rows)
    (file,) = cache.glob(f"*/{name}")
    if damage == "truncate":
        file.write_bytes(file.read_bytes()[:-3])
    elif damage == "remove":
        file.unlink()
    else:
        file.write_bytes(b"{}")
    assert_whole(cached({}, rows))
    assert_whole(cached({}, no_rows))


def test_an_interrupted_build_leaves_nothing(cache):
    def interrupted():
        yield IMAGES[0], 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached({}, interrupted)
    assert list(cache.iterdir()) == []


def test_the_slower_of_two_builders_takes_the_entry_of_the_faster(cache):
    def overtaken():
        yield IMAGES[0], 9
        cached({}, rows)

    assert_whole(cached({}, overtaken))
    assert len(list(cache.iterdir())) == 1


def test_the_entry_says_what_it_is(cache):
    cached({"set": "a"}, rows)
    (file,) = cache.glob("*/entry.json")
    assert json.loads(file.read_text()) == {"key": {"set": "a"}, "count": 5, "shape": [4, 4, 3]}


def test_an_unwritable_location_names_the_variable_to_set(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="cannot write the picture cache .*GENZOO_CACHE") as error:
        cached({}, rows)
    assert "\n" not in str(error.value)


def test_a_write_that_fails_names_the_variable_to_set_and_leaves_nothing(cache):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(UserError, match="GENZOO_CACHE"):
            cached({}, lambda: ((np.zeros((64, 64, 3), np.uint8), 0) for _ in range(5)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert list(cache.iterdir()) == []


def test_without_the_variable_the_xdg_directory_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("GENZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cached({}, rows)
    assert len(list((tmp_path / "xdg" / "genzoo").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    cached({}, rows)
    assert len(list((tmp_path / "home" / ".cache" / "genzoo").iterdir())) == 1


def test_rows_are_streamed(cache):
    """While the last row is made, the first ones have left the process."""

    def many():
        for label in range(64):
            yield np.full((64, 64, 3), label, np.uint8), label
        (file,) = cache.glob(".*/images.bin")
        assert file.stat().st_size >= 60 * 64 * 64 * 3

    assert cached({}, many)[0][63].min() == 63
