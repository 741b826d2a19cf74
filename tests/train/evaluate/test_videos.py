"""Nats a frame, of makers whose figures are known."""

import numpy as np
import pytest

from train import config
from train.evaluate.comparison import Comparison
from train.evaluate.fitting import fitting
from train.evaluate.makers import Maker
from train.evaluate.metrics import check_declared, check_possible, measure
from train.evaluate.reference import Reference
from zoo.metrics.extractor import PICTURES, Extractor
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

SHAPE = (6, 10, 10, 1)


def maps(levels=2, given=0):
    video = TensorSpec("video", SHAPE, "condition", "video", levels=levels)
    made = TensorSpec("video", SHAPE, "output", "video", levels=levels)
    nats = TensorSpec("log_prob", (), "output", "nats"), TensorSpec("by_frame", SHAPE[:1], "output")
    u = TensorSpec("u", SHAPE, "uniform", low=0.0, high=1.0)
    found = {"generate": MapSpec((u,), (made,)), "log_prob": MapSpec((video,), nats)}
    if given:
        first = TensorSpec("given", (given, *SHAPE[1:]), "condition", "video")
        found["continue"] = MapSpec((first, u), (TensorSpec("continued", SHAPE, "output", "video"),))
    return found


def compared(run, own_maps, **options):
    section = config.source("moving_digits:digits", frames=6, side=10, count=1, **options)
    reference = Reference(section, "test", 50, 0, Extractor(PICTURES))
    return Comparison(Maker(own_maps, {}, run, section, {}), reference, 50, 0, {})


def counting(name, inputs):
    """Return 1 nat for the first frame, 2 for the second, and so on."""
    by_frame = -np.broadcast_to(np.arange(1.0, 7), (len(inputs["video"]), 6))
    return {"log_prob": by_frame.sum(axis=1), "by_frame": by_frame}


@pytest.mark.parametrize(("given", "mean"), [(0, 4.0), (1, 4.0), (4, 5.5)])
def test_each_frame_stands_apart_and_the_mean_is_of_those_that_are_not_given(given, mean):
    line = measure(compared(counting, maps(given=given)), "nats_per_frame")
    assert line["by_frame"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert line["nats_per_frame"] == pytest.approx(mean) and line["standard_error"] == pytest.approx(0)
    assert (line["given_frames"], line["rows"], line["levels"], line["pixels"]) == (given or 1, 50, 2, 100)


def test_the_simple_models_stand_beside_it():
    line = measure(compared(counting, maps()), "nats_per_frame")
    copy, independent = (line["baselines"][name] for name in ("copy_last_frame", "independent_pixels"))
    assert len(copy["by_frame"]) == len(independent["by_frame"]) == 6
    # the first frame has no last one: both know the same of it, up to the frames they were fitted to
    assert copy["by_frame"][0] == pytest.approx(independent["by_frame"][0], rel=0.05)
    assert copy["nats_per_frame"] < independent["nats_per_frame"]
    assert copy["nats_per_frame"] == pytest.approx(np.mean(copy["by_frame"][1:]), abs=1e-3)


def test_a_maker_that_copies_the_last_frame_has_the_figures_of_that_row():
    from zoo import media
    from zoo.metrics.videos import copied

    comparison = compared(None, maps())
    video = maps()["log_prob"].conditions[0]
    fitted = copied(media.stored(video, comparison.reference.rows_of("train", 2000)["video"]), 2)

    def run(name, inputs):
        by_frame = fitted(media.stored(video, inputs["video"]))
        return {"log_prob": by_frame.sum(axis=1), "by_frame": by_frame}

    line = measure(compared(run, maps()), "nats_per_frame")
    assert line["nats_per_frame"] == pytest.approx(line["baselines"]["copy_last_frame"]["nats_per_frame"])
    assert line["standard_error"] == pytest.approx(line["baselines"]["copy_last_frame"]["standard_error"])


def test_what_it_cannot_judge_is_refused_in_one_line():
    with pytest.raises(UserError, match="a probability of videos of 2 levels, and those of moving_digits:digits have"):
        measure(compared(counting, maps(), levels=4), "nats_per_frame")
    alone = {**maps(), "log_prob": MapSpec(maps()["log_prob"].inputs, maps()["log_prob"].outputs[:1])}
    with pytest.raises(UserError, match="needs a likelihood of each frame"):
        measure(compared(counting, alone), "nats_per_frame")
    with pytest.raises(UserError, match="nats_per_frame is for the likelihood of kind video"):
        image = TensorSpec("image", (4, 4, 1), "condition", "image", levels=2)
        own = {"log_prob": MapSpec((image,), maps()["log_prob"].outputs[:1])}
        check_possible("nats_per_frame", Maker(own, {}, counting, None, {}), None)
    with pytest.raises(UserError, match="no finite numbers"):
        measure(
            compared(lambda name, inputs: {k: v - np.inf for k, v in counting(name, inputs).items()}, maps()),
            "nats_per_frame",
        )


def test_it_is_what_fits_a_likelihood_of_videos_and_pictures_metrics_do_not():
    assert fitting(Maker(maps(), {}, counting, None, {})) == ["nats_per_frame"]
    section = config.source("moving_digits:digits")
    for name in ("frechet", "log_likelihood"):
        with pytest.raises(UserError, match="moving_digits:digits holds kind video"):
            check_declared(name, "video_pixel_network", {}, section, "")
