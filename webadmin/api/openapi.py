"""The API's description, made from its table of routes.

Standards: OpenAPI 3.1. Owns: nothing.
"""

from __future__ import annotations

from typing import Any, get_type_hints

from appliance import __version__
from appliance.operations.operation import Action, Operation, Question
from webadmin.api import parameters
from webadmin.api.docstrings import summary
from webadmin.api.represent import Schema, schema_of
from webadmin.api.routes import ROUTES, Route

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "Which value, why, and what would be right."},
        "field": {"type": "string", "description": "The field that is wrong, where it is one."},
    },
    "required": ["type", "title", "status", "detail"],
}
_FAILURES = {
    "400": "A value is wrong.",
    "401": "There is no valid token.",
    "403": "The token may not do this.",
    "404": "What it is about does not exist.",
    "409": "It exists already, or something else stands in the way.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "429": "Too many wrong tokens came from this address.",
    "503": "The server is busy; nothing was changed.",
}
_OF_BODIES = ("413", "415")
_HEADERS = {
    "401": ("WWW-Authenticate", "How to send a token."),
    "403": ("WWW-Authenticate", "That the token lacks a permission."),
    "429": ("Retry-After", "Seconds."),
    "503": ("Retry-After", "Seconds."),
}


def document() -> dict[str, Any]:
    """Return the whole description."""
    known: dict[str, Schema] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Posthouse",
            "version": __version__,
            "description": "What the command line and the console can do, by the same operations.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": known,
            "responses": {code: _problem(code) for code in _FAILURES},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def result_of(operation: type[Operation]) -> Any:  # noqa: ANN401 - any type
    """Return the type an operation returns: the R of `Question[R]`."""
    method = "answer" if issubclass(operation, Question) else "apply"
    if issubclass(operation, Action):
        method = "carry_out"
    return get_type_hints(getattr(operation, method))["return"]


def _operation(route: Route, known: dict[str, Schema]) -> dict[str, Any]:
    first, rest = summary(route.operation)
    found: dict[str, Any] = {
        "operationId": route.id,
        "summary": first.rstrip("."),
        "tags": [route.operation.name.partition(".")[0]],
        "description": f"{rest} Permission: `{route.operation.permission}`.".strip(),
        "parameters": [_in_path(route, each) for each in route.of_path],
        "responses": _responses(route, known),
    }
    if route.asks_by_query:
        found["parameters"] += [_in_query(route, each) for each in route.free]
    elif route.free:
        body: Schema = {
            "type": "object",
            "properties": {each.name: parameters.schema(route, each) for each in route.free},
            "required": [each.name for each in route.free if parameters.is_required(each)],
            "additionalProperties": False,
        }
        found["requestBody"] = {
            "required": bool(body["required"]),
            "content": {"application/json": {"schema": body}},
        }
    return found


def _responses(route: Route, known: dict[str, Schema]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done."}
    if route.status != 204:
        kind = result_of(route.operation)
        success["content"] = {"application/json": {"schema": _success(kind, known)}}
    failures = [code for code in _FAILURES if not (route.asks_by_query and code in _OF_BODIES)]
    return {str(route.status): success} | {
        code: {"$ref": f"#/components/responses/{code}"} for code in failures
    }


def _success(kind: Any, known: dict[str, Schema]) -> Schema:  # noqa: ANN401 - any type
    """Return the schema of an answer: a list is an object with `items`, a value has a name."""
    found = schema_of(kind, known)
    if found.get("type") == "array":
        return _holding("items", found)
    return found if "$ref" in found else _holding("result", found)


def _holding(name: str, found: Schema) -> Schema:
    return {"type": "object", "properties": {name: found}, "required": [name]}


def _in_path(route: Route, field: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass field
    schema = parameters.schema(route, field)
    if schema["type"] == "string":
        schema["minLength"] = 1
    text = schema.pop("description", "")
    return {
        "name": field.name,
        "in": "path",
        "required": True,
        "description": text,
        "schema": schema,
    }


def _in_query(route: Route, field: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass field
    schema = parameters.schema(route, field)
    text = schema.pop("description", "")
    required = parameters.is_required(field)
    return {
        "name": field.name,
        "in": "query",
        "required": required,
        "description": text,
        "schema": schema,
    }


def _problem(code: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    found: dict[str, Any] = {"description": _FAILURES[code], "content": content}
    if code in _HEADERS:
        name, text = _HEADERS[code]
        header = {"description": text, "required": True, "schema": {"type": "string"}}
        found["headers"] = {name: header}
    return found
