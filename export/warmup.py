"""Warm-up requests of a SavedModel: TF Serving runs them through a version before that serves anyone.

The first call of a signature plans its graph and sets kernels up, for which a client would wait. TF Serving reads
`assets.extra/tf_serving_warmup_requests` (its guide "SavedModel Warmup"): TFRecords of `PredictionLog` messages, 1,000
at most. A request that fails makes the version fail to load.

The messages are encoded here: the package that declares them, tensorflow-serving-api, would be needed for nothing else.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo import noise
from zoo.shared.protobuf import field
from zoo.spec import MapSpec

FILE = "assets.extra/tf_serving_warmup_requests"
_SEED = 0


def inputs_of(spec: MapSpec, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one row of every input, by name: noise of seed 0, and the first of the rows `given` for the conditions.

    A picture whose sides are free is cut to the smallest sides that its map takes.
    """
    rows = noise.cycled(given, 1)
    for tensor in spec.conditions:
        if tensor.multiple:
            side = tensor.nearest_side(0)
            rows[tensor.name] = rows[tensor.name][:, :side, :side]
    return noise.fill(spec, 1, _SEED, given=rows)


def write(requests: Mapping[str, Mapping[str, np.ndarray]], model: str, directory: Path) -> None:
    """Write a request for each signature of the SavedModel at `directory`, by name, from its inputs by theirs.

    `model` is the name that the requests bear; TF Serving does not compare it with that which it serves under.
    """
    (directory / FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(directory / FILE)) as writer:
        for signature, inputs in requests.items():
            writer.write(prediction_log(model, signature, inputs))


def prediction_log(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Return the `PredictionLog` of a `PredictRequest`; tensorflow_serving/apis/*.proto number the fields."""
    request = field(1, field(1, model.encode()) + field(3, signature.encode()))  # model_spec: name, signature_name
    for name, values in inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        request += field(2, field(1, name.encode()) + field(2, tensor))  # an entry of the map `inputs`: key, value
    return field(6, field(1, request))  # predict_log: request
