"""What is swept from a run's directory, and what is not."""

from train.rundir import layout


def test_what_killed_writers_left_is_swept_from_every_directory_of_a_run_and_from_no_other(tmp_path):
    places = (".", "checkpoints", "best", "samples", "samples/reconstruct", "mine", "checkpoints/00000002")
    for place in places:
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / ".x.0123456789abcdef").touch()
        (tmp_path / place / ".DS_Store").touch()
    layout.sweep(tmp_path)
    left = {path.relative_to(tmp_path).parent.as_posix() for path in tmp_path.rglob(".x.*")}
    assert left == {"mine", "checkpoints/00000002"}
    assert len(list(tmp_path.rglob(".DS_Store"))) == len(places)


def test_what_could_not_begin_leaves_a_directory_that_is_new_again(tmp_path):
    for name in ("checkpoints", "best", "samples", "tensorboard"):
        (tmp_path / name).mkdir()
    for name in ("config.json", "model.json", "examples.npz", "metrics.jsonl", "evaluations.jsonl", "hardware.json"):
        (tmp_path / name).touch()
    (tmp_path / "samples" / "0.png").touch()
    (tmp_path / ".lock").touch()
    assert not layout.is_new(tmp_path)
    layout.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    (tmp_path / "notes.txt").touch()
    layout.clear(tmp_path)
    assert (tmp_path / "notes.txt").is_file()


def test_a_run_that_has_not_begun_has_nothing_to_sweep(tmp_path):
    layout.sweep(tmp_path)
    assert not list(tmp_path.iterdir())
