"""Who may do what over the web: operations by whom is signed in, and the things of others.

What is expected of operations comes from `tests/support/everything.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from appliance.directory import tables
from appliance.operations.mailboxes import EditMailbox
from appliance.operations.operation import Action, Change, OperationError, Question, Refused
from appliance.operations.records import ListAudit
from appliance.operations.sessions import ListSessions
from appliance.rules.access import ActorKind
from tests.support.everything import WHO, expected
from tests.support.rooms import EVERYBODY, FORM, HIDDEN, ROOMS, View, box, furnish, state, views
from tests.support.town import Town
from tests.support.webtest import Visitor, sign_in, web
from webadmin import context

COOKIE = "posthouse"
OTHERS = [each for each in EVERYBODY if each != ROOMS["webmail"]]


@pytest.fixture
def database_url() -> str:
    """SQLite alone: this tries the doors; the house's own tests try both databases."""
    return ""


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    furnish(town)
    with web(town.house) as found:
        yield found


# ── operations ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("postoffice", ["alpha", "beta"], ids=["own", "foreign"])
@pytest.mark.parametrize("room", ROOMS)
def test_whoever_is_signed_in_may_do_what_the_table_says_and_nothing_else(
    app: Flask, town: Town, room: str, postoffice: str
) -> None:
    visitor = sign_in(app, room, ROOMS[room])
    found = visitor.client.get_cookie(COOKIE, domain="mail.test", path=f"/{room}")
    assert found is not None
    wrong: list[str] = []
    with app.test_request_context(
        f"/{room}/", base_url="https://mail.test", headers={"Cookie": f"{COOKIE}={found.value}"}
    ):
        assert app.preprocess_request() is None
        actor = context.session().actor
        for kind, (make, _) in WHO.items():
            operation, version = make(postoffice), town.house.directory.version()
            allowed = True
            try:
                if isinstance(operation, Question):
                    context.ask(operation)
                else:
                    assert isinstance(operation, Change | Action)
                    context.perform(operation)
            except Refused:
                allowed = False
                (audit,) = town.ask(ListAudit(most=1))
                told = (audit.outcome, audit.operation, audit.actor, audit.door)
                assert told == ("refused", operation.name, str(actor), "web")
                assert town.house.directory.version() == version
            except OperationError:
                pass  # allowed, and not possible
            if allowed != expected(actor, kind, postoffice):
                wrong.append(f"{operation.name} by {actor}: {allowed=}")
    assert wrong == []
    kinds = {"webmail": "mailbox", "webadmin": "admin", "console": "operator"}
    assert actor.kind is ActorKind(kinds[room])


# ── other people's mail ──────────────────────────────────────────────────────────────────────────


def of_others(town: Town) -> list[tuple[str, int, int]]:
    """Return a folder and a message of each of the others: whose, folder, uid."""
    own = {each.id for each in box(town, ROOMS["webmail"]).folders()}
    found = []
    for login in OTHERS:
        folder = max(each.id for each in box(town, login).folders())
        (message,) = box(town, login).every(folder)
        assert folder not in own
        found.append((login, folder, message.uid))
    return found


def shows(answer: TestResponse) -> bool:
    return HIDDEN in answer.get_data(as_text=True)


def test_one_sees_ones_own_mail_so_that_this_would_see_others(app: Flask, town: Town) -> None:
    visitor = sign_in(app, "webmail", ROOMS["webmail"])
    assert shows(visitor.get("/webmail/"))
    assert shows(visitor.get("/webmail/1/1"))


def test_every_address_of_somebody_elses_mail_is_not_found(app: Flask, town: Town) -> None:
    visitor = sign_in(app, "webmail", ROOMS["webmail"])
    before, wrong, tried = state(town, *EVERYBODY), [], 0
    own = box(town, ROOMS["webmail"]).folders()[0].id
    for login, folder, uid in of_others(town):
        for view in views(app):
            if view.room != "webmail" or "folder_id" not in view.rule.arguments:
                continue
            for values in ({"folder_id": folder, "uid": uid}, {"folder_id": folder, "uid": 1}):
                form = {**FORM, "uids": str(uid), "do": "delete", "name": "mine now"}
                answer = _send(visitor, view, view.path(**values), form)
                tried += 1
                if answer.status_code != 404 or shows(answer):
                    wrong.append(f"{view} of {login}: {answer.status_code}")
        answer = visitor.get(f"/webmail/{own}/{uid + 1000}")
        assert answer.status_code == 404
    assert wrong == []
    assert tried > 40
    assert state(town, *EVERYBODY) == before


def _send(visitor: Visitor, view: View, path: str, form: dict[str, str]) -> TestResponse:
    return visitor.get(path) if view.method == "GET" else visitor.post(path, form)


def test_no_form_and_no_query_leads_into_somebody_elses_mail(app: Flask, town: Town) -> None:
    visitor = sign_in(app, "webmail", ROOMS["webmail"])
    mine = box(town, ROOMS["webmail"])
    inbox = mine.folders()[0].id
    before, wrong = state(town, *OTHERS), []
    for login, folder, uid in of_others(town):
        letter = {"key": "0" * 32, "to": "x@far.test", "subject": "taken", "text": "taken"}
        where, source = f"folder={folder}&uid={uid}", f"{folder}.{uid}"
        queries = [
            f"/webmail/news?folder={folder}",
            f"/webmail/compose/quote?answer=reply&{where}",
            *(f"/webmail/compose?answer={how}&{where}" for how in ("reply", "forward")),
            f"/webmail/{inbox}/1?inside={folder}",
        ]
        forms: list[tuple[str, dict[str, str]]] = [
            (f"/webmail/{inbox}/act", {"do": f"move-{folder}", "uids": "1"}),
            ("/webmail/undo", {"what": "move", "folder": f"{folder}", "home": f"{inbox}"}),
            ("/webmail/undo", {"what": "move", "folder": f"{inbox}", "home": f"{folder}"}),
            ("/webmail/undo", {"what": "read", "folder": f"{folder}"}),
            ("/webmail/undo", {"what": "name", "folder": f"{folder}", "name": "mine now"}),
            ("/webmail/undo", {"what": "folder", "folder": f"{folder}", "name": "theirs"}),
            *(
                ("/webmail/compose", {**letter, "do": do, "source": source, "kept": "0"})
                for do in ("save", "send")
            ),
            ("/webmail/compose", {**letter, "do": "send", "answers": f"{source}.reply"}),
            ("/webmail/compose", {**letter, "do": "discard", "draft": f"{uid}"}),
            ("/webmail/compose", {**letter, "do": "save", "from": f"{login}.test"}),
        ]
        answers = {query: visitor.get(query) for query in queries}
        for path, form in forms:
            answers[f"{path} {form}"] = visitor.post(path, {"uids": f"{uid}", **form})
        wrong += [
            f"{asked} of {login}: {answer.status_code}"
            for asked, answer in answers.items()
            if shows(answer) or answer.status_code >= 500
        ]
    assert wrong == []
    assert state(town, *OTHERS)["mail"] == before["mail"]
    written = [
        found.read()
        for folder in mine.folders()
        for each in mine.every(folder.id)
        if (found := mine.message(folder.id, each.uid)) is not None
        and "taken" in each.summary.subject
    ]
    assert written  # drafts, and what was sent, without anything of the others
    assert not any(HIDDEN.encode() in each for each in written)


# ── other post offices ───────────────────────────────────────────────────────────────────────────

NAMES = [
    "bob",
    "BOB@BETA",
    "bob@beta",
    "bob@beta.test",
    "bob@beta@alpha",
    "alice@beta",
    "..",
    ".",
    "%2e%2e",
    "..%2Fbeta",
    "bob%40beta",
    "bob%00",
    "bob@beta\0",
    "x" * 5000,
    "%",
    "_ob",
]
FIELDS = ("name", "mailbox", "login", "address", "local_part", "domain", "postoffice", "user")


def of_beta(town: Town) -> list[object]:
    """Return all that the directory keeps of beta, with password hashes, and bob's mail."""
    found = town.house.directory.postoffice("beta")
    assert found is not None
    own = (tables.mailboxes, tables.addresses, tables.domains)
    wanted = [select(table).where(table.c.postoffice_id == found.id) for table in own]
    with town.house.databases.get("directory").reader(snapshot=True) as connection:
        rows = [tuple(row) for query in wanted for row in connection.tuples(query)]
    return [found, *rows, state(town, "bob@beta")["mail"]]


def test_web_administration_reaches_nothing_of_another_post_office(app: Flask, town: Town) -> None:
    town.do(EditMailbox(mailbox="bob@beta", full_name=HIDDEN, quota_kb=5000))
    bob = sign_in(app, "webmail", "bob@beta")
    visitor = sign_in(app, "webadmin", ROOMS["webadmin"])
    before, wrong, tried = of_beta(town), [], 0
    for view in views(app):
        end = view.endpoint.rpartition(".")[2]
        if view.room != "webadmin" or end in ("logout", "login", "look", "password"):
            continue
        for name in NAMES:
            path = view.path(name="NAME") if "name" in view.rule.arguments else view.path()
            path = path.replace("NAME", quote(name, safe="%@"))
            form = dict.fromkeys(FIELDS, name) | {"confirm": name}
            for sent in (FORM | form, FORM | form | {"domain": "beta.test", "mailbox": "alice"}):
                answer = _send(visitor, view, path, sent)
                tried += 1
                if shows(answer) or answer.status_code >= 500:
                    wrong.append(f"{view} {name[:40]!r}: {answer.status_code}")
    for query in ("postoffice=beta", "q=bob", "after=&q=%25", "name=bob", "mailbox=bob@beta"):
        for path in ("/webadmin/", "/webadmin/mailboxes", "/webadmin/addresses"):
            answer = visitor.get(f"{path}?{query}")
            if shows(answer) or answer.status_code != 200:
                wrong.append(f"{path}?{query}: {answer.status_code}")
    assert wrong == []
    assert tried > 300
    assert of_beta(town) == before
    assert bob.get("/webmail/").status_code == 200  # still signed in


def test_one_ends_no_sessions_but_ones_own(app: Flask, town: Town) -> None:
    others = {login: sign_in(app, "webmail", login) for login in OTHERS}
    ids = {login: [each.id for each in town.ask(ListSessions(login=login))] for login in OTHERS}
    visitor = sign_in(app, "webmail", ROOMS["webmail"])
    for login, found in ids.items():
        answer = visitor.post("/webmail/account/sessions", {"session": found[0], "login": login})
        assert answer.status_code in (400, 403, 404)
    visitor.post("/webmail/account/sessions", {"login": OTHERS[0]})
    assert {each.get("/webmail/").status_code for each in others.values()} == {200}
