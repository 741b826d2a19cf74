"""For people and scripts: pictures, sounds and videos in and out, at /v1/models/NAME:sample, :interpolate and :MAP.

    curl 'localhost:8501/v1/models/digits:sample?count=16&seed=7&label=three' > grid.png
    curl localhost:8501/v1/models/digits:sample -d '{"count": 16, "seed": 7, "label": "three"}' > grid.png
    curl localhost:8501/v1/models/colour:colour --data-binary @photo.jpg > coloured.png

`:sample` runs the first map of a bundle, `:interpolate` walks between two of its samples, `:MAP` runs any map. What is
asked stands in the query, in a JSON object, or in both. A file is the one condition that is no class; in JSON it is
{"b64": ...}. The header Accept chooses the form of the answer.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from serving.generator import walk
from serving.maps import ServedMap
from serving.server import forms
from serving.server.http import JSON, Request, Response
from serving.server.refused import Refused
from serving.server.repository import Version
from serving.server.service import BESIDE, Service, inputs_size, map_of
from serving.server.tensors import decoded, numbers
from serving.server.tfserving import WHICH, version_of
from serving.server.uploads import is_file, may_hold_files
from serving.sides import Sides
from zoo import media
from zoo.noise import fill, integer
from zoo.shared.errors import UserError, unknown
from zoo.spec import MapSpec, TensorSpec

ACTION = re.compile(rf"(?i)/v1/models/(?P<model>[^/:]+){WHICH}:(?P<method>[a-z0-9_]+)", re.ASCII)

_NUMBER = re.compile(r"-?[0-9]{1,19}")
# what is asked besides conditions; the same words as in Python
_BLANK = 64  # bytes, among which JSON begins
_SAMPLE = ("count", "seed", "start", "truncation", "columns")
_WALK = ("seed_from", "seed_to", "steps", "truncation", "columns")
_TILES = ("tile", "overlap")


class Asked(NamedTuple):
    """A request that was read: its runs, numbered from `start`, how sides are run, and how the answer is laid out.

    `fill` makes the inputs of each run, `size` bytes in all; writing the answer takes `written` bytes.
    """

    fill: Callable[[], list[dict[str, np.ndarray]]]
    size: int
    start: int
    sides: Sides | None
    plan: forms.Plan | None
    written: int


async def make(service: Service, request: Request, found: Mapping[str, str | None]) -> Response:
    """Answer GET and POST /v1/models/NAME[/versions/V|/labels/L]:sample, :interpolate and :MAP."""
    version = version_of(service, request, found)
    method = (found["method"] or "").lower()
    is_walk = method == "interpolate"
    map = _map(version, method)
    request.map = map.name
    form = forms.choose(request.headers.get("accept", "*/*"), forms.of(map.spec.output, is_walk))
    body = await service.body(request) if request.method == "POST" else b""
    size = BESIDE if may_hold_files(body) else len(body)
    asked = await service.work(size, _read, service, map, request, body, form, is_walk)
    runs = await service.work(asked.size, asked.fill)
    parts = [await service.run(version, map.name, run, asked.start, asked.sides) for run in runs]
    request.hold(asked.written)
    effort = forms.effort(form, map.spec, asked.written, asked.plan)
    data = await service.work(effort, _written, form, map.spec, parts, is_walk, asked.plan)
    return Response(data, form)


def _written(
    form: str, spec: MapSpec, parts: list[dict[str, np.ndarray]], is_walk: bool, plan: forms.Plan | None
) -> bytes:
    """Return the answer of the outputs of all runs."""
    made = parts[0]
    if len(parts) > 1:
        made = {name: np.concatenate([part[name] for part in parts]) for name in made}
    return forms.write(form, spec, made, is_walk, plan)


def _map(version: Version, method: str) -> ServedMap:
    if method in ("sample", "interpolate"):
        return map_of(version, "")
    bundle = version.loaded.bundle
    if method not in bundle:
        raise Refused(404, str(unknown("map", method[:80], ["sample", "interpolate", *bundle])))
    return bundle[method]


def _read(service: Service, map: ServedMap, request: Request, body: bytes, form: str, is_walk: bool) -> Asked:
    asked = _asked(map, request, body)
    words = _WALK if is_walk else _SAMPLE
    known = {tensor.name: tensor for tensor in map.spec.conditions}
    extra = {*words, *(_TILES if map.is_free else ())}
    for name in asked.keys() - known.keys() - extra:
        raise unknown("parameter", name[:80], {*known, *extra})
    sides = _sides(map, asked)
    columns = whole(asked, "columns", None, 1, service.limits.rows)
    truncation = _number(asked, "truncation")
    begun = {mask.keeps for mask in map.spec.masks if mask.name not in asked}
    conditions = {
        name: _condition(map.spec, known[name], value, service, request, is_beginning=name in begun)
        for name, value in asked.items()
        if name in known
    }
    if missing := [tensor for tensor in known.values() if _is_missing(tensor, conditions)]:
        raise Refused(400, f"missing {', '.join(tensor.name for tensor in missing)}: {_way(missing[0])}")
    shapes = {name: np.shape(value)[-3:] for name, value in conditions.items() if known[name].is_free}
    count = whole(asked, "steps", 8, 2) if is_walk else map.count_of(whole(asked, "count", None, 1), conditions)
    service.admit(request, map.spec, count, shapes)
    outputs = {name: (count, *shape) for name, shape in map.spec.shapes(shapes).items()}
    plan = forms.plan(form, map.spec.output, outputs[map.spec.output.name][1:], count, is_walk, columns)
    given = map.given(count, conditions)
    start = 0
    if is_walk:
        seeds = whole(asked, "seed_from", 0), whole(asked, "seed_to", 1)
        fill_all = functools.partial(_walked, map.spec, *seeds, count, given, truncation)
    else:
        seed, start = (whole(asked, name, 0) for name in ("seed", "start"))
        fill_all = functools.partial(_filled, map.spec, count, seed, start, given, truncation)
    written = forms.size(form, map.spec, outputs, plan)
    return Asked(fill_all, inputs_size(map.spec, count, shapes), start, sides, plan, written)


def _is_missing(tensor: TensorSpec, conditions: Mapping[str, Any]) -> bool:
    """Return whether a condition has to be given and was not; `ServedMap.given` knows which masks have to be."""
    return not tensor.is_class and not tensor.keeps and tensor.name not in conditions


def _way(tensor: TensorSpec) -> str:
    """Return how a condition is given."""
    if media.ending(tensor) in (".png", ".wav"):
        file = "picture" if media.ending(tensor) == ".png" else "sound"
        return f'POST a {file}, or JSON such as {{"{tensor.name}": {{"b64": "..."}}}}'
    if tensor.kind == "attributes":
        return f"name those that are wanted, such as {tensor.name}={tensor.names[0] if tensor.names else 1}"
    return f"give a number, such as {tensor.name}=1" if not tensor.shape else f'POST JSON with "{tensor.name}", numbers'


def _filled(spec: MapSpec, *arguments: Any) -> list[dict[str, np.ndarray]]:
    return [fill(spec, *arguments)]


def _walked(spec: MapSpec, *arguments: Any) -> list[dict[str, np.ndarray]]:
    """Return the inputs of a walk; the far end runs apart from the others, in the row where `:sample` would have it."""
    inputs = walk(spec, *arguments)
    return [{name: values[part] for name, values in inputs.items()} for part in (slice(0, -1), slice(-1, None))]


def _asked(map: ServedMap, request: Request, body: bytes) -> dict[str, Any]:
    """Return the parameters in the query and in the body."""
    asked: dict[str, Any] = dict(request.query)
    if not body:
        return asked
    if is_file(body):
        wanted = [tensor.name for tensor in map.spec.conditions if not tensor.is_class and tensor.name not in asked]
        # a sound's mask may be left out: then the file is a beginning
        wanted = [name for name in wanted if name not in {mask.name for mask in map.spec.masks}] or wanted
        if len(wanted) != 1:
            there = ", ".join(wanted) or "none"
            raise Refused(
                400,
                f"a file can be one condition only; {map.name} asks for {there}: give the others in the query, or send "
                'JSON with "b64"',
            )
        return asked | {wanted[0]: body}
    # curl says of any body that it is a form
    is_told = request.type not in ("", JSON, "application/x-www-form-urlencoded", "text/plain")
    if is_told or (request.type != JSON and not body[:_BLANK].lstrip().startswith((b"{", b"["))):
        what = f"a body of {request.type[:80]!r}" if is_told else "the body"
        raise Refused(415, f"cannot read {what}: send PNG, JPEG, WebP, WAV, .npy or a JSON object")
    given = request.parse(body)
    if not isinstance(given, dict):
        raise Refused(400, "the body must be a JSON object, or a file")
    if twice := asked.keys() & given.keys():
        raise Refused(400, f"{min(twice)[:80]} is given twice, in the query and in the body")
    return asked | given


def _condition(
    spec: MapSpec, tensor: TensorSpec, value: Any, service: Service, request: Request, is_beginning: bool
) -> Any:
    """Return a condition as `ServedMap.given` takes it; no array is made of anything but numbers."""
    if isinstance(value, dict):
        value = decoded(tensor, value)
    if isinstance(value, bytes):
        return service.read(request, spec, tensor, [value], is_beginning)[0]
    if tensor.kind == "attributes" and _are_names(value):
        return value
    if isinstance(value, list):
        if tensor.is_class:
            return np.array([_class(tensor, one) for one in value])
        rank = _depth(value)
        made = numbers(tensor, value, rank)
        if tensor.is_free and rank >= 3:
            service.limits.check_pixels(*made.shape[-3:-1])
        return made
    if tensor.is_class:
        return _class(tensor, value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Refused(400, f"{tensor.name}={value[:80]!r}: give a number, or a file") from None
    return numbers(tensor, [value], 1)[0]


def _are_names(value: Any) -> bool:
    """Whether attributes are given by their names: in a text, a list, or a list of such lists."""
    if not isinstance(value, list):
        return isinstance(value, str)
    words = [word for item in value for word in (item if isinstance(item, list) else [item])]
    return all(isinstance(word, str) for word in words)


def _class(tensor: TensorSpec, value: Any) -> int:
    """Return the number of a class that is given by its name or number."""
    if isinstance(value, str) and value not in tensor.names and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, str):
        return tensor.index_of(value)
    return int(numbers(tensor, [value], 1)[0])


def _depth(value: Any) -> int:
    """Return how deep lists are nested at their first element, at most 8."""
    depth = 0
    while isinstance(value, list) and depth < 8:
        depth, value = depth + 1, value[0] if value else None
    return depth


def _sides(map: ServedMap, asked: Mapping[str, Any]) -> Sides | None:
    if not asked.keys() & set(_TILES) or not map.is_free:
        return None
    sides = Sides(tile=whole(asked, "tile", 0), overlap=whole(asked, "overlap", None))
    sides.check(map.spec)
    return sides


def whole(asked: Mapping[str, Any], name: str, default: Any, low: int = 0, high: int = 2**63 - 1) -> Any:
    """Return a parameter as a whole number, `default` if it is left out."""
    if name not in asked:
        return default
    value = asked[name]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int | float | str | bool | None):
        raise UserError(f"{name}: use an integer")
    return integer(name, value[:80] if isinstance(value, str) else value, low, high)


def _number(asked: Mapping[str, Any], name: str) -> Any:
    """Return a parameter as a number, None if it is left out; what `zoo.noise` is to refuse as it is."""
    value = asked.get(name)
    if not isinstance(value, int | float | str | bool | None):
        raise UserError(f"{name}: use a number")
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
        return value[:80]
    return value
