"""The API against its own description: what it takes, what it answers, for whatever is sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema

from appliance.mail.envelope import Recipient
from appliance.queue.badmail import BadMail, save
from tests.support.town import Town, submit
from tests.support.webtest import token, web
from webadmin.api.openapi import document
from webadmin.api.routes import ROUTES

MESSAGE = "0" * 16
# Something that is there for each field that stands in a path.
THERE = {
    "postoffice": "alpha",
    "domain": "alpha.test",
    "mailbox": "alice@alpha",
    "address": "alice@alpha.test",
    "setting": "smtp.max_recipients",
    "message": MESSAGE,
    "copy": f"{MESSAGE}.0",
    "revision": 7,
}


def described(**there: object) -> BaseSchema:
    config = {
        "base-url": "https://mail.test/api/v1",
        "generation": {"max-examples": 15, "deterministic": True},
        "parameters": {f"path.{name}": value for name, value in there.items()},
    }
    return schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(config))


@pytest.fixture
def database_url() -> str:
    """SQLite alone: what is tried here are the doors; `test_hostile_fields` tries both databases."""
    return ""


@pytest.fixture
def program(town: Town) -> Iterator[dict[str, object]]:
    with web(town.house) as app:
        headers = {"Authorization": f"Bearer {token(town, 'everything')}"}
        yield {"app": app, "base_url": "https://mail.test/api/v1", "headers": headers}


def check(case, program) -> None:
    case.operation.app = case.operation.schema.app = program["app"]
    case.call_and_validate(**program)


@described().parametrize()
@settings(suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_for_the_answer_is_as_described(case, program) -> None:
    check(case, program)


@described(**THERE).parametrize()
@settings(suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_of_something_that_is_there_the_answer_is_as_described(case, program) -> None:
    check(case, program)
