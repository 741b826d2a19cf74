"""hardware.json: what a run was on, and for how long."""

import json

import pytest

from train.rundir import hardware

TWO_CORES = {"processor": "AMD EPYC", "cores": 2, "accelerators": [], "replicas": 1}
GPU = {**TWO_CORES, "accelerators": ["NVIDIA H100 80GB HBM3"]}


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("train.rundir.hardware.time.monotonic", lambda: now[0])
    return now


def seconds_on(tmp_path, clock, machine, *seconds):
    watch = hardware.Stopwatch(tmp_path, machine)
    for more in seconds:
        clock[0] += more
        watch.write()


def test_seconds_are_summed_over_resumes_and_told_apart_by_hardware(tmp_path, clock):
    assert hardware.read(tmp_path) is None
    seconds_on(tmp_path, clock, TWO_CORES, 10, 5)
    assert hardware.read(tmp_path) == {"seconds": 15, "hardware": [{**TWO_CORES, "seconds": 15}]}
    seconds_on(tmp_path, clock, GPU, 3)
    seconds_on(tmp_path, clock, TWO_CORES, 1.25)
    assert json.loads((tmp_path / "hardware.json").read_text()) == {
        "seconds": 19.2,
        "hardware": [{**GPU, "seconds": 3}, {**TWO_CORES, "seconds": 16.2}],
    }


def test_time_that_was_not_written_is_not_counted(tmp_path, clock):
    hardware.Stopwatch(tmp_path, TWO_CORES)
    clock[0] += 1000
    seconds_on(tmp_path, clock, TWO_CORES, 2)
    assert hardware.read(tmp_path)["seconds"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"seconds": 1}',
        b'{"seconds": "1", "hardware": []}',
        b'{"seconds": 1, "hardware": [{}]}',
        b"3",
    ],
)
def test_a_damaged_record_is_begun_anew_with_a_warning(tmp_path, clock, caplog, damage):
    (tmp_path / "hardware.json").write_bytes(damage)
    seconds_on(tmp_path, clock, TWO_CORES, 7)
    assert "is damaged: the time that it told of is lost" in caplog.text
    assert hardware.read(tmp_path)["seconds"] == 7


def test_hardware_in_words():
    assert hardware.words(TWO_CORES) == "2 cores"
    assert hardware.words({**TWO_CORES, "cores": 1}) == "1 core"
    assert hardware.words(GPU) == "NVIDIA H100 80GB HBM3"
    assert hardware.words({**GPU, "accelerators": ["A", "B", "A"]}) == "2 x A, B"


def test_this_machine_has_a_processor_and_cores():
    here = hardware.here(["A"], replicas=2)
    assert here["processor"] and here["cores"] >= 1
    assert (here["accelerators"], here["replicas"]) == (["A"], 2)
