"""The contract that training, export and serving share: `TensorSpec` names a tensor, `MapSpec` a map between tensors.

A model ends as a few named maps. Each map is deterministic: from noise and conditions to outputs. The spec gives every
tensor a name, a shape without the batch axis, a type, a range, and a kind, which says how the tensor is read. A column
of data has a `TensorSpec` too. Standard library only, so that a server reads it without TensorFlow.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping, Set
from typing import Any

from zoo.shared.errors import UserError, shown, unknown

# numpy's names of the types that every runtime of ours can exchange
DTYPES = ("float32", "int32")
# a tensor's role decides who fills it
ROLES = ("normal", "uniform", "condition", "output")

# what a call of a served map takes besides its conditions
CALL_ARGUMENTS = frozenset(
    (
        "count",
        "seed",
        "start",
        "noise",
        "dtype",
        "batch_size",
        "seed_from",
        "seed_to",
        "steps",
        "progress",
        "truncation",
    )
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_RANK = 6
_MAX_ELEMENTS = 2**31
_MAX_WORD = 200
_MAX_SIDE = 2**16
EVEN_LEVELS = tuple(levels for levels in range(2, 257) if 255 % (levels - 1) == 0)  # over the bytes 0 to 255
EVEN_LEVELS_IN_WORDS = f"{', '.join(map(str, EVEN_LEVELS[:-1]))} or {EVEN_LEVELS[-1]}"
# fields that are left out of JSON where they are 0 or empty
_EXTRAS = ("rate", "levels", "companding", "keeps", "multiple", "least", "follows", "reach", "chosen")


@dataclasses.dataclass(frozen=True)
class Kind:
    """How tensors of one kind look: the shapes that fit, in words and as a test, the type, and the widest range."""

    shape: str
    fits: Callable[[tuple[int, ...]], bool]
    dtype: str = "float32"
    low: float = -math.inf
    high: float = math.inf


def _rank(*ranks: int) -> Callable[[tuple[int, ...]], bool]:
    return lambda shape: len(shape) in ranks


KINDS = {
    "image": Kind("(height, width, channels)", _rank(3), low=-1.0, high=1.0),
    "video": Kind("(frames, height, width, channels)", _rank(4), low=-1.0, high=1.0),
    "audio": Kind("(samples,)", _rank(1), low=-1.0, high=1.0),
    "point": Kind("(dimensions,)", _rank(1)),
    "class": Kind("()", _rank(0), "int32", -(2.0**31), 2.0**31 - 1),
    "attributes": Kind("(attributes,)", _rank(1), "int32", 0.0, 1.0),
    "action": Kind("(actions,) or (frames, actions)", _rank(1, 2)),
    "mask": Kind(
        "(height, width, 1) or (samples,)",
        lambda shape: len(shape) == 1 or (len(shape) == 3 and shape[-1] == 1),
        low=0.0,
        high=1.0,
    ),
    "latent": Kind("any shape", _rank(*range(_MAX_RANK + 1))),
    "nats": Kind("()", _rank(0)),
}


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One named tensor, or one column of data. Errors are `UserError`.

    - `shape` leaves out the batch axis.
    - `role` says who fills the tensor. A seed draws noise: from the standard `normal` law, or `uniform` on [low, high).
      The caller, or the data, gives a `condition`. The map makes an `output`.
    - `kind` says how the tensor is read, see `KINDS`. A bound that is left out is the kind's. Noise is "latent".
    - `names` are those of the classes or of the attributes, in order, or none.
    - `exclusive` holds groups of names of attributes; of each group at most one is set.
    - `rate`: samples or frames a second, 0 if unknown.
    - `levels`: above 0, how many values the tensor takes, evenly spaced from `low` to `high`: an output, which a
      sampling loop then makes, or a condition of "log_prob", whose likelihood then is a probability of such values.
    - `companding`: "mu_law" if the levels of a sound are evenly spaced only after the mu-law, with mu = levels - 1. A
      condition of "log_prob" may then hold any value, which counts as the nearest level.
    - `chosen`: whether an output follows from a choice of the best of several. Where two are nearly as good, the last
      bits of a runtime decide.
    - `keeps`: of a mask, the name of another condition of the map. Where the mask is 1, the map's first output keeps
      that condition's values; where it is 0, the map makes them, and those of the condition may be any in range. So a
      mask holds both, and what is kept are values that the output takes: serving refuses anything else. Only where
      levels have a companding is any value kept.

    Height and width of a picture may be free: `shape` then holds those of training.

    - `multiple`: above 0, the sides of a condition are free, each a multiple of this and at least `least`.
    - `follows`: the condition whose free sides those of an output follow, at the ratio that their shapes have.
    - `reach`: above 0, how many pixels of that condition an output sees to each side; 0 is the whole picture.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    kind: str = "latent"
    dtype: str = ""
    low: float = -math.inf
    high: float = math.inf
    names: tuple[str, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    rate: float = 0.0
    levels: int = 0
    companding: str = ""
    keeps: str = ""
    multiple: int = 0
    least: int = 0
    follows: str = ""
    reach: int = 0
    chosen: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name in ("inputs", "self"):
            raise UserError(f"tensor name {self.name!r}: use a lower-case word such as 'z' or 'image'")
        where = f"tensor {self.name!r}"
        if not isinstance(self.shape, tuple) or not all(type(n) is int and n > 0 for n in self.shape):
            raise UserError(f"{where}: shape {self.shape!r} must hold positive integers only")
        if len(self.shape) > _MAX_RANK or math.prod(self.shape) > _MAX_ELEMENTS:
            raise UserError(f"{where}: shape {self.shape} is larger than {_MAX_RANK} axes or 2^31 elements")
        for what, value, known in (("role", self.role, ROLES), ("kind", self.kind, KINDS)):
            if not isinstance(value, str) or value not in known:
                raise UserError(f"{where}: {what} {value!r} is none of {', '.join(known)}")
        kind = KINDS[self.kind]
        if not kind.fits(self.shape):
            raise UserError(f"{where}: kind {self.kind!r} has the shape {kind.shape}, not {self.shape}")
        self._complete(kind)
        if self.dtype != kind.dtype:
            raise UserError(f"{where}: kind {self.kind!r} is of type {kind.dtype}, not {self.dtype!r}")
        self._check_range(where, kind)
        self._check_noise(where)
        self._check_extras(where)
        self._check_sides(where)

    def _complete(self, kind: Kind) -> None:
        """Fill what was left out with what the kind says."""
        if not self.dtype:
            object.__setattr__(self, "dtype", kind.dtype)
        for bound, absent in (("low", -math.inf), ("high", math.inf)):
            if getattr(self, bound) == absent and not self.is_noise:
                object.__setattr__(self, bound, getattr(kind, bound))

    def _check_range(self, where: str, kind: Kind) -> None:
        # JSON's whole numbers have no limit, a float's do
        bounds = (self.low, self.high)
        numbers = all(type(bound) is float or (type(bound) is int and abs(bound) <= 2**53) for bound in bounds)
        is_one_class = self.kind == "class" and numbers and self.low == self.high
        if not numbers or not (self.low < self.high or is_one_class):
            raise UserError(f"{where}: needs low < high, got [{self.low}, {self.high}]")
        if not kind.low <= self.low <= self.high <= kind.high:
            raise UserError(
                f"{where}: kind {self.kind!r} lies within [{kind.low:g}, {kind.high:g}], not [{self.low}, {self.high}]"
            )
        if kind.dtype == "int32" and not all(bound == int(bound) for bound in bounds):
            raise UserError(f"{where}: kind {self.kind!r} has whole bounds, not [{self.low}, {self.high}]")

    def _check_noise(self, where: str) -> None:
        if not self.is_noise:
            return
        if self.kind != "latent":
            raise UserError(f"{where}: noise is of kind 'latent', not {self.kind!r}")
        if self.role == "uniform" and not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise UserError(f"{where}: uniform noise needs a finite range, got [{self.low}, {self.high}]")
        if self.role == "normal" and (math.isfinite(self.low) or math.isfinite(self.high)):
            raise UserError(f"{where}: standard normal noise has no bounds, got [{self.low}, {self.high}]")

    def _check_extras(self, where: str) -> None:
        if not isinstance(self.names, tuple) or not all(
            isinstance(name, str) and 0 < len(name) <= _MAX_WORD for name in self.names
        ):
            raise UserError(f"{where}: names must be words of at most {_MAX_WORD} characters")
        if self.names:
            if self.kind not in ("class", "attributes"):
                raise UserError(f"{where}: only classes and attributes have names, not kind {self.kind!r}")
            count = self.shape[0] if self.kind == "attributes" else int(self.high) - int(self.low) + 1
            if len(self.names) != count or len(set(self.names)) != count:
                raise UserError(f"{where}: needs {count} different names, got {len(self.names)}")
        self._check_exclusive(where)
        if type(self.rate) not in (int, float) or not 0 <= self.rate < math.inf:
            raise UserError(f"{where}: rate {self.rate!r}: use samples or frames a second, 0 if unknown")
        if self.rate and self.kind not in ("audio", "video", "action"):
            raise UserError(f"{where}: only audio, video and actions have a rate, not kind {self.kind!r}")
        if type(self.levels) is not int or not (self.levels == 0 or self.levels > 1):
            raise UserError(f"{where}: levels {self.levels!r}: use 0, or the number of values, at least 2")
        if self.levels and self.is_noise:
            raise UserError(f"{where}: noise has no levels")
        if self.companding not in ("", "mu_law") or (self.companding and not (self.kind == "audio" and self.levels)):
            raise UserError(f"{where}: companding {self.companding!r}: only levels of sound have one, 'mu_law'")
        if type(self.chosen) is not bool or (self.chosen and self.role != "output"):
            raise UserError(f"{where}: chosen {self.chosen!r}: use true or false, and true for outputs only")
        if not isinstance(self.keeps, str) or (self.keeps and (self.kind, self.role) != ("mask", "condition")):
            raise UserError(
                f"{where}: keeps {self.keeps!r}: only a condition of kind 'mask' keeps another, by its name"
            )

    def _check_exclusive(self, where: str) -> None:
        if not self.exclusive:
            return
        are_groups = isinstance(self.exclusive, tuple) and all(
            isinstance(group, tuple) and len(group) > 1 for group in self.exclusive
        )
        if not are_groups or self.kind != "attributes":
            raise UserError(f"{where}: exclusive holds groups of two or more names of attributes")
        named = [name for group in self.exclusive for name in group]
        for name in named:
            if name not in self.names:
                raise unknown(f"exclusive attribute of {self.name}", str(name), self.names)
        if len(set(named)) != len(named):
            raise UserError(f"{where}: an attribute is in one exclusive group, and once")

    def _check_sides(self, where: str) -> None:
        for key in ("multiple", "least", "reach"):
            value = getattr(self, key)
            if type(value) is not int or not 0 <= value <= _MAX_SIDE:
                raise UserError(f"{where}: {key} {value!r}: use a number of pixels from 0 to {_MAX_SIDE}")
        if not isinstance(self.follows, str):
            raise UserError(f"{where}: follows {self.follows!r}: use the name of a condition")
        if (self.multiple or self.follows) and (self.kind not in ("image", "mask") or len(self.shape) != 3):
            raise UserError(f"{where}: only the sides of a picture are free, not those of kind {self.kind!r}")
        if self.multiple and self.role != "condition":
            raise UserError(f"{where}: only the sides of a condition are free by themselves")
        if self.follows and self.role != "output":
            raise UserError(f"{where}: only an output follows a condition")
        if (self.least and not self.multiple) or (self.reach and not self.follows):
            raise UserError(f"{where}: sides that are not free have no least, no reach")
        if self.multiple and not self.takes(self.shape):
            raise UserError(f"{where}: shape {self.shape} has other sides than {self.sides_in_words}")

    @property
    def may_flip(self) -> bool:
        """Whether a last bit may change the whole of a row now and then, as a threshold or a choice does."""
        return bool(self.levels) or self.chosen

    @property
    def is_free(self) -> bool:
        """Whether height and width are free."""
        return bool(self.multiple or self.follows)

    @property
    def free_shape(self) -> tuple[int | None, ...]:
        """The shape, with None for each axis that is free."""
        return (None, None, self.shape[2]) if self.is_free else self.shape

    @property
    def sides_in_words(self) -> str:
        """Which sides the free condition takes."""
        steps = f"multiples of {self.multiple}" if self.multiple > 1 else "any number"
        return f"{steps} from {self.nearest_side(0)} pixels"

    def shape_in_words(self, count: int | None = None) -> str:
        """The shape of so many values, or of one without a batch axis."""
        rows = () if count is None else (count,)
        if not self.is_free:
            return str((*rows, *self.shape))
        return f"({', '.join(map(str, (*rows, 'height', 'width', self.shape[2])))})"

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a value may have this shape, whatever its sides where these are free."""
        if not self.is_free:
            return shape == self.shape
        return len(shape) == 3 and shape[2] == self.shape[2] and min(shape) > 0

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether a value of this shape runs as it is, its sides included."""
        return self.fits(shape) and (not self.multiple or all(side == self.nearest_side(side) for side in shape[:2]))

    def nearest_side(self, side: int) -> int:
        """Return the smallest side that the free condition takes and that is no smaller than `side`."""
        return self.multiple * -(-max(side, self.least, 1) // self.multiple)

    @property
    def is_noise(self) -> bool:
        """Whether a seed fills this tensor."""
        return self.role in ("normal", "uniform")

    @property
    def is_class(self) -> bool:
        """Whether this is a condition that numbers classes with known bounds, so that they can come in turn."""
        kind = KINDS["class"]
        return self.role == "condition" and self.kind == "class" and kind.low < self.low and self.high < kind.high

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.high) - int(self.low) + 1

    def index_of(self, name: str) -> int:
        """Return the class called `name`; a name that no class has is a `UserError`."""
        if name not in self.names:
            raise UserError(f"{self.name}={shown(str(name))[1:-1]}: {_choices(self)}")  # without its quotes
        return int(self.low) + self.names.index(name)

    def group_of(self, number: int) -> tuple[int, ...]:
        """Return the numbers of the attributes that exclude one another with this one, itself among them, in order."""
        for group in self.exclusive:
            if self.names[number] in group:
                return tuple(self.names.index(name) for name in group)
        return (number,)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is as the kind has it is left out."""
        value: dict[str, Any] = {"name": self.name, "shape": list(self.shape), "role": self.role, "kind": self.kind}
        kind = KINDS[self.kind]
        value |= {key: bound for key in ("low", "high") if (bound := getattr(self, key)) != getattr(kind, key)}
        value |= {"names": list(self.names)} if self.names else {}
        value |= {"exclusive": [list(group) for group in self.exclusive]} if self.exclusive else {}
        return value | {key: extra for key in _EXTRAS if (extra := getattr(self, key))}

    @classmethod
    def from_json(cls, value: Any) -> "TensorSpec":
        """Return the spec that `to_json` wrote; anything else is a `UserError`."""
        fields = _fields(
            value,
            "tensor",
            required={"name", "shape", "role", "kind"},
            optional={"low", "high", "names", "exclusive", *_EXTRAS},
        )
        groups = fields.get("exclusive", [])
        for key in ("shape", "names", "exclusive"):
            if not isinstance(fields.get(key, []), list):
                raise UserError(f"tensor {key} must be a list, got {fields[key]!r}")
        if not all(isinstance(group, list) for group in groups):
            raise UserError(f"tensor exclusive must be a list of lists, got {groups!r}")
        tuples = {"shape": tuple(fields["shape"]), "names": tuple(fields.get("names", ()))}
        return cls(**{**fields, **tuples, "exclusive": tuple(map(tuple, groups))})


def _choices(tensor: TensorSpec) -> str:
    if not tensor.names:
        return f"use a number from {tensor.low:g} to {tensor.high:g}; the classes have no names"
    some = ", ".join(tensor.names[:12]) + (", ..." if len(tensor.names) > 12 else "")
    return f"use one of {some}, or a number from {tensor.low:g} to {tensor.high:g}"


def column(name: str, value: Any) -> TensorSpec:
    """Return the spec of a data column from a short form, as it is typed in Python.

    A `TensorSpec` stays as it is. A number is that of classes. A shape (height, width, channels) is an image's,
    a shape (dimensions,) a point's.
    """
    if isinstance(value, TensorSpec):
        return value
    if type(value) is int:
        return TensorSpec(name, (), "condition", "class", low=0, high=value - 1)
    shape = tuple(value)
    return TensorSpec(name, shape, "condition", {3: "image", 1: "point"}.get(len(shape), "latent"))


@dataclasses.dataclass(frozen=True)
class MapSpec:
    """The inputs and outputs of one map, in the order in which a reader would name them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.inputs + self.outputs]
        if not self.inputs or not self.outputs:
            raise UserError("a map needs at least one input and one output")
        if len(set(names)) != len(names):
            raise UserError(f"tensor names must differ, got {', '.join(names)}")
        if any(tensor.role == "output" for tensor in self.inputs):
            raise UserError("an input is noise or a condition, not an output")
        if any(tensor.role != "output" for tensor in self.outputs):
            raise UserError("the role of every output must be 'output'")
        for mask in self.masks:
            self._check_mask(mask)
        for tensor in self.outputs:
            if tensor.follows:
                self._check_follows(tensor)

    def _check_mask(self, mask: TensorSpec) -> None:
        kept = next((tensor for tensor in self.conditions if tensor.name == mask.keeps), None)
        if kept is None:
            raise UserError(f"tensor {mask.name!r}: keeps {mask.keeps!r}, which is no condition of the map")
        is_within = self.output.low <= kept.low and kept.high <= self.output.high
        if (kept.kind, kept.shape) != (self.output.kind, self.output.shape) or not is_within:
            raise UserError(
                f"tensor {mask.name!r}: keeps {kept.name!r}, which is not like the output {self.output.name!r}"
            )
        if mask.shape not in (kept.shape, (*kept.shape[:-1], 1)):
            raise UserError(f"tensor {mask.name!r}: shape {mask.shape} is no mask of {kept.name!r}, {kept.shape}")

    def _check_follows(self, output: TensorSpec) -> None:
        source = next((tensor for tensor in self.inputs if tensor.name == output.follows), None)
        if source is None or not source.multiple:
            raise UserError(f"{output.name} follows {output.follows!r}, which is no condition with free sides")
        (height, width), (above, beside) = output.shape[:2], source.shape[:2]
        step = source.multiple
        if height * beside != width * above or height * step % above or width * step % beside:
            raise UserError(
                f"{output.name}: sides of {output.shape[:2]} do not follow {source.shape[:2]} in steps of "
                f"{source.multiple} at one ratio"
            )

    def shapes(self, given: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output for conditions of the shapes `given`, by name; others have their own."""
        known = {tensor.name: tensor for tensor in self.inputs}
        made = {}
        for tensor in self.outputs:
            if (source := known.get(tensor.follows)) is None:
                made[tensor.name] = tensor.shape
            else:
                sides = given.get(source.name, source.shape)[:2]
                scaled = (
                    side * own // its for side, own, its in zip(sides, tensor.shape[:2], source.shape[:2], strict=True)
                )
                made[tensor.name] = (*scaled, tensor.shape[2])
        return made

    @functools.cached_property
    def noise(self) -> tuple[TensorSpec, ...]:
        """The inputs that a seed fills."""
        return tuple(tensor for tensor in self.inputs if tensor.is_noise)

    @functools.cached_property
    def conditions(self) -> tuple[TensorSpec, ...]:
        """The inputs that the caller fills; classes come in turn where the caller leaves them out."""
        return tuple(tensor for tensor in self.inputs if not tensor.is_noise)

    @functools.cached_property
    def masks(self) -> tuple[TensorSpec, ...]:
        """The inputs that say where the first output keeps a condition, see `TensorSpec.keeps`."""
        return tuple(tensor for tensor in self.inputs if tensor.keeps)

    @functools.cached_property
    def output(self) -> TensorSpec:
        """The first output: what is shown of the map."""
        return self.outputs[0]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
        }

    @classmethod
    def from_json(cls, value: Any) -> "MapSpec":
        """Return the spec that `to_json` wrote; anything else is a `UserError`."""
        fields = _fields(value, "map", required={"inputs", "outputs"})
        if not all(isinstance(tensors, list) for tensors in fields.values()):
            raise UserError("map: inputs and outputs must be lists")
        return cls(**{key: tuple(map(TensorSpec.from_json, tensors)) for key, tensors in fields.items()})


def check_maps(specs: Mapping[str, MapSpec]) -> None:
    """Refuse the maps of a model that could not be written down or served: none, or a name that is taken."""
    if not specs:
        raise UserError("a model needs at least one map")
    for name, spec in specs.items():
        # the first map's file is model.onnx, its sheet samples.png, its signature serving_default
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in ("model", "samples", "serving_default"):
            raise UserError(
                f"map name {name!r}: use a lower-case word such as 'generate', but not 'model' or 'samples'"
            )
        if taken := CALL_ARGUMENTS & {tensor.name for tensor in spec.conditions}:
            raise UserError(f"map {name!r}: no condition may be called {', '.join(sorted(taken))}")


def _fields(value: Any, what: str, required: Set[str], optional: Set[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{what} must be a JSON object, got {type(value).__name__}")
    if missing := required - value.keys():
        raise UserError(f"{what} lacks {', '.join(sorted(missing))}")
    if excess := value.keys() - required - optional:
        raise UserError(f"{what} has unknown keys {', '.join(sorted(map(str, excess)))}")
    return value
