"""JSON Schema (draft 2020-12), as much of it as the server's description and the open inference protocol use."""

from typing import Any

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
_KNOWN = {"type", "enum", "anyOf", "required", "properties", "items", "minItems", "minimum"}


def misfits(schema: dict[str, Any], value: Any, where: str = "$") -> list[str]:
    """Return the places where a value does not fit; a schema with other words than are known is an error."""
    assert schema.keys() <= _KNOWN, schema.keys() - _KNOWN
    if "anyOf" in schema:
        found = [misfits(other, value, where) for other in schema["anyOf"]]
        return [] if [] in found else [one for own in found for one in own]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return [f"{where}: {value!r} is no {kind}"]
    made = [f"{where}: lacks {name}" for name in schema.get("required", ()) if name not in value]
    for name, own in schema.get("properties", {}).items():
        if name in value:
            made += misfits(own, value[name], f"{where}.{name}")
    if "minimum" in schema and value < schema["minimum"]:
        made.append(f"{where}: {value} is below {schema['minimum']}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            made.append(f"{where}: has {len(value)} items")
        for number, item in enumerate(value):
            made += misfits(schema.get("items", {}), item, f"{where}[{number}]")
    return made
