import numpy as np
import pytest

from train.data import Source
from train.data.batches import Batches, held_out
from zoo.shared.errors import UserError


def source(count=10, grey=None):
    """Return `count` images whose pixels, and labels, all hold their own index (or the level `grey`)."""
    levels = np.arange(count) if grey is None else np.full(count, grey)
    images = np.broadcast_to(levels[:, None, None, None], (count, 4, 4, 1)).astype(np.uint8)
    return Source(images, np.arange(count, dtype=np.int32), (), "counting images")


def points(count=10, dimensions=2):
    """Return `count` points, far from [-1, 1], whose coordinates and label all hold their own index."""
    indices = np.arange(count, dtype=np.int32)
    return Source(np.repeat(100 + indices[:, None], dimensions, axis=1).astype(np.float32), indices, (), "points")


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 24])
def test_every_epoch_is_a_fresh_permutation_and_nothing_is_dropped(batch_size):
    batches = Batches(source(), batch_size, seed=7)
    stream = np.concatenate([batches.indices(step) for step in range(40)])
    assert stream.shape == (40 * batch_size,)
    epochs = stream[: len(stream) // 10 * 10].reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(10), (len(epochs), 1)))
    assert len(np.unique(epochs, axis=0)) == len(epochs)


def test_the_order_is_the_documented_one_and_any_step_is_reachable_at_once():
    expected = [np.random.Generator(np.random.Philox(key=[7, epoch])).permutation(10) for epoch in range(3)]
    np.testing.assert_array_equal(
        [Batches(source(), 4, seed=7).indices(step) for step in range(7)], np.concatenate(expected)[:28].reshape(7, 4)
    )
    late = Batches(source(), 4, seed=7).indices(10**9)
    assert late.shape == (4,) and set(late) <= set(range(10))


def test_seeds_differ_and_any_integer_is_one():
    orders = [Batches(source(50), 50, seed).indices(0).tolist() for seed in (0, 1, -1, 2**63)]
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_the_parts_of_the_replicas_make_the_global_batch(binarize):
    batches = Batches(source(grey=100), 12, 3, binarize)
    for step in (0, 5):
        whole = batches.example(step)
        assert whole["image"].shape == (12, 4, 4, 1) and whole["image"].dtype == np.uint8
        assert whole["label"].dtype == np.int32
        np.testing.assert_array_equal(whole["label"], batches.indices(step))
        for replicas in (2, 3, 12):
            parts = [batches.example(step, replica, replicas) for replica in range(replicas)]
            for name, value in whole.items():
                np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), value)


def test_images_belong_to_their_labels():
    example = Batches(source(), 7, 0).example(3)
    np.testing.assert_array_equal(example["image"][:, 0, 0, 0], example["label"])


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(UserError, match="batch_size 10 is not divisible by 4 replicas"):
        Batches(source(), 10, 0).example(0, 0, 4)
    with pytest.raises(UserError, match="not divisible"):
        Batches(source(), 10, 0).dataset(0, 1, replicas=3)


@pytest.mark.parametrize("grey", [0, 1, 64, 191, 254, 255])
def test_binarisation_has_the_grey_level_as_its_mean(grey):
    count = 2000
    image = Batches(source(count, grey), count, 0, "dynamic").example(0)["image"]
    assert set(np.unique(image)) <= {0, 255}
    chance = grey / 255
    deviation = np.sqrt(chance * (1 - chance) / image.size)
    assert abs((image == 255).mean() - chance) <= 5 * deviation


def test_binarisation_is_redrawn_in_each_epoch_and_repeats_for_a_step():
    batches = Batches(source(10, 128), 10, 0, "dynamic")
    first, again, later = (batches.example(step)["image"] for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0.3 < (first != later).mean() < 0.7
    other = Batches(source(10, 128), 10, 1, "dynamic").example(0)["image"]
    assert (first != other).any()


def test_the_held_out_split_is_drawn_once():
    grey = held_out(source(256), "none")
    assert grey.dtype == np.float32 and grey.shape == (256, 4, 4, 1)
    np.testing.assert_allclose(grey[:, 0, 0, 0], np.linspace(-1, 1, 256), atol=1e-6)
    assert grey.min() == -1 and grey.max() == 1
    drawn = held_out(source(500, 64), "dynamic")
    assert set(np.unique(drawn)) == {-1, 1}
    assert abs((drawn == 1).mean() - 64 / 255) < 0.03
    np.testing.assert_array_equal(drawn, held_out(source(500, 64), "dynamic"))
    assert (drawn != held_out(source(500, 64), "dynamic", seed=1)).any()


def test_the_dataset_yields_each_local_replica_in_turn_and_resumes_anywhere():
    batches = Batches(source(256), 8, 5, "dynamic")
    dataset = batches.dataset(0, 6, local_replicas=2, first_replica=2, replicas=4)
    assert dataset.element_spec["image"].shape == (2, 4, 4, 1)
    assert dataset.element_spec["label"].shape == (2,)
    assert dataset.options().experimental_distribute.auto_shard_policy.name == "OFF"
    stream = list(dataset.as_numpy_iterator())
    assert len(stream) == 12
    for position, element in enumerate(stream):
        example = batches.example(position // 2, 2 + position % 2, 4)
        assert element["image"].dtype == np.float32 and element["label"].dtype == np.int32
        np.testing.assert_array_equal(element["image"], np.where(example["image"] == 255, 1, -1))
        np.testing.assert_array_equal(element["label"], example["label"])
    resumed = batches.dataset(4, 2, local_replicas=2, first_replica=2, replicas=4)
    for element, expected in zip(resumed.as_numpy_iterator(), stream[8:], strict=True):
        np.testing.assert_array_equal(element["image"], expected["image"])
        np.testing.assert_array_equal(element["label"], expected["label"])


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_points_are_handed_over_as_they_are(dimensions):
    batches = Batches(points(10, dimensions), 6, 5)
    dataset = batches.dataset(0, 30, local_replicas=2, first_replica=0, replicas=2)
    assert dataset.element_spec["image"].shape == (3, dimensions)
    stream = list(dataset.as_numpy_iterator())
    assert len(stream) == 60
    for position, element in enumerate(stream):
        step, replica = divmod(position, 2)
        expected = batches.indices(step)[3 * replica : 3 * replica + 3]
        np.testing.assert_array_equal(element["label"], expected)
        np.testing.assert_array_equal(element["image"], np.repeat(100 + expected[:, None], dimensions, axis=1))
        assert element["image"].dtype == np.float32
    resumed = batches.dataset(29, 1, local_replicas=2, first_replica=0, replicas=2)
    for element, expected in zip(resumed.as_numpy_iterator(), stream[58:], strict=True):
        np.testing.assert_array_equal(element["image"], expected["image"])


def test_the_order_depends_on_seed_and_step_alone_and_not_on_what_is_ordered():
    for seed in (0, 3):
        of_points, of_images = Batches(points(), 4, seed), Batches(source(), 4, seed)
        for step in (5, 0, 2):
            np.testing.assert_array_equal(of_points.indices(step), of_images.indices(step))


def test_held_out_points_are_the_points():
    np.testing.assert_array_equal(held_out(points(), "none"), points().samples)


def test_the_fingerprint_tells_every_sample_and_label_and_that_of_pictures_stays():
    pictures = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4, 1)
    labels = np.arange(5, dtype=np.int32)
    known = "0fc3f00318ceea91121935477c9d293d005f8685c48d65bed1e36422e249d143"
    assert Source(pictures, labels, (), "").fingerprint() == known
    nearly = points().samples.copy()
    nearly[-1, -1] = np.nextafter(nearly[-1, -1], np.float32(np.inf))
    others = [Source(nearly, points().labels, (), ""), Source(points().samples, points().labels[::-1].copy(), (), "")]
    assert len({one.fingerprint() for one in (points(), points(20), *others)}) == 4


def test_the_dataset_maps_bytes_to_minus_one_to_one():
    (element,) = Batches(source(256), 256, 0).dataset(0, 1).as_numpy_iterator()
    levels = np.sort(element["image"][:, 0, 0, 0])
    np.testing.assert_allclose(levels, np.arange(256) / 127.5 - 1, atol=2e-7)
    assert levels[0] == -1 and levels[-1] == 1
