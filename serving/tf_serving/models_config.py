"""models.config, TF Serving's list of the models it serves, read and written without TensorFlow.

The file is a `ModelServerConfig` (tensorflow_serving/config/model_server_config.proto) in protobuf's text format. A
server that reads it anew serves exactly what it lists. Of a model the name, the base path, the version policy and the
labels are kept here; a file that holds anything else is refused, since writing it anew would lose that.
"""

import dataclasses
import re
from collections.abc import Collection
from typing import Any

from zoo.shared.errors import UserError

FILE = "models.config"
MAX_VERSION = 2**63 - 1
_TOKEN = re.compile(r"""\s+|\#[^\n]*|(?P<token>"[^"'\\\n]*"|'[^"'\\\n]*'|[A-Za-z_]\w*|\d+|[{}:,;])""")
_HEADER = (
    "# Written by `python -m serving.tf_serving`, which keeps what it finds here: name, path, policy and labels.\n"
)
_MODEL_KEYS = {"name", "base_path", "model_platform", "model_version_policy", "version_labels"}

Fields = list[tuple[str, Any]]  # in their order; a message's value is the list of its own fields


@dataclasses.dataclass(frozen=True)
class Model:
    """A model of the file.

    - `base_path` is where the server finds the directory of the model's versions.
    - `policy` says which versions it serves: "all", the number of the latest ones, or a tuple of versions.
    - `labels` are names of versions, which requests may use in place of their numbers.
    """

    name: str
    base_path: str
    policy: str | int | tuple[int, ...] = 1
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def served(self, versions: Collection[int]) -> set[int]:
        """Return those of the versions in the directory that the policy has the server load."""
        if isinstance(self.policy, int):
            return set(sorted(versions)[-self.policy :])
        return set(versions) if self.policy == "all" else set(versions) & set(self.policy)

    def text(self) -> str:
        """Return the model's part of the file."""
        if isinstance(self.policy, int):
            policy = f"latest {{ num_versions: {self.policy} }}"
        elif self.policy == "all":
            policy = "all { }"
        else:
            policy = f"specific {{ {' '.join(f'versions: {version}' for version in self.policy)} }}"
        lines = [f'name: "{self.name}"', f'base_path: "{self.base_path}"', 'model_platform: "tensorflow"']
        lines.append(f"model_version_policy {{ {policy} }}")
        lines += [f'version_labels {{ key: "{label}" value: {version} }}' for label, version in self.labels.items()]
        return "  config {\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def text(models: dict[str, Model]) -> str:
    """Return the file that lists the models, by name."""
    parts = "".join(models[name].text() for name in sorted(models))
    return f"{_HEADER}model_config_list {{\n{parts}}}\n"


def parse(content: str) -> dict[str, Model]:
    """Return the models in the text of a file, by name; what would be lost in writing it anew is a `UserError`."""
    models: dict[str, Model] = {}
    for fields in _messages(_fields_of(content), "model_config_list", {"model_config_list"}):
        for config in _messages(fields, "config", {"config"}):
            model = _model(config)
            if model.name in models:
                raise UserError(f"lists the model {model.name!r} twice")
            models[model.name] = model
    return models


def _model(fields: Fields) -> Model:
    _refuse_others(fields, _MODEL_KEYS)
    names, paths, platforms = (_values(fields, key, str) for key in ("name", "base_path", "model_platform"))
    if len(names) != 1 or len(paths) != 1 or platforms not in ([], ["tensorflow"]):
        raise UserError("a model needs one name, one base_path and, if any, the model_platform 'tensorflow'")
    labels = {}
    for label in _messages(fields, "version_labels"):
        _refuse_others(label, {"key", "value"})
        keys, versions = _values(label, "key", str), _values(label, "value", int)
        if len(keys) != 1 or len(versions) != 1:
            raise UserError(f"a label of {names[0]!r} needs one key and one value")
        labels[keys[0]] = versions[0]
    policies = [policy for message in _messages(fields, "model_version_policy") for policy in message]
    if len(policies) > 1:
        raise UserError(f"{names[0]!r} has more than one version policy")
    return Model(names[0], paths[0], _policy(policies), labels)


def _policy(policies: Fields) -> str | int | tuple[int, ...]:
    if not policies:
        return 1  # TF Serving's default: the latest version
    _refuse_others(policies, {"latest", "all", "specific"})
    ((kind, fields),) = policies
    if not isinstance(fields, list):
        raise UserError(f"{kind} must be a message")
    key = {"latest": "num_versions", "specific": "versions"}.get(kind)
    _refuse_others(fields, {key} if key else set())
    numbers = _values(fields, key, int) if key else []
    if kind == "specific":
        return tuple(sorted(set(numbers)))
    return "all" if kind == "all" else (numbers or [1])[-1] or 1


def _messages(fields: Fields, key: str, known: set[str] | None = None) -> list[Fields]:
    """Return the messages under `key`, and refuse other keys than the `known` ones if these are given."""
    if known:
        _refuse_others(fields, known)
    return _values(fields, key, list)


def _values(fields: Fields, key: str, kind: type) -> list[Any]:
    values = [value for name, value in fields if name == key]
    if not all(isinstance(value, kind) for value in values):
        raise UserError(f"{key} must be a {({str: 'string', int: 'number', list: 'message'})[kind]}")
    return values


def _refuse_others(fields: Fields, known: set[str]) -> None:
    for name, _ in fields:
        if name not in known:
            raise UserError(f"holds {name}, which would be lost: edit the file by hand")


def _fields_of(content: str) -> Fields:
    """Return the fields of a message in text format; strings hold neither quotes nor escapes."""
    tokens, position = [], 0
    while position < len(content):
        if not (found := _TOKEN.match(content, position)):
            line = content.count("\n", 0, position) + 1
            raise UserError(f"line {line} is no protobuf text as TF Serving's guide writes it")
        tokens += [found["token"]] if found["token"] else []
        position = found.end()
    tokens.reverse()
    fields = _message(tokens, 0)
    if tokens:
        raise UserError("has a } too many")
    return fields


def _message(tokens: list[str], depth: int) -> Fields:
    """Take fields off the end of the reversed tokens, up to the } that closes the message or to the end of the file."""
    fields: Fields = []
    while tokens and tokens[-1] != "}":
        name = tokens.pop()
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or not tokens or depth > 8:
            raise UserError(f"{name!r} stands where a field's name and value should")
        has_colon = tokens[-1] == ":"
        if has_colon:
            tokens.pop()
        value = tokens.pop() if tokens else ""
        if value == "{":
            fields.append((name, _message(tokens, depth + 1)))
            if not tokens or tokens.pop() != "}":
                raise UserError(f"{name} lacks its }}")
        elif has_colon and value[:1] in ("'", '"'):
            fields.append((name, value[1:-1]))
        elif has_colon and value.isdecimal() and int(value) <= MAX_VERSION:
            fields.append((name, int(value)))
        else:
            raise UserError(f"{name} has the value {value!r}, which is neither a string, a number nor a message")
        if tokens and tokens[-1] in (",", ";"):
            tokens.pop()
    return fields
