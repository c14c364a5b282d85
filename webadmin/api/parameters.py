"""What a client sends, as an operation's fields: checked, converted, and described.

Owns: nothing. Failure: `Invalid`, with the field that is wrong.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from appliance.operations.operation import Invalid, Operation
from webadmin.api.represent import Schema, plain_schema
from webadmin.api.routes import Route

_INT_BOUNDS = {"most": (1, 1000), "days": (1, 3650)}
_ANY_INT = (0, 2**31 - 1)
_MAX_TEXT = 65_536  # characters; a value that long is no name, address or setting
_ENTRY = re.compile(r"^ {8}(\w+): (.+(?:\n {9,}.+)*)", re.MULTILINE)
_WHERE = re.compile(r" - at `\$\.?(.*?)`")


def read(route: Route, in_path: Mapping[str, str], sent: Mapping[str, Any]) -> Operation:
    """Make an operation of what was sent.

    Args:
        route: where.
        in_path: the fields of the path.
        sent: the others, by name; texts where they come from a query.

    Raises:
        Invalid: a field is missing, unknown, or of another type.
    """
    is_query = route.method in ("GET", "DELETE")
    try:
        values = msgspec.convert(sent, _shape(route), strict=not is_query, str_keys=True)
    except msgspec.ValidationError as error:
        where = _WHERE.search(str(error))
        text = _WHERE.sub("", str(error))
        raise Invalid(text, field=where[1].partition("[")[0] if where else "") from None
    given = {name: getattr(values, name) for name in values.__struct_fields__}
    return route.operation(**dict(route.fixed), **in_path, **given)


def schema(route: Route, field: Field[Any]) -> Schema:
    """Return the schema of one field, with what the operation's docstring says of it."""
    found = _schema(_hints(route.operation)[field.name], field.name)
    text = documented(route.operation).get(field.name)
    if text:
        found["description"] = text
    if not field.repr:
        found |= {"writeOnly": True} if found.get("type") == "string" else {}
    if not is_required(field) and _default(field) not in (None, ""):
        found["default"] = _default(field)
    return found


def is_required(field: Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


@cache
def documented(operation: type[Operation]) -> dict[str, str]:
    """Return what the docstrings of an operation and its bases say of its fields."""
    found: dict[str, str] = {}
    for each in reversed(operation.__mro__):
        if "Attributes:" in (each.__doc__ or ""):
            text = inspect.cleandoc(each.__doc__ or "").partition("Attributes:")[2]
            entries = _ENTRY.findall("\n".join(f"    {line}" for line in text.splitlines()))
            found |= {name: " ".join(said.split()) for name, said in entries}
    return found


@cache
def _hints(operation: type[Operation]) -> dict[str, Any]:
    return get_type_hints(operation)


@cache
def _shape(route: Route) -> type[msgspec.Struct]:
    """Return the type that the free fields of a route are converted to."""
    hints = _hints(route.operation)
    required = [
        (each.name, _bounded(hints[each.name], each.name))
        for each in route.free
        if is_required(each)
    ]
    optional = [
        (each.name, _bounded(hints[each.name], each.name), each.default)
        for each in route.free
        if not is_required(each)
    ]
    return msgspec.defstruct(
        route.id.replace(".", "_"), [*required, *optional], forbid_unknown_fields=True, kw_only=True
    )


def _bounded(kind: Any, name: str) -> Any:  # noqa: ANN401 - any type
    """Give integers and texts the bounds that the schema tells."""
    if kind is int:
        low, high = _INT_BOUNDS.get(name, _ANY_INT)
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    if kind is str:
        return Annotated[str, msgspec.Meta(max_length=_MAX_TEXT)]
    return kind


def _schema(kind: Any, name: str) -> Schema:  # noqa: ANN401 - any type
    inner = get_args(kind)
    if get_origin(kind) in (tuple, frozenset, list):
        return {"type": "array", "items": _schema(inner[0], name)}
    if type(None) in inner:
        (other,) = (each for each in inner if each is not type(None))
        found = _schema(other, name)
        return (
            {**found, "type": [found["type"], "null"]}
            if "enum" not in found
            else {"anyOf": [found, {"type": "null"}]}
        )
    found = plain_schema(kind)
    if kind is int:
        low, high = _INT_BOUNDS.get(name, _ANY_INT)
        found |= {"minimum": low, "maximum": high}
    if kind is str:
        found["maxLength"] = _MAX_TEXT
    return found


def _default(field: Field[Any]) -> Any:  # noqa: ANN401 - any value
    value = None if field.default is MISSING else field.default
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple | frozenset) else value
