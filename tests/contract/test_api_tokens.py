"""Who may ask the API at all: tokens, and those that are none; on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from appliance.operations.postoffices import ADMIN
from appliance.operations.tokens import RevokeToken
from appliance.rules.access import Permission
from appliance.settings import auth
from tests.support.clock import SetClock
from tests.support.program import Program, body
from tests.support.town import Town
from tests.support.webtest import sign_in, token, web


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    with web(town.house) as found:
        yield found


@pytest.fixture
def program(app: Flask, town: Town) -> Program:
    return Program(app.test_client(), token(town, "everything"))


def test_without_a_token_it_asks_for_one(app: Flask) -> None:  # RFC 6750 §3
    answer = Program(app.test_client(), "")("GET", "/mailboxes")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="posthouse"'


@pytest.mark.parametrize(
    "header",
    ["Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer ", "Token x", "", "Bearer \xe9", "Bearer a b"],
)
def test_what_is_no_bearer_token_is_nobodys(app: Flask, header: str) -> None:
    answer = app.test_client().get(
        "/api/v1/postoffices", base_url="https://mail.test", headers={"Authorization": header}
    )
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_a_session_of_the_web_is_no_token(app: Flask, town: Town) -> None:
    visitor = sign_in(app, "webadmin", f"{ADMIN}@alpha")
    answer = visitor.get("/api/v1/mailboxes?postoffice=alpha")
    assert answer.status_code == 401


def test_a_token_of_a_post_office_speaks_of_it_without_naming_it(app: Flask, town: Town) -> None:
    own = Program(app.test_client(), token(town, "own", postoffice="alpha"))
    assert {each["mailbox"]["postoffice"] for each in own.get("/mailboxes")["items"]} == {"alpha"}
    assert [each["name"] for each in own.get("/domains")["items"]] == ["alpha.test"]
    assert own("DELETE", "/addresses/alice@alpha.test").status_code == 204
    assert own("DELETE", "/addresses/bob@beta.test").status_code == 404
    assert own("DELETE", "/addresses/bob@beta.test?postoffice=beta").status_code == 403
    assert own("GET", "/mailboxes", query_string={"postoffice": "beta"}).status_code == 403
    assert own("GET", "/mailboxes/bob@beta").status_code == 403
    assert town.house.directory.addresses(mailbox="bob@beta")


def test_a_token_does_what_its_permissions_say_and_no_more(app: Flask, town: Town) -> None:
    reader = Program(app.test_client(), token(town, "reader", Permission.MAILBOX_READ))
    assert reader("GET", "/mailboxes/alice@alpha").status_code == 200
    refused = reader("DELETE", "/mailboxes/alice@alpha")
    assert (refused.status_code, "mailbox.change" in body(refused)["detail"]) == (403, True)
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]  # RFC 6750 §3.1


def test_a_revoked_token_is_nobodys(app: Flask, town: Town) -> None:
    program = Program(app.test_client(), token(town, "short-lived"))
    town.do(RevokeToken(token="short-lived"))
    answer = program("GET", "/mailboxes")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]  # RFC 6750 §3.1


def test_wrong_tokens_are_throttled_by_address(
    app: Flask, town: Town, program: Program, clock: SetClock
) -> None:  # RFC 6585 §4
    wrong = Program(app.test_client(), "ph_" + "x" * 43)
    most = town.house.settings[auth.max_failures]
    assert {wrong("GET", "/mailboxes").status_code for _ in range(most)} == {401}
    throttled = wrong("GET", "/mailboxes")
    assert throttled.status_code == 429
    assert int(throttled.headers["Retry-After"]) == town.house.settings[auth.pause]
    assert program("GET", "/postoffices").status_code == 429  # from the same address
    clock.advance(town.house.settings[auth.pause])
    assert program("GET", "/postoffices").status_code == 200


def test_asking_without_a_token_is_no_wrong_one(app: Flask, town: Town, program: Program) -> None:
    nobody = Program(app.test_client(), "")
    most = town.house.settings[auth.max_failures]
    assert {nobody("GET", "/mailboxes").status_code for _ in range(most + 1)} == {401}
    assert program("GET", "/postoffices").status_code == 200


def test_tokens_are_not_taken_without_tls(app: Flask, town: Town) -> None:
    secret = token(town, "plain")
    answer = app.test_client().get(
        "/api/v1/mailboxes", headers={"Authorization": f"Bearer {secret}"}
    )
    assert (answer.status_code, "https" in body(answer)["detail"]) == (401, True)


def test_answers_are_kept_by_nobody_and_are_no_page(program: Program) -> None:
    answer = program("GET", "/postoffices")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
