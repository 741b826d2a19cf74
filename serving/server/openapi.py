"""GET /openapi.json: this server, and the models that serve now, in OpenAPI 3.1.

It is written from the routes and the maps, anew where another version serves: every parameter of every map, the shapes
and ranges of its tensors, and examples that can be sent as they are, from the bundle's own examples where it has such.
"""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

import zoo
from serving.maps import ServedMap
from serving.server import forms
from serving.server.http import BINARY, JSON, Request, Response
from serving.server.repository import Version
from serving.server.service import Service
from serving.server.tensors import OIP_TYPES
from zoo import media
from zoo.spec import TensorSpec

Json = dict[str, Any]
_SHORT = 256  # numbers of an example that are written out; more are the bytes of a file
_LONG = 4096  # no example is longer
_BESIDE = 2**31  # bytes that are always worked on beside the event loop's thread
_TEXT = {
    "info": "TF Serving's REST API (/v1/...:predict), the open inference protocol (/v2), and pictures, sounds and "
    "videos by seed or from an uploaded file (/v1/...:sample and the rest). Paths of a model take /versions/N after "
    "its name, and those of /v1 /labels/LABEL too. Bodies may be packed: Content-Encoding: gzip.",
    "predict": "Run a map, as TF Serving does: `signature_name` names it, `instances` has rows, `inputs` columns.",
    "infer": "Run the map {map}, as Triton and KServe do. Tensors may follow the JSON as bytes: see the protocol's "
    "extension for binary tensors.",
}
_MEANING = {
    "count": "How many.",
    "seed": "Which ones: the same seed makes the same samples.",
    "start": "The number of the first sample of the seed.",
    "seed_from": "The seed whose first sample the walk begins at.",
    "seed_to": "The seed whose first sample it ends at.",
    "steps": "How many pictures, both ends included.",
    "truncation": "Normal noise is drawn anew where its magnitude exceeds this: less varied, nearer to the usual.",
    "columns": "Of the grid, where several pictures are one; by default about a square.",
    "tile": "Run large pictures in tiles of this side; 0: as a whole.",
    "overlap": "By how many pixels tiles overlap; by default as far as the network sees.",
}
_CHOICE = "By name or number; by default each in turn."
_ERRORS = {"4XX": {"$ref": "#/components/responses/Error"}, "5XX": {"$ref": "#/components/responses/Error"}}
_STRING = {"type": "string"}
_STATUS = {
    "type": "object",
    "properties": {
        "version": _STRING,
        "state": {"enum": ["AVAILABLE", "LOADING", "END"]},
        "status": {
            "type": "object",
            "properties": {"error_code": _STRING, "error_message": _STRING},
            "required": ["error_code", "error_message"],
        },
    },
    "required": ["version", "state", "status"],
}
_TENSOR_METADATA = {
    "type": "object",
    "properties": {"name": _STRING, "datatype": _STRING, "shape": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name", "datatype", "shape"],
}


async def describe(service: Service, request: Request, found: Mapping[str, str | None]) -> Response:
    """Answer GET /openapi.json."""
    versions = [version for own in service.repository.models.values() for version in own]
    serving = tuple((version.model, version.number, version.mark) for version in versions)
    if service.description[0] != serving:
        service.description = serving, await service.work(_BESIDE, _written, service)
    return Response(service.description[1], JSON)


def _written(service: Service) -> bytes:
    return orjson.dumps(document(service))


def document(service: Service) -> Json:
    """Return the whole description."""
    paths = _of_server()
    for model, versions in service.repository.models.items():
        paths |= _of_model(model, versions[0], service.limits.rows)
    for path, methods in paths.items():
        for method, operation in methods.items():
            operation["operationId"] = re.sub(r"\W+", "_", f"{method}{path}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "genzoo", "version": zoo.__version__, "description": _TEXT["info"]},
        "paths": paths,
        "components": {
            "schemas": {"Error": _object({"error": _STRING})},
            "responses": {
                "Error": {
                    "description": "What was wrong, and what would be right, in one line.",
                    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        # a key is asked for where the server was started with --api_keys
        "security": [{}, {"bearer": []}, {"key": []}],
    }


def _of_server() -> dict[str, Json]:
    info = _object({"name": _STRING, "version": _STRING, "extensions": _list(_STRING)})
    entry = _object({"name": _STRING, "version": _STRING, "state": _STRING, "reason": _STRING})
    asked = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    return {
        "/v2": {"get": _operation("server", "What this server is.", _answer({JSON: info}))},
        "/v2/health/live": {"get": _operation("server", "Whether it runs.", _answer({}))},
        "/v2/health/ready": {"get": _operation("server", "Whether models serve: 200 or 503.", _ready())},
        "/v2/repository/index": {
            "post": _operation(
                "server", "Every version of every model, with the reason where one does not serve.",
                _answer({JSON: _list(entry)}), body={JSON: {"schema": asked, "example": {"ready": True}}},
            )
        },
        "/metrics": {"get": _operation("server", "Counters, for Prometheus.", _answer({"text/plain": _STRING}))},
    }  # fmt: skip


def _ready() -> Json:
    return _answer({}) | {"503": {"description": "Nothing serves, or the server is about to stop."}}


def _of_model(model: str, version: Version, rows: int) -> dict[str, Json]:
    """Return the paths of a model, as its newest version is."""
    bundle, default = version.loaded.bundle, version.loaded.bundle.manifest.default
    tried = {name: {key: values[0] for key, values in own.items()} for name, own in version.loaded.tried.items()}
    status, about = _object({"model_version_status": _list(_STATUS)}), {"type": "object"}
    metadata = _object({"model_spec": about, "metadata": about})
    made: dict[str, Json] = {
        f"/v1/models/{model}": {"get": _operation(model, "How its versions fare.", _answer({JSON: status}))},
        f"/v1/models/{model}/metadata": {"get": _operation(model, "Its signatures.", _answer({JSON: metadata}))},
        f"/v1/models/{model}:predict": {"post": _predict(model, bundle, tried)},
    }
    for name, map in bundle.items():
        if name == default:
            made[f"/v1/models/{model}:sample"] = _picture(model, map, tried[name], rows, "sample")
            if map.spec.noise:
                made[f"/v1/models/{model}:interpolate"] = _picture(model, map, tried[name], rows, "interpolate")
        # TensorFlow Serving's own words come first: see `app.ROUTES`
        if name not in ("predict", "classify", "regress", "sample", "interpolate"):
            made[f"/v1/models/{model}:{name}"] = _picture(model, map, tried[name], rows, name)
        place = f"/v2/models/{model}" if name == default else f"/v2/models/{model}:{name}"
        tensors = _list(_TENSOR_METADATA)
        told = _object({"name": _STRING, "versions": _list(_STRING), "platform": _STRING}) | {"type": "object"}
        told["properties"] |= {"inputs": tensors, "outputs": tensors}
        made[place] = {"get": _operation(model, f"The tensors of the map {name}.", _answer({JSON: told}))}
        made[f"{place}/ready"] = {"get": _operation(model, f"Whether the map {name} serves.", _answer({}))}
        made[f"{place}/infer"] = {"post": _infer(model, map, tried[name])}
    return made


def _predict(model: str, bundle: Mapping[str, ServedMap], tried: Mapping[str, Mapping[str, np.ndarray]]) -> Json:
    examples: dict[str, Json] = {}
    for name, map in bundle.items():
        row = {tensor.name: _example(tensor, tried[name][tensor.name]) for tensor in map.spec.inputs}
        examples[name] = {"value": {"signature_name": name, "instances": [row]}}
    names = {"enum": ["serving_default", *bundle]}
    schema = {
        "type": "object",
        "properties": {"signature_name": names, "instances": {"type": "array", "minItems": 1}, "inputs": {}},
    }
    answer = {"anyOf": [_object({"predictions": {"type": "array"}}), _object({"outputs": {}})]}
    body = {JSON: {"schema": schema, "examples": examples}}
    return _operation(model, _TEXT["predict"], _answer({JSON: answer}), body=body)


def _infer(model: str, map: ServedMap, tried: Mapping[str, np.ndarray]) -> Json:
    def entries(tensors: tuple[TensorSpec, ...], is_answer: bool) -> Json:
        words = {"name": {"enum": [t.name for t in tensors]}, "datatype": {"enum": [*OIP_TYPES.values()]}}
        shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
        entry = _object(words | {"shape": shape}) | {"type": "object"}
        entry["properties"] |= {"data": {"type": "array"}, "parameters": {"type": "object"}}
        return _list(entry) | ({"minItems": 1} if is_answer else {})

    schema = _object({"inputs": entries(map.spec.inputs, False)})
    schema["properties"] |= {"id": _STRING, "outputs": _list(_object({"name": _STRING}))}
    answer = _object({"model_name": _STRING, "model_version": _STRING, "outputs": entries(map.spec.outputs, True)})
    content: Json = {"schema": schema}
    if sum(math.prod(tensor.shape) for tensor in map.spec.inputs) <= _LONG:
        inputs = [
            {
                "name": tensor.name,
                "shape": [1, *tried[tensor.name].shape],
                "datatype": OIP_TYPES[tensor.dtype],
                "data": _numbers(tried[tensor.name].reshape(-1)),
            }
            for tensor in map.spec.inputs
        ]
        content["example"] = {"inputs": inputs}
    told = _TEXT["infer"].format(map=map.name)
    return _operation(model, told, _answer({JSON: answer, BINARY: {}}), body={JSON: content})


def _picture(model: str, map: ServedMap, tried: Mapping[str, np.ndarray], rows: int, method: str) -> Json:
    """Return the operations of :sample, :interpolate and :MAP."""
    is_walk = method == "interpolate"
    parameters = _parameters(map, is_walk, rows)
    shown = {"sample": f"Samples of the map {map.name}.", "interpolate": "A walk between two samples."}
    there = forms.of(map.spec.output, is_walk)
    summary = f"{shown.get(method, f'Run the map {map.name}.')} The header Accept chooses {', '.join(there)}."
    outputs = _object({"outputs": {"type": "object"}})
    answer = _answer({form: outputs if form == JSON else {} for form in there if form != BINARY or JSON not in there})
    files = [tensor for tensor in map.spec.conditions if not tensor.is_class]
    properties = {parameter["name"]: parameter["schema"] for parameter in parameters}
    asked = {parameter["name"]: parameter["example"] for parameter in parameters if "example" in parameter}
    asked |= {tensor.name: _example(tensor, tried[tensor.name]) for tensor in files}
    properties |= {tensor.name: {} for tensor in files}
    schema = {"type": "object", "properties": properties}
    content: Json = {JSON: {"schema": schema, "example": asked}}
    if len(files) == 1:
        kinds = {".png": ("image/png", "image/jpeg", "image/webp"), ".wav": ("audio/wav",)}
        content |= {kind: {"schema": {}} for kind in (*kinds.get(media.ending(files[0]), ()), "application/x-npy")}
    made = {} if files else {"get": _operation(model, summary, answer, parameters=parameters)}
    return made | {"post": _operation(model, summary, answer, body=content)}


def _parameters(map: ServedMap, is_walk: bool, rows: int) -> list[Json]:
    """Return what may be asked of a map in a query, as OpenAPI's parameters."""
    natural: Json = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
    several: Json = {"type": "integer", "minimum": 1, "maximum": rows}
    side = {"type": "integer", "minimum": 0, "maximum": 2**16}
    words: list[tuple[str, Json, Any]] = [
        ("count", several | {"default": 1}, 4),
        ("seed", natural | {"default": 0}, 7),
        ("start", natural | {"default": 0}, None),
    ]
    if is_walk:
        words = [
            ("seed_from", natural | {"default": 0}, 0),
            ("seed_to", natural | {"default": 1}, 1),
            ("steps", several | {"minimum": 2, "default": 8}, 8),
        ]
    if any(tensor.role == "normal" for tensor in map.spec.noise):
        words.append(("truncation", {"type": "number", "exclusiveMinimum": 0}, None))
    words.append(("columns", several, None))
    if map.is_free:
        words += [("tile", side | {"default": 0}, None), ("overlap", side, None)]
    for tensor in map.spec.conditions:
        if tensor.is_class:
            numbers = {"type": "integer", "minimum": int(tensor.low), "maximum": int(tensor.high)}
            named = {"anyOf": [{"enum": list(tensor.names)}, numbers]} if tensor.names else numbers
            words.append((tensor.name, named, tensor.names[0] if tensor.names else int(tensor.low)))
    return [
        {"name": name, "in": "query", "description": _MEANING.get(name, _CHOICE), "schema": schema}
        | ({} if example is None else {"example": example})
        for name, schema, example in words
    ]


def _example(tensor: TensorSpec, value: np.ndarray) -> Any:
    """Return one value of a tensor as JSON: numbers, or a file where these are many."""
    if value.size <= _SHORT:
        return _numbers(value)
    data = media.encode(tensor, value) if media.ending(tensor) in (".png", ".wav") else forms.npy(value)
    return {"b64": base64.b64encode(data).decode()}


def _numbers(values: np.ndarray) -> Any:
    """Return numbers as lists, with so many digits as a person may read."""
    return values.tolist() if values.dtype.kind == "i" else np.round(values.astype(np.float64), 6).tolist()


def _operation(
    tag: str, summary: str, answer: Json, parameters: list[Json] | None = None, body: Json | None = None
) -> Json:
    made: Json = {"tags": [tag], "summary": summary, "responses": answer | _ERRORS}
    if parameters:
        made["parameters"] = parameters
    if body:
        made["requestBody"] = {"content": body}
    return made


def _answer(content: Mapping[str, Json]) -> Json:
    told: Json = {"description": "The answer."}
    return {
        "200": told | ({"content": {form: {"schema": schema} for form, schema in content.items()}} if content else {})
    }


def _object(properties: Mapping[str, Json]) -> Json:
    """Return the schema of an object that has all of the properties, and maybe others."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}
