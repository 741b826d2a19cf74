"""What the page at `/` asks besides the protocols: which models there are, and what it needs to run their maps.

    GET /gallery                                                  every model: its maps, and what can be done with them
    GET /gallery/NAME/versions/V/card                             its sheet of samples, a PNG
    GET /gallery/NAME/versions/V/maps/MAP/noise/TENSOR            the noise of a seed: .npy (count, *shape)
    GET /gallery/NAME/versions/V/maps/MAP/examples/TENSOR         conditions from held-out data: .npy
    GET /gallery/NAME/versions/V/maps/MAP/directions              along which its latent matters most, see `directions`
    GET /gallery/NAME/versions/V/maps/MAP/onnx                    its ONNX file, with --browser_runtime

`/versions/V` may be left out. With the noise of a seed, `infer` of the open inference protocol makes what `:sample`
does, to the bit.
"""

import asyncio
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from serving.directions import Directions, latent_of, principal_directions, samples_of
from serving.maps import ServedMap
from serving.rows import STEP, check_step
from serving.server import forms
from serving.server.http import BINARY, Request, Response, json_response
from serving.server.loading import Loaded, warm_up_inputs
from serving.server.pictures import whole
from serving.server.refused import Refused
from serving.server.repository import Version
from serving.server.service import Service
from serving.server.static import WEBGPU
from zoo import bundle
from zoo.noise import fill
from zoo.shared.errors import UserError, unknown
from zoo.spec import TensorSpec

_MODEL = r"/gallery/(?P<model>[^/]+)(?:/versions/(?P<version>\d+))?"
_MAP = rf"{_MODEL}/maps/(?P<map>[a-z0-9_]+)"
LIST = re.compile(r"/gallery")
CARD = re.compile(rf"{_MODEL}/card", re.ASCII)
NOISE = re.compile(rf"{_MAP}/noise/(?P<tensor>[a-z0-9_]+)", re.ASCII)
EXAMPLES = re.compile(rf"{_MAP}/examples/(?P<tensor>[a-z0-9_]+)", re.ASCII)
DIRECTIONS = re.compile(rf"{_MAP}/directions", re.ASCII)
ONNX = re.compile(rf"{_MAP}/onnx", re.ASCII)

_BESIDE = 2**31  # bytes that are always worked on beside the event loop's thread
Found = Mapping[str, str | None]


async def models(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /gallery."""
    there = [_described(versions[0]) for versions in service.repository.models.values()]
    runtime = service.browser_runtime
    engines = [] if runtime is None else ["wasm"]
    engines += ["webgpu"] if runtime is not None and all((runtime / name).is_file() for name in WEBGPU) else []
    return json_response({"models": there, "engines": engines})


def _described(version: Version) -> dict[str, Any]:
    loaded: Loaded = version.loaded
    manifest = loaded.bundle.manifest
    generate = manifest.maps[manifest.default]
    maps = {}
    for name, spec in manifest.maps.items():
        walked = latent_of(spec)
        maps[name] = {**spec.to_json(), "walk": walked.name if walked else None}
    return {
        "name": version.model,
        "version": version.number,
        "title": manifest.model.replace("_", " "),
        "data": _data(manifest.recipe),
        "step": manifest.step,
        "maps": maps,
        "has_card": bundle.SAMPLES in manifest.files,
        "examples": {name: list(tensors) for name, tensors in loaded.examples.items()},
        "rows": _makes_rows(manifest.maps, generate.output),
    }


def _data(recipe: Mapping[str, Any]) -> str:
    """Return the name of the data that a model was trained on, "" if the recipe has none."""
    data = recipe.get("data")
    return str(data.get("name", "") if isinstance(data, Mapping) else "")


def _makes_rows(maps: Mapping[str, Any], output: TensorSpec) -> bool:
    """Return whether the first map's pictures can be made row by row, by the map "step"."""
    if STEP not in maps or output.kind != "image":
        return False
    try:
        check_step(maps[STEP], next(iter(maps.values())))
    except UserError:
        return False
    return True


async def card(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /gallery/NAME/card."""
    version = _version(service, request, found)
    data = await service.work(_BESIDE, _sheet, version.loaded)
    request.hold(len(data))
    return Response(data, forms.PNG, headers={"cache-control": "no-cache"})


async def noise(service: Service, request: Request, found: Found) -> Response:
    """Answer GET .../noise/TENSOR?seed=&count=&start=."""
    map = _map(_version(service, request, found), request, found)
    tensor = _named(map.spec.noise, found)
    if extra := request.query.keys() - {"seed", "count", "start"}:
        raise unknown("parameter", min(extra)[:80], ["seed", "count", "start"])
    seed, start = whole(request.query, "seed", 0), whole(request.query, "start", 0)
    count = whole(request.query, "count", 1, 1)
    service.limits.check_rows(map.spec, count)
    # what is no noise does not matter: zeros
    given = {other.name: np.zeros((count, *other.shape), other.dtype) for other in map.spec.conditions}
    size = 4 * count * math.prod(tensor.shape)
    values = (await service.work(size, fill, map.spec, count, seed, start, given))[tensor.name]
    return Response(forms.npy(values), forms.NPY)


async def examples(service: Service, request: Request, found: Found) -> Response:
    """Answer GET .../examples/TENSOR: at most 8 rows."""
    version = _version(service, request, found)
    map = _map(version, request, found)
    tensor = _named(map.spec.conditions, found)
    held = version.loaded.examples.get(map.name, {})
    if tensor.name not in held:
        raise Refused(404, f"the bundle holds no examples of {tensor.name}")
    return Response(forms.npy(held[tensor.name]), forms.NPY)


async def directions(service: Service, request: Request, found: Found) -> Response:
    """Answer GET .../directions; they are worked out once for a version, beside the event loop."""
    version = _version(service, request, found)
    map = _map(version, request, found)
    if latent_of(map.spec) is None:
        raise Refused(400, f"{map.name} cannot be walked: what it makes does not follow smoothly from one latent")
    key, kept = map.name, version.loaded.kept
    if key not in kept or (kept[key].done() and (kept[key].cancelled() or kept[key].exception())):
        kept[key] = asyncio.ensure_future(service.work(_BESIDE, _directions, version.loaded, map))
    # who gives up waiting leaves it to the next
    made: Directions = await asyncio.shield(kept[key])
    return json_response(
        {"tensor": made.tensor, "scale": made.scale, "vectors": made.vectors, "strengths": made.strengths}
    )


def _directions(loaded: Loaded, map: ServedMap) -> Directions:
    inputs = warm_up_inputs(map.spec, loaded.examples.get(map.name, {}), samples_of(map.spec))
    return principal_directions(map, inputs)


async def onnx(service: Service, request: Request, found: Found) -> Response:
    """Answer GET .../onnx: the very bytes that run on the server."""
    if service.browser_runtime is None:
        raise Refused(404, "models run on the server only: start it with --browser_runtime")
    version = _version(service, request, found)
    map = _map(version, request, found)
    name = version.loaded.bundle.manifest.onnx_file(map.name)
    digest = f'"{version.loaded.bundle.manifest.files[name]}"'
    headers = {"etag": digest, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == digest:
        return Response(type=BINARY, status=304, headers=headers)
    return Response(map.onnx, BINARY, headers=headers)


def _sheet(loaded: Loaded) -> bytes:
    """Return the sheet of a bundle, which is still that which was checked; else `Refused` 404."""
    wanted = loaded.bundle.manifest.files.get(bundle.SAMPLES)
    try:
        data = (loaded.path / bundle.SAMPLES).read_bytes() if wanted else b""
    except OSError:
        data = b""
    if not wanted or hashlib.sha256(data).hexdigest() != wanted:
        raise Refused(404, f"the bundle has no {bundle.SAMPLES}{' any more' if wanted else ''}")
    return data


def _version(service: Service, request: Request, found: Found) -> Version:
    return service.find(request, unquote(found["model"] or ""), found["version"])


def _map(version: Version, request: Request, found: Found) -> ServedMap:
    maps, name = version.loaded.bundle, found["map"] or ""
    if name not in maps:
        raise Refused(404, str(unknown("map", name[:80], maps)))
    request.map = name
    return maps[name]


def _named(tensors: tuple[TensorSpec, ...], found: Found) -> TensorSpec:
    name = found["tensor"] or ""
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    raise Refused(404, str(unknown("tensor", name[:80], [tensor.name for tensor in tensors])))


ROUTES: list[tuple[re.Pattern[str], dict[str, Any]]] = [
    (LIST, {"GET": models}),
    (CARD, {"GET": card}),
    (NOISE, {"GET": noise}),
    (EXAMPLES, {"GET": examples}),
    (DIRECTIONS, {"GET": directions}),
    (ONNX, {"GET": onnx}),
]
