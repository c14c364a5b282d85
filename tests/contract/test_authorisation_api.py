"""Who may do what over the API: every route, by every kind of token, on own things and others'.

The requests and what is expected of them come from `tests/support/everything.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import MISSING, replace
from enum import Enum
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from appliance.operations.operation import Operation
from appliance.operations.postoffices import (
    CreatePostOffice,
    DeletePostOffice,
    EnablePostOffice,
    ShowPostOffice,
)
from appliance.operations.records import ListAudit
from appliance.operations.settings import ChangeSetting
from appliance.operations.tokens import CreateToken, RevokeToken
from appliance.queue.desk import Desk
from appliance.rules.access import (
    ADMIN_PERMISSIONS,
    TOKEN_PERMISSIONS,
    Actor,
    ActorKind,
)
from tests.support.clock import SetClock
from tests.support.everything import MESSAGE as ENTRY
from tests.support.everything import WHO, expected
from tests.support.town import PASSWORD, Town, submit
from tests.support.webtest import token, web
from webadmin.api.routes import ROUTES, Route

_DAY_S = 86_400
_BOUND = ADMIN_PERMISSIONS & TOKEN_PERMISSIONS


def operation_at(route: Route, postoffice: str) -> Operation:
    """Return what is asked for at a route, about a thing of a post office's."""
    found = WHO[route.operation][0](postoffice)
    if "message" in route.in_path and not getattr(found, "message", ""):
        return replace(found, message=ENTRY)  # type: ignore[type-var] # operations are dataclasses
    return found


def send(app: Flask, route: Route, operation: Operation, secret: str) -> TestResponse:
    """Ask for an operation at its route."""
    in_path = {name: quote(str(getattr(operation, name))) for name in route.in_path}
    options: dict[str, Any] = {}
    given = {
        each.name: _plain(getattr(operation, each.name))
        for each in route.free
        if each.default is MISSING or getattr(operation, each.name) != each.default
    }
    if route.asks_by_query:
        options["query_string"] = given
    elif given:
        options["json"] = given
    return app.test_client().open(
        f"/api/v1{route.path.format(**in_path)}",
        method=route.method,
        base_url="https://mail.test",
        headers={"Authorization": f"Bearer {secret}"} if secret else {},
        **options,
    )


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def state(town: Town) -> tuple[object, ...]:
    """Return what a refused request must leave as it is."""
    return town.house.directory.version(), Desk(town.house.queue).messages()


def last_audit(town: Town) -> tuple[str, str, str, str]:
    (audit,) = town.ask(ListAudit(most=1))
    return audit.outcome, audit.operation, audit.actor, audit.door


def try_all(app: Flask, town: Town, actor: Actor, secret: str, postoffice: str) -> Iterable[str]:
    """Ask for everything with a token; yields where that ends as it should not."""
    before = state(town)
    allowed: list[tuple[Route, Operation]] = []
    for route in ROUTES:
        operation = operation_at(route, postoffice)
        if expected(actor, route.operation, postoffice):
            allowed.append((route, operation))
            continue
        answer = send(app, route, operation, secret)
        if answer.status_code != 403:
            yield f"{actor} at {route.method} {route.path}: {answer.status_code}, not refused"
        if last_audit(town) != ("refused", operation.name, str(actor), "api"):
            yield f"{actor} at {route.method} {route.path}: the audit has {last_audit(town)}"
    if state(town) != before:
        yield f"{actor}: something refused has changed something"
    for route, operation in allowed:
        status = send(app, route, operation, secret).status_code
        if status in (401, 403) or status >= 500:
            yield f"{actor} at {route.method} {route.path}: {status}, not allowed"


@pytest.fixture
def crowded(town: Town) -> Town:
    """A town with a message in its queue, that throttles nobody."""
    submit(town.house, "alice@alpha.test", message_id=ENTRY)
    town.do(ChangeSetting(setting="auth.max_failures", value="1000"))
    return town


@pytest.fixture
def app(crowded: Town) -> Iterator[Flask]:
    with web(crowded.house) as found:
        yield found


@pytest.mark.parametrize("postoffice", ["alpha", "beta"])
def test_token_of_the_server_may_do_what_its_permissions_say(
    app: Flask, crowded: Town, postoffice: str
) -> None:
    wrong: list[str] = []
    for each in sorted(TOKEN_PERMISSIONS):
        actor = Actor(ActorKind.TOKEN, each, permissions=frozenset({each}))
        wrong += try_all(app, crowded, actor, token(crowded, each, each), postoffice)
    actor = Actor(ActorKind.TOKEN, "all", permissions=TOKEN_PERMISSIONS)
    wrong += try_all(app, crowded, actor, token(crowded, "all"), postoffice)
    assert wrong == []


@pytest.mark.parametrize("postoffice", ["alpha", "beta"], ids=["own", "foreign"])
def test_token_of_a_post_office_reaches_no_other(
    app: Flask, crowded: Town, postoffice: str
) -> None:
    wrong: list[str] = []
    for each in sorted(_BOUND):
        actor = Actor(ActorKind.TOKEN, each, "alpha", frozenset({each}))
        secret = token(crowded, each, each, postoffice="alpha")
        wrong += try_all(app, crowded, actor, secret, postoffice)
    actor = Actor(ActorKind.TOKEN, "alphas", "alpha", _BOUND)
    secret = token(crowded, "alphas", postoffice="alpha")
    wrong += try_all(app, crowded, actor, secret, postoffice)
    assert wrong == []
    if postoffice == "beta":
        assert town_of(crowded, "beta") == {"ADMIN", "bob"}


def test_what_is_no_token_any_more_or_none_at_all_may_do_nothing(
    app: Flask, crowded: Town, clock: SetClock
) -> None:
    expired = CreateToken(token="old", permissions=tuple(TOKEN_PERMISSIONS), days=1)
    secrets = {
        "none": "",
        "made up": "ph_" + "x" * 43,
        "revoked": token(crowded, "revoked"),
        "expired": crowded.do(expired).secret,
        "of a suspended post office": token(crowded, "alphas", postoffice="alpha"),
    }
    clock.advance(_DAY_S)
    crowded.do(RevokeToken(token="revoked"))
    crowded.do(EnablePostOffice(postoffice="alpha", enabled=False))
    before = (*state(crowded), last_audit(crowded))
    wrong = [
        f"{who} at {route.method} {route.path}: {status}"
        for who, secret in secrets.items()
        for route in ROUTES
        if (status := send(app, route, operation_at(route, "alpha"), secret).status_code) != 401
    ]
    assert wrong == []
    assert (*state(crowded), last_audit(crowded)) == before


def test_token_of_a_deleted_post_office_is_nobodys_also_when_a_new_one_has_its_name(
    app: Flask, crowded: Town
) -> None:
    secret = token(crowded, "alphas", postoffice="alpha")
    crowded.do(DeletePostOffice(postoffice="alpha"))
    crowded.do(CreatePostOffice(postoffice="alpha", password=PASSWORD))
    (route,) = (each for each in ROUTES if each.operation is ShowPostOffice)
    assert send(app, route, ShowPostOffice(postoffice="alpha"), secret).status_code == 401


# Each is the other post office's ADMIN or bob, written otherwise, or asked for by way of one's own.
SIDEWAYS: list[tuple[str, str, dict[str, object]]] = [
    ("GET", "/mailboxes/bob@BETA", {}),
    ("GET", "/mailboxes/bob@beta.test", {}),
    ("GET", "/mailboxes/bob%40beta", {}),
    ("GET", "/mailboxes/alpha%2F..%2Fbob@beta", {}),
    ("GET", "/mailboxes/..%2Fpostoffices%2Fbeta", {}),
    ("GET", "/postoffices/alpha%2F..%2Fbeta", {}),
    ("GET", "/postoffices/%62eta", {}),
    ("GET", "/postoffices/alpha/../beta", {}),
    ("GET", "/postoffices/", {}),
    ("GET", "/mailboxes?postoffice=BETA", {}),
    ("GET", "/mailboxes?postoffice=", {}),
    ("GET", "/mailboxes?postoffice=alpha&postoffice=beta", {}),
    ("GET", "/mailboxes?postoffice=alpha&containing=bob", {}),
    ("GET", "/domains?postoffice=", {}),
    ("GET", "/addresses?postoffice=alpha&containing=beta", {}),
    ("POST", "/mailboxes", {"mailbox": "eve@beta", "password": PASSWORD}),
    ("POST", "/mailboxes", {"mailbox": "eve@alpha@beta", "password": PASSWORD}),
    ("POST", "/mailboxes", {"mailbox": "eve@beta\0@alpha", "password": PASSWORD}),
    ("POST", "/addresses", {"address": "eve@beta.test", "mailbox": "alice@alpha"}),
    ("POST", "/addresses", {"address": "bob@beta.test", "mailbox": "alice@alpha"}),
    ("POST", "/addresses", {"address": "eve@alpha.test", "mailbox": "bob@beta"}),
    ("PATCH", "/mailboxes/bob@beta", {"mailbox": "alice@alpha", "role": "ADMIN"}),
    ("PATCH", "/mailboxes/alice@alpha", {"mailbox": "bob@beta", "role": "ADMIN"}),
    ("PATCH", "/mailboxes/alice@alpha", {"postoffice": "beta", "role": "ADMIN"}),
    ("PUT", "/mailboxes/bob@beta/password", {"password": PASSWORD}),
    ("PUT", "/mailboxes/BOB@beta/enabled", {"enabled": False}),
    ("DELETE", "/addresses/bob@beta.test", {}),
    ("DELETE", "/addresses/bob@BETA.test?postoffice=alpha", {}),
    ("DELETE", "/addresses/bob@beta.test?postoffice=", {}),
    ("DELETE", "/mailboxes/bob@beta?mailbox=alice@alpha", {}),
]


def test_no_way_around_leads_into_another_post_office(app: Flask, crowded: Town) -> None:
    secret = token(crowded, "alphas", postoffice="alpha")
    before, wrong = state(crowded), []
    for method, path, values in SIDEWAYS:
        answer = app.test_client().open(
            f"/api/v1{path}",
            method=method,
            base_url="https://mail.test",
            headers={"Authorization": f"Bearer {secret}"},
            json=values or None,
        )
        told = answer.get_data(as_text=True)
        shown = answer.status_code == 200 and ('"bob"' in told or "bob@" in told)
        if shown or answer.status_code not in (200, 400, 403, 404) or state(crowded) != before:
            wrong.append(f"{method} {path} {values}: {answer.status_code} {told[:200]}")
    assert wrong == []


def town_of(town: Town, postoffice: str) -> set[str]:
    return {each.name for each in town.house.directory.mailboxes(postoffice)}
