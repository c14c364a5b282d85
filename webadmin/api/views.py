"""Answering API requests: token, operation, JSON; what goes wrong is a problem document.

Standards: RFC 6750 (bearer tokens), RFC 9457 (problem details), RFC 9110.
Owns: nothing. Failure: a status with `application/problem+json`; never a page.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)

from appliance.database.errors import DatabaseError
from appliance.operations.operation import Action, Call, Change, Invalid, OperationError, Question
from appliance.operations.operation import ask as ask_house
from appliance.operations.operation import perform as perform_in_house
from appliance.operations.tokens import find_token
from appliance.rules.access import Actor
from appliance.rules.login import may_try
from appliance.settings import auth
from webadmin.api import parameters
from webadmin.api.openapi import document
from webadmin.api.represent import to_json
from webadmin.api.routes import ROUTES, Route
from webadmin.context import client, parts
from webadmin.errors import status_of, tell_unforeseen

_MAX_BODY = 1 << 20
_encode = msgspec.json.Encoder().encode


class _NoToken(Exception):
    """Nobody is known by the request's token; the text says why."""


class _TooMany(Exception):
    """Too many wrong tokens came from this address."""


def register(blueprint: Blueprint) -> None:
    """Add the description and every route."""
    blueprint.add_url_rule("/openapi.json", "openapi", _describe)
    for route in ROUTES:
        path = route.path.replace("{", "<").replace("}", ">")
        endpoint = route.id.replace(".", "-")
        blueprint.add_url_rule(path, endpoint, _view(route), methods=[route.method])
    for kind in (OperationError, DatabaseError, HTTPException, _NoToken, _TooMany, Exception):
        blueprint.register_error_handler(kind, _fail)


def _describe() -> Response:
    return _json(document(request.url_root.rstrip("/") + "/api/v1"))


def _view(route: Route) -> Callable[..., Response]:
    def answer(**in_path: str) -> Response:
        actor = _actor()
        sent = _sent(route)
        names = [each.name for each in route.free]
        if actor.postoffice and "postoffice" in names:  # of whom else could it speak
            sent.setdefault("postoffice", actor.postoffice)
        operation = parameters.read(route, in_path, sent)
        call = Call(actor, "api", client())
        if isinstance(operation, Question):
            result = ask_house(parts().house, call, operation)
        else:
            assert isinstance(operation, Change | Action)
            result = perform_in_house(parts().house, call, operation)
        return Response(status=204) if route.status == 204 else _json(_body(result), route.status)

    return answer


def _actor() -> Actor:
    """Return whom the token stands for; wrong ones count as failed logins of the address."""
    house, settings = parts().house, parts().house.settings
    key, within_s = f"client {client()}", settings[auth.pause]
    failures = house.throttle.failures(key, within_s=within_s)
    if not may_try(login_failures=0, client_failures=failures, settings=settings).accepted:
        raise _TooMany("too many wrong tokens came from this address; wait a while")
    if not (request.is_secure or settings[auth.without_tls]):
        raise _NoToken("tokens are only taken over https")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _NoToken("send a token: Authorization: Bearer ph_…")
    actor = find_token(house, token.strip())
    if actor is None:
        house.throttle.count(key, within_s=within_s)
        raise _NoToken("that token is unknown, revoked or out of date")
    return actor


def _sent(route: Route) -> dict[str, Any]:
    if route.method in ("GET", "DELETE"):
        return {
            name: values if len(values) > 1 else values[0]
            for name, values in request.args.to_dict(flat=False).items()
        }
    if request.args:
        raise Invalid(
            f"{next(iter(request.args))!r}: a {route.method} takes its values in the body"
        )
    if (request.content_length or 0) > _MAX_BODY:
        raise RequestEntityTooLarge
    octets = request.get_data()
    if not octets and not any(parameters.is_required(each) for each in route.free):
        return {}
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        sent = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from None
    if not isinstance(sent, dict):
        raise Invalid("the body is a JSON object")
    return sent


def _body(result: object) -> object:
    """Return an answer's body: a list is an object with `items`, a plain value has a name."""
    found = to_json(result)
    if isinstance(found, list):
        return {"items": found}
    return found if isinstance(found, dict) else {"result": found}


def _fail(error: Exception) -> Response:
    field = ""
    match error:
        case OperationError():
            status, text = status_of(error), str(error)
            field = error.field if isinstance(error, Invalid) else ""
        case DatabaseError():
            status, text = 503, "the server is busy; nothing was changed"
        case _NoToken():
            status, text = 401, str(error)
        case _TooMany():
            status, text = 429, str(error)
        case HTTPException():
            status, text = error.code or 500, error.description or error.name
        case _:
            status, text = 500, tell_unforeseen(error)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": text,
        **({"field": field} if field else {}),
    }
    response = _json(problem, status)
    response.content_type = "application/problem+json"
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="posthouse"'
    return response


def _json(value: object, status: int = 200) -> Response:
    return Response(_encode(value), status, content_type="application/json")
