"""No kill loses anything, keeps a directory from going on, changes a bit or leaves a file behind."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from faults.kills import Scenario, kill_everywhere, really_killed
from faults.server import started
from faults.table import table
from shared import flags_of, recipe_of, tiny_config

import serving
from zoo import bundle, images

MOST = int(os.environ["GENZOO_KILLS"]) if "GENZOO_KILLS" in os.environ else None  # states of a scenario, at most
OPTIONS = {"jit": "false", "log_every": 1, "keep_checkpoints": 2, "checkpoint_every": 1, "sample_every": 1}
MEASURED = {"evaluate.metrics": "sliced_wasserstein", "evaluate.every": 1, "evaluate.count": 8}


def of(settings, *more: str) -> tuple[str, ...]:
    recipe = recipe_of(settings.model.name)
    return f"--recipe={recipe}", "--workdir={place}/run", *flags_of(settings), *more


@pytest.fixture(scope="module")
def server():
    with started() as server:
        yield server


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """A finished run and its bundle."""
    place = tmp_path_factory.mktemp("made")
    settings = tiny_config("nade", **OPTIONS, train_steps=2)
    commands = {
        "train.__main__": of(settings),
        "export.__main__": ("--workdir={place}/run", "--output={place}/bundle"),
    }
    for program, arguments in commands.items():
        ended = server.run(program, [argument.replace("{place}", str(place)) for argument in arguments])
        assert ended.status == 0, ended.output
    return place


def pictures(place: Path) -> None:
    (place / "pictures").mkdir()
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)):
        (place / "pictures" / f"{number}.png").write_bytes(images.encode_png(picture))


def is_no_bundle(place: Path) -> bool:
    try:
        serving.load(place / "bundle")
    except Exception:
        return True
    return False


def bundles_differ(place: Path, other: Path) -> bool:
    """Compare what two exports make; figures of parity and file names inside a SavedModel differ by chance."""
    first, second = (serving.load(where / "bundle") for where in (place, other))
    made = [maps["generate"](count=8, seed=1)["image"] for maps in (first, second)]
    members = [sorted(bundle.read_manifest(where / "bundle").files) for where in (place, other)]
    beside = [sorted(path.name for path in where.iterdir()) for where in (place, other)]
    return not np.array_equal(*made) or members[0] != members[1] or beside[0] != beside[1]


def scenarios(made: Path) -> list[Scenario]:
    trained = tiny_config("nade", **OPTIONS, **MEASURED, train_steps=3)
    longer = tiny_config("nade", **OPTIONS, train_steps=4)
    grown = tiny_config("progressive", **OPTIONS, train_steps=3, **{"phases.fade8.start": 1, "phases.p8.start": 2})
    clocked = tiny_config("nade", **{**OPTIONS, "log_every": 5, "checkpoint_every": 4}, train_steps=4)
    clocked.checkpoint_minutes = 1e-9  # after each call
    folder = tiny_config("nade", **{**OPTIONS, "data.name": "digits"}, train_steps=1)
    export = ("--workdir=" + str(made / "run"), "--output={place}/bundle")
    sample = ("--bundle=" + str(made / "bundle"), "--count=4")

    def copied(name: str):
        return lambda place: shutil.copytree(made / name, place / name)

    def old_file(place: Path) -> None:
        (place / "x.png").write_bytes(b"old")

    def is_torn(place: Path) -> bool:
        data = (place / "x.png").read_bytes() if (place / "x.png").is_file() else b""
        return data != b"old" and not data.endswith(b"IEND\xaeB`\x82")

    return [
        Scenario("a new run, evaluated", "train.__main__", of(trained)),
        Scenario(
            "a new run on a folder",
            "train.__main__",
            of(folder, "--config.data.name=folder:{place}/pictures"),
            pictures,
        ),
        Scenario("a run made longer", "train.__main__", of(longer), copied("run")),
        Scenario("a run that grows at each step", "train.__main__", of(grown)),
        Scenario("a run saved by the clock", "train.__main__", of(clocked)),
        Scenario("an export", "export.__main__", (*export, "--overwrite"), differs=bundles_differ),
        Scenario(
            "an export over a bundle",
            "export.__main__",
            (*export, "--overwrite"),
            copied("bundle"),
            is_no_bundle,
            bundles_differ,
        ),
        Scenario("samples over a file", "serving.sample", (*sample, "--output={place}/x.png"), old_file, is_torn),
        Scenario("samples into an array", "serving.sample", (*sample, "--output={place}/x.npy")),
    ]


@pytest.mark.slow
def test_no_kill_does_any_harm(server, made, tmp_path):
    rows = {}
    for number, scenario in enumerate(scenarios(made)):
        rows[scenario.name] = kill_everywhere(scenario, server, tmp_path / str(number), MOST)
        print(scenario.name, rows[scenario.name], flush=True)
    print(f"\n{table('killed while it wrote', rows)}")
    for name, row in rows.items():
        assert row["calls"] >= row["states"] >= row["tried"] > 2, name
        faults = {key: row[key] for key in ("refused", "lost", "different", "stray files")}
        assert not any(faults.values()), f"{name}: {faults}"


@pytest.mark.slow
@pytest.mark.parametrize("at", [4, 9, 17, 30])
def test_a_copy_before_a_call_is_what_a_kill_at_it_leaves(server, made, tmp_path, at):
    copied, left = really_killed(scenarios(made)[0], server, tmp_path, at)
    assert copied == left
