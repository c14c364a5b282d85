"""Every page and form of the web: who gets in, and that no other site's page sends a form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from appliance.directory.records import Role
from appliance.operations.mailboxes import (
    DeleteMailbox,
    EditMailbox,
    EnableMailbox,
    SetMailboxPassword,
)
from appliance.operations.postoffices import EnablePostOffice
from appliance.operations.sessions import EndSessions
from tests.support.clock import SetClock
from tests.support.rooms import EVERYBODY, FORM, ROOMS, View, furnish, state, views
from tests.support.town import PASSWORD, Town
from tests.support.webtest import Visitor, sign_in, visit, web

COOKIE = "posthouse"
_DAY_S = 86_400
_ENDS_ALL = ("logout", "password", "sessions", "delete")  # nothing is there for the others then


@pytest.fixture
def database_url() -> str:
    """SQLite alone: this tries the doors, which know no database."""
    return ""


@pytest.fixture
def app(town: Town) -> Iterator[Flask]:
    furnish(town)
    with web(town.house) as found:
        yield found


def cookie_of(visitor: Visitor) -> str:
    """Return what a browser shows to be let in."""
    found = visitor.client.get_cookie(COOKIE, domain="mail.test", path=f"/{visitor.room}")
    assert found is not None
    return found.value


def ask(app: Flask, view: View, cookie: str, **headers: str) -> TestResponse:
    """Ask for a view with a cookie, in a browser that was never here."""
    client = app.test_client()
    if cookie:
        client.set_cookie(COOKIE, cookie, domain="mail.test", path="/")
    return client.open(
        view.path(),
        method=view.method,
        base_url="https://mail.test",
        data=FORM if view.method == "POST" else None,
        headers=headers,
    )


def is_let_in(view: View, answer: TestResponse) -> bool:
    """Tell whether a view answered, in place of the door or the check of the form's proof."""
    led_to = urlsplit(answer.headers.get("Location", "")).path
    return answer.status_code not in (401, 403) and led_to != f"/{view.room}/login"


def test_every_view_of_a_room_wants_a_session_save_signing_in_and_how_pages_look(
    app: Flask,
) -> None:
    found = {view.endpoint.rpartition(".")[2] for view in views(app) if view.is_open}
    assert found == {"login", "look"}
    assert {view.method for view in views(app)} == {"GET", "POST"}
    assert len(list(views(app))) > 80


@pytest.mark.parametrize("who", ["nobody", "somebody made up", *ROOMS])
def test_a_room_lets_in_its_own_and_leads_all_others_to_its_door(
    app: Flask, town: Town, who: str
) -> None:
    cookie = {"nobody": "", "somebody made up": "x" * 43}.get(who)
    if cookie is None:
        cookie = cookie_of(sign_in(app, who, ROOMS[who]))
    before, wrong = state(town, *EVERYBODY), []
    for view in views(app):
        if view.room == who or view.is_open:
            continue
        page, part = ask(app, view, cookie), ask(app, view, cookie, **{"HX-Request": "true"})
        if is_let_in(view, page) or part.status_code != 401:
            wrong.append(f"{view}: {page.status_code}, {part.status_code}")
    assert wrong == []
    assert state(town, *EVERYBODY) == before


@pytest.mark.parametrize("room", ROOMS)
def test_whoever_is_signed_in_gets_to_every_page_of_the_room(
    app: Flask, town: Town, room: str
) -> None:
    visitor = sign_in(app, room, ROOMS[room])
    before, wrong = state(town), []
    for view in views(app):
        if view.room == room and view.method == "GET":
            answer = visitor.get(view.path())
            if not view.is_open and not is_let_in(view, answer):
                wrong.append(f"{view}: {answer.status_code}")
            if answer.status_code >= 500:
                wrong.append(f"{view}: {answer.status_code}")
    assert wrong == []
    assert state(town) == before  # looking changes nothing


QUERY = (
    *("after", "answer", "before", "changed", "days", "destination", "draft", "folder", "from"),
    *("hours", "inside", "kind", "length", "most", "next", "page", "q", "rows", "service", "size"),
    *("sort", "state", "to", "uid", "under"),
)
ODD = {
    "more than any database holds": "9" * 30,
    "a little more than that": f"{2**63}",
    "nothing": "0",
    "less than nothing": "-1",
    "a nul": "\0",
    "no UTF-8": "\udcff",
    "very long": "9" * 5000,
    "digits of another script": "\u0663",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_an_address_that_nobody_wrote_breaks_no_page(app: Flask, town: Town, value: str) -> None:
    wrong = []
    quoted = quote(value, errors="surrogateescape")
    for room, login in ROOMS.items():
        visitor = sign_in(app, room, login)
        for view in views(app):
            if view.room != room or view.endpoint.endswith("logout"):
                continue
            path = view.path()
            paths = [path.replace(f"/{each}", f"/{quoted}") for each in (1, "alice", "alpha")]
            paths.append(f"{path}?{'&'.join(f'{name}={quoted}' for name in QUERY)}")
            for each in (one for one in paths if one != path):
                answer = visitor.get(each) if view.method == "GET" else visitor.post(each, {})
                if answer.status_code >= 500:
                    wrong.append(f"{view.method} {each[:200]}: {answer.status_code}")
    assert wrong == []


def test_a_page_that_is_used_the_wrong_way_says_how_it_can_be(app: Flask) -> None:
    answer = sign_in(app, "webmail", ROOMS["webmail"]).post("/webmail/account")  # RFC 9110 §15.5.6
    assert (answer.status_code, answer.allow.as_set()) == (405, {"get", "head", "options"})


def test_a_part_of_a_page_is_told_what_is_wrong_as_text(app: Flask) -> None:
    visitor = sign_in(app, "webadmin", ROOMS["webadmin"])
    path = "/webadmin/mailboxes/" + quote("<img src=x onerror=x>")
    answer = visitor.get(path, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.mimetype) == (404, "text/plain")
    assert "<img" in answer.get_data(as_text=True)


CAROL = "carol@alpha"
ENDINGS: dict[str, Callable[[Town, SetClock], object]] = {
    "ended elsewhere": lambda town, clock: town.do(EndSessions(login=CAROL)),
    "out of time": lambda town, clock: clock.advance(31 * _DAY_S),
    "password changed": lambda town, clock: town.do(
        SetMailboxPassword(mailbox=CAROL, password="another horse")
    ),
    "no admin any more": lambda town, clock: town.do(EditMailbox(mailbox=CAROL, role=Role.USER)),
    "suspended": lambda town, clock: town.do(EnableMailbox(mailbox=CAROL, enabled=False)),
    "deleted": lambda town, clock: town.do(DeleteMailbox(mailbox=CAROL)),
    "post office suspended": lambda town, clock: town.do(
        EnablePostOffice(postoffice="alpha", enabled=False)
    ),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_session_that_has_ended_opens_nothing(
    app: Flask, town: Town, clock: SetClock, ending: Callable[[Town, SetClock], object]
) -> None:
    town.do(EditMailbox(mailbox=CAROL, role=Role.ADMIN))
    cookie = cookie_of(sign_in(app, "webadmin", CAROL))
    inside = [each for each in views(app) if each.room == "webadmin" and not each.is_open]
    assert is_let_in(inside[0], ask(app, inside[0], cookie))
    ending(town, clock)
    before = state(town)["version"]
    assert [str(each) for each in inside if is_let_in(each, ask(app, each, cookie))] == []
    assert state(town)["version"] == before


def test_a_session_that_was_signed_out_opens_nothing(app: Flask, town: Town) -> None:
    visitor = sign_in(app, "console", ROOMS["console"])
    cookie = cookie_of(visitor)
    visitor.post("/console/logout")
    inside = [each for each in views(app) if each.room == "console" and not each.is_open]
    assert [str(each) for each in inside if is_let_in(each, ask(app, each, cookie))] == []


# ── forms that none of our pages sent ────────────────────────────────────────────────────────────

FOREIGN = {
    "from another site": {"Sec-Fetch-Site": "cross-site"},
    "from a neighbouring site": {"Sec-Fetch-Site": "same-site"},
    "typed by hand": {"Sec-Fetch-Site": "none"},
    "with another origin": {"Origin": "https://elsewhere.test"},
    "with another port": {"Origin": "https://mail.test:8443"},
    "from a sandboxed frame": {"Origin": "null"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_form_that_is_not_ours_does_nothing(app: Flask, town: Town, room: str) -> None:
    visitor = sign_in(app, room, ROOMS[room])
    other = sign_in(app, room, ROOMS[room]).csrf  # the same person, in another browser
    proofs = {"without proof": "", "another session's": other, "the door's": visit(app, room).csrf}
    before, wrong = state(town, *EVERYBODY), []
    forms = [each for each in views(app) if each.room == room and each.method == "POST"]
    for view in forms:
        for what, proof in proofs.items():
            answer = visitor.post(view.path(), {**FORM, "csrf": proof})
            if answer.status_code != 403:
                wrong.append(f"{view} {what}: {answer.status_code}")
        for what, headers in FOREIGN.items():
            answer = visitor.post(view.path(), FORM, headers=headers)
            if answer.status_code != 403:
                wrong.append(f"{view} {what}: {answer.status_code}")
    assert wrong == []
    assert len(forms) > 8
    assert state(town, *EVERYBODY) == before


# Views whose forms FORM fills in well enough to have an effect.
CHANGED = {
    "webmail": {"act", "new_folder", "write"},
    "webadmin": {"addresses", "mailbox", "some_mailboxes"},
    "console": {"mailbox_enabled", "postoffice_enabled", "requeue_badmail", "revoke_token"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_the_same_form_sent_by_a_page_of_ours_is_taken(app: Flask, town: Town, room: str) -> None:
    visitor, wrong, changed = sign_in(app, room, ROOMS[room]), [], set()
    for view in views(app):
        name = view.endpoint.rpartition(".")[2]
        if view.room != room or view.method != "POST" or any(each in name for each in _ENDS_ALL):
            continue
        before = state(town, *EVERYBODY)
        headers = {"Origin": "https://mail.test", "Sec-Fetch-Site": "same-origin"}
        answer = visitor.post(view.path(), FORM, headers=headers)
        if not is_let_in(view, answer) and name != "login":
            wrong.append(f"{view}: {answer.status_code}")
        if state(town, *EVERYBODY) != before:
            changed.add(name)
    assert wrong == []
    assert changed >= CHANGED[room]


@pytest.mark.parametrize("room", ROOMS)
def test_nobody_can_be_signed_in_by_another_site(app: Flask, town: Town, room: str) -> None:
    visitor = visit(app, room)
    form = {"user": ROOMS[room], "password": PASSWORD}
    refused = [
        visitor.post(f"/{room}/login", {**form, "csrf": ""}),
        visitor.post(f"/{room}/login", {**form, "csrf": visit(app, room).csrf}),
        *(visitor.post(f"/{room}/login", form, headers=headers) for headers in FOREIGN.values()),
    ]
    assert {each.status_code for each in refused} == {403}
    assert state(town)["sessions"] == []
    assert visitor.client.get_cookie(COOKIE, domain="mail.test", path=f"/{room}") is None
    assert visitor.post(f"/{room}/login", form).status_code in (302, 303)
