"""The moving average of the maps' weights: its recurrence, what it covers, in which order."""

from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from train.engine.averaging import MovingAverage
from train.rundir.checkpoints import Checkpoints
from train.rundir.state import state_of
from zoo.model import GenerativeModel, Map
from zoo.spec import MapSpec, TensorSpec


class Two(GenerativeModel):
    """Two maps z -> point of one weight each, of which `swapped` exchanges the order, and a critic that is no map."""

    options: ClassVar = {"swapped": False}
    reads: ClassVar = {"image": ("point",)}
    players: ClassVar = ("two",)

    def __init__(self, **config):
        super().__init__(**config)
        self.left, self.right, self.critic = (_network(name) for name in ("left", "right", "critic"))
        z = TensorSpec("z", (1,), "normal")
        maps = {
            name: Map(network, MapSpec((z,), (TensorSpec(name, (1,), "output", "point"),)))
            for name, network in (("left", self.left), ("right", self.right))
        }
        self.maps = dict(reversed(maps.items())) if self.swapped else maps


def _network(name):
    z = keras.Input((1,), name="z")
    return keras.Model({"z": z}, {name: keras.layers.Dense(1, use_bias=False)(z)})


def two(**options):
    return Two(columns={"image": (1,)}, **options)


def set_to(network, value):
    network.set_weights([np.full((1, 1), value)])


def weight_of(network):
    return network.get_weights()[0].item()


def test_the_average_is_the_textbook_recurrence():
    model = two()
    set_to(model.left, 1.0)
    averages, expected = MovingAverage(model, 0.5), 1.0
    for step in range(1, 8):
        set_to(model.left, float(step))
        averages.update(tf.constant(step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    np.testing.assert_allclose(averages.shadows[0].numpy(), [[expected]], rtol=1e-6)


def test_it_covers_the_weights_of_all_maps_and_no_other():
    model = two()
    averages = MovingAverage(model, 0.9)
    assert [id(weight) for weight in averages.weights] == [
        id(network.trainable_variables[0].value) for network in (model.left, model.right)
    ]
    assert MovingAverage(model, 0.0).weights == []


def test_it_is_applied_inside_a_block_only_and_adopted_for_good():
    model = two()
    set_to(model.left, 1.0)
    averages = MovingAverage(model, 0.9)
    set_to(model.left, 5.0)
    with averages.applied():
        assert model.maps["left"]({"z": np.ones((1, 1), np.float32)})["left"].numpy() == [[1.0]]
    assert weight_of(model.left) == 5.0
    averages.adopt()
    assert weight_of(model.left) == 1.0


def test_a_checkpoint_comes_back_to_the_same_maps_when_their_order_changes(tmp_path):
    model = two()
    set_to(model.left, 1.0)
    set_to(model.right, 2.0)
    averages = MovingAverage(model, 0.9)
    Checkpoints(tmp_path, state_of(model, averages)).save(3)
    other = two(swapped=True)
    assert list(other.maps) == ["right", "left"]
    averages = MovingAverage(other, 0.9)
    assert Checkpoints(tmp_path, state_of(other, averages)).restore() == 3
    averages.adopt()
    assert (weight_of(other.left), weight_of(other.right)) == (1.0, 2.0)
