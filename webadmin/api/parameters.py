"""What a client sends, as an operation's fields: checked, converted, and described.

Owns: nothing. Failure: `Invalid`, with the field that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from werkzeug.datastructures import MultiDict

from appliance.operations.checks import MAX_QUOTA_KB
from appliance.operations.operation import Invalid, Operation
from webadmin.api.docstrings import documented
from webadmin.api.represent import Schema, plain_schema
from webadmin.api.routes import Route

_INT_BOUNDS = {"most": (1, 1000), "days": (1, 3650), "quota_kb": (0, MAX_QUOTA_KB)}
_ANY_INT = (0, 2**31 - 1)
_MAX_TEXT = 1000  # characters; no name and no address has more
_LONG_TEXTS = {"text": 65_536, "value": 65_536}
_SEVERAL = (tuple, frozenset, list)
_WHERE = re.compile(r" - at `\$\.?(.*?)`")
_MISSING = re.compile(r"missing required field `(\w+)`")


def read(route: Route, in_path: Mapping[str, str], sent: Mapping[str, Any]) -> Operation:
    """Make an operation of what was sent.

    Args:
        route: where.
        in_path: the fields of the path.
        sent: the others, by name; texts where they come from a query.

    Raises:
        Invalid: a field is missing, unknown, or of another type.
    """
    values = _convert(in_path, _shape(route, in_path=True), strict=False)
    values |= _convert(sent, _shape(route, in_path=False), strict=not route.asks_by_query)
    return route.operation(**dict(route.fixed), **values)


def from_query(route: Route, query: MultiDict[str, str]) -> dict[str, Any]:
    """Return the fields of a query by name: a list for those that hold several values.

    Raises:
        Invalid: one that holds a single value was given twice.
    """
    hints = _hints(route.operation)
    found: dict[str, Any] = {}
    for name, values in query.lists():
        is_list = name in hints and get_origin(hints[name]) in _SEVERAL
        if len(values) > 1 and not is_list:
            raise Invalid(f"{name} was given {len(values)} times; give it once", field=name)
        found[name] = values if is_list else values[0]
    return found


def schema(route: Route, field: Field[Any]) -> Schema:
    """Return the schema of one field, with what the operation's docstring says of it."""
    found = _schema(_hint(route, field), field.name)
    text = documented(route.operation).get(field.name)
    if text:
        found["description"] = text
    if not field.repr:
        found["writeOnly"] = True
    if not is_required(field) and _default(field) not in (None, ""):
        found["default"] = _default(field)
    return found


def is_required(field: Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


@cache
def _hints(operation: type[Operation]) -> dict[str, Any]:
    return get_type_hints(operation)


def _hint(route: Route, field: Field[Any]) -> Any:  # noqa: ANN401 - any type
    """Return a field's type; None as its default stands for leaving it out, and is not sent."""
    kind = _hints(route.operation)[field.name]
    if field.default is None:
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _convert(
    sent: Mapping[str, Any], shape: type[msgspec.Struct], *, strict: bool
) -> dict[str, Any]:
    """Return the fields that were sent, each as its own type."""
    try:
        found = msgspec.convert(sent, shape, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        text = str(error)
        where = _WHERE.search(text) or _MISSING.search(text)
        field = where[1].partition("[")[0] if where else ""
        raise Invalid(_WHERE.sub("", text), field=field) from None
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


@cache
def _shape(route: Route, *, in_path: bool) -> type[msgspec.Struct]:
    """Return the type that a route's fields are converted to: those of the path, or the free."""
    fields: list[Any] = []
    for each in route.of_path if in_path else route.free:
        kind = _bounded(_hint(route, each), each.name)
        if is_required(each):
            fields.append((each.name, kind))
        else:
            fields.append((each.name, kind | msgspec.UnsetType, msgspec.UNSET))
    name = route.id.replace(".", "_")
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, kw_only=True)


def _bounded(kind: Any, name: str) -> Any:  # noqa: ANN401 - any type
    """Give integers and texts the bounds that the schema tells."""
    if kind is int:
        low, high = _INT_BOUNDS.get(name, _ANY_INT)
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    if kind is str:
        return Annotated[str, msgspec.Meta(max_length=_LONG_TEXTS.get(name, _MAX_TEXT))]
    return kind


def _schema(kind: Any, name: str) -> Schema:  # noqa: ANN401 - any type
    inner = get_args(kind)
    if get_origin(kind) in _SEVERAL:
        return {"type": "array", "items": _schema(inner[0], name)}
    if type(None) in inner:
        (other,) = (each for each in inner if each is not type(None))
        found = _schema(other, name)
        return {**found, "type": [found["type"], "null"]}
    found = plain_schema(kind)
    if kind is int:
        low, high = _INT_BOUNDS.get(name, _ANY_INT)
        found |= {"minimum": low, "maximum": high}
    if kind is str:
        found["maxLength"] = _LONG_TEXTS.get(name, _MAX_TEXT)
    return found


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 - any value
    value = None if field.default is MISSING else field.default
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple | frozenset) else value
