"""The REST API: its table, its answers, its refusals; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.operations.postoffices import ADMIN
from appliance.operations.tokens import RevokeToken
from appliance.rules.access import TOKEN_PERMISSIONS, Permission
from appliance.settings import auth
from tests.support.everything import every_operation
from tests.support.town import PASSWORD, Town, submit
from tests.support.webtest import token, web
from webadmin.api.routes import ROUTES

# Operations without a row in the API's table, and why.
ELSEWHERE = {
    "badmail.read": "octets of a message, for the command line",
    "logs.find": "paths of the server's own files",
    "service.metrics": "Prometheus asks the daemons",
    "upgrade.plan": "needs the services stopped",
    "upgrade.run": "needs the services stopped",
}


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    with web(town.house) as found:
        yield found


class Program:
    """A client of the API."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:  # noqa: ANN401 - the test client's options
        return self._client.open(
            f"/api/v1{path}",
            method=method,
            base_url="https://mail.test",
            headers=self._headers,
            **options,
        )


@pytest.fixture
def program(app: Flask, town: Town) -> Program:
    return Program(app.test_client(), token(town, "everything"))


def test_every_operation_a_token_may_do_has_its_place_in_the_table() -> None:
    wanted = {each for each in every_operation() if each.permission in TOKEN_PERMISSIONS}
    missing = {each.name for each in wanted - {route.operation for route in ROUTES}}
    assert missing == set(ELSEWHERE)


def test_no_route_needs_a_permission_that_no_token_has() -> None:
    assert {route.operation.permission for route in ROUTES} <= TOKEN_PERMISSIONS


def test_each_route_has_a_name_and_a_place_of_its_own() -> None:
    assert len({route.id for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_a_mailbox_is_made_shown_and_deleted(program: Program, town: Town) -> None:
    made = program("POST", "/mailboxes", json={"mailbox": "carol@alpha", "password": PASSWORD})
    assert (made.status_code, made.json["login"]) == (201, "carol@alpha")
    assert made.json["created_at"].endswith("Z")
    assert "password" not in made.get_data(as_text=True)

    shown = program("GET", "/mailboxes/carol@alpha").json
    assert (shown["mailbox"]["name"], shown["addresses"]) == ("carol", ["carol@alpha.test"])

    assert program("DELETE", "/mailboxes/carol@alpha").status_code == 204
    assert program("GET", "/mailboxes/carol@alpha").status_code == 404
    assert town.house.directory.mailbox("carol@alpha") is None


def test_a_list_is_an_object_with_items(program: Program) -> None:
    found = program("GET", "/mailboxes", query_string={"postoffice": "alpha"}).json
    assert {each["name"] for each in found["items"]} == {ADMIN, "alice"}


def test_a_setting_is_changed_and_returned_to_its_default(program: Program, town: Town) -> None:
    assert program("PUT", "/settings/smtp.max_recipients", json={"value": "7"}).status_code == 204
    assert program("GET", "/settings/smtp.max_recipients").json["value"] == "7"
    assert program("PUT", "/settings/smtp.max_recipients", json={"value": None}).status_code == 204
    assert program("GET", "/settings/smtp.max_recipients").json["is_default"] is True


def test_a_message_is_held_seen_and_released(program: Program, town: Town) -> None:
    message = submit(town.house, "alice@alpha.test")
    assert program("POST", f"/queue/{message}/hold").json == {"result": 1}
    (queued,) = program("GET", "/queue", query_string={"state": "held"}).json["items"]
    assert (queued["id"], queued["recipients"][0]["state"]) == (message, "held")
    assert program("POST", f"/queue/{message}/release").json == {"result": 1}
    journey = program("GET", f"/messages/{message}/journey").json
    assert journey["events"][0]["kind"] == "accepted"


@pytest.mark.parametrize(
    ("request_line", "options", "status", "field"),
    [
        ("POST /mailboxes", {"json": {"mailbox": "x@alpha"}}, 400, ""),
        ("POST /mailboxes", {"json": {"mailbox": 7, "password": PASSWORD}}, 400, "mailbox"),
        (
            "POST /mailboxes",
            {"json": {"mailbox": "x@alpha", "password": "short"}},
            400,
            "password",
        ),
        ("POST /mailboxes", {"json": ["x"]}, 400, ""),
        ("POST /mailboxes", {"data": b"{", "content_type": "application/json"}, 400, ""),
        ("POST /mailboxes", {"data": b"mailbox=x"}, 415, ""),
        (
            "POST /mailboxes",
            {"json": {"mailbox": "x@alpha", "password": PASSWORD, "colour": 1}},
            400,
            "",
        ),
        ("POST /mailboxes?mailbox=x", {"json": {}}, 400, ""),
        ("POST /mailboxes", {"json": {"mailbox": "alice@alpha", "password": PASSWORD}}, 409, ""),
        ("GET /mailboxes/nobody@alpha", {}, 404, ""),
        ("GET /queue", {"query_string": {"most": "many"}}, 400, "most"),
        ("GET /queue", {"query_string": {"most": "0"}}, 400, "most"),
        ("PUT /settings/smtp.max_recipients", {"json": {"value": "many"}}, 400, "value"),
        ("GET /nowhere", {}, 404, ""),
        ("PATCH /mailboxes", {}, 405, ""),
    ],
)
def test_what_is_wrong_is_told_as_a_problem_document(
    program: Program, request_line: str, options: dict[str, Any], status: int, field: str
) -> None:  # RFC 9457
    answer = program(*request_line.split(), **options)
    assert answer.content_type == "application/problem+json"
    assert (answer.status_code, answer.json["status"]) == (status, status)
    assert answer.json["detail"]
    assert answer.json.get("field", "") == field


def test_without_a_token_it_asks_for_one(app: Flask) -> None:  # RFC 6750 §3
    answer = Program(app.test_client(), "")("GET", "/mailboxes")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_of_a_post_office_speaks_of_it_without_naming_it(app: Flask, town: Town) -> None:
    own = Program(app.test_client(), token(town, "own", postoffice="alpha"))
    assert {each["postoffice"] for each in own("GET", "/mailboxes").json["items"]} == {"alpha"}
    assert own("GET", "/mailboxes", query_string={"postoffice": "beta"}).status_code == 403
    assert own("GET", "/mailboxes/bob@beta").status_code == 403


def test_a_token_does_what_its_permissions_say_and_no_more(app: Flask, town: Town) -> None:
    reader = Program(app.test_client(), token(town, "reader", Permission.MAILBOX_READ))
    assert reader("GET", "/mailboxes/alice@alpha").status_code == 200
    refused = reader("DELETE", "/mailboxes/alice@alpha")
    assert (refused.status_code, "mailbox.change" in refused.json["detail"]) == (403, True)


def test_a_revoked_token_is_nobodys(app: Flask, town: Town) -> None:
    program = Program(app.test_client(), token(town, "short-lived"))
    town.do(RevokeToken(token="short-lived"))
    assert program("GET", "/mailboxes").status_code == 401


def test_wrong_tokens_are_throttled_by_address(app: Flask, town: Town) -> None:
    wrong = Program(app.test_client(), "ph_" + "x" * 43)
    most = town.house.settings[auth.max_failures]
    assert {wrong("GET", "/mailboxes").status_code for _ in range(most)} == {401}
    assert wrong("GET", "/mailboxes").status_code == 429


def test_tokens_are_not_taken_without_tls(app: Flask, town: Town) -> None:
    secret = token(town, "plain")
    answer = app.test_client().get(
        "/api/v1/mailboxes", headers={"Authorization": f"Bearer {secret}"}
    )
    assert (answer.status_code, "https" in answer.json["detail"]) == (401, True)
