"""What the tests of evaluation share."""

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Decoded pictures of a folder are kept for this test alone."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
