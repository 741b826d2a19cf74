import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.shared.errors import UserError
from zoo.spec import DTYPES, GeneratorSpec, TensorSpec

NAMES = st.text("abz09_", max_size=63).map("n".__add__)
SHAPES = st.lists(st.integers(1, 32), max_size=6).map(tuple)
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def tensors(draw, roles):
    role = draw(st.sampled_from(roles))
    low, high = sorted(draw(st.tuples(NUMBERS, NUMBERS).filter(lambda bounds: bounds[0] != bounds[1])))
    bounds = {} if role == "normal" else {"low": low, "high": high}
    if role in ("condition", "sample"):
        bounds = {key: bound for key, bound in bounds.items() if draw(st.booleans())}
    dtype = draw(st.sampled_from(DTYPES)) if role in ("condition", "sample") else "float32"
    return TensorSpec(draw(NAMES), draw(SHAPES), role, dtype, **bounds)


@st.composite
def specs(draw):
    parts = [
        draw(st.lists(tensors(roles), min_size=1, max_size=3))
        for roles in (["normal", "uniform", "condition"], ["sample"])
    ]
    names = {tensor.name for part in parts for tensor in part}
    if len(names) < sum(map(len, parts)):
        with pytest.raises(UserError, match="must differ"):
            GeneratorSpec(*map(tuple, parts))
        parts = [[TensorSpec("z", (2,), "normal")], [TensorSpec("x", (2,), "sample")]]
    return GeneratorSpec(*map(tuple, parts))


@given(specs())
def test_json_round_trip(spec):
    assert GeneratorSpec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False))) == spec


@given(JSON)
def test_arbitrary_json_is_a_user_error(value):
    for kind in (TensorSpec, GeneratorSpec):
        with pytest.raises(UserError):
            kind.from_json(value)


@given(
    st.fixed_dictionaries(
        {
            "name": JSON | NAMES,
            "shape": JSON | st.lists(JSON | st.integers(-1, 2**40), max_size=7),
            "role": JSON | st.sampled_from(["normal", "uniform", "condition", "sample"]),
            "dtype": JSON | st.sampled_from(DTYPES),
        },
        optional={"low": JSON | NUMBERS, "high": JSON | NUMBERS},
    )
)
def test_almost_valid_json_is_a_spec_or_a_user_error(value):
    try:
        tensor = TensorSpec.from_json(value)
    except UserError:
        return
    assert TensorSpec.from_json(json.loads(json.dumps(tensor.to_json(), allow_nan=False))) == tensor


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "Z"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "z" * 65}, "name"),
        ({"name": "z\n"}, "name"),
        ({"shape": [3]}, "shape"),
        ({"shape": (0,)}, "positive"),
        ({"shape": (True,)}, "positive"),
        ({"shape": (2.0,)}, "positive"),
        ({"shape": (1,) * 7}, "6 axes"),
        ({"shape": (2**31, 2)}, "elements"),
        ({"role": "gaussian"}, "role"),
        ({"dtype": "float64"}, "type"),
        ({"low": 0.0}, "no bounds"),
        ({"role": "uniform"}, "finite range"),
        ({"role": "uniform", "low": 0.0}, "finite range"),
        ({"role": "uniform", "low": 1.0, "high": 1.0}, "low < high"),
        ({"role": "condition", "low": math.nan}, "low < high"),
        ({"role": "condition", "low": True}, "low < high"),
        ({"role": "condition", "high": 10**400}, "low < high"),
        ({"dtype": "int32"}, "noise is of type float32"),
    ],
)
def test_bad_tensor(change, word):
    with pytest.raises(UserError, match=word):
        TensorSpec(**{"name": "z", "shape": (3,), "role": "normal", **change})


def test_bad_generator():
    noise, sample = TensorSpec("z", (2,), "normal"), TensorSpec("x", (2,), "sample")
    for inputs, outputs, word in [
        ((), (sample,), "at least one input"),
        ((noise,), (), "at least one input"),
        ((noise, noise), (sample,), "must differ"),
        ((sample,), (TensorSpec("y", (2,), "sample"),), "an input is"),
        ((noise,), (TensorSpec("y", (2,), "normal"),), "every output"),
    ]:
        with pytest.raises(UserError, match=word):
            GeneratorSpec(inputs, outputs)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"low": 1.0, "high": 2.0}, True),  # as JSON may write them
        ({"shape": (5,)}, True),
        ({"low": -(2**31), "high": 2**31 - 1}, True),
        ({"dtype": "float32"}, False),
        ({"dtype": "uint8"}, False),
        ({"role": "sample"}, False),
        ({"high": math.inf}, False),
        ({"low": -math.inf}, False),
        ({"high": 2.5}, False),
        ({"low": 0.5}, False),
        ({"high": 2**31}, False),
        ({"low": -(2**31) - 1}, False),
    ],
)
def test_classes_are_whole_conditions_that_can_be_counted(change, expected):
    fields = {"name": "label", "shape": (), "role": "condition", "dtype": "int32", "low": 0, "high": 9}
    assert TensorSpec(**fields | change).is_class is expected


def test_parts():
    noise, label = TensorSpec("z", (2,), "normal"), TensorSpec("label", (), "condition", "int32", 0, 9)
    samples = TensorSpec("x", (2,), "sample"), TensorSpec("y", (), "sample")
    spec = GeneratorSpec((label, noise), samples)
    assert (spec.noise, spec.conditions, spec.output) == ((noise,), (label,), samples[0])
