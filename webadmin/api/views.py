"""Answering API requests: token, operation, JSON; what goes wrong is a problem document.

Standards: RFC 6750 (bearer tokens), RFC 9457 (problem details), RFC 9110.
Owns: nothing. Failure: a status with `application/problem+json`; never a page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
)

from appliance.database.errors import DatabaseError
from appliance.operations.operation import (
    Action,
    Call,
    Change,
    Invalid,
    OperationError,
    Question,
    Refused,
)
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
from webadmin.errors import status_of, tell_busy, tell_unforeseen
from webadmin.problems import RETRY_S, of_http, problem

_MAX_BODY = 1 << 20  # octets
_encode = msgspec.json.Encoder().encode


def register(blueprint: Blueprint) -> None:
    """Add the description and every route."""
    blueprint.add_url_rule("/openapi.json", "openapi", _describe)
    for route in ROUTES:
        endpoint = route.id.replace(".", "-")
        blueprint.add_url_rule(
            route.rule, endpoint, _view(route), methods=[route.method], merge_slashes=False
        )
    for kind in (OperationError, DatabaseError, HTTPException, Exception):
        blueprint.register_error_handler(kind, _fail)


class _Challenge(WWWAuthenticate):
    """What a client is asked for; all values quoted, as RFC 6750 §3 wants them."""

    def __init__(self, **why: str) -> None:
        super().__init__("bearer", {"realm": "posthouse", **why})

    def to_header(self) -> str:
        """Return the header's value."""
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in self.parameters.items())


@cache
def _description() -> bytes:
    return _encode(document())


def _describe() -> Response:
    return Response(_description(), content_type="application/json")


def _view(route: Route) -> Callable[..., Response]:
    def answer(**in_path: str) -> Response:
        actor = _actor()
        g.caller = str(actor)
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
        if route.status == 204:
            nothing = Response(status=204)
            del nothing.headers["Content-Type"]
            return nothing
        return Response(_encode(_body(result)), route.status, content_type="application/json")

    return answer


def _actor() -> Actor:
    """Return whom the token stands for; wrong ones count as failed logins of the address."""
    house, settings = parts().house, parts().house.settings
    key, within_s = f"client {client()}", settings[auth.pause]
    failures = house.throttle.failures(key, within_s=within_s)
    if not may_try(login_failures=0, client_failures=failures, settings=settings).accepted:
        text = "too many wrong tokens or passwords came from this address; wait a while"
        raise TooManyRequests(text, retry_after=within_s)
    if not (request.is_secure or settings[auth.without_tls]):
        raise _unauthorized("tokens are only taken over https")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorized("send a token: Authorization: Bearer ph_…")
    actor = find_token(house, token.strip())
    if actor is None:
        house.throttle.count(key, within_s=within_s)
        text = "that token is unknown, revoked or out of date"
        raise _unauthorized(text, error="invalid_token")  # RFC 6750 §3.1
    return actor


def _unauthorized(text: str, **why: str) -> Unauthorized:
    return Unauthorized(text, www_authenticate=_Challenge(**why))


def _sent(route: Route) -> dict[str, Any]:
    if route.asks_by_query:
        return parameters.from_query(route, request.args)
    if request.args:
        name = next(iter(request.args))
        raise Invalid(f"{name!r}: a {route.method} takes its values in the body")
    request.max_content_length = _MAX_BODY + 1  # one more: what has no length is cut off there
    octets = request.get_data()
    if len(octets) > _MAX_BODY:
        raise RequestEntityTooLarge
    if not octets and not any(parameters.is_required(each) for each in route.free):
        return {}
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        sent = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(sent, dict):
        raise Invalid("the body is a JSON object, with the fields as its members")
    return sent


def _body(result: object) -> object:
    """Return an answer's body: a list is an object with `items`, a plain value has a name."""
    found = to_json(result)
    if isinstance(found, list):
        return {"items": found}
    return found if isinstance(found, dict) else {"result": found}


def _fail(error: Exception) -> Response:
    match error:
        case Refused():
            scope = _Challenge(error="insufficient_scope")
            return problem(403, str(error), headers={"WWW-Authenticate": scope.to_header()})
        case OperationError():
            return problem(status_of(error), str(error), field=error.field)
        case DatabaseError():
            return problem(503, tell_busy(error), headers={"Retry-After": str(RETRY_S)})
        case HTTPException():
            return of_http(error)
    return problem(500, tell_unforeseen(error))
