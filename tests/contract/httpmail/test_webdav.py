"""What any WebDAV client may expect (RFC 4918, RFC 9110; CHECKLIST 310)."""

from __future__ import annotations

import pytest

from appliance.operations.mailboxes import EditMailbox
from appliance.store.mailbox import MailboxStore
from httpmail import locks
from tests.support.clock import SetClock
from tests.support.dav import BASE, Dav, Reply, propfind, text_between, update
from tests.support.town import Town

NOTE = b"Subject: note\r\n\r\nas it is\n"
LOCKINFO = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner>alice</D:owner></D:lockinfo>"
)


@pytest.fixture
def folder(store: MailboxStore) -> str:
    """A folder of a generic client's."""
    store.create_folder("Files")
    return "/folders/Files/"


def put(client: Dav, path: str, octets: bytes = NOTE, **fields: str) -> Reply:
    return client.ask("PUT", path, octets, **fields)


def lock(client: Dav, path: str, **fields: str) -> tuple[Reply, str]:
    reply = client.ask("LOCK", path, LOCKINFO, **fields)
    return reply, reply.headers.get("Lock-Token", "").strip("<>")


# ── listing ──────────────────────────────────────────────────────────────────────────────────────


def test_depth_is_obeyed_for_properties_of_webdav(alice: Dav, folder: str) -> None:  # RFC 4918 §9.1
    put(alice, folder + "a.eml")
    names = ["D:resourcetype", "D:getcontentlength"]
    assert alice.propfind(folder, names, Depth="0").hrefs() == ["/MEHTTPMail/folders/Files/"]
    assert alice.propfind(folder, names, Depth="1").hrefs() == [
        "/MEHTTPMail/folders/Files/",
        "/MEHTTPMail/folders/Files/a.eml",
    ]
    assert alice.propfind(folder, names, Depth="1,noroot").hrefs() == [
        "/MEHTTPMail/folders/Files/a.eml"
    ]
    assert alice.propfind(folder, names, Depth="2").status == 400


def test_an_endless_depth_is_refused_with_its_condition(alice: Dav) -> None:  # RFC 4918 §9.1.1
    reply = alice.propfind("/folders/", ["D:resourcetype"], Depth="infinity")
    assert reply.status == 403
    assert "<D:propfind-finite-depth>" in reply.text


def test_what_is_not_there_is_named_unless_the_client_is_brief(alice: Dav, folder: str) -> None:
    names = ["D:resourcetype", "D:getcontentlanguage"]
    found = alice.propfind(folder, names, Depth="0").responses()[0]
    assert found.missing == {"D:getcontentlanguage": 404}
    assert not alice.propfind(folder, names, Depth="0", Brief="t").responses()[0].missing


def test_all_properties_or_their_names_can_be_asked_for(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    every = alice.ask("PROPFIND", folder + "a.eml", Depth="0").responses()[0].found
    body = '<D:propfind xmlns:D="DAV:"><D:propname/></D:propfind>'
    names = alice.ask("PROPFIND", folder + "a.eml", body, Depth="0").responses()[0].found
    assert set(every) == set(names)
    assert every["D:getcontentlength"] == str(len(NOTE))
    assert every["D:getcontenttype"] == "message/rfc822"
    assert set(names.values()) == {""}


def test_the_account_can_be_looked_through(alice: Dav) -> None:
    assert alice.propfind("", ["D:resourcetype"], Depth="1").hrefs() == [
        f"/MEHTTPMail{path}" for path in ("/", "/folders/", "/contacts/", "/outbox/", "/sendmsg")
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<D:propfind",
        '<D:propfind xmlns:D="DAV:"/>',
        '<D:propfind xmlns:D="DAV:"><D:prop/><D:allprop/></D:propfind>',
        '<D:propfind xmlns:D="DAV:"><D:prop><x:y xmlns:x=""/></D:prop></D:propfind>',
        '<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>',
        '<!DOCTYPE x><D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>',
        "<x>" * 1000,
        '<D:propfind xmlns:D="DAV:"><D:prop>' + "<a/>" * 100_000 + "</D:prop></D:propfind>",
    ],
)
def test_xml_that_is_none_or_does_harm_is_400(alice: Dav, body: str) -> None:
    reply = alice.ask("PROPFIND", "/folders/Inbox/", body, Depth="0")
    assert reply.status == 400
    assert "passwd" not in reply.text


def test_a_body_beyond_reason_is_413(alice: Dav) -> None:
    body = propfind(["D:resourcetype"]).ljust(5 << 20)
    assert alice.ask("PROPFIND", "/folders/Inbox/", body, Depth="0").status == 413


# ── names of their own ───────────────────────────────────────────────────────────────────────────


def test_a_message_is_found_under_the_name_it_was_put(alice: Dav, folder: str) -> None:
    reply = put(alice, folder + "a%20b.eml")
    assert (reply.status, reply.location) == (201, folder + "a%20b.eml")
    assert alice.ask("GET", folder + "a%20b.eml").body == NOTE
    (found,) = alice.messages("Files")
    assert found.name.startswith("MSG")  # mail clients see it like any other
    assert alice.ask("GET", found.path).body == NOTE


def test_a_message_that_is_put_again_is_replaced(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    (before,) = alice.names("Files")
    assert put(alice, folder + "a.eml", b"Subject: new\r\n\r\n").status == 204
    (after,) = alice.names("Files")
    assert after != before  # the octets of a message never change
    assert alice.ask("GET", folder + "a.eml").body == b"Subject: new\r\n\r\n"


def test_a_message_of_the_servers_naming_is_never_changed(alice: Dav, folder: str) -> None:
    path = alice.append(b"Subject: true\r\n\r\n")
    assert put(alice, path, b"Subject: forged\r\n\r\n").status == 403
    assert alice.ask("GET", path).body == b"Subject: true\r\n\r\n"
    reply = put(alice, folder + "MSG1.1")
    assert (reply.status, alice.ask("GET", reply.location).body) == (201, NOTE)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/folders/Files/", 405),
        ("/folders/a.eml", 409),
        ("/folders/Nothing/a.eml", 409),
        ("/contacts/a.vcf", 409),
        ("/sendmsg", 405),
    ],
)
def test_only_folders_take_what_is_put(alice: Dav, folder: str, path: str, status: int) -> None:
    assert put(alice, path).status == status


def test_conditions_guard_what_is_put(alice: Dav, folder: str) -> None:  # RFC 9110 §13.1
    assert put(alice, folder + "a.eml", If_Match="*").status == 412
    assert put(alice, folder + "a.eml", If_None_Match="*").status == 201
    assert put(alice, folder + "a.eml", If_None_Match="*").status == 412
    assert put(alice, folder + "a.eml", If_Match='"other"').status == 412


def test_a_part_or_an_encoding_cannot_be_put(alice: Dav, folder: str) -> None:
    assert put(alice, folder + "a.eml", Content_Range="bytes 0-1/9").status == 400
    assert put(alice, folder + "a.eml", Content_Encoding="gzip").status == 415


def test_names_follow_moves_and_copies(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    reply = alice.ask("MOVE", folder + "a.eml", Destination=f"{BASE}{folder}b.eml")
    assert (reply.status, alice.ask("GET", folder + "a.eml").status) == (201, 404)
    reply = alice.ask("COPY", folder + "b.eml", Destination=f"{BASE}{folder}c.eml")
    assert (reply.status, alice.ask("GET", folder + "c.eml").body) == (201, NOTE)
    assert len(alice.names("Files")) == 2


def test_a_name_in_use_is_replaced_or_not(alice: Dav, folder: str) -> None:  # RFC 4918 §10.6
    put(alice, folder + "a.eml")
    put(alice, folder + "b.eml", b"Subject: b\r\n\r\n")
    fields = {"Destination": f"{BASE}{folder}b.eml"}
    assert alice.ask("COPY", folder + "a.eml", **fields, Overwrite="F").status == 412
    assert alice.ask("GET", folder + "b.eml").body == b"Subject: b\r\n\r\n"
    assert alice.ask("MOVE", folder + "a.eml", **fields).status == 204
    assert alice.ask("GET", folder + "b.eml").body == NOTE
    assert len(alice.names("Files")) == 1


def test_a_folder_is_copied_with_all_that_is_in_it(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    alice.ask("MKCOL", folder + "Inner/")
    put(alice, folder + "Inner/b.eml")
    assert alice.ask("COPY", folder, Destination=f"{BASE}/folders/Copy/").status == 201
    assert alice.ask("GET", "/folders/Copy/a.eml").body == NOTE
    assert alice.ask("GET", "/folders/Copy/Inner/b.eml").body == NOTE
    reply = alice.ask("COPY", folder, Destination=f"{BASE}/folders/Bare/", Depth="0")
    assert (reply.status, alice.names("Bare")) == (201, [])
    reply = alice.ask("COPY", folder, Destination=f"{BASE}{folder}Inner/Inside/")
    assert reply.status == 403


def test_a_name_is_forgotten_with_its_message(alice: Dav, folder: str, store: MailboxStore) -> None:
    put(alice, folder + "a.eml")
    files = store.folders()[-1]
    store.expunge(files.id, [1])  # at another door
    assert alice.ask("GET", folder + "a.eml").status == 404
    assert put(alice, folder + "a.eml").status in (201, 204)
    assert alice.ask("GET", folder + "a.eml").body == NOTE


# ── properties of their own ──────────────────────────────────────────────────────────────────────


def test_properties_are_kept_as_they_were_given(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    given = '<t:state xmlns:t="urn:t" a="b">d&#233;j&#224;<t:x/>vu</t:state>'
    body = update(f"<D:set><D:prop>{given} </D:prop></D:set>")
    assert alice.ask("PROPPATCH", folder + "a.eml", body).responses()[0].missing == {}
    asked = propfind(["t:state"]).replace("xmlns:D=", 'xmlns:t="urn:t" xmlns:D=')
    text = alice.ask("PROPFIND", folder + "a.eml", asked, Depth="0").text
    assert 'a="b">d&#233;j&#224;<' in text
    alice.ask("MOVE", folder + "a.eml", Destination=f"{BASE}{folder}b.eml")
    assert "&#233;" in alice.ask("PROPFIND", folder + "b.eml", asked, Depth="0").text
    body = update('<D:remove><D:prop><t:state xmlns:t="urn:t"/></D:prop></D:remove>')
    alice.ask("PROPPATCH", folder + "b.eml", body)
    assert "&#233;" not in alice.ask("PROPFIND", folder + "b.eml", asked, Depth="0").text


def test_a_property_beyond_reason_is_507(alice: Dav, folder: str) -> None:
    body = update(f'<D:set><D:prop><t:x xmlns:t="urn:t">{"x" * 200_000}</t:x></D:prop></D:set>')
    assert "507" in alice.ask("PROPPATCH", folder, body).text


# ── locks ────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_locked_needs_its_token(alice: Dav, folder: str) -> None:  # RFC 4918 §7
    path = folder + "a.eml"
    put(alice, path)
    reply, token = lock(alice, path)
    assert (reply.status, bool(token)) == (200, True)
    for method in ("PUT", "DELETE", "MOVE", "PROPPATCH"):
        body = update("<D:remove><D:prop><x/></D:prop></D:remove>")
        refused = alice.ask(method, path, body, Destination=f"{BASE}{folder}b.eml")
        assert (refused.status, refused.phrase) == (423, "Locked")
        (href,) = text_between(refused.text, "<D:href>", "</D:href>")
        assert href == f"/MEHTTPMail{path}"  # and nothing of how mailboxes are told apart
    assert put(alice, path, If=f"(<{token}>)").status == 204
    assert alice.ask("UNLOCK", path, Lock_Token=f"<{token}>").status == 204
    assert alice.ask("DELETE", path).status == 200


def test_a_lock_on_the_servers_name_holds_for_the_other_one_too(alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")
    (message,) = alice.messages("Files")
    lock(alice, message.path)
    assert alice.ask("DELETE", folder + "a.eml").status == 423


def test_a_locked_message_stays_in_a_batch(alice: Dav) -> None:
    paths = [alice.append(NOTE) for _ in range(2)]
    lock(alice, paths[0])
    inside = "".join(f"<D:href>{BASE}{path}</D:href>" for path in paths)
    for method, element in (("BMOVE", "move"), ("BDELETE", "delete")):
        body = f'<D:{element} xmlns:D="DAV:"><D:target>{inside}</D:target></D:{element}>'
        reply = alice.ask(method, "/folders/Inbox/", body, Destination=f"{BASE}/folders/Drafts/")
        assert reply.responses()[0].status == 423
    assert alice.names() == [paths[0].rpartition("/")[2]]


def test_a_name_may_be_locked_before_it_is_used(alice: Dav, folder: str) -> None:  # §9.10.4
    path = folder + "new.eml"
    reply, token = lock(alice, path)
    assert reply.status == 201
    assert alice.names("Files") == []  # no mail client sees an empty message
    assert alice.ask("GET", path).body == b""
    assert put(alice, path, If=f"(<{token}>)").status == 204
    assert alice.ask("GET", path).body == NOTE
    assert len(alice.names("Files")) == 1


@pytest.mark.parametrize("path", ["", "/folders/", "/sendmsg", "/contacts/"])
def test_fixed_places_cannot_be_locked(alice: Dav, path: str) -> None:
    assert lock(alice, path)[0].status == 403


def test_a_lock_ends_by_itself(alice: Dav, folder: str, clock: SetClock) -> None:
    put(alice, folder + "a.eml")
    _, token = lock(alice, folder + "a.eml", Timeout="Infinite")
    clock.advance(locks.LONGEST_S - 1)
    refreshed = alice.ask("LOCK", folder + "a.eml", If=f"(<{token}>)", Timeout="Second-100")
    assert refreshed.status == 200
    clock.advance(99)
    assert alice.ask("DELETE", folder + "a.eml").status == 423
    clock.advance(2)
    assert alice.ask("DELETE", folder + "a.eml").status == 200


def test_a_lock_on_what_is_gone_is_not_refreshed(
    alice: Dav, folder: str, store: MailboxStore
) -> None:
    put(alice, folder + "a.eml")
    _, token = lock(alice, folder + "a.eml")
    store.expunge(store.folders()[-1].id, [1])  # at another door
    reply = alice.ask("LOCK", folder + "a.eml", If=f"(<{token}>)")
    assert reply.status in (400, 409, 412)


def test_nobody_has_more_locks_than_enough(
    alice: Dav, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "MOST_OF_ONE", 2)
    statuses = [lock(alice, f"{folder}{number}.eml")[0].status for number in range(3)]
    assert statuses == [201, 201, 507]
    assert alice.ask("GET", folder + "2.eml").status == 404


# ── quota ────────────────────────────────────────────────────────────────────────────────────────


def test_how_full_the_mailbox_is_can_be_asked(town: Town, alice: Dav, folder: str) -> None:
    put(alice, folder + "a.eml")  # RFC 4331
    names = ["D:quota-used-bytes", "D:quota-available-bytes"]
    found = alice.propfind(folder, names, Depth="0").responses()[0]
    assert dict(found.found) == {"D:quota-used-bytes": str(len(NOTE))}
    town.do(EditMailbox(mailbox="alice@alpha", quota_kb=1))
    found = alice.propfind(folder, names, Depth="0").responses()[0]
    assert found.found["D:quota-available-bytes"] == str(1024 - len(NOTE))


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────


def test_options_say_what_can_be_done(alice: Dav, folder: str) -> None:
    reply = alice.ask("OPTIONS", folder)
    assert reply.headers["DAV"] == "1, 2"
    assert {"PROPFIND", "BMOVE", "POST", "LOCK"} <= set(reply.headers["Allow"].split(", "))
    assert "MKCOL" in alice.ask("OPTIONS", "/folders/New/").headers["Allow"]
    assert "PUT" in alice.ask("OPTIONS", folder + "new.eml").headers["Allow"]
    assert alice.ask("OPTIONS", "/nowhere/at/all").status == 404


@pytest.mark.parametrize("method", ["SEARCH", "SUBSCRIBE", "POLL", "TRACE", "PATCH"])
def test_methods_of_exchange_are_not_known(alice: Dav, method: str) -> None:
    reply = alice.ask(method, "/folders/Inbox/")
    assert reply.status == 405
    assert "BMOVE" in reply.headers["Allow"]


def test_an_address_with_a_fragment_deletes_nothing(alice: Dav, folder: str) -> None:
    reply = alice.ask("DELETE", f"{folder}#part")
    assert reply.status == 400
    assert alice.propfind(folder, ["D:resourcetype"], Depth="0").status == 207


def test_addresses_of_old_clients_are_latin_1(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("été")
    assert alice.propfind("/folders/%E9t%E9/", ["hm:read"]).status == 207
    assert alice.propfind("/folders/%C3%A9t%C3%A9/", ["hm:read"]).status == 207
