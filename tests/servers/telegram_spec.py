"""Holds requests against the machine-readable Bot API specification."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_INTEGER = re.compile(r"[+-]?\d+")
_CONSTANT = re.compile(r"(?:must be|always) [\"“]?(\w+)")
_TAGS = ("type", "status", "source")
_PRIMITIVES: Mapping[str, tuple[type, ...]] = {
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
    "String": (str,),
}
# Parameters of the methods simulated here that are not plain text, for when there is no specification.
_ENCODED = frozenset(
    {"chat_id", "user_id", "message_id", "message_ids", "message_thread_id"}
    | {"offset", "limit", "timeout", "allowed_updates"}
    | {"reply_markup", "reply_parameters", "link_preview_options", "commands", "scope", "media"}
    | {"disable_notification", "protect_content", "show_alert", "drop_pending_updates"}
    | {"results", "cache_time", "is_personal", "button"}
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a multipart request."""

    filename: str
    content_type: str
    data: bytes = field(repr=False)


def default_spec_path() -> Path | None:
    """The specification in the test corpus, if there is a corpus."""
    corpus = os.environ.get("MARGINBOT_CORPUS")
    return Path(corpus) / "telegram-bot-api.json" if corpus else None


def decode_loosely(raw: Mapping[str, object]) -> Json:
    """Parameters as values, without a specification to say which types they have."""
    return {name: _json(value) if name in _ENCODED else value for name, value in raw.items()}


class Spec:
    """The methods and types of the Bot API, and what is wrong with a given request."""

    def __init__(self, document: Json) -> None:
        self._methods: dict[str, Json] = document["methods"]
        self._types: dict[str, Json] = document["types"]

    @classmethod
    def load(cls, path: Path | None) -> "Spec | None":
        """None when the file is missing: then nothing is validated."""
        return cls(_parse(path)) if path and path.is_file() else None

    def knows(self, method: str) -> bool:
        return method in self._methods

    def returns(self, method: str) -> list[str]:
        return list(self._methods[method].get("returns", []))

    def decode(self, method: str, raw: Mapping[str, object]) -> tuple[Json, list[str]]:
        """The parameters as typed values, and every way in which they break the specification."""
        fields = {item["name"]: item for item in self._methods[method].get("fields", [])}
        params: Json = {}
        problems = [f"{name}: required" for name in _required(fields, raw)]
        for name, value in raw.items():
            types = fields[name]["types"] if name in fields else None
            params[name] = _read(types, value) if types else value
            if types:
                problems += self.check_any(types, params[name], name)
            elif not _is_attached(name, raw):
                problems.append(f"{name}: unknown parameter")
        return params, [f"{method}: {problem}" for problem in problems]

    def check(self, kind: str, value: object, at: str) -> list[str]:
        """What keeps `value` from being a `kind`; empty when nothing does."""
        if kind.startswith("Array of "):
            return self._check_array(kind.removeprefix("Array of "), value, at)
        if kind in _PRIMITIVES:
            fits = isinstance(value, _PRIMITIVES[kind]) and (kind == "Boolean" or not isinstance(value, bool))
            return [] if fits else [f"{at}: expected {kind}, got {value!r:.80}"]
        if kind == "InputFile":
            return [] if isinstance(value, Upload) else [f"{at}: expected an uploaded file"]
        if not isinstance(value, dict):
            return [f"{at}: expected {kind}, got {value!r:.80}"]
        if "subtypes" in self._types[kind]:
            return self.check_any(self._candidates(kind, value), value, at)
        return self._check_object(kind, value, at)

    def check_any(self, kinds: Iterable[str], value: object, at: str) -> list[str]:
        """The complaints of the kind that fits best."""
        return min((self.check(kind, value, at) for kind in kinds), key=len)

    def _check_array(self, kind: str, value: object, at: str) -> list[str]:
        if not isinstance(value, list):
            return [f"{at}: expected an array of {kind}, got {value!r:.80}"]
        return [problem for i, item in enumerate(value) for problem in self.check(kind, item, f"{at}[{i}]")]

    def _check_object(self, kind: str, value: Json, at: str) -> list[str]:
        if "fields" not in self._types[kind]:
            return []
        fields = {item["name"]: item for item in self._types[kind]["fields"]}
        problems = [f"{at}.{name}: required" for name in _required(fields, value)]
        for name, item in value.items():
            if name in fields:
                problems += self.check_any(fields[name]["types"], item, f"{at}.{name}")
            else:
                problems.append(f"{at}.{name}: unknown field of {kind}")
        return problems

    def _candidates(self, kind: str, value: Json) -> list[str]:
        subtypes: list[str] = self._types[kind]["subtypes"]
        return [name for name in subtypes if self._is_tagged(name, value)] or subtypes

    def _is_tagged(self, kind: str, value: Json) -> bool:
        for item in self._types[kind].get("fields", []):
            constant = _CONSTANT.search(item["description"]) if item["name"] in _TAGS else None
            if constant:
                return bool(value.get(item["name"]) == constant[1])
        return False


@cache
def _parse(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def _required(fields: Mapping[str, Json], given: Mapping[str, object]) -> list[str]:
    return [name for name, item in fields.items() if item["required"] and name not in given]


def _is_attached(name: str, raw: Mapping[str, object]) -> bool:
    return isinstance(raw[name], Upload) and any(f"attach://{name}" in str(value) for value in raw.values())


def _read(types: list[str], value: object) -> object:
    """A form field as the first of `types` its text can be; unchanged when it can be none."""
    if not isinstance(value, str):
        return value
    if "Integer" in types and _INTEGER.fullmatch(value):
        return int(value)
    if "Boolean" in types and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if "String" in types:
        return value
    return _json(value)


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
