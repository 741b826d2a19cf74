"""What a checkpoint records of its run: files that changed afterwards are told of, or refused by what changed."""

import hashlib
import json
import shutil

import pytest
import tensorflow as tf
from shared import tiny_config

from train import config
from train.rundir import layout, logs, recorded
from train.rundir.checkpoints import Checkpoints
from zoo.shared import files
from zoo.shared.errors import UserError


@pytest.fixture
def run(tmp_path):
    """A run without networks: its files, and checkpoints of steps 2 and 4."""
    settings = tiny_config("nade")
    (tmp_path / "config.json").write_text(config.to_json(settings))
    (tmp_path / "model.json").write_text('{"arguments": {"alpha": 0.2}}')
    (tmp_path / "examples.npz").write_bytes(b"rows")
    lines = [{"step": step, "loss": step / 4, "steps_per_second": 9.5} for step in (1, 2, 3, 4)]
    measured = [{"step": step, "metric": "frechet", "protocol": {}} for step in (2, 4)]
    checkpoints = Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=tf.Variable(0.0)))
    for step in (2, 4):
        logs.write_lines(tmp_path / "metrics.jsonl", lines[:step])
        checkpoints.save(step)
        logs.write_lines(tmp_path / "evaluations.jsonl", measured[: step // 2])
    return tmp_path


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_an_untouched_run_has_nothing_to_tell(run, caplog):
    assert recorded.read(run).to_dict() == tiny_config("nade").to_dict()
    for name in ("model.json", "examples.npz"):
        recorded.check_file(run, name)
    recorded.check_logs(run)
    assert not caplog.text


@pytest.mark.parametrize(
    "old, new, told",
    [
        ('"batch_size": 4', '"batch_size": 5', r"batch_size \(4 -> 5\)"),
        ('"hidden_units": 5', '"hidden_units": 4', r"model.hidden_units \(5 -> 4\)"),
        ('"ema": 0.9', '"emb": 0.9', r"it lacks ema"),
        ('"schedule": "constant"', '"rchedule": "constant"', r"schedule"),
        ('"seed": 0', '"seed": ', r"config.json is corrupt"),
        ('"jit": "auto"', '"jit": "true"', r"jit \(auto -> true\)"),
    ],
)
def test_a_changed_number_of_the_training_is_refused_by_its_name_with_the_way_back(run, old, new, told):
    replace(run / "config.json", old, new)
    with pytest.raises(UserError, match=rf"({told}).*; put it back as step 4 was .*copy .*00000004/config.json"):
        recorded.read(run)
    shutil.copy(run / "checkpoints" / "00000004" / "config.json", run)
    assert recorded.read(run).to_dict() == tiny_config("nade").to_dict()


@pytest.mark.parametrize("key, value", [("sample_every", 4), ("train_steps", 4), ("count", 2000)])
def test_bookkeeping_that_changed_is_told_of_and_taken(run, key, value, caplog):
    replace(run / "config.json", f'"{key}": {value}', f'"{key}": {value + 1}')
    found = recorded.read(run)
    assert f"{key} ({value} -> {value + 1})" in caplog.text
    assert (found.evaluate if key == "count" else found)[key] == value + 1


@pytest.mark.parametrize("name, old, new", [("model.json", "0.2", "0.3"), ("examples.npz", "rows", "rowt")])
def test_another_file_that_changed_is_refused(run, name, old, new):
    replace(run / name, old, new)
    with pytest.raises(UserError, match=f"{name} was changed since step 4 was saved"):
        recorded.check_file(run, name)


def test_model_json_written_in_another_way_is_the_same(run):
    (run / "model.json").write_text(json.dumps(json.loads((run / "model.json").read_text()), indent=4))
    recorded.check_file(run, "model.json")


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("metrics.jsonl", '"loss": 0.75', '"loss": 0.55'),
        ("metrics.jsonl", '"step": 3', '"step": 7'),
        ("evaluations.jsonl", '{"step": 2', '{"step": 3'),
        ("evaluations.jsonl", '{"step": 2', '{"steq": 2'),
        ("evaluations.jsonl", '{"step": 4', '{"step": 5'),  # measured after the step was saved
    ],
)
def test_a_line_of_a_log_that_changed_is_told_of_and_stays_so(run, name, old, new, caplog):
    replace(run / name, old, new)
    for _ in range(2):
        caplog.clear()
        recorded.check_logs(run)
        assert f"{name} was changed since it was written" in caplog.text
        logs.write_lines(run / name, logs.read_lines(run / name))


def test_lines_that_came_later_and_speeds_are_no_change(run, caplog):
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "loss": 0.1}\n{"step": 6, "lo')
    path = run / "metrics.jsonl"
    path.write_text(path.read_text().replace("9.5", "7.5"))
    recorded.check_logs(run)
    assert not caplog.text


def test_the_record_before_a_torn_one_is_taken(run):
    (run / "checkpoints" / "00000004" / "run.json").write_text("{}")
    assert recorded.newest(run).step == 2
    shutil.rmtree(run / "checkpoints" / "00000002")
    assert recorded.newest(run) is None


def test_a_checkpoint_under_another_step_is_not_restored(run, caplog):
    value = tf.Variable(0.0)
    shutil.move(run / "checkpoints" / "00000002", run / "checkpoints" / "00000009")
    assert Checkpoints(run / "checkpoints", tf.train.Checkpoint(value=value)).restore() == 4
    assert "the checkpoint of step 9 is unusable (it is that of step 2)" in caplog.text


def test_a_run_from_before_there_were_records_is_read_as_it_is(run, caplog):
    for path in (run / "checkpoints").iterdir():
        for name in (recorded.RUN, config.CONFIG):
            (path / name).unlink()
        digests = json.loads((path / layout.CHECKSUMS).read_text())
        kept = {name: digest for name, digest in digests.items() if name not in (recorded.RUN, config.CONFIG)}
        (path / layout.CHECKSUMS).write_text(json.dumps(kept))
    replace(run / "config.json", '"batch_size": 4', '"batch_size": 5')
    replace(run / "model.json", "0.2", "0.3")
    assert recorded.read(run).batch_size == 5
    recorded.check_file(run, "model.json")
    recorded.check_logs(run)
    assert not caplog.text
    value = tf.Variable(1.0)
    assert Checkpoints(run / "checkpoints", tf.train.Checkpoint(value=value)).restore() == 4


def test_what_changes_on_the_disk_while_a_run_goes_on_is_not_recorded(run):
    checkpoints = Checkpoints(run / "checkpoints", tf.train.Checkpoint(value=tf.Variable(0.0)))
    checkpoints.save(6)
    replace(run / "config.json", '"batch_size": 4', '"batch_size": 5')
    checkpoints.save(8)
    with pytest.raises(UserError, match=r"since step 8 was saved: batch_size \(4 -> 5\)"):
        recorded.read(run)


def test_a_record_from_before_there_was_a_key_is_as_if_it_had_it(run, caplog):
    for path in (run / "checkpoints/00000004/config.json", run / "config.json"):
        stored = json.loads(path.read_text())
        assert stored.pop("init_from") == ""
        path.write_text(json.dumps(stored))
    place = run / "checkpoints/00000004"
    sums = json.loads((place / "checksums.json").read_text())
    (place / "checksums.json").write_text(json.dumps(sums | {"config.json": files.sha256(place / "config.json")}))
    assert recorded.newest(run).step == 4
    config.check_resumable(recorded.newest(run).config, recorded.read(run))
    assert not caplog.text


def test_a_step_of_nine_digits_is_newer_than_one_of_eight(run):
    shutil.move(run / "checkpoints/00000004", run / "checkpoints/100000000")
    shutil.move(run / "checkpoints/00000002", run / "checkpoints/99999999")
    assert recorded.newest(run).path.name == "100000000"


def test_lines_from_before_there_were_seals_change_nothing_when_they_are_sealed(run, caplog):
    path = run / "evaluations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(logs.told(line)) + "\n" for line in lines))
    recorded.check_logs(run)
    assert not caplog.text


def test_a_run_knows_whether_its_newest_checkpoint_has_its_present_configuration(run):
    assert recorded.is_current(run)
    replace(run / "config.json", '"keep_checkpoints": 3', '"keep_checkpoints": 4')
    assert not recorded.is_current(run)
    shutil.rmtree(run / "checkpoints")
    assert recorded.is_current(run)


def by_the_book(path, step):
    lines = [line for line in logs.read_lines(path) if line["step"] <= step]
    lines = [{**logs.told(line), logs.SPEED: None} for line in lines]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


@pytest.mark.parametrize("name", [logs.METRICS, logs.EVALUATIONS])
def test_the_digest_of_a_growing_log_is_that_of_all_its_lines_and_reads_each_once(tmp_path, monkeypatch, name):
    path = tmp_path / name
    parsed, parse = [], logs._parsed
    monkeypatch.setattr(logs, "_parsed", lambda line: parsed.append(line) or parse(line))
    running = logs.Running(path)
    assert running.until(9) == by_the_book(path, 9), "there is no file yet"
    for step in range(1, 12):
        logs.append_line(path, {"step": step, "loss": step / 7, "metric": "ü", "steps_per_second": 0.1 * step})
        for end in (step - 1, step):
            parsed.clear()
            found = running.until(end)
            assert len(parsed) <= 1
            assert found == by_the_book(path, end)
    assert all(map(logs.is_as_written, logs.read_lines(path)))


def test_a_torn_line_waits_for_its_end_and_what_is_no_line_is_passed_over(tmp_path):
    path, running = tmp_path / logs.METRICS, logs.Running(tmp_path / logs.METRICS)
    path.write_text('{"step": 1}\nno JSON\n[1]\n{"step": "2"}\n{"step": 2, "lo')
    assert running.until(5) == by_the_book(path, 1)
    with open(path, "a") as file:
        file.write('ss": 1.5}\n')
    assert running.until(5) == by_the_book(path, 5) != logs.Running(path).until(1)


def test_logs_that_were_cut_back_are_read_from_their_beginning(run):
    checkpoints = Checkpoints(run / "checkpoints", tf.train.Checkpoint(value=tf.Variable(0.0)))
    checkpoints.save(4)
    for loss, go_back in ((7.0, checkpoints.restore), (9.0, lambda: checkpoints.drop_after(2))):
        go_back()
        logs.write_lines(run / logs.METRICS, [{"step": 1, "loss": loss, "steps_per_second": 1.0}])
        logs.append_line(run / logs.METRICS, {"step": 3, "loss": 8.0, "steps_per_second": 1.0})
        checkpoints.save(3)
        held = json.loads((run / "checkpoints" / "00000003" / "run.json").read_text())
        assert held["logs"][logs.METRICS] == by_the_book(run / logs.METRICS, 3)
