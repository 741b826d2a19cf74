"""Torn checkpoints, full disks: what was saved stays."""

import resource

import pytest
import tensorflow as tf

from train.rundir.checkpoints import Checkpoints
from zoo.shared.errors import UserError


@pytest.fixture
def saved(tmp_path):
    """Checkpoints of a variable whose value is the step: 10, 20 and 30."""
    variable = tf.Variable(0.0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=variable), keep=3)
    for step in (10, 20, 30):
        variable.assign(float(step))
        checkpoints.save(step)
    variable.assign(-1.0)
    return checkpoints, variable


def data_file(checkpoints, step):
    return next((checkpoints.directory / f"{step:08d}").glob("state.data*"))


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


def test_the_newest_is_restored(saved):
    checkpoints, variable = saved
    assert checkpoints.restore() == 30
    assert variable.numpy() == 30


def test_only_the_last_few_are_kept(saved):
    checkpoints, _ = saved
    checkpoints.save(40)
    assert checkpoints.steps() == [20, 30, 40]


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_bit, remove])
@pytest.mark.parametrize("file", ["state.data-00000-of-00001", "state.index", "checksums.json"])
def test_a_damaged_newest_falls_back_with_a_warning(saved, damage, file, caplog):
    checkpoints, variable = saved
    damage(checkpoints.directory / "00000030" / file)
    assert checkpoints.restore() == 20
    assert variable.numpy() == 20
    assert "the checkpoint of step 30 is unusable" in caplog.text


def test_two_damaged_ones_fall_back_twice_and_all_damaged_is_an_error(saved):
    checkpoints, variable = saved
    truncate(data_file(checkpoints, 30))
    flip_a_bit(data_file(checkpoints, 20))
    assert checkpoints.restore() == 10
    assert variable.numpy() == 10
    remove(data_file(checkpoints, 10))
    with pytest.raises(UserError, match=r"no checkpoint .* usable \(tried steps 10, 20, 30\)"):
        checkpoints.restore()


def test_no_checkpoint_at_all_is_none(tmp_path):
    assert Checkpoints(tmp_path / "none", tf.train.Checkpoint()).restore() is None


def test_a_checkpoint_of_other_variables_is_not_restored(saved):
    checkpoints, variable = saved
    other = Checkpoints(checkpoints.directory, tf.train.Checkpoint(value=variable, more=tf.Variable(1.0)))
    with pytest.raises(UserError, match="no checkpoint"):
        other.restore()


def test_a_full_disk_loses_nothing(tmp_path):
    variable = tf.Variable(tf.zeros(1 << 20))  # 4 MB
    checkpoints = Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=variable))
    checkpoints.save(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # the kernel refuses to write beyond 1 MB
    try:
        with pytest.raises(UserError, match="could not save step 2 .* earlier checkpoints are intact"):
            checkpoints.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoints.steps() == [1]
    assert not list(checkpoints.directory.glob(".*"))
    assert checkpoints.restore() == 1
    checkpoints.save(2)
    assert checkpoints.steps() == [1, 2]


def test_what_a_killed_save_left_is_swept(saved):
    checkpoints, _ = saved
    (checkpoints.directory / ".00000040.0123456789abcdef").mkdir()
    (checkpoints.directory / ".DS_Store").touch()
    checkpoints.sweep()
    assert {path.name for path in checkpoints.directory.iterdir()} == {".DS_Store", "00000010", "00000020", "00000030"}


def test_what_a_killed_save_had_to_drop_goes_with_the_next_start(saved):
    checkpoints, _ = saved
    checkpoints.keep = 2  # as if the kill came between the newest and the drop
    checkpoints.drop_after(30)
    assert checkpoints.steps() == [20, 30]
    checkpoints.drop_after(20)
    assert checkpoints.steps() == [20]


def test_an_old_checkpoint_is_out_of_sight_before_its_files_go(saved, monkeypatch):
    """A kill among its files leaves no torn checkpoint behind."""
    checkpoints, _ = saved
    monkeypatch.setattr("zoo.shared.files._remove", lambda path: None)
    checkpoints.drop_after(20)
    assert checkpoints.steps() == [10, 20]
    (left,) = checkpoints.directory.glob(".*")
    monkeypatch.undo()
    checkpoints.sweep()
    assert not left.exists()


def test_what_a_file_manager_leaves_in_a_checkpoint_does_not_tear_it(saved):
    checkpoints, variable = saved
    for name in (".DS_Store", "Thumbs.db"):
        (checkpoints.directory / "00000030" / name).write_bytes(b"x")
    assert checkpoints.is_whole(30)
    assert checkpoints.restore() == 30 == variable.numpy()


def test_a_path_with_wildcards_is_no_pattern(tmp_path):
    """TensorFlow reads the path of a checkpoint as one, and [1e-4] as one of these letters."""
    variable = tf.Variable(0.0)
    state = tf.train.Checkpoint(value=variable)
    for number, name in enumerate(("lr[1e-4]", "a*b?")):
        variable.assign(float(number))
        Checkpoints(tmp_path / name, state).save(5)
    for number, name in enumerate(("lr[1e-4]", "a*b?")):
        assert Checkpoints(tmp_path / name, state).restore() == 5
        assert variable.numpy() == number


# ---- off the schedule


def test_one_off_the_schedule_displaces_none_on_it_and_the_next_takes_its_place(saved):
    checkpoints, variable = saved
    for step, expected in ((33, [10, 20, 30, 33]), (36, [10, 20, 30, 36])):
        checkpoints.save(step, {"start": 30})
        assert checkpoints.steps() == expected
    assert [step for step in checkpoints.steps() if checkpoints.is_scheduled(step)] == [10, 20, 30]
    assert (checkpoints.cell(36), checkpoints.cell(30)) == ({"start": 30}, None)
    checkpoints.save(40)
    assert checkpoints.steps() == [20, 30, 40]
    assert variable.numpy() == -1


def test_one_off_the_schedule_is_resumed_from_and_no_failure_goes_back_to_it(saved, caplog):
    checkpoints, variable = saved
    checkpoints.save(36, {"start": 30})
    assert checkpoints.restore() == 36
    assert variable.numpy() == -1
    assert checkpoints.restore(scheduled=True) == 30
    assert variable.numpy() == 30
    flip_a_bit(checkpoints.directory / "00000036" / "cell.json")
    assert checkpoints.restore() == 30, "what was seen of the cell is vouched for, too"
    assert "the checkpoint of step 36 is unusable (the checksum of cell.json differs)" in caplog.text
    checkpoints.drop_after(30)
    assert checkpoints.steps() == [10, 20, 30]


def test_a_step_that_comes_to_be_on_the_schedule_is_on_it(saved):
    checkpoints, _ = saved
    checkpoints.save(40, {"start": 30})
    checkpoints.save(40)
    assert checkpoints.is_scheduled(40)
    assert checkpoints.steps() == [20, 30, 40]
