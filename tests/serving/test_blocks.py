"""A graph that loops runs in larger blocks: it is recognised in the file that the export writes."""

import numpy as np
import pytest
from shared import tiny_config, trained

import serving
from export import build
from zoo.runtime import BLOCK, LOOP_BLOCK


@pytest.mark.parametrize(("model", "block"), [("dcgan", BLOCK), ("nade", LOOP_BLOCK)])
def test_the_block_follows_from_the_graph_and_the_batch_changes_nothing(model, block, tmp_path):
    trained(tiny_config(model, train_steps=2), tmp_path / "run")
    build.build(tmp_path / "run", tmp_path / "bundle")
    generator = serving.Generator(tmp_path / "bundle")
    assert generator._map._opened.block == block
    whole = generator.sample(2 * LOOP_BLOCK + 3, seed=4, dtype="float32")
    for batch_size in (1, 5, 16):
        chunks = list(generator.stream(len(whole), seed=4, batch_size=batch_size, dtype="float32"))
        np.testing.assert_array_equal(np.concatenate(chunks), whole)
    np.testing.assert_array_equal(generator.sample(1, seed=4, start=20, dtype="float32")[0], whole[20])
