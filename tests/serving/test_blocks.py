"""Blocks: sample k sits in the same row of the same block, whoever asks for it; many run in large blocks."""

import itertools

import numpy as np
import pytest
from shared import tiny_config, trained

import serving
from export import build
from zoo.runtime import BLOCK, LOOP_BLOCK
from zoo.spec import MapSpec, TensorSpec

FAR = 2**63 - 1


def opened(path):
    """Return the only map of a bundle as the runtime opens it, and a list of the block sizes that it runs."""
    made = serving.load(path)["generate"]._opened
    sizes, run = [], made._session.run
    made._session = type(
        "Watched", (), {"run": lambda _, names, inputs: (sizes.append(len(inputs["z"])), run(names, inputs))[1]}
    )()
    return made, sizes


def test_blocks_grow_from_one_sample_to_the_most(bundle_path):
    made, _ = opened(bundle_path)
    blocks = [made.block_of(k) for k in range(3 * BLOCK)]
    assert list(dict.fromkeys(blocks)) == [range(0, 1), range(1, 4), range(4, 16), range(16, 32), range(32, 48)]
    assert all(k in block for k, block in enumerate(blocks))
    assert made.block_of(FAR) == range(FAR - 15, FAR + 1)


@pytest.mark.parametrize("start", [0, 1, 3, 15, 16, 17, FAR - 20])
@pytest.mark.parametrize("count", [1, 2, 15, 16, 40])
def test_parts_are_all_samples_in_order_and_none_crosses_a_block(bundle_path, start, count):
    made, _ = opened(bundle_path)
    parts = list(made.parts(start, count))
    assert [k for part in parts for k in part] == list(range(start, start + count))
    for part in parts:
        assert made.block_of(part[0]) == made.block_of(part[-1])
    for before, after in itertools.pairwise(parts):
        assert made.block_of(before[-1]) != made.block_of(after[0])


def test_parts_of_a_least_size_end_with_a_block(bundle_path):
    made, _ = opened(bundle_path)
    assert list(made.parts(5, 60, 20)) == [range(5, 32), range(32, 64), range(64, 65)]
    assert list(made.parts(0, 3, 20)) == [range(3)]


def test_one_sample_runs_alone_and_a_part_of_a_block_runs_the_whole_of_it(bundle_path):
    made, sizes = opened(bundle_path)
    z = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    whole = made.run({"z": z})["image"]
    assert sizes == [1, 3, 12, 16, 16]
    for first, last, blocks in ((0, 1, [1]), (2, 3, [3]), (5, 7, [12]), (15, 18, [12, 16]), (39, 40, [16])):
        sizes.clear()
        np.testing.assert_array_equal(made.run({"z": z[first:last]}, first)["image"], whole[first:last])
        assert sizes == blocks


@pytest.mark.parametrize("batch_size", [1, 5, 16, 64, 100])
def test_a_stream_runs_each_block_once_whatever_its_batch_size(bundle_path, batch_size):
    generator = serving.Generator(bundle_path)
    generator._map._opened, sizes = opened(bundle_path)
    chunks = list(generator.stream(100, batch_size=batch_size))
    assert sizes == [1, 3, 12, *[16] * 6]
    assert [len(chunk) for chunk in chunks[:-1]] == [batch_size] * (len(chunks) - 1)
    assert sum(map(len, chunks)) == 100


def test_large_tensors_run_in_smaller_blocks(factory):
    side = 2**7 + 1
    spec = MapSpec((TensorSpec("z", (1,), "normal"),), (TensorSpec("image", (side, side, 1), "output", "image"),))
    assert opened(factory(spec))[0].most == BLOCK // 4


@pytest.mark.parametrize(("model", "most"), [("dcgan", BLOCK), ("nade", LOOP_BLOCK)])
def test_a_graph_that_loops_runs_larger_blocks_and_no_call_changes_a_bit(model, most, tmp_path):
    """A loop is recognised in the file that the export writes."""
    trained(tiny_config(model, train_steps=2), tmp_path / "run")
    build.build(tmp_path / "run", tmp_path / "bundle")
    generator = serving.Generator(tmp_path / "bundle")
    assert generator._map._opened.most == most
    whole = generator.sample(2 * LOOP_BLOCK + 3, seed=4, dtype="float32")
    for batch_size in (1, 5, 16, 150):
        chunks = list(generator.stream(len(whole), seed=4, batch_size=batch_size, dtype="float32"))
        np.testing.assert_array_equal(np.concatenate(chunks), whole)
    for count, start in ((1, 20), (3, 0), (17, 0), (30, 120), (100, 150)):
        part = generator.sample(count, seed=4, start=start, dtype="float32")
        np.testing.assert_array_equal(part, whole[start : start + count])
