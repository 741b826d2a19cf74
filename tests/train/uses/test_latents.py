"""Sums of latents on a linear generator, whose direction is known; truncation with planted features."""

from types import SimpleNamespace

import numpy as np
import pytest

from train.uses import latents
from zoo.metrics.manifold import precision_recall
from zoo.noise import fill
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

D = 16


@pytest.fixture(scope="module")
def toy():
    """Return samples whose trait is that z lies beyond a plane through 0, and whose class is the sign of z_0."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, D))
    normal = np.append(0.0, rng.normal(size=D - 1))
    normal /= np.linalg.norm(normal)
    return latents.Judged(z, (z[:, 0] > 0).astype(int), z @ normal > 0), normal


def test_the_difference_of_all_is_the_known_direction(toy):
    judged, normal = toy
    for kind in (0, 1):
        assert latents.difference(judged, kind) @ normal > 0.98


def test_sums_have_the_trait_and_keep_the_class_and_their_steps_are_as_long(toy):
    judged, normal = toy
    made = latents.arithmetic(judged, 200, 0)
    assert made["sum"].shape == (400, D) and sorted(np.unique(made["kinds"])) == [0, 1]
    np.testing.assert_allclose(made["sum"], made["with"] - made["without"] + made["alone"])
    lengths = {row: np.linalg.norm(made[row] - made["alone"], axis=1) for row in ("sum", "direction", "random")}
    np.testing.assert_allclose(lengths["direction"], lengths["sum"])
    np.testing.assert_allclose(lengths["random"], lengths["sum"])
    # the operands are of their groups, the third of the class that the sum shall have
    for part, wanted in (("with", True), ("without", False), ("alone", False)):
        assert ((made[part] @ normal > 0) == wanted).all()
    assert ((made["alone"][:, 0] > 0) == made["kinds"]).all()
    shares = {row: (made[row] @ normal > 0).mean() for row in latents.ROWS}
    assert shares["alone"] == 0 < shares["random"] < 0.5 < shares["sum"] <= shares["direction"]
    # three means of three have the norm of one latent
    assert (made["sum"] ** 2).sum(axis=1).mean() == pytest.approx(D, rel=0.35)


def test_too_few_samples_of_a_group_are_an_error(toy):
    judged, _ = toy
    with pytest.raises(UserError, match="two classes of six"):
        latents.arithmetic(latents.Judged(judged.z[:8], judged.kinds[:8], judged.traits[:8]), 1, 0)


def test_ink_is_the_mean_level():
    np.testing.assert_allclose(latents.ink_of(np.array([[[[0], [255]]], [[[51], [51]]]], np.uint8)), [0.5, 0.2])


def test_truncation_is_that_of_serving_and_trades_variety_for_quality():
    spec = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("point", (2,), "output", "point"),))
    real = np.random.default_rng(0).normal(scale=0.5, size=(300, 2)).astype(np.float32)
    extractor = lambda z: SimpleNamespace(features=z)  # noqa: E731
    found = {t: latents.truncated(spec, lambda z: z, extractor, real, t, 5) for t in (None, 0.3)}
    wanted = precision_recall(real, fill(spec, 300, 5, truncation=0.3)["z"])
    assert found[0.3]["precision"] == wanted["precision"] and found[0.3]["recall"] == wanted["recall"]
    assert found[0.3]["recall"] < 0.5 < found[None]["recall"]
    assert found[0.3]["precision"] > 0.9 > found[None]["precision"]
