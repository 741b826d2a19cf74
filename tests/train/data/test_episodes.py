"""Episodes in files: rows are the episode; those that cannot be used get one line. And the pendulum that is drawn."""

import hashlib

import numpy as np
import pytest

from train import data
from train.data.sources import pendulum
from train.data.sources.pictures import Section
from zoo.environments import PENDULUM
from zoo.shared.errors import UserError


def section(name, **changes):
    return Section(**{"name": name, **data.defaults(name), **changes})


def load(root, split="train", **changes):
    made = section(f"episodes:{root}", **{"length": 4, "unreadable": "refuse", **changes})
    data.check(made)
    (table,) = data.load(made, split)
    return table


def episode(steps=6, ended=True, **changes):
    random = np.random.default_rng(steps)
    return {
        "observation": random.normal(size=(steps + 1, 3)).astype(np.float32),
        "action": random.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "reward": np.arange(steps, dtype=np.float32),
        "ended": np.array(ended),
        "low": np.array(-1, np.float32),
        "high": np.array(1, np.float32),
        **changes,
    }


def test_rows_are_the_episode_and_the_last_is_filled(tmp_path):
    one = episode(6)
    np.savez(tmp_path / "a.npz", **one)
    table = load(tmp_path)
    stored, counted = table.columns, table.columns["counted"] > 0
    np.testing.assert_array_equal(counted, [[True] * 4, [True, True, False, False]])
    np.testing.assert_array_equal(stored["observation"][0], one["observation"][:5])
    np.testing.assert_array_equal(stored["observation"][1], one["observation"][[4, 5, 6, 6, 6]])
    np.testing.assert_array_equal(stored["action"][counted], one["action"])
    np.testing.assert_array_equal(stored["reward"][counted], np.arange(6))
    np.testing.assert_array_equal(stored["ended"][counted], [0, 0, 0, 0, 0, 255])
    assert table.specs["observation"].kind == "latent" and table.specs["observation"].shape == (5, 3)
    assert (table.specs["action"].low, table.specs["action"].high) == (-1, 1)
    assert set(data.kinds(section(f"episodes:{tmp_path}"))) == set(stored)


def test_an_episode_that_was_cut_off_has_no_end(tmp_path):
    np.savez(tmp_path / "a.npz", **episode(8, ended=False))
    table = load(tmp_path)
    assert table.columns["ended"].max() == 0 and table.columns["counted"].min() == 255


def test_pictures_are_a_video(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", **episode(4, observation=pictures))
    table = load(tmp_path)
    np.testing.assert_array_equal(table.columns["observation"][0], pictures)
    assert table.specs["observation"].kind == "video"
    assert data.kinds(section(f"episodes:{tmp_path}"))["observation"] == "video"


def test_a_tenth_of_the_episodes_is_held_out_by_their_names(tmp_path):
    names = [f"{number:06}.npz" for number in range(20)]
    for number, name in enumerate(names):
        np.savez(tmp_path / name, **episode(4, reward=np.full(4, number, np.float32)))
    held_out = {k for k, name in enumerate(names) if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0}
    found = {split: set(load(tmp_path, split).columns["reward"].ravel().astype(int)) for split in ("train", "test")}
    assert found == {"train": set(range(20)) - held_out, "test": held_out} and held_out


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"action": np.zeros((5, 2), np.float32)}, "its actions do not match: 5 actions and 7 observations"),
        ({"reward": np.zeros(5, np.float32)}, r"its 6 actions do not match reward of shape \(5,\)"),
        ({"action": np.zeros(6, np.float32)}, r"its actions have the shape \(6,\); they must be \(steps, numbers\)"),
        ({"action": np.full((6, 2), 3, np.float32)}, r"its actions go from 3 to 3, beyond \[-1, 1\]"),
        ({"observation": np.zeros((7, 3))}, r"its observations are float64 of shape \(3,\): use pictures"),
        ({"observation": np.full((7, 3), np.nan, np.float32)}, "it holds NaN or infinity"),
        ({"ended": np.zeros(6, bool)}, "ended, low and high must be one value each"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused_in_one_line_or_skipped(tmp_path, changes, line, caplog):
    np.savez(tmp_path / "a.npz", **episode(6))
    np.savez(tmp_path / "b.npz", **episode(6, **changes))
    with pytest.raises(UserError, match=f"^cannot read .*b.npz: {line}.*set data.unreadable to 'skip'$") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(load(tmp_path, unreadable="skip")) == 2


def test_episodes_of_two_environments_do_not_mix(tmp_path):
    np.savez(tmp_path / "a.npz", **episode(6))
    np.savez(tmp_path / "b.npz", **episode(6, action=np.zeros((6, 1), np.float32)))
    with pytest.raises(UserError, match=r"its actions are float32 of shape \(1,\), those of the first .* \(2,\)"):
        load(tmp_path)
    np.savez(tmp_path / "b.npz", **episode(6, high=np.array(2, np.float32)))
    with pytest.raises(UserError, match="the bounds of its actions are not those of the first episode"):
        load(tmp_path)


def test_a_directory_without_episodes_and_damaged_files_are_told(tmp_path):
    with pytest.raises(UserError, match=r"no episode below .*: make some with python -m train.episodes"):
        load(tmp_path)
    np.savez_compressed(tmp_path / "whole.npz", **episode(6))
    broken = bytearray((tmp_path / "whole.npz").read_bytes())
    (tmp_path / "whole.npz").unlink()
    broken[60:90] = bytes(30)  # within the first array's compressed bytes
    np.save(tmp_path / "one.npy", np.zeros(3))
    for held in (b"no archive", bytes(broken), (tmp_path / "one.npy").read_bytes()):
        (tmp_path / "a.npz").write_bytes(held)
        with pytest.raises(UserError, match=r"none of the 1 episodes .* can be used: of a.npz, it is damaged"):
            load(tmp_path)
    for key, value in (("action", np.full((6, 2), "left")), ("low", np.array("x"))):
        np.savez(tmp_path / "a.npz", **episode(6, **{key: value}))
        with pytest.raises(UserError, match=f"its {key} is .*: use numbers"):
            load(tmp_path)
    np.savez(tmp_path / "a.npz", observation=np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match="it lacks action, reward, ended, low, high"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"data.length is 0; it must be a number of actions from 1 to 4096"):
        load(tmp_path, length=0)


def test_the_drawn_pendulum_is_the_environment():
    (table,) = data.load(section("pendulum", pictures=False, rows=5, length=3), "train")
    seen = table.columns["observation"].astype(np.float64)
    state = np.stack([np.arctan2(seen[..., 1], seen[..., 0]), 8 * seen[..., 2]], axis=-1)
    for step in range(3):
        following, reward, _ = PENDULUM.advance(state[:, step], table.columns["action"][:, step])
        np.testing.assert_allclose(PENDULUM.seen(following), seen[:, step + 1], atol=1e-5)
        np.testing.assert_allclose(reward, table.columns["reward"][:, step], atol=1e-4)
    (other,) = data.load(section("pendulum", pictures=False, rows=8, length=3), "test")
    assert len(other) == 2 and not np.isin(other.columns["observation"], table.columns["observation"]).any()


def test_its_pictures_show_the_angle():
    up, left, down = pendulum.drawn(np.array([0.0, np.pi / 2, np.pi]))[..., 0] > 127
    # the rod is 1 long and 0.7 wide, and round at its ends; 32 pixels are 1.4
    for picture, rows, columns in ((up, (1, 40), (24, 40)), (left, (24, 40), (1, 40)), (down, (24, 63), (24, 40))):
        high, wide = np.nonzero(picture)
        assert rows[0] <= high.min() and high.max() < rows[1]
        assert columns[0] <= wide.min() and wide.max() < columns[1]
        assert picture.sum() == pytest.approx((0.7 + np.pi * 0.35**2) * (32 / 1.4) ** 2, rel=0.03)
    (table,) = data.load(section("pendulum", rows=2, length=1), "train")
    assert table.columns["observation"].shape == (2, 2, 64, 64, 1)
