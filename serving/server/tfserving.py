"""TF Serving's REST API: the same paths, bodies, status codes and errors, so that its clients change only the URL.

Source: tensorflow/serving, http_rest_api_util.cc, json_tensor.cc and the page api_rest.md. A signature is a map of the
bundle, `serving_default` its first. Beyond TF Serving, a row of a picture or sound may be {"b64": ...}, a whole file.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np

from serving.maps import ServedMap
from serving.server.http import Request, Response, json_response
from serving.server.refused import Refused
from serving.server.repository import Version
from serving.server.service import BESIDE, Service, as_number, map_of
from serving.server.tensors import TFS_TYPES, from_json, json_size
from serving.server.uploads import may_hold_files
from zoo.spec import MapSpec, TensorSpec

WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
PREDICT = re.compile(rf"(?i)/v1/models/(?P<model>[^/:]+){WHICH}:(?P<method>predict|classify|regress)", re.ASCII)
MODEL = re.compile(rf"(?i)/v1/models(?:/(?P<model>[^/:]+))?{WHICH}(?:/(?P<metadata>metadata))?", re.ASCII)


async def predict(service: Service, request: Request, found: Mapping[str, str | None]) -> Response:
    """Answer POST /v1/models/NAME[/versions/V|/labels/L]:predict."""
    version = version_of(service, request, found)
    body = await service.body(request)
    method = (found["method"] or "").lower()
    if method != "predict":
        wanted = {"classify": "classification", "regress": "regression"}[method]
        raise Refused(
            400,
            f"Expected {wanted} signature method_name to be tensorflow/serving/{method}. "
            "Was: tensorflow/serving/predict",
        )
    size = BESIDE if may_hold_files(body) else len(body)
    map, inputs, is_row = await service.work(size, _read, service, request, version, body)
    request.map = map.name
    made = await service.run(version, map.name, inputs)
    size = sum(json_size(values.shape) for values in made.values())
    request.hold(size)
    return await service.work(size, _answer, map.spec, made, is_row)


def version_of(service: Service, request: Request, found: Mapping[str, str | None]) -> Version:
    """Return the version that a path names; `Refused` if there is none."""
    label = found["label"] and unquote(found["label"])
    return service.find(request, unquote(found["model"] or ""), found["version"], label)


def _read(
    service: Service, request: Request, version: Version, body: bytes
) -> tuple[ServedMap, dict[str, np.ndarray], bool]:
    """Return the map that a request asks for, its checked inputs, and whether they came in rows."""
    asked = request.parse(body)
    if not isinstance(asked, dict):
        raise Refused(400, "JSON Value: the body is not an object")
    signature = asked.get("signature_name", "")
    if not isinstance(signature, str):
        raise Refused(400, "'signature_name' key must be a string value.")
    map = map_of(version, signature)
    is_row = "instances" in asked
    if is_row and "inputs" in asked:
        raise Refused(400, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if not is_row and "inputs" not in asked:
        raise Refused(400, "Missing 'inputs' or 'instances' key")
    columns = _columns(map.spec, asked["instances"]) if is_row else _named(map.spec, asked["inputs"])
    tensors = {tensor.name: tensor for tensor in map.spec.inputs}
    arrays = {}
    for name, values in columns.items():
        read = functools.partial(service.read, request, map.spec, tensors[name])
        arrays[name] = from_json(tensors[name], values, service.limits, read)
    return map, service.checked(request, map, arrays), is_row


def _columns(spec: MapSpec, rows: Any) -> dict[str, Any]:
    """Return the values of each input in `instances`, in the order of the rows."""
    if not isinstance(rows, list):
        raise Refused(400, "Expecting 'instances' to be an list/array")
    if not rows:
        raise Refused(400, "No values in 'instances' array")
    are_named = _is_named(rows[0])
    if not are_named and len(spec.inputs) > 1:
        raise Refused(
            400,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        )
    names = {tensor.name for tensor in spec.inputs}
    for number, row in enumerate(rows):
        if _is_named(row) != are_named:
            wanted, got = ("object", "list") if are_named else ("value/list", "object")
            raise Refused(400, f"Expecting {wanted} but got {got} at item {number} of input list")
        if are_named and row.keys() != names:
            raise Refused(
                400,
                f"Failed to process element: {number} of 'instances' list. JSON object: must only have keys: "
                f"{','.join(sorted(names))}",
            )
    if not are_named:
        return {spec.inputs[0].name: rows}
    return {name: [row[name] for row in rows] for name in names}


def _named(spec: MapSpec, values: Any) -> dict[str, Any]:
    """Return the values of each input in `inputs`."""
    if not _is_named(values):
        if len(spec.inputs) > 1:
            raise Refused(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map",
            )
        return {spec.inputs[0].name: values}
    for tensor in spec.inputs:
        if tensor.name not in values:
            raise Refused(400, f"Missing named input: {tensor.name} in 'inputs' object.")
    # TF Serving passes over other keys
    return {tensor.name: values[tensor.name] for tensor in spec.inputs}


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() != {"b64"}


def _answer(spec: MapSpec, made: Mapping[str, np.ndarray], is_row: bool) -> Response:
    """Return the outputs as they were asked for: in rows or by name; one output has no name."""
    # a row of a batch is a view of it, and may be strided
    outputs = {tensor.name: np.ascontiguousarray(made[tensor.name]) for tensor in spec.outputs}
    if len(outputs) == 1:
        (value,) = outputs.values()
        return json_response({"predictions" if is_row else "outputs": value})
    if not is_row:
        return json_response({"outputs": outputs})
    count = len(next(iter(outputs.values())))
    rows = [{name: values[number] for name, values in outputs.items()} for number in range(count)]
    return json_response({"predictions": rows})


async def describe(service: Service, request: Request, found: Mapping[str, str | None]) -> Response:
    """Answer GET /v1/models/NAME[/versions/V|/labels/L][/metadata]."""
    if found["model"] is None:
        raise Refused(400, "Missing model name in request.")
    if found["metadata"]:
        version = version_of(service, request, found)
        return json_response(_metadata(version))
    return json_response(_status(service, found))


def _status(service: Service, found: Mapping[str, str | None]) -> dict[str, Any]:
    model = unquote(found["model"] or "")
    states = service.repository.status(model)
    number = as_number(found["version"])
    if found["label"] is not None and states:
        number = service.repository.labelled(model, unquote(found["label"]))
    states = [state for state in states if number in (None, state.number)]
    if not states:
        which = "any versions" if number is None else f"version {number}"
        raise Refused(404, f"Could not find {which} of model {model}")
    entries = []
    for state in states:
        code = "FAILED_PRECONDITION" if state.reason else "OK"
        told = {"error_code": code, "error_message": state.reason}
        entries.append({"version": str(state.number), "state": state.state, "status": told})
    return {"model_version_status": entries}


def _metadata(version: Version) -> dict[str, Any]:
    bundle = version.loaded.bundle
    names = {"serving_default": bundle.manifest.default} | {name: name for name in bundle}
    signatures = {signature: _signature(signature, bundle[name].spec) for signature, name in names.items()}
    return {
        "model_spec": {"name": version.model, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _signature(signature: str, spec: MapSpec) -> dict[str, Any]:
    return {
        "inputs": {tensor.name: _tensor(signature, tensor) for tensor in spec.inputs},
        "outputs": {tensor.name: _tensor(signature, tensor) for tensor in spec.outputs},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


def _tensor(signature: str, tensor: TensorSpec) -> dict[str, Any]:
    sides = [-1, *(-1 if side is None else side for side in tensor.free_shape)]
    return {
        "dtype": TFS_TYPES[tensor.dtype],
        "tensor_shape": {"dim": [{"size": str(side), "name": ""} for side in sides], "unknown_rank": False},
        "name": f"{signature}_{tensor.name}:0",
    }
