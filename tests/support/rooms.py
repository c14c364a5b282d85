"""The rooms of the web with all their views, in a town that has something of everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from appliance.database.content import Content
from appliance.directory.sessions import sessions
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operators import CreateOperator
from appliance.queue.badmail import BadMail, save
from appliance.queue.desk import Desk
from appliance.rules.access import Permission
from appliance.store.mailbox import MailboxStore
from tests.support.boxes import file, letter
from tests.support.town import MESSAGE, PASSWORD, Town, submit
from tests.support.webtest import token

ROOMS = {"webmail": "alice@alpha", "webadmin": "ADMIN@alpha", "console": "olga"}
ENTRY = "0" * 16
COPY = f"{ENTRY}.0"
HIDDEN = "what only its owner may read"
EVERYBODY = ("alice@alpha", "carol@alpha", "bob@beta")
_SESSIONS = select(sessions.c.id, sessions.c.room, sessions.c.mailbox_id, sessions.c.operator_id)


@dataclass(frozen=True, slots=True)
class View:
    """A page or a form of a room.

    Attributes:
        room: webmail, webadmin or console.
        endpoint: its name.
        method: GET or POST.
        rule: its path, with the names of its values.
        is_open: for everybody.
    """

    room: str
    endpoint: str
    method: str
    rule: Rule
    is_open: bool

    def __str__(self) -> str:
        """Return what a failing test shows."""
        return f"{self.method} {self.rule.rule}"

    def path(self, **values: object) -> str:
        """Return its path with values; those not given are of something that is there."""
        named = {name: _there(self.endpoint, name) for name in self.rule.arguments}
        built = self.rule.build(named | values, append_unknown=False)
        assert built is not None
        return built[1]


def _there(endpoint: str, name: str) -> object:
    """Return a value of a path that leads to something."""
    kind = endpoint.rpartition(".")[2]
    if name == "name":
        for part, found in _NAMES.items():
            if part in kind:
                return found
    return _VALUES.get(name, "alice")


_VALUES: dict[str, object] = {
    "folder_id": 1,
    "uid": 1,
    "number": 1,
    "login": "alice@alpha",
    "domain": "alpha.test",
    "message_id": ENTRY,
    "what": "queue",
    "service": "WEB",
}
_NAMES = {
    "operator": "olga",
    "token": "billing",
    "setting": "smtp.port",
    "bad": COPY,
    "log_file": "WEB-Activity-1.log",
    "mailboxes": "alpha",
    "new_mailbox": "alpha",
    "postoffice": "alpha",
    "domain": "alpha",
}
# What forms hold, all of them: each takes what it knows.
FORM: dict[str, str] = {
    "action": "suspend",
    "address": "alice@alpha.test",
    "again": "another horse",
    "confirm": "alice",
    "do": "delete",
    "domain": "alpha.test",
    "enabled": "no",
    "full_name": "Somebody Else",
    "local_part": "new",
    "login": "alice@alpha",
    "mailbox": "alice@alpha",
    "message": ENTRY,
    "name": "alice",
    "new": "another horse",
    "old": PASSWORD,
    "operator": "olga",
    "password": "another horse",
    "postoffice": "alpha",
    "quota_mb": "1",
    "role": "ADMIN",
    "smtp.max_recipients": "7",
    "setting": "smtp.max_recipients",
    "size": "100",
    "subject": "from elsewhere",
    "theme": "dark",
    "to": "bob@beta.test",
    "uids": "1",
    "what": "read",
}


def furnish(town: Town) -> None:
    """Put mail, a queue, bad mail, an operator and a token into a town."""
    town.do(CreateOperator(operator="olga", password=PASSWORD))
    town.do(CreateMailbox(mailbox="carol@alpha", password=PASSWORD, full_name="Carol Unshown"))
    token(town, "billing", Permission.MAILBOX_READ)
    submit(town.house, "alice@alpha.test", message_id=ENTRY)
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
    save(town.house.badmail, [copy], Content(len(MESSAGE), MESSAGE, None))
    for login in EVERYBODY:
        mine = box(town, login)
        folders = [each.id for each in mine.folders()]
        # folder ids count by post office: the last of the others' are none of alice's
        own = [] if login == ROOMS["webmail"] else [f"mine {number}" for number in range(20)]
        for folder_id in (*folders, *(mine.create_folder(name).id for name in own)):
            file(mine, folder_id, letter(HIDDEN, body=HIDDEN))


def box(town: Town, login: str) -> MailboxStore:
    """Return somebody's mail."""
    found = town.house.directory.mailbox(login)
    assert found is not None
    return town.house.store.mailbox(found.postoffice_id, found.id)


def views(app: Flask) -> Iterator[View]:
    """Yield every view of the three rooms, once for each method."""
    for rule in app.url_map.iter_rules():
        room = rule.endpoint.partition(".")[0]
        if room in ROOMS:
            is_open = getattr(app.view_functions[rule.endpoint], "open_to_all", False)
            for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "DELETE"}):
                yield View(room, rule.endpoint, method, rule, is_open)


def state(town: Town, *mailboxes: str) -> dict[str, Any]:
    """Return what a request that is refused must leave as it is.

    Args:
        town: where.
        mailboxes: whose mail, besides the directory, the queue and the sessions.
    """
    house = town.house
    with house.databases.get("sessions").reader() as connection:
        signed_in = sorted(tuple(row) for row in connection.tuples(_SESSIONS))
    return {
        "version": house.directory.version(),
        "queue": Desk(house.queue).messages(),
        "badmail": sorted(each.name for each in house.badmail.iterdir()),
        "sessions": signed_in,
        "mail": {
            login: [
                (folder, [(each.uid, each.flags) for each in mine.every(folder.id)])
                for mine in (box(town, login),)
                for folder in mine.folders()
            ]
            for login in mailboxes
        },
    }
