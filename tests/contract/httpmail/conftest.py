"""What the HTTPMail tests stand on: the application on a house with two mailboxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from appliance.directory.records import Mailbox
from appliance.operations.house import House
from appliance.operations.settings import ChangeSetting
from appliance.runtime.logs import Logs
from appliance.store.mailbox import MailboxStore
from httpmail.app import create_app
from tests.support.dav import Dav
from tests.support.town import PASSWORD, Town

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@pytest.fixture
def logs(house: House) -> Iterator[Logs]:
    logs = Logs(house.home, "HTTPMAIL")
    yield logs
    logs.close()


@pytest.fixture
def app(town: Town, logs: Logs) -> WSGIApplication:
    town.do(ChangeSetting(setting="auth.without_tls", value="yes"))
    return create_app(town.house, logs)


@pytest.fixture
def alice(app: WSGIApplication) -> Dav:
    return Dav(app, "alice@alpha", PASSWORD)


@pytest.fixture
def bob(app: WSGIApplication) -> Dav:
    return Dav(app, "bob@beta", PASSWORD)


@pytest.fixture
def mailbox(town: Town) -> Mailbox:
    """Alice's."""
    found = town.house.directory.mailbox("alice@alpha")
    assert found is not None
    return found


@pytest.fixture
def store(town: Town, mailbox: Mailbox) -> MailboxStore:
    """Alice's mail, as other doors see it."""
    return town.house.store.mailbox(mailbox.postoffice_id, mailbox.id)
