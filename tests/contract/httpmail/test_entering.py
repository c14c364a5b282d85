"""Logging in, and who sees what (CHECKLIST 320, 322)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from appliance.database.errors import StoreBusy
from appliance.directory.records import Mailbox
from appliance.operations.mailboxes import CreateMailbox, EnableMailbox
from appliance.operations.settings import ChangeSetting
from appliance.runtime.logs import Logs
from appliance.store.mailbox import MailboxStore
from tests.support.clock import SetClock
from tests.support.dav import ACCOUNT, BASE, MESSAGES, Dav, Reply, batch, mark, update
from tests.support.town import PASSWORD, Town

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def enter(app: WSGIApplication, login: str, password: str = PASSWORD, **more: str) -> Reply:
    return Dav(app, login, password, **more).propfind("", ACCOUNT)


# ── logging in ───────────────────────────────────────────────────────────────────────────────────


def test_the_challenge_is_one_and_has_the_realm_clients_insist_on(app: WSGIApplication) -> None:
    reply = Dav(app).propfind("", ACCOUNT)
    assert (reply.status, reply.body) == (401, b"")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="hotmail.com"'


@pytest.mark.parametrize(
    "login",
    ["alice@alpha", "ALICE@Alpha", "alice@alpha.test", "alpha\\alice", "alpha.test\\alice"],
)
def test_a_login_has_several_forms(app: WSGIApplication, login: str) -> None:
    assert enter(app, login).status == 207


def test_a_bare_name_belongs_to_the_default_post_office(town: Town, app: WSGIApplication) -> None:
    assert enter(app, "alice").status == 401
    town.do(ChangeSetting(setting="auth.default_postoffice", value="alpha"))
    assert enter(app, "alice").status == 207
    assert enter(app, "WORKGROUP\\alice").status == 207


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic !!!", "Basic YWxpY2U", "Digest username=alice", "Bearer x", "Basic Og=="],
)
def test_what_is_no_login_is_challenged(app: WSGIApplication, authorization: str) -> None:
    assert Dav(app).ask("PROPFIND", Authorization=authorization).status == 401


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_passwords_come_in_two_charsets(town: Town, app: WSGIApplication, charset: str) -> None:
    town.do(CreateMailbox(mailbox="zoe@alpha", password="pässwörd"))
    token = base64.b64encode("zoe@alpha:pässwörd".encode(charset)).decode()
    assert Dav(app).ask("PROPFIND", Authorization=f"Basic {token}").status == 207


def test_without_tls_no_password_is_asked_for(town: Town, app: WSGIApplication) -> None:
    town.do(ChangeSetting(setting="auth.without_tls", value="no"))
    for login in ("", "alice@alpha"):
        reply = enter(app, login)
        assert (reply.status, "WWW-Authenticate" in reply.headers) == (403, False)
        assert "TLS" in reply.phrase  # clients show it
    secure = enter(app, "alice@alpha", host="https://mail.example.test")
    assert "<hm:inbox>https://mail.example.test/MEHTTPMail/folders/Inbox/</hm:inbox>" in secure.text


def test_failed_logins_are_throttled(town: Town, app: WSGIApplication, clock: SetClock) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    for _ in range(3):
        assert enter(app, "alice@alpha", "wrong").status == 401
    reply = enter(app, "alice@alpha")
    assert (reply.status, "Retry-After" in reply.headers) == (503, True)
    clock.advance(1000)
    assert enter(app, "alice@alpha").status == 207


def test_a_suspended_mailbox_is_shut_out_at_once(town: Town, alice: Dav) -> None:
    assert alice.propfind("", ACCOUNT).status == 207
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    assert alice.propfind("", ACCOUNT).status == 401


# ── the log ──────────────────────────────────────────────────────────────────────────────────────


def test_each_request_is_logged_without_secrets(
    town: Town, app: WSGIApplication, alice: Dav, logs: Logs
) -> None:
    path = alice.append(b"Subject: one\r\n\r\n")
    alice.ask("GET", path)
    alice.ask("PROPFIND", "/folders/%E2%82%AC/", MESSAGES[0])
    alice.ask("SEARCH", "/folders/")
    enter(app, "alice@alpha", "not the password")
    logs.flush()
    folder = town.house.home / "logs" / "HTTPMAIL"
    (activity,) = folder.glob("HTTPMAIL-Activity-*.log")
    lines = [line.split("\t") for line in activity.read_text("utf-8").splitlines()]
    assert [line[1] for line in lines] == ["HTTPMAIL"] * 5
    assert [(line[3], line[4]) for line in lines] == [("8080", "192.0.2.7")] * 5
    assert [(line[5], line[6], line[7]) for line in lines] == [
        ("POST", "/MEHTTPMail/folders/Inbox/", "201 Created"),
        ("GET", f"/MEHTTPMail{path}", "200 OK"),
        ("PROPFIND", "/MEHTTPMail/folders/€/", lines[2][7]),
        ("?", "SEARCH /MEHTTPMail/folders/", "405 Method Not Allowed"),
        ("PROPFIND", "/MEHTTPMail", "401 Unauthorized"),
    ]
    assert (lines[0][9], lines[1][8]) == ("16", "16")  # octets received, octets sent
    (debug,) = folder.glob("HTTPMAIL-Debug-*.log")
    text = debug.read_text("utf-8")
    assert text.count("login 'alice@alpha' from 192.0.2.7\n") == 1  # not once a request
    assert "The login or the password is wrong" in text
    assert "not the password" not in text + activity.read_text("utf-8")


def test_a_store_that_cannot_be_reached_is_503(alice: Dav, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: MailboxStore) -> None:
        raise StoreBusy("locked")

    monkeypatch.setattr(MailboxStore, "folders", fail)
    reply = alice.propfind("/folders/", MESSAGES)
    assert (reply.status, "try again later" in reply.phrase) == (503, True)


def test_a_full_disk_is_507(alice: Dav, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: MailboxStore) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MailboxStore, "content", fail)
    reply = alice.ask("POST", "/folders/Inbox/", b"x", Content_Type="message/rfc822")
    assert reply.status == 507


def test_a_defect_is_500_and_a_log_record(
    town: Town, alice: Dav, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("httpmail.listing.multi_status", lambda found: 1 / 0)
    reply = alice.propfind("", ACCOUNT)
    assert (reply.status, b"ZeroDivisionError" in reply.body) == (500, False)
    logs.flush()
    (debug,) = (town.house.home / "logs" / "HTTPMAIL").glob("HTTPMAIL-Debug-*.log")
    assert "ZeroDivisionError" in debug.read_text("utf-8")


# ── nobody sees another's mail ───────────────────────────────────────────────────────────────────


def test_no_address_leads_to_another_mailbox(
    town: Town, alice: Dav, bob: Dav, mailbox: Mailbox
) -> None:
    bob.ask("MKCOL", "/folders/Secret/")
    path = bob.append(b"Subject: secret\r\n\r\n", "Secret")
    name = path.rpartition("/")[2]
    owner = town.house.directory.mailbox("bob@beta")
    assert owner is not None
    found = town.house.store.mailbox(owner.postoffice_id, owner.id).folders()[-1]
    forms = [
        path,
        f"/folders/Inbox/{name}",
        f"/folders/Inbox/../Secret/{name}",
        f"/folders/Inbox/..%2FSecret%2F{name}",
        f"/folders/Inbox/%2e%2e/Secret/{name}",
        f"/folders/{found.id}/{name}",
        f"/{owner.id}/folders/Secret/{name}",
        f"/bob@beta/folders/Secret/{name}",
        f"/folders/Secret%5C/{name}",
        f"//folders//Secret//{name}",
    ]
    for form in forms:
        assert alice.ask("GET", form).status == 404
        assert alice.propfind(form, MESSAGES, Depth="0").status == 404
        assert alice.ask("DELETE", form).status == 404
        destination = f"{BASE}/folders/Drafts/x"
        assert alice.ask("MOVE", form, Destination=destination).status == 404
        assert alice.ask("COPY", form, Destination=destination).status == 404
        for method, element in (("BMOVE", "move"), ("BCOPY", "copy"), ("BDELETE", "delete")):
            reply = alice.ask(
                method, "/folders/Inbox/", batch(element, BASE + form), Destination=destination
            )
            assert reply.responses()[0].status == 404
        body = batch("propertyupdate", BASE + form, inside=mark(read=True))
        assert alice.ask("BPROPPATCH", "/folders/Inbox/", body).responses()[0].status == 404
    own = alice.append(b"Subject: own\r\n\r\n")
    for destination in ("/folders/Secret/", path, f"/{owner.id}/folders/Secret/"):
        reply = alice.ask("COPY", own, Destination=BASE + destination)
        assert reply.status in (409, 502)
    assert [each.found["hm:read"] for each in bob.messages("Secret")] == ["0"]


def test_names_locks_and_properties_are_everybodys_own(alice: Dav, bob: Dav) -> None:
    """On SQLite the folders of two post offices have the same ids."""
    for client in (alice, bob):
        client.ask("MKCOL", "/folders/Files/")
        client.ask("PUT", "/folders/Files/b.eml", b"Subject: same\r\n\r\n")
    alice.ask("PUT", "/folders/Files/a.eml", b"Subject: alice\r\n\r\n")
    lockinfo = (
        '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
        "<D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
    token = alice.ask("LOCK", "/folders/Files/b.eml", lockinfo).headers["Lock-Token"]
    given = update('<D:set><D:prop><t:x xmlns:t="urn:t">hers</t:x></D:prop></D:set>')
    alice.ask("PROPPATCH", "/folders/Files/a.eml", given)
    assert bob.ask("GET", "/folders/Files/a.eml").status == 404
    assert bob.ask("UNLOCK", "/folders/Files/b.eml", Lock_Token=token).status == 409
    assert bob.ask("LOCK", "/folders/Files/b.eml", If=f"({token})").status == 412
    assert bob.ask("DELETE", "/folders/Files/b.eml").status == 200
    assert alice.ask("DELETE", "/folders/Files/b.eml").status == 423
    assert "hers" not in bob.ask("PROPFIND", "/folders/Files/", Depth="1").text
