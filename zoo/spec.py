"""What goes into a generator and what comes out of it: the contract that training, export and serving share.

A generator is a deterministic map from noise (and conditions) to a sample; its `GeneratorSpec` names each
tensor, its shape without the batch axis, its type and its range. Standard library only, so that a server
reads it without TensorFlow.
"""

import dataclasses
import math
import re
from collections.abc import Set
from typing import Any

from zoo.errors import UserError

# numpy's names of the types that every runtime of ours can exchange
DTYPES = ("float32", "int32", "uint8")
# what a tensor is for: its role decides who fills it
ROLES = ("normal", "uniform", "condition", "sample")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_RANK = 6
_MAX_ELEMENTS = 2**31


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """One named tensor.

    `shape` leaves out the batch axis. `role` says who fills it: noise is drawn from the standard `normal`
    law or is `uniform` on [low, high); a `condition` comes from the caller, within [low, high]; a `sample` is
    what the generator makes, within [low, high]. Errors are `UserError`.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    dtype: str = "float32"
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UserError(f"tensor name {self.name!r}: use a lower-case word such as 'z' or 'image'")
        where = f"tensor {self.name!r}"
        if not isinstance(self.shape, tuple) or not all(type(n) is int and n > 0 for n in self.shape):
            raise UserError(f"{where}: shape {self.shape!r} must hold positive integers only")
        if len(self.shape) > _MAX_RANK or math.prod(self.shape) > _MAX_ELEMENTS:
            raise UserError(f"{where}: shape {self.shape} is larger than {_MAX_RANK} axes or 2^31 elements")
        if self.role not in ROLES:
            raise UserError(f"{where}: role {self.role!r} is none of {', '.join(ROLES)}")
        if self.dtype not in DTYPES:
            raise UserError(f"{where}: type {self.dtype!r} is none of {', '.join(DTYPES)}")
        # JSON's whole numbers have no limit, a float's do
        bounds = (self.low, self.high)
        numbers = all(type(bound) is float or (type(bound) is int and abs(bound) <= 2**53) for bound in bounds)
        if not numbers or not self.low < self.high:
            raise UserError(f"{where}: needs low < high, got [{self.low}, {self.high}]")
        if self.is_noise and self.dtype != "float32":
            raise UserError(f"{where}: noise is of type float32, got {self.dtype}")
        if self.role == "uniform" and not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise UserError(f"{where}: uniform noise needs a finite range, got [{self.low}, {self.high}]")
        if self.role == "normal" and (math.isfinite(self.low) or math.isfinite(self.high)):
            raise UserError(f"{where}: standard normal noise has no bounds, got [{self.low}, {self.high}]")

    @property
    def is_noise(self) -> bool:
        """Whether a seed fills this tensor."""
        return self.role in ("normal", "uniform")

    @property
    def is_class(self) -> bool:
        """Whether this is a condition that numbers classes: int32 with whole bounds, so that they can be counted."""
        bounds = (self.low, self.high)
        return (
            self.role == "condition"
            and self.dtype == "int32"
            and all(-(2**31) <= bound < 2**31 and bound == int(bound) for bound in bounds)
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; a missing bound is left out."""
        value: dict[str, Any] = {"name": self.name, "shape": list(self.shape), "role": self.role, "dtype": self.dtype}
        value |= {key: bound for key in ("low", "high") if math.isfinite(bound := getattr(self, key))}
        return value

    @classmethod
    def from_json(cls, value: Any) -> "TensorSpec":
        """Return the spec that `to_json` wrote; anything else is a `UserError`."""
        fields = _fields(value, "tensor", required={"name", "shape", "role", "dtype"}, optional={"low", "high"})
        if not isinstance(fields["shape"], list):
            raise UserError(f"tensor shape must be a list, got {fields['shape']!r}")
        return cls(**{**fields, "shape": tuple(fields["shape"])})


@dataclasses.dataclass(frozen=True)
class GeneratorSpec:
    """The inputs and outputs of a generator, in the order in which a reader would name them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.inputs + self.outputs]
        if not self.inputs or not self.outputs:
            raise UserError("a generator needs at least one input and one output")
        if len(set(names)) != len(names):
            raise UserError(f"tensor names must differ, got {', '.join(names)}")
        if any(tensor.role == "sample" for tensor in self.inputs):
            raise UserError("an input is noise or a condition, not a sample")
        if any(tensor.role != "sample" for tensor in self.outputs):
            raise UserError("every output must be a sample")

    @property
    def noise(self) -> tuple[TensorSpec, ...]:
        """The inputs that a seed fills."""
        return tuple(tensor for tensor in self.inputs if tensor.is_noise)

    @property
    def conditions(self) -> tuple[TensorSpec, ...]:
        """The inputs that the caller fills; classes count up by themselves where the caller leaves them out."""
        return tuple(tensor for tensor in self.inputs if not tensor.is_noise)

    @property
    def output(self) -> TensorSpec:
        """The sample itself: the first output."""
        return self.outputs[0]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "inputs": [tensor.to_json() for tensor in self.inputs],
            "outputs": [tensor.to_json() for tensor in self.outputs],
        }

    @classmethod
    def from_json(cls, value: Any) -> "GeneratorSpec":
        """Return the spec that `to_json` wrote; anything else is a `UserError`."""
        fields = _fields(value, "spec", required={"inputs", "outputs"})
        if not all(isinstance(tensors, list) for tensors in fields.values()):
            raise UserError("spec: inputs and outputs must be lists")
        return cls(**{key: tuple(map(TensorSpec.from_json, tensors)) for key, tensors in fields.items()})


def _fields(value: Any, what: str, required: Set[str], optional: Set[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{what} must be a JSON object, got {type(value).__name__}")
    if missing := required - value.keys():
        raise UserError(f"{what} lacks {', '.join(sorted(missing))}")
    if excess := value.keys() - required - optional:
        raise UserError(f"{what} has unknown keys {', '.join(sorted(map(str, excess)))}")
    return value
