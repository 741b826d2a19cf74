import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.shared.errors import UserError
from zoo.spec import KINDS, ROLES, MapSpec, TensorSpec, check_maps, column

NAMES = st.text("abz09_", max_size=63).map("n".__add__)
SIZES = st.integers(1, 32)
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SHAPES = {  # of each kind
    "image": st.tuples(SIZES, SIZES, SIZES),
    "video": st.tuples(SIZES, SIZES, SIZES, SIZES),
    "audio": st.tuples(SIZES),
    "point": st.tuples(SIZES),
    "class": st.just(()),
    "attributes": st.tuples(SIZES),
    "action": st.tuples(SIZES) | st.tuples(SIZES, SIZES),
    "mask": st.tuples(SIZES) | st.tuples(SIZES, SIZES, st.just(1)),
    "latent": st.lists(SIZES, max_size=6).map(tuple),
    "nats": st.just(()),
}
FREE = {"kind": "image", "shape": (8, 8, 3)}


@st.composite
def bounds(draw, low=-1e6, high=1e6, whole=False):
    numbers = st.integers(int(low), int(high)) if whole else st.floats(low, high)
    pair = draw(st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]))
    return dict(zip(("low", "high"), sorted(pair), strict=True))


@st.composite
def tensors(draw, roles=ROLES):
    role = draw(st.sampled_from(roles))
    if role in ("normal", "uniform"):
        range_ = draw(bounds()) if role == "uniform" else {}
        return TensorSpec(draw(NAMES), draw(SHAPES["latent"]), role, **range_)
    kind = draw(st.sampled_from(sorted(KINDS)))
    shape, known = draw(SHAPES[kind]), KINDS[kind]
    range_ = draw(bounds(max(known.low, -1e6), min(known.high, 1e6), known.dtype == "int32"))
    range_ = {key: bound for key, bound in range_.items() if draw(st.booleans())}
    more = {}
    if kind == "attributes":
        more["names"] = tuple(f"attribute {index}" for index in range(shape[0]))
    if kind in ("audio", "video", "action"):
        more["rate"] = draw(st.sampled_from([0.0, 25, 44_100.0]))
    if role == "output":
        more["levels"] = draw(st.sampled_from([0, 2, 256]))
        more["chosen"] = draw(st.booleans())
    if role == "condition" and len(shape) == 3 and kind in ("image", "mask"):
        more["multiple"] = draw(st.sampled_from([0, math.gcd(*shape[:2])]))
        more["least"] = min(shape[:2]) if more["multiple"] else 0
    return TensorSpec(draw(NAMES), shape, role, kind, **range_, **more)


@st.composite
def specs(draw):
    parts = [
        draw(st.lists(tensors(roles), min_size=1, max_size=3))
        for roles in (["normal", "uniform", "condition"], ["output"])
    ]
    names = {tensor.name for part in parts for tensor in part}
    if len(names) < sum(map(len, parts)):
        with pytest.raises(UserError, match="must differ"):
            MapSpec(*map(tuple, parts))
        parts = [[TensorSpec("z", (2,), "normal")], [TensorSpec("x", (2,), "output")]]
    return MapSpec(*map(tuple, parts))


@given(specs())
def test_json_round_trip(spec):
    assert MapSpec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False))) == spec


@given(JSON)
def test_arbitrary_json_is_a_user_error(value):
    for kind in (TensorSpec, MapSpec):
        with pytest.raises(UserError):
            kind.from_json(value)


@given(
    st.fixed_dictionaries(
        {
            "name": JSON | NAMES,
            "shape": JSON | st.lists(JSON | st.integers(-1, 2**40), max_size=7),
            "role": JSON | st.sampled_from(ROLES),
            "kind": JSON | st.sampled_from(sorted(KINDS)),
        },
        optional={
            "low": JSON | NUMBERS,
            "high": JSON | NUMBERS,
            "names": JSON | st.lists(JSON, max_size=3),
            "rate": JSON | NUMBERS,
            "levels": JSON | NUMBERS,
            "chosen": JSON | st.booleans(),
            "keeps": JSON | NAMES,
        },
    )
)
def test_almost_valid_json_is_a_spec_or_a_user_error(value):
    try:
        tensor = TensorSpec.from_json(value)
    except UserError:
        return
    assert TensorSpec.from_json(json.loads(json.dumps(tensor.to_json(), allow_nan=False))) == tensor


def test_json_holds_what_is_not_already_the_kind_s():
    image = TensorSpec("image", (8, 8, 3), "output", "image", low=-1.0, high=1.0)
    assert image.to_json() == {"name": "image", "shape": [8, 8, 3], "role": "output", "kind": "image"}
    label = TensorSpec("label", (), "condition", "class", low=0, high=1, names=("cat", "dog"))
    assert label.to_json() == {
        "name": "label",
        "shape": [],
        "role": "condition",
        "kind": "class",
        "low": 0,
        "high": 1,
        "names": ["cat", "dog"],
    }
    sound = TensorSpec("audio", (100,), "output", "audio", rate=16000, levels=256, companding="mu_law")
    assert sound.to_json() == {
        "name": "audio",
        "shape": [100],
        "role": "output",
        "kind": "audio",
        "rate": 16000,
        "levels": 256,
        "companding": "mu_law",
    }
    assert TensorSpec.from_json(sound.to_json()) == sound


FITTING = {  # shapes of each kind that fit, and others that do not
    "image": ([(8, 8, 3), (1, 1, 1)], [(8, 8), (2, 8, 8, 3), ()]),
    "video": ([(4, 8, 8, 3)], [(8, 8, 3), (1, 4, 8, 8, 3)]),
    "audio": ([(100,)], [(), (100, 2)]),
    "point": ([(1,), (7,)], [(), (2, 2)]),
    "class": ([()], [(1,), (2, 2)]),
    "attributes": ([(5,)], [(), (5, 2)]),
    "action": ([(3,), (10, 3)], [(), (1, 10, 3)]),
    "mask": ([(8, 8, 1), (100,)], [(8, 8), (8, 8, 3), ()]),
    "latent": ([(), (1,), (1,) * 6], []),
    "nats": ([()], [(1,)]),
}
RANGES = {"image": (-1, 1), "video": (-1, 1), "audio": (-1, 1), "mask": (0, 1), "attributes": (0, 1)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_shapes_its_type_and_its_range(kind):
    fitting, others = FITTING[kind]
    for shape in fitting:
        tensor = TensorSpec("x", shape, "output", kind)
        assert tensor.dtype == ("int32" if kind in ("class", "attributes") else "float32")
        whole = (-(2**31), 2**31 - 1) if kind == "class" else (-math.inf, math.inf)
        assert (tensor.low, tensor.high) == RANGES.get(kind, whole)
    for shape in others:
        with pytest.raises(UserError, match=f"kind '{kind}' has the shape") as error:
            TensorSpec("x", shape, "output", kind)
        assert "\n" not in str(error.value)
    assert set(FITTING) == set(KINDS)


@pytest.mark.parametrize("kind", RANGES)
def test_a_range_wider_than_the_kind_s_is_refused(kind):
    shape = FITTING[kind][0][0]
    for bound in ({"low": -1.5}, {"high": 2}):
        with pytest.raises(UserError, match=rf"kind '{kind}' lies within \[{RANGES[kind][0]}, 1\], not "):
            TensorSpec("x", shape, "condition", kind, **bound)
    assert TensorSpec("x", shape, "condition", kind, low=0, high=1).high == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "Z"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "z" * 65}, "name"),
        ({"name": "z\n"}, "name"),
        ({"name": "inputs"}, "name"),
        ({"name": "self"}, "name"),
        ({"name": 3}, "name"),
        ({"shape": [3]}, "shape"),
        ({"shape": (0,)}, "positive"),
        ({"shape": (True,)}, "positive"),
        ({"shape": (2.0,)}, "positive"),
        ({"shape": (1,) * 7}, "6 axes"),
        ({"shape": (2**31, 2)}, "elements"),
        ({"role": "gaussian"}, "role 'gaussian' is none of normal, uniform, condition, output"),
        ({"role": ["normal"]}, "role"),
        ({"kind": "picture"}, "kind 'picture' is none of image, "),
        ({"kind": ["image"]}, "kind"),
        ({"dtype": "float64"}, "is of type float32, not 'float64'"),
        ({"dtype": "int32"}, "is of type float32, not 'int32'"),
        ({"kind": "point"}, "noise is of kind 'latent', not 'point'"),
        ({"low": 0.0}, "no bounds"),
        ({"role": "uniform"}, "finite range"),
        ({"role": "uniform", "low": 0.0}, "finite range"),
        ({"role": "uniform", "low": 1.0, "high": 1.0}, "low < high"),
        ({"role": "uniform", "low": math.inf, "high": math.inf}, "low < high"),
        ({"role": "condition", "low": math.nan}, "low < high"),
        ({"role": "condition", "low": True}, "low < high"),
        ({"role": "condition", "low": "0"}, "low < high"),
        ({"role": "condition", "high": 10**400}, "low < high"),
        ({"role": "condition", "low": math.inf}, "low < high"),
        ({"role": "condition", "high": -math.inf}, "low < high"),
        ({"role": "normal", "kind": "latent", "levels": 4}, "noise has no levels"),
        ({"role": "output", "levels": 1}, "levels 1"),
        ({"role": "output", "levels": 4.0}, "levels 4.0"),
        ({"role": "output", "levels": True}, "levels True"),
        ({"role": "output", "chosen": 1}, "chosen 1: use true or false"),
        ({"role": "condition", "chosen": True}, "chosen True: .* true for outputs only"),
        ({"role": "output", "companding": "mu_law", "levels": 256}, "only levels of sound have one"),
        ({"role": "output", "kind": "audio", "companding": "mu_law"}, "only levels of sound have one, 'mu_law'"),
        ({"role": "output", "kind": "audio", "companding": "a_law", "levels": 256}, "companding 'a_law'"),
        ({"role": "condition", "keeps": "given"}, "only a condition of kind 'mask' keeps another"),
        ({"role": "output", "kind": "mask", "keeps": "given"}, "only a condition of kind 'mask' keeps another"),
        ({"role": "condition", "kind": "mask", "keeps": 3}, "keeps 3"),
        ({"rate": 10}, "only audio, video and actions have a rate, not kind 'latent'"),
        ({"role": "output", "kind": "audio", "rate": -1}, "rate -1"),
        ({"role": "output", "kind": "audio", "rate": math.inf}, "rate inf"),
        ({"role": "output", "kind": "audio", "rate": True}, "rate True"),
        ({"names": ("a", "b", "c")}, "only classes and attributes have names, not kind 'latent'"),
        ({"role": "condition", "kind": "attributes", "names": ("a", "b")}, "needs 3 different names, got 2"),
        ({"role": "condition", "kind": "attributes", "names": ("a", "b", "a")}, "needs 3 different names"),
        ({"role": "condition", "kind": "attributes", "names": ["a", "b", "c"]}, "names must be words"),
        ({"role": "condition", "kind": "attributes", "names": ("a", "b", "")}, "names must be words"),
        ({"role": "condition", "kind": "attributes", "names": ("a", "b", "c" * 201)}, "at most 200 characters"),
        ({"role": "condition", "kind": "attributes", "names": ("a", "b", 3)}, "names must be words"),
        ({"role": "condition", "kind": "attributes", "low": 0.5}, "whole bounds"),
        ({"role": "condition", "kind": "class", "shape": (), "low": 0, "high": 9.5}, "whole bounds"),
        ({"role": "condition", "kind": "class", "shape": (), "low": 3, "high": 2}, "low < high"),
        ({"role": "condition", "kind": "class", "shape": (), "high": 2**31}, "lies within"),
        (
            {"role": "condition", "kind": "class", "shape": (), "low": 0, "high": 2, "names": ("a",)},
            "needs 3 different names, got 1",
        ),
        ({"role": "condition", "kind": "class", "shape": (), "names": ("a",)}, "needs 4294967296 different names"),
        ({"role": "condition", "multiple": 2}, "only the sides of a picture are free, not those of kind 'latent'"),
        (FREE | {"role": "output", "multiple": 2}, "only the sides of a condition"),
        (FREE | {"role": "condition", "follows": "x"}, "only an output follows"),
        (FREE | {"role": "output", "follows": 3}, "follows 3: use the name"),
        (FREE | {"role": "condition", "multiple": -1}, "multiple -1: use a number of pixels"),
        (FREE | {"role": "condition", "multiple": 2.0}, "multiple 2.0: use a number of pixels"),
        (FREE | {"role": "condition", "least": 4}, "sides that are not free"),
        (FREE | {"role": "output", "reach": 4}, "sides that are not free"),
        (
            FREE | {"role": "condition", "multiple": 3},
            "has other sides than multiples of 3 from 3 pixels",
        ),
        (FREE | {"role": "condition", "multiple": 4, "least": 10}, "other sides than multiples of 4 from 12 pixels"),
    ],
)
def test_bad_tensor(change, word):
    with pytest.raises(UserError, match=word) as error:
        TensorSpec(**{"name": "z", "shape": (3,), "role": "normal", **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": None}, "tensor lacks name"),
        ({"shape": (3,)}, "tensor shape must be a list"),
        ({"names": "abc"}, "tensor names must be a list"),
        ({"colour": "red", "size": 3}, "tensor has unknown keys colour, size"),
    ],
)
def test_bad_json_of_a_tensor(change, said):
    value = {"name": "z", "shape": [3], "role": "output", "kind": "point", **change}
    value = {key: field for key, field in value.items() if field is not None}
    with pytest.raises(UserError, match=said):
        TensorSpec.from_json(value)


def test_free_sides():
    photo = TensorSpec("photo", (8, 12, 3), "condition", "image", multiple=4, least=6)
    assert [photo.nearest_side(side) for side in (0, 8, 9, 12, 13)] == [8, 8, 12, 12, 16]
    assert photo.takes((8, 40, 3)) and not photo.takes((8, 41, 3)) and not photo.takes((4, 8, 3))
    assert photo.fits((8, 41, 3)) and not photo.fits((8, 0, 3))
    assert not photo.fits((8, 8, 1)) and not photo.fits((8, 8))
    assert photo.free_shape == (None, None, 3)
    large = TensorSpec("large", (16, 24, 3), "output", "image", follows="photo", reach=3)
    quarter = TensorSpec("quarter", (2, 3, 1), "output", "image", follows="photo")
    fixed = TensorSpec("code", (5,), "output")
    spec = MapSpec((photo,), (large, quarter, fixed))
    assert spec.shapes({"photo": (20, 8, 3)}) == {"large": (40, 16, 3), "quarter": (5, 2, 1), "code": (5,)}
    assert spec.shapes({}) == {tensor.name: tensor.shape for tensor in spec.outputs}
    assert MapSpec.from_json(spec.to_json()) == spec
    assert "multiple" not in fixed.to_json()


@pytest.mark.parametrize("shape", [(16, 12, 3), (8, 6, 3), (3, 3, 3), (1, 1, 3)])
def test_an_output_follows_at_one_ratio_in_whole_pixels(shape):
    made = TensorSpec("made", shape, "output", "image", follows="photo")
    photo = TensorSpec("photo", (8, 8, 3), "condition", "image", multiple=2)
    with pytest.raises(UserError, match="do not follow .* at one ratio"):
        MapSpec((photo,), (made,))
    with pytest.raises(UserError, match="follows 'photo', which is no condition with free sides"):
        MapSpec((dataclasses.replace(photo, multiple=0),), (made,))


def test_bad_map():
    noise, made = TensorSpec("z", (2,), "normal"), TensorSpec("x", (2,), "output")
    for inputs, outputs, word in [
        ((), (made,), "at least one input"),
        ((noise,), (), "at least one input"),
        ((noise, noise), (made,), "must differ"),
        ((TensorSpec("x", (2,), "condition"),), (made,), "must differ"),
        ((made,), (TensorSpec("y", (2,), "output"),), "an input is"),
        ((noise,), (TensorSpec("y", (2,), "normal"),), "every output"),
    ]:
        with pytest.raises(UserError, match=word):
            MapSpec(inputs, outputs)


def test_a_mask_keeps_a_condition_that_is_like_the_output():
    given = TensorSpec("given", (4, 5, 3), "condition", "image")
    known = TensorSpec("known", (4, 5, 1), "condition", "mask", keeps="given")
    made = TensorSpec("completed", (4, 5, 3), "output", "image", levels=2)
    spec = MapSpec((given, known), (made,))
    assert spec.masks == (known,)
    assert MapSpec((given, dataclasses.replace(known, keeps="")), (made,)).masks == ()
    assert known.to_json()["keeps"] == "given"
    assert MapSpec.from_json(spec.to_json()) == spec
    sound, of_sound, heard = (
        TensorSpec("given", (9,), "condition", "audio"),
        TensorSpec("known", (9,), "condition", "mask", keeps="given"),
        TensorSpec("completed", (9,), "output", "audio"),
    )
    assert MapSpec((sound, of_sound), (heard,)).masks == (of_sound,)
    for inputs, output, said in [
        ((known,), made, "keeps 'given', which is no condition of the map"),
        ((given, dataclasses.replace(known, keeps="completed")), made, "keeps 'completed', which is no condition"),
        ((given, known), heard, "keeps 'given', which is not like the output 'completed'"),
        ((given, known), dataclasses.replace(made, shape=(4, 5, 1)), "which is not like the output"),
        ((given, known), dataclasses.replace(made, low=0.0), "which is not like the output"),
        ((given, dataclasses.replace(known, shape=(5, 4, 1))), made, r"shape \(5, 4, 1\) is no mask of 'given'"),
    ]:
        with pytest.raises(UserError, match=said) as error:
            MapSpec(inputs, (output,))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"low": 1.0, "high": 2.0}, True),  # as JSON may write them
        ({"low": 3, "high": 3}, True),
        ({"role": "output"}, False),
        ({"low": -math.inf}, False),
        ({"high": math.inf}, False),
        ({"kind": "nats"}, False),
        ({"kind": "attributes", "shape": (9,), "high": 1}, False),
    ],
)
def test_classes_are_conditions_with_known_bounds(change, expected):
    fields = {"name": "label", "shape": (), "role": "condition", "kind": "class", "low": 0, "high": 9}
    assert TensorSpec(**fields | change).is_class is expected


def test_classes_have_numbers_and_names():
    label = TensorSpec("label", (), "condition", "class", low=2, high=4, names=("ant", "cat", "dog"))
    assert label.classes == 3
    assert [label.index_of(name) for name in label.names] == [2, 3, 4]
    with pytest.raises(UserError, match="label=cow: use one of ant, cat, dog, or a number from 2 to 4"):
        label.index_of("cow")
    with pytest.raises(UserError, match="label=cow: use a number from 0 to 9; the classes have no names"):
        TensorSpec("label", (), "condition", "class", low=0, high=9).index_of("cow")
    many = TensorSpec("label", (), "condition", "class", low=0, high=99, names=tuple(map(str, range(100))))
    with pytest.raises(UserError, match=r"use one of 0, .*, 11, \.\.\., or a number from 0 to 99"):
        many.index_of("cow")
    assert many.index_of("17") == 17


def test_columns_in_short():
    assert column("label", 10) == TensorSpec("label", (), "condition", "class", low=0, high=9)
    assert column("image", (8, 6, 3)) == TensorSpec("image", (8, 6, 3), "condition", "image")
    assert column("image", [2]) == TensorSpec("image", (2,), "condition", "point")
    assert column("code", (2, 5)) == TensorSpec("code", (2, 5), "condition", "latent")
    sound = TensorSpec("audio", (100,), "condition", "audio", rate=8000)
    assert column("audio", sound) is sound


def test_parts():
    noise, label = TensorSpec("z", (2,), "normal"), TensorSpec("label", (), "condition", "class", low=0, high=9)
    made = TensorSpec("x", (2,), "output"), TensorSpec("y", (), "output")
    spec = MapSpec((label, noise), made)
    assert (spec.noise, spec.conditions, spec.output) == ((noise,), (label,), made[0])
    assert noise.is_noise and not label.is_noise and not made[0].is_noise


def test_maps_need_names_that_no_file_and_no_signature_has():
    spec = MapSpec((TensorSpec("z", (2,), "normal"),), (TensorSpec("x", (2,), "output"),))
    check_maps({"generate": spec, "log_prob": spec})
    with pytest.raises(UserError, match="at least one map"):
        check_maps({})
    for name in ("model", "serving_default", "Generate", "a b", "", "../x", 3, "n" * 65):
        with pytest.raises(UserError, match="map name") as error:
            check_maps({name: spec})
        assert "\n" not in str(error.value)


HAIR = {"kind": "attributes", "names": ("black", "blond", "hat", "red", "beard")}


def test_attributes_that_exclude_one_another():
    spec = TensorSpec("wanted", (5,), "condition", exclusive=(("red", "black"), ("hat", "beard")), **HAIR)
    assert TensorSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert [spec.group_of(number) for number in range(5)] == [(3, 0), (1,), (2, 4), (3, 0), (2, 4)]
    assert "exclusive" not in TensorSpec("wanted", (5,), "condition", **HAIR).to_json()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exclusive": (("black",),)}, "groups of two or more"),
        ({"exclusive": ("black", "blond")}, "groups of two or more"),
        ({"exclusive": [["black", "blond"]]}, "groups of two or more"),
        ({"exclusive": (("black", "blonde"),)}, "did you mean 'blond'"),
        ({"exclusive": (("black", "blond"), ("hat", "black"))}, "in one exclusive group, and once"),
        ({"exclusive": (("black", "black"),)}, "in one exclusive group, and once"),
        ({"exclusive": (("black", 3),)}, "unknown exclusive attribute"),
        ({"exclusive": (("black", "blond"),), "names": ()}, "unknown exclusive attribute"),
    ],
)
def test_exclusive_groups_that_cannot_be(changes, said):
    with pytest.raises(UserError, match=said):
        TensorSpec("wanted", (5,), "condition", **{**HAIR, **changes})
    with pytest.raises(UserError, match="list"):
        TensorSpec.from_json({**TensorSpec("w", (5,), "condition", **HAIR).to_json(), "exclusive": ["ab"]})
