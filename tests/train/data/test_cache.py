import hashlib
import json
import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from train.data.cache import cached
from zoo.shared.errors import UserError

IMAGES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5], np.int32)


def rows():
    for image, label in zip(IMAGES, LABELS, strict=True):
        yield {"image": image, "label": label}


def no_rows():
    raise AssertionError("decoded again")


def assert_whole(entry):
    assert list(entry) == ["image", "label"]
    for name, expected in (("image", IMAGES), ("label", LABELS)):
        np.testing.assert_array_equal(entry[name], expected)
        assert entry[name].dtype == expected.dtype


def test_rows_are_decoded_once_and_then_mapped():
    assert_whole(cached({"set": "a"}, rows))
    entry = cached({"set": "a"}, no_rows)
    assert_whole(entry)
    assert all(isinstance(column, np.memmap) and not column.flags.writeable for column in entry.values())


def test_another_key_is_another_entry():
    cached({"set": "a", "size": 4}, rows)
    other = cached({"set": "a", "size": 8}, lambda: iter([{"image": np.zeros((8, 8, 1), np.uint8)}]))
    assert list(other) == ["image"] and other["image"].shape == (1, 8, 8, 1)
    assert_whole(cached({"size": 4, "set": "a"}, no_rows))


@pytest.mark.parametrize("name", ["image.bin", "label.bin", "entry.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "empty object", "flip a bit"])
def test_a_damaged_entry_is_rebuilt(cache, name, damage):
    cached({}, rows)
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
    assert_whole(cached({}, rows))
    assert_whole(cached({}, no_rows))


def test_an_interrupted_build_leaves_nothing(cache):
    def interrupted():
        yield {"image": IMAGES[0]}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached({}, interrupted)
    assert list(cache.iterdir()) == []


def test_the_slower_of_two_builders_takes_the_entry_of_the_faster(cache):
    def overtaken():
        yield {"image": IMAGES[0], "label": LABELS[0]}
        cached({}, rows)

    assert_whole(cached({}, overtaken))
    assert len(list(cache.iterdir())) == 1


def test_several_rebuild_a_damaged_entry_at_once(cache):
    cached({}, rows)

    def damage():
        (file,) = cache.glob("*/image.bin")
        file.write_bytes(b"")

    def overtaken():
        yield {"image": IMAGES[0], "label": LABELS[0]}
        assert_whole(cached({}, rows))
        assert_whole(cached({}, no_rows))
        yield from list(rows())[1:]

    damage()
    assert_whole(cached({}, overtaken))
    damage()
    with ThreadPoolExecutor(8) as threads:
        for entry in threads.map(lambda _: cached({}, rows), range(40)):
            assert_whole(entry)
    assert len(list(cache.iterdir())) == 1


def test_what_a_killed_process_left_goes_with_the_next_entry(cache):
    left = cache / f".{'0' * 64}.{'1' * 16}"
    left.mkdir(parents=True)
    (left / "image.bin").write_bytes(b"half")
    cached({}, rows)
    assert not left.exists()


def test_the_entry_says_what_it_is(cache):
    cached({"set": "a"}, rows)
    (file,) = cache.glob("*/entry.json")
    columns = {
        "image": {"dtype": "|u1", "shape": [4, 4, 3], "sha256": hashlib.sha256(IMAGES.tobytes()).hexdigest()},
        "label": {"dtype": "<i4", "shape": [], "sha256": hashlib.sha256(LABELS.tobytes()).hexdigest()},
    }
    entry = {"key": {"set": "a"}, "count": 5, "columns": columns}
    told = json.loads(file.read_text())
    assert told == {**entry, "sha256": hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()}


def test_a_type_that_became_another_type_is_no_entry(cache):
    cached({"set": "a"}, rows)
    (file,) = cache.glob("*/entry.json")
    file.write_text(file.read_text().replace("<i4", ">i4"))
    made = cached({"set": "a"}, rows)
    np.testing.assert_array_equal(made["label"], LABELS)


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
            cached({}, lambda: ({"image": np.zeros((64, 64, 3), np.uint8)} for _ in range(5)))
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
        for level in range(64):
            yield {"image": np.full((64, 64, 3), level, np.uint8)}
        (file,) = cache.glob(".*/image.bin")
        assert file.stat().st_size >= 60 * 64 * 64 * 3

    assert cached({}, many)["image"][63].min() == 63


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_columns_of_every_kind_come_back(dtype):
    """Sound, actions and videos are columns too."""
    values = np.arange(3 * 2 * 5).reshape(3, 2, 5).astype(dtype)
    entry = cached({}, lambda: ({"first": row, "second": row[:1]} for row in values))
    np.testing.assert_array_equal(entry["first"], values)
    np.testing.assert_array_equal(entry["second"], values[:, :1])
    assert entry["first"].dtype == dtype


def test_a_home_directory_that_there_is_not_is_one_line(monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", "~nouser/cache")
    with pytest.raises(UserError, match="GENZOO_CACHE .* is '~nouser/cache'") as error:
        cached({}, rows)
    assert "\n" not in str(error.value)
