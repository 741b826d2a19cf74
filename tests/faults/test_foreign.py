"""What file managers, servers and people leave in a run's directory is neither read nor touched."""

import shutil

import pytest
from shared import assert_same_state, checkpoint, program, tiny_config, trained

PLACES = (".", "checkpoints", "checkpoints/00000002", "checkpoints/00000004", "samples", "best", "best/00000000")
MEASURED = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 2, "evaluate.count": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("foreign") / "run"
    trained(tiny_config("nade", **MEASURED), workdir)
    return workdir


def litter(workdir):
    """Put foreign files and directories everywhere, and return their paths."""
    made = []
    for place in PLACES:
        for name in (".DS_Store", "Thumbs.db", ".nfs0000000000000001", "notes.png", "1 of 3.png"):
            path = workdir / place / name
            path.write_bytes(b"foreign")
            made.append(path)
        for name in ("folder", ".Trash-1000", ".git"):
            path = workdir / place / name / "inner.png"
            path.parent.mkdir()
            path.write_bytes(b"foreign")
            made.append(path)
    return made


def test_foreign_files_change_nothing_and_stay(run, tmp_path, caplog):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    shutil.rmtree(workdir / "checkpoints" / "00000004")
    (workdir / "checkpoints" / "00000004").mkdir()  # without its files
    foreign = litter(workdir)
    settings = tiny_config("nade", **MEASURED)
    with program("train.__main__")._claimed(workdir, settings):
        trained(settings, workdir)
    assert_same_state(checkpoint(workdir, 4), checkpoint(run, 4))
    assert "the checkpoint of step 4 is unusable" in caplog.text
    for name in ("training.gif", "evaluations.jsonl"):
        assert (workdir / name).read_bytes() == (run / name).read_bytes(), name
    gone = [path for path in foreign if not path.exists()]
    assert all(path.is_relative_to(workdir / "checkpoints" / "00000004") for path in gone), "it was replaced"
