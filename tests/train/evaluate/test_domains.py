"""A model of unpaired domains: judged on pairs that it never saw as pairs, and beside the domain that it leads to."""

import numpy as np
import pytest

from train import config, data
from train.evaluate.comparison import Comparison
from train.evaluate.fitting import fitting
from train.evaluate.makers import Maker
from train.evaluate.metrics import check_declared, measure
from train.evaluate.reference import Reference, column_for
from zoo import media
from zoo.metrics import pairs as paired
from zoo.metrics.extractor import DIGITS_AND_FASHION, Extractor
from zoo.shared.errors import UserError
from zoo.spec import MapSpec, TensorSpec

TARGETS = {"fake_a": "a", "fake_b": "b"}
UNPAIRED, PAIRS = (config.source(name, image_size=8) for name in ("unpaired:shapes", "shapes"))


def maker():
    """Return maps that copy: the outline in three channels, the mean of the channels in one."""

    def spec(source, target, channels):
        condition = TensorSpec(source, (8, 8, channels[0]), "condition", "image", multiple=4, least=8)
        output = TensorSpec(target, (8, 8, channels[1]), "output", "image", follows=source)
        return MapSpec((condition,), (output,))

    def run(name, inputs):
        if name == "a_to_b":
            return {"fake_b": inputs["a"].repeat(3, axis=-1)}
        return {"fake_a": inputs["b"].mean(axis=-1, keepdims=True)}

    maps = {"a_to_b": spec("a", "fake_b", (1, 3)), "b_to_a": spec("b", "fake_a", (3, 1))}
    return Maker(maps, TARGETS, run, UNPAIRED, {})


def judged(section, name):
    made = maker()
    column = column_for(section, made.target(name))
    reference = Reference(section, "test", 20, 0, Extractor(DIGITS_AND_FASHION), column)
    return Comparison(made, reference, 20, 0, {}, name)


@pytest.mark.parametrize(("name", "source", "target"), [("a_to_b", "input", "image"), ("b_to_a", "image", "input")])
def test_hidden_pairs_judge_both_maps_in_their_direction(name, source, target):
    comparison = judged(PAIRS, name)
    line = measure(comparison, "pairs")
    (table,) = data.load(PAIRS, "test")
    rows = {column: table.columns[column][comparison.reference.chosen] for column in (source, target)}
    if name == "a_to_b":
        made = rows[source].repeat(3, axis=-1)
        assert line["baselines"]["do_nothing"]["l1"] == line["l1"]
    else:
        made = media.stored(maker().output(name), (rows[source] / 127.5 - 1).mean(axis=-1, keepdims=True))
    assert line["l1"] == pytest.approx(paired.l1(made, rows[target]).mean(), abs=1e-6)
    assert line["protocol"]["reference"]["name"] == "shapes"
    assert line["count"] == 20


@pytest.mark.parametrize(("name", "column", "channels"), [("a_to_b", "b", 3), ("b_to_a", "a", 1)])
def test_samples_stand_beside_the_domain_that_a_map_leads_to(name, column, channels):
    reference = judged(UNPAIRED, name).reference
    source = data.load(UNPAIRED, "test")
    (table,) = [table for table in source if column in table.specs]
    np.testing.assert_array_equal(reference.images, table.columns[column][reference.chosen])
    assert reference.images.shape[-1] == channels
    assert reference.protocol["column"] == column
    assert len(reference.of_split("train")) == 1000


def test_unpaired_domains_are_no_pairs():
    with pytest.raises(
        UserError, match=r"those of unpaired:shapes do not: name some that do, such as --reference=pairs"
    ):
        check_declared("pairs", "cyclegan", TARGETS, UNPAIRED, "--metrics=")
    check_declared("pairs", "cyclegan", TARGETS, PAIRS, "--metrics=")
    with pytest.raises(UserError, match="belong together"):
        measure(judged(UNPAIRED, "a_to_b"), "pairs")
    assert (fitting(maker(), UNPAIRED)[0], fitting(maker(), PAIRS)[0]) == ("frechet", "pairs")
