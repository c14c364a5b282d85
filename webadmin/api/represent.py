"""Values of the house as the API shows them, and what that looks like as JSON Schema.

A dataclass is an object of its fields and properties; a time, which the house keeps in µs
(`at_us`), is a date-time in UTC (`at`), and null where there is none. Value and schema come from
the same types.

Standards: JSON Schema 2020-12, RFC 3339. Owns: nothing.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from appliance.runtime.clock import MICROSECONDS
from appliance.settings.setting import Setting
from webadmin.api.docstrings import documented

Schema = dict[str, Any]
_TIMES = ("at", "since")
_US = "_us"
_UNIT = re.compile(r"[ ,;:]*(µs|microseconds).*")
_SETTING = {
    "name": "Its name.",
    "title": "A few words.",
    "help": "What it does.",
    "allowed": "What its value may be.",
    "default": "Its value when none is set.",
    "effect": "When a new value takes effect.",
    "manual": "The section of the manual it comes from, or empty.",
}


def to_json(value: Any, *, is_time: bool = False) -> Any:  # noqa: ANN401 - any value of the house
    """Return a value as JSON has it."""
    if is_time:
        return _to_time(value) if value else None
    if isinstance(value, Setting):
        return _of_setting(value)
    if _has_members(value.__class__):
        return {
            name.removesuffix(_US): to_json(getattr(value, name), is_time=_is_time(name, kind))
            for name, kind in _members(value.__class__).items()
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return [to_json(each) for each in value]
    return value


def schema_of(kind: Any, known: dict[str, Schema]) -> Schema:  # noqa: ANN401 - any type
    """Return the schema of what `to_json` makes of a type; one with members goes into `known`."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return {}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each, known) for each in inner]}
    if kind is Setting or origin is Setting:
        return _object({name: _described(text) for name, text in _SETTING.items()})
    if _has_members(kind):
        return _named(kind, known)
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object"}
    if origin is not None and issubclass(origin, Iterable):
        return {"type": "array", "items": schema_of(inner[0], known)}
    return plain_schema(kind)


def plain_schema(kind: Any) -> Schema:  # noqa: ANN401 - any type
    """Return the schema of a type that has no parts."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [each.value for each in kind]}
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return {"type": names[kind]}


def _named(kind: Any, known: dict[str, Schema]) -> Schema:  # noqa: ANN401 - a type with members
    name = kind.__name__
    if name not in known:
        known[name] = {}  # a type may hold itself
        properties = {}
        for member, type_ in _members(kind).items():
            is_time = _is_time(member, type_)
            found = _time_schema() if is_time else schema_of(type_, known)
            text = documented(kind).get(member, "")
            if is_time:  # the house's unit is not the API's
                text = _UNIT.sub("", text)
            properties[member.removesuffix(_US)] = {**found, "description": text} if text else found
        known[name] = _object(properties)
    return {"$ref": f"#/components/schemas/{name}"}


def _has_members(kind: Any) -> bool:  # noqa: ANN401 - any type
    """Tell a dataclass or a named tuple."""
    return is_dataclass(kind) or hasattr(kind, "_fields")


@cache
def _members(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass or named tuple
    """Return the public fields and properties of a type with their types."""
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        names = [each.name for each in fields(kind) if each.repr]
    else:
        names = list(kind._fields)
    found = {name: hints[name] for name in names}
    for name in dir(kind):
        member = getattr(kind, name)
        if isinstance(member, property) and not name.startswith("_"):
            found[name] = get_type_hints(member.fget)["return"]
    return found


def _is_time(name: str, kind: Any) -> bool:  # noqa: ANN401 - any type
    """Tell whether a member is a time in µs, by the names that the house gives them."""
    bare = name.removesuffix(_US)
    return kind is int and (bare in _TIMES or bare.endswith("_at"))


def _to_time(us: int) -> str:
    moment = datetime.fromtimestamp(us / MICROSECONDS, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _time_schema() -> Schema:
    return {"type": ["string", "null"], "format": "date-time"}


def _of_setting(setting: Setting[Any]) -> Schema:
    return {
        "name": setting.name,
        "title": setting.title,
        "help": setting.help,
        "allowed": setting.kind.describe(),
        "default": "" if setting.secret else setting.kind.render(setting.default),
        "effect": setting.effect.value,
        "manual": setting.manual,
    }


def _described(text: str) -> Schema:
    return {"type": "string", "description": text}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}
