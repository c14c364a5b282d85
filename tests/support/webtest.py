"""The web in the test's own process: the application on a house, and clients that are signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.operations.house import House
from appliance.operations.tokens import CreateToken
from appliance.rules.access import ADMIN_PERMISSIONS, TOKEN_PERMISSIONS, Permission
from appliance.runtime.logs import Logs
from tests.support.town import PASSWORD, Town
from webadmin.app import create_app

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@contextmanager
def web(house: House) -> Iterator[Flask]:
    """Run the application on a house."""
    logs = Logs(house.home, "WEB")
    try:
        yield create_app(house, logs)
    finally:
        logs.close()


@dataclass
class Visitor:
    """A browser without a window: its cookies, and the proof its forms carry."""

    client: FlaskClient
    room: str
    csrf: str = ""

    def get(self, path: str, **options: object) -> TestResponse:
        """Ask for a page."""
        return self.client.get(path, base_url="https://mail.test", **options)

    def post(
        self, path: str, data: Mapping[str, object] | None = None, **options: object
    ) -> TestResponse:
        """Send a form of ours."""
        form = {"csrf": self.csrf, **(data or {})}
        return self.client.post(path, base_url="https://mail.test", data=form, **options)


def visit(app: Flask, room: str) -> Visitor:
    """Open the door of a room, without signing in."""
    visitor = Visitor(app.test_client(), room)
    visitor.csrf = csrf_of(visitor.get(f"/{room}/login"))
    return visitor


def sign_in(app: Flask, room: str, login: str, password: str = PASSWORD) -> Visitor:
    """Sign in to a room as a person does."""
    visitor = visit(app, room)
    answer = visitor.post(f"/{room}/login", {"user": login, "password": password})
    assert answer.status_code in (302, 303), answer.get_data(as_text=True)
    page = visitor.get(f"/{room}/account")
    assert page.status_code == 200
    visitor.csrf = csrf_of(page)
    return visitor


def csrf_of(page: TestResponse) -> str:
    """Return the proof that a page's forms carry."""
    found = _CSRF.search(page.get_data(as_text=True))
    assert found, page.get_data(as_text=True)
    return found[1]


def token(town: Town, name: str, *permissions: Permission, postoffice: str = "") -> str:
    """Make an API token; without permissions it has all that are possible."""
    possible = TOKEN_PERMISSIONS & ADMIN_PERMISSIONS if postoffice else TOKEN_PERMISSIONS
    wanted = permissions or tuple(possible)
    made = town.do(CreateToken(token=name, permissions=wanted, postoffice=postoffice))
    return made.secret
