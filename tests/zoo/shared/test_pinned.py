"""Files by their path and SHA-256."""

import hashlib

import pytest

from zoo.shared import pinned
from zoo.shared.errors import UserError


def test_a_name_is_a_path_and_perhaps_a_digest():
    assert pinned.split("a/b.npz") == ("a/b.npz", "")
    assert pinned.split(pinned.joined("a/b.npz", "0f")) == ("a/b.npz", "0f")
    assert pinned.joined("a/b.npz", "0f") == "a/b.npz#sha256=0f"


def test_a_file_is_read_with_its_digest_and_another_is_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert pinned.read(path, "", "the file") == pinned.read(path, digest, "the file") == (b"one", digest)
    path.write_bytes(b"two")
    with pytest.raises(UserError, match=f"the file {path} has the SHA-256 .* the run was made with {digest[:12]}"):
        pinned.read(path, digest, "the file")


@pytest.mark.parametrize(("name", "said"), [("gone", "No such file"), (".", "is no file")])
def test_what_cannot_be_read_is_one_line(name, said, tmp_path):
    with pytest.raises(UserError, match=said) as refused:
        pinned.read(tmp_path / name, "", "the file")
    assert "\n" not in str(refused.value)
