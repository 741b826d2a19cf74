"""The open inference protocol, version 2, with its extension for binary tensors, as Triton and KServe speak it.

A model of the protocol has one list of inputs, a bundle has several maps. NAME is the first map of a bundle, NAME:MAP
any of them. Errors are {"error": ...} in Triton's words where it has such; what it answers by 500 is a 400 here.

The binary extension puts the tensors behind the JSON, whose length the header Inference-Header-Content-Length tells.
"""

import contextlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import orjson

import zoo
from serving.maps import ServedMap
from serving.server.http import BINARY, JSON, Request, Response, json_response
from serving.server.refused import Refused
from serving.server.repository import Unknown, Version
from serving.server.service import Service
from serving.server.tensors import OIP_TYPES, checked_shape, flat, from_bytes, json_size, to_bytes
from zoo.spec import TensorSpec

SERVER = re.compile(r"/v2/?")
HEALTH = re.compile(r"/v2/health/(?P<what>live|ready)")
MODEL = re.compile(r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?")
READY, INFER = re.compile(rf"{MODEL.pattern}/ready"), re.compile(rf"{MODEL.pattern}/infer")
INDEX = re.compile(r"/v2/repository/index")

PLATFORM = "onnx_onnxv1"
_LENGTH = "inference-header-content-length"
_STATES = {"AVAILABLE": "READY", "LOADING": "LOADING", "END": "UNAVAILABLE"}

Found = Mapping[str, str | None]


class Asked(NamedTuple):
    """A request for inference that was read: checked inputs, and for each output whether it is to be binary."""

    id: str | None
    inputs: dict[str, np.ndarray]
    outputs: dict[str, bool]


async def server(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /v2."""
    return json_response({"name": "genzoo", "version": zoo.__version__, "extensions": ["binary_tensor_data"]})


async def health(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /v2/health/live and /ready: 200, or 503 while nothing can be asked; the body is empty."""
    is_well = found["what"] == "live" or service.is_ready
    return Response(status=200 if is_well else 503)


async def model(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /v2/models/NAME[:MAP][/versions/V]."""
    version, map = _find(service, request, found)
    versions = [str(number) for number in sorted(v.number for v in service.repository.models[version.model])]
    return json_response(
        {
            "name": unquote(found["model"] or ""),
            "versions": versions,
            "platform": PLATFORM,
            "inputs": list(map_to_json(map.spec.inputs)),
            "outputs": list(map_to_json(map.spec.outputs)),
        }
    )


def map_to_json(tensors: tuple[TensorSpec, ...]) -> Any:
    """Yield the metadata of tensors; -1 stands for each axis that is free."""
    for tensor in tensors:
        sides = [-1 if side is None else side for side in tensor.free_shape]
        yield {"name": tensor.name, "datatype": OIP_TYPES[tensor.dtype], "shape": [-1, *sides]}


async def ready(service: Service, request: Request, found: Found) -> Response:
    """Answer GET /v2/models/NAME[:MAP][/versions/V]/ready: 200, or 400 as Triton has it."""
    try:
        _find(service, request, found)
    except Refused:
        raise Refused(400, "Model version not ready") from None
    return Response()


async def index(service: Service, request: Request, found: Found) -> Response:
    """Answer POST /v2/repository/index: every version of every model, with the reason where one does not serve."""
    body = await service.body(request)
    asked = request.parse(body) if body else {}
    only_ready = isinstance(asked, dict) and asked.get("ready") is True
    entries = []
    for name in sorted(service.repository.names):
        for status in service.repository.status(name):
            entry = {
                "name": name,
                "version": str(status.number),
                "state": _STATES[status.state],
                "reason": status.reason,
            }
            if status.state == "AVAILABLE" or not only_ready:
                entries.append(entry)
    return json_response(entries)


async def infer(service: Service, request: Request, found: Found) -> Response:
    """Answer POST /v2/models/NAME[:MAP][/versions/V]/infer."""
    version, map = _find(service, request, found)
    body = await service.body(request)
    length = request.headers.get(_LENGTH)
    name = unquote(found["model"] or "")
    asked = await service.work(len(body), _read, service, request, map, name, body, length)
    made = await service.run(version, map.name, asked.inputs)
    # binary tensors are copied twice: by themselves, and into the answer
    size = sum(
        2 * made[name].nbytes if is_binary else json_size((made[name].size,))
        for name, is_binary in asked.outputs.items()
    )
    request.hold(size)
    return await service.work(size, _answer, map, name, version, asked, made)


def _find(service: Service, request: Request, found: Found) -> tuple[Version, ServedMap]:
    """Return the version and the map that a path names; `Refused` 404 if there is none."""
    name = unquote(found["model"] or "")
    model, _, map = name.partition(":")
    number = found["version"]
    version = None
    if number is None or re.fullmatch(r"[0-9]{1,18}", number):
        with contextlib.suppress(Unknown):
            version = service.repository.find(model, None if number is None else int(number))
    if version is None or (map and map not in version.loaded.bundle):
        which = f"'{name[:80]}'" + (f" version {number[:40]}" if number is not None else "")
        raise Refused(404, f"Request for unknown model: {which} is not found")
    bundle = version.loaded.bundle
    map = map or bundle.manifest.default
    request.model, request.version, request.map = version.model, str(version.number), map
    return version, bundle[map]


def _read(service: Service, request: Request, map: ServedMap, name: str, body: bytes, length: str | None) -> Asked:
    """Return what a body asks, JSON with or without binary tensors behind it, or one raw tensor."""
    size = len(body)
    if length is not None:
        if not re.fullmatch(r"[0-9]{1,18}", length) or int(length) > len(body):
            raise Refused(400, f"inference header size should be in range (0, {len(body)}), got: {length[:40]}")
        size = int(length)
        if not size:
            return _raw(service, request, map, name, body)
    asked = request.parse(body[:size])
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list):
        raise Refused(400, "the request must be a JSON object with a list of 'inputs'")
    identity = asked.get("id")
    if not isinstance(identity, str | None):
        raise Refused(400, "'id' must be a string")
    outputs = _outputs(map, name, asked)
    arrays = _inputs(map, name, asked["inputs"], memoryview(body)[size:])
    return Asked(identity, service.checked(request, map, arrays), outputs)


def _inputs(map: ServedMap, name: str, sent: list[Any], binary: memoryview) -> dict[str, np.ndarray]:
    """Return the array of each input that was sent; `binary` holds those of which the JSON has only the size."""
    tensors = {tensor.name: tensor for tensor in map.spec.inputs}
    arrays: dict[str, np.ndarray] = {}
    for entry in sent:
        entry = _object("an input", entry)
        own = entry.get("name")
        if not isinstance(own, str) or own not in tensors:
            raise Refused(400, f"unexpected inference input {_word(own)} for model '{name}'")
        tensor = tensors[own]
        if tensor.name in arrays:
            raise Refused(400, f"input '{tensor.name}' already exists in request")
        wanted = OIP_TYPES[tensor.dtype]
        if "datatype" not in entry:
            raise Refused(400, f"inference input '{tensor.name}' has no datatype, model '{name}' expects '{wanted}'")
        if entry["datatype"] != wanted:
            raise Refused(
                400,
                f"inference input '{tensor.name}' data-type is {_word(entry['datatype'])}, but model '{name}' "
                f"expects '{wanted}'",
            )
        shape = checked_shape(tensor.name, entry.get("shape"))
        if not shape or not tensor.fits(shape[1:]):
            (expected,) = map_to_json((tensor,))
            raise Refused(
                400,
                f"unexpected shape for input '{tensor.name}' for model '{name}'. Expected {expected['shape']}, got "
                f"{list(shape)}",
            )
        parameters = _object("parameters", entry.get("parameters", {}))
        if "shared_memory_region" in parameters:
            raise Refused(400, f"input '{tensor.name}': there is no shared memory here; send data")
        if "binary_data_size" not in parameters:
            arrays[tensor.name] = flat(tensor, entry.get("data"), shape)
            continue
        size = parameters["binary_data_size"]
        if "data" in entry or type(size) is not int or not 0 <= size <= len(binary):
            raise Refused(
                400,
                f"input '{tensor.name}': binary_data_size must be a number of bytes that follow the JSON, without "
                f"'data'; {len(binary):,} are left",
            )
        arrays[tensor.name] = from_bytes(tensor, binary[:size], shape)
        binary = binary[size:]
    if len(binary):
        raise Refused(400, f"unexpected additional input data: {len(binary):,} bytes for model '{name}'")
    if len(arrays) < len(tensors):
        missing = ", ".join(sorted(tensors.keys() - arrays.keys()))
        raise Refused(
            400,
            f"expected {len(tensors)} inputs but got {len(arrays)} inputs for model '{name}'. Missing: {missing}",
        )
    return arrays


def _outputs(map: ServedMap, name: str, asked: Mapping[str, Any]) -> dict[str, bool]:
    """Return the outputs that a request wants, by default all, and whether each is to be binary."""
    wants_binary = _object("parameters", asked.get("parameters", {})).get("binary_data_output", False) is True
    names = [tensor.name for tensor in map.spec.outputs]
    sent = asked.get("outputs", [])
    if not isinstance(sent, list):
        raise Refused(400, "'outputs' must be a list")
    outputs: dict[str, bool] = {}
    for entry in sent:
        entry = _object("an output", entry)
        wanted = entry.get("name")
        if not isinstance(wanted, str) or wanted not in names:
            raise Refused(400, f"unexpected inference output {_word(wanted)} for model '{name}'")
        parameters = _object("parameters", entry.get("parameters", {}))
        if unknown := parameters.keys() - {"binary_data"}:
            raise Refused(400, f"output '{wanted}': the parameter {_word(min(unknown))} is not to be had here")
        outputs[wanted] = parameters.get("binary_data", wants_binary) is True
    return outputs or dict.fromkeys(names, wants_binary)


def _raw(service: Service, request: Request, map: ServedMap, name: str, body: bytes) -> Asked:
    """Return a request whose body is the one row of the one input; all outputs are binary."""
    if len(map.spec.inputs) != 1:
        raise Refused(400, f"a raw binary request needs a model with one input; '{name}' has {len(map.spec.inputs)}")
    (tensor,) = map.spec.inputs
    if tensor.is_free:
        raise Refused(400, f"'{tensor.name}' has free sides: a raw binary request cannot tell them")
    arrays = {tensor.name: from_bytes(tensor, memoryview(body), (1, *tensor.shape))}
    return Asked(None, service.checked(request, map, arrays), {output.name: True for output in map.spec.outputs})


def _answer(map: ServedMap, name: str, version: Version, asked: Asked, made: Mapping[str, np.ndarray]) -> Response:
    """Return the outputs that are wanted, as JSON, with the binary ones behind it."""
    tensors = {tensor.name: tensor for tensor in map.spec.outputs}
    outputs, parts = [], []
    for output, is_binary in asked.outputs.items():
        values = made[output]
        entry: dict[str, Any] = {"name": output, "datatype": OIP_TYPES[tensors[output].dtype], "shape": values.shape}
        if is_binary:
            parts.append(to_bytes(tensors[output], values))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = np.ascontiguousarray(values).reshape(-1)
        outputs.append(entry)
    told = {"model_name": name, "model_version": str(version.number), "outputs": outputs}
    if asked.id is not None:
        told["id"] = asked.id
    head = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
    if not parts:
        return Response(head, JSON)
    return Response(b"".join([head, *parts]), BINARY, headers={_LENGTH: str(len(head))})


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(400, f"{what} must be a JSON object")
    return value


def _word(value: Any) -> str:
    """Return a name that was sent, however long, in quotation marks."""
    return f"'{value[:80]}'" if isinstance(value, str) else "that is no string"
