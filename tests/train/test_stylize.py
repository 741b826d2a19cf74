"""Painting by moving pixels (Gatys et al. 2016): the objective, the optimiser, and what the program writes."""

import os
import signal

import numpy as np
import pytest
from shared import program

from zoo import images
from zoo.shared.errors import UserError

stylize = program("train.stylize")


def painted(*arguments):
    own = stylize.CONTENT._flagvalues
    own.unparse_flags()
    for name in own:
        own[name].unparse()
    own(["stylize", *arguments])
    stylize.main()


@pytest.fixture
def files(tmp_path):
    """Paths of a content of 32 x 24 pixels and a style of 16 x 40, and the flags that name them."""
    random, made = np.random.default_rng(0), []
    for flag, size in (("content", (24, 32, 3)), ("style", (40, 16, 3))):
        (tmp_path / f"{flag}.png").write_bytes(images.encode_png(random.integers(0, 256, size).astype(np.uint8)))
        made.append(f"--{flag}={tmp_path / flag}.png")
    return tmp_path, [*made, f"--output={tmp_path / 'out.png'}"]


def pictures(*sides, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (1, *sides, 3)).astype(np.float32)


def nothing(step, picture):
    pass


def test_the_losses_vanish_on_the_pictures_that_they_compare_with():
    content, painting = pictures(16, 24), pictures(16, 24, seed=1)
    objective = stylize.objective_of(content, painting, "", (1.0, 2.0, 0.5))
    for picture, name, other in ((content, "content loss", "style loss"), (painting, "style loss", "content loss")):
        loss, parts, _ = objective(picture)
        assert parts[name] == pytest.approx(0, abs=1e-9) and parts[other] > 1e-3
        weighted = parts["content loss"] + 2 * parts["style loss"] + 0.5 * parts["total variation"]
        assert loss == pytest.approx(weighted, rel=1e-5)


def test_the_gradient_is_that_of_finite_differences():
    objective = stylize.objective_of(pictures(16, 16), pictures(16, 16, seed=1), "", (1.0, 1.0, 1.0))
    picture, step = pictures(16, 16, seed=2) / 2, 1e-3
    gradient = objective(picture)[2]
    along = np.sign(gradient)  # the steepest of such steps, so that the last bits of a loss do not tell
    slope = (objective(picture + step * along)[0] - objective(picture - step * along)[0]) / (2 * step)
    assert np.abs(gradient).sum() == pytest.approx(slope, rel=1e-2)


def quadratic(target):
    def objective(picture):
        error = picture - target
        return float((error**2).sum()), {"content loss": 0.0}, 2 * error

    return objective


def test_the_optimiser_comes_to_the_minimum_within_the_range_of_a_picture():
    target = 2 * pictures(4, 4)
    found, steps = stylize.optimised(quadratic(target), np.zeros_like(target), 50, nothing)
    np.testing.assert_allclose(found, np.clip(target, -1, 1), atol=1e-3)
    assert 1 <= steps <= 50


def slow(picture):
    """A loss with a long curved valley (Rosenbrock's), which takes many steps."""
    x = picture.reshape(-1).astype(np.float64)
    ahead = x[1:] - x[:-1] ** 2
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * x[:-1] * ahead - 2 * (1 - x[:-1])
    gradient[1:] += 200 * ahead
    return float((100 * ahead**2 + (1 - x[:-1]) ** 2).sum()), {"content loss": 0.0}, gradient.reshape(picture.shape)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_last_picture(number):
    seen = []

    def show(step, picture):
        seen.append(picture)
        if step == 3:
            os.kill(os.getpid(), number)

    found, steps = stylize.optimised(slow, np.zeros((1, 2, 2, 3), np.float32), 50, show)
    assert steps == 3 == len(seen)
    np.testing.assert_array_equal(found, seen[-1])
    assert stylize.optimised(slow, np.zeros((1, 2, 2, 3), np.float32), 7, nothing)[1] == 7


def test_the_program_writes_the_picture_and_those_on_the_way(files, capsys):
    root, given = files
    painted(*given, "--size=32", "--steps=4", "--every=2")
    assert sorted(path.name for path in root.glob("out*")) == ["out-000002.png", "out-000004.png", "out.png"]
    made = images.decode(root / "out.png", None, 3)
    assert made.shape == (24, 32, 3)
    np.testing.assert_array_equal(made, images.decode(root / "out-000004.png", None, 3))
    assert "after 4 steps: content loss" in capsys.readouterr().out
    painted(*given, "--size=64", "--steps=1", "--every=0")
    assert images.size_of(root / "out.png") == (48, 64)


def test_noise_follows_from_the_seed(files):
    root, given = files
    made = []
    for seed in (0, 0, 1):
        painted(*given, "--size=32", "--steps=1", "--every=0", "--start=noise", f"--seed={seed}")
        made.append(images.decode(root / "out.png", None, 3))
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0].astype(int) - made[2]).mean() > 20


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--content=", "--content is missing"),
        ("--content=nowhere.png", "--content=nowhere.png cannot be read: No such file"),
        ("--output=x.jpg", "--output=x.jpg: end it in .png"),
        ("--output=nowhere/x.png", "there is no directory nowhere"),
        ("--size=8", "--size=8: use 16 to 2048"),
        ("--steps=0", "--steps=0: use 1 or more"),
        ("--every=-1", "--every=-1: use a number of steps"),
        ("--seed=-1", "--seed=-1: use an integer"),
        ("--tv_weight=-1", "--tv_weight=-1.0: use a number from 0"),
        ("--tv_weight=nan", "--tv_weight=nan: use a number from 0"),
        ("--features=x.pth", "a chain of convolutions in a file"),
        ("--features=vgg19:nowhere.h5", "genzoo downloads nothing"),
        ("--size=16", "take a larger --size"),
    ],
)
def test_mistakes_are_one_line(flag, said, files):
    _, given = files
    with pytest.raises(UserError) as refused:
        painted(*given, "--size=32", "--steps=1", flag)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_of_0_alone_are_refused(files):
    with pytest.raises(UserError, match="one must be above 0"):
        painted(*files[1], "--content_weight=0", "--style_weight=0", "--tv_weight=0")
