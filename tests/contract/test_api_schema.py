"""The API against its own description: what it takes, what it answers, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema

from appliance.database.content import Content
from appliance.operations.settings import ChangeSetting
from appliance.queue.badmail import BadMail, save
from tests.support.town import MESSAGE, Town, submit
from tests.support.webtest import token, web
from webadmin.api.openapi import document

ENTRY = "0" * 16
# Something that is there, for each field that stands in a path.
THERE = {
    "postoffice": "alpha",
    "domain": "alpha.test",
    "mailbox": "alice@alpha",
    "address": "alice@alpha.test",
    "setting": "smtp.max_recipients",
    "message": ENTRY,
    "copy": f"{ENTRY}.0",
    "revision": 7,
}
# What is sound by its type may be wrong all the same; and tokens have their own tests.
_LEFT_OUT = ("positive_data_acceptance", "ignored_auth")
_CALM = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def described(there: dict[str, Any]) -> BaseSchema:
    config = {
        "generation": {
            "max-examples": 15,
            "deterministic": True,
            "with-security-parameters": False,
        },
        "checks": {name: {"enabled": False} for name in _LEFT_OUT},
        "parameters": {f"path.{name}": value for name, value in there.items()},
    }
    return schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(config))


@pytest.fixture
def database_url() -> str:
    """SQLite alone: this tries the door; `test_hostile_fields` tries both databases."""
    return ""


@pytest.fixture
def options(town: Town) -> Iterator[dict[str, Any]]:
    """How each request is sent, in a town that has something of everything."""
    house = town.house
    submit(house, "alice@alpha.test", message_id=ENTRY)
    copy = BadMail(
        entry_id=ENTRY,
        number=0,
        reverse_path="",
        recipient="alice@alpha.test",
        subject="greetings",
        size=len(MESSAGE),
        reason="it could not be returned",
        at_us=1,
    )
    save(house.badmail, [copy], Content(len(MESSAGE), MESSAGE, None))
    town.do(ChangeSetting(setting="auth.max_failures", value="1000"))
    headers = {"Authorization": f"Bearer {token(town, 'everything')}"}
    with web(house) as app:
        yield {"app": app, "base_url": "https://mail.test/api/v1", "headers": headers}


def check(case: schemathesis.Case[Any], options: dict[str, Any]) -> None:
    case.operation.app = options["app"]  # for the requests that checks make of their own
    case.call_and_validate(**options)


@described({}).parametrize()
@_CALM
def test_whatever_is_asked_for_the_answer_is_as_described(
    case: schemathesis.Case[Any], options: dict[str, Any]
) -> None:
    check(case, options)


@described(THERE).parametrize()
@_CALM
def test_whatever_is_asked_of_what_is_there_the_answer_is_as_described(
    case: schemathesis.Case[Any], options: dict[str, Any]
) -> None:
    check(case, options)
