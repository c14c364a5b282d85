"""Marking, moving, deleting and filing by mail clients (CHECKLIST 311, 312, 314)."""

from __future__ import annotations

import pytest

from appliance.journey.event import Kind
from appliance.operations.house import House
from appliance.operations.mailboxes import EditMailbox
from appliance.operations.settings import ChangeSetting
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Use
from tests.support.dav import BASE, Dav, batch, mark, update
from tests.support.town import Town
from tests.support.waiting import until

TRASH = "/folders/Deleted%20Items/"


@pytest.fixture
def path(alice: Dav) -> str:
    return alice.append(b"Subject: one\r\n\r\n")


@pytest.fixture
def paths(alice: Dav) -> list[str]:
    return [alice.append(b"Subject: %d\r\n\r\n" % number) for number in range(3)]


def name(path: str) -> str:
    return path.rpartition("/")[2]


# ── marking ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("depth", [None, "1"])  # Apple Mail repeats the one of its last request
def test_marking_one_is_answered_with_200_and_nothing_to_read(
    alice: Dav, path: str, depth: str | None
) -> None:
    for read in (True, False):
        reply = alice.ask("PROPPATCH", path, update(mark(read=read)), Depth=depth)
        assert (reply.status, reply.body) == (200, b"")  # Lycos takes no 207
        assert reply.headers["Content-Type"] == "text/xml"
        assert alice.messages()[0].found["hm:read"] == str(int(read))


def test_marking_shows_at_other_doors(alice: Dav, path: str, store: MailboxStore) -> None:
    alice.ask("PROPPATCH", path, update(mark(read=True)))
    inbox = store.special(Use.INBOX)
    assert inbox.unread == 0
    assert store.every(inbox.id)[0].flags == Flag.SEEN


def test_marking_many_tells_of_each(alice: Dav, paths: list[str]) -> None:
    hrefs = [name(paths[0]), BASE + paths[1], "MSG9.9"]  # relative, absolute, unknown
    body = batch("propertyupdate", *hrefs, inside=mark(read=True))
    reply = alice.ask("BPROPPATCH", "/folders/Inbox/", body, If_Match="*")
    assert reply.headers["Content-Type"] == "text/xml"
    assert [(each.href, each.status) for each in reply.responses()] == [
        (BASE + paths[0], 200),
        (BASE + paths[1], 200),
        (f"{BASE}/folders/Inbox/MSG9.9", 404),
    ]
    assert [each.found["hm:read"] for each in alice.messages()] == ["1", "1", "0"]


@pytest.mark.parametrize(
    ("inside", "status"),
    [
        ("<D:set><D:prop><hm:read>perhaps</hm:read></D:prop></D:set>", 409),
        ("<D:remove><D:prop><hm:read/></D:prop></D:remove>", 409),
        ("<D:set><D:prop><m:subject>new</m:subject></D:prop></D:set>", 403),
        ("<D:set><D:prop><D:getetag>new</D:getetag></D:prop></D:set>", 403),
    ],
)
def test_what_cannot_be_changed_is_told_and_nothing_is(
    alice: Dav, path: str, inside: str, status: int
) -> None:
    reply = alice.ask("PROPPATCH", path, update(mark(read=True) + inside))
    assert status in reply.responses()[0].missing.values()
    assert alice.messages()[0].found["hm:read"] == "0"


def test_a_folder_cannot_be_marked_read(alice: Dav) -> None:
    reply = alice.ask("PROPPATCH", "/folders/Inbox/", update(mark(read=True)))
    assert reply.responses()[0].missing == {"hm:read": 403}


# ── moving and copying messages ──────────────────────────────────────────────────────────────────


def test_thunderbird_moves_with_a_slash_behind_the_message_and_a_body(
    alice: Dav, path: str
) -> None:
    destination = f"{BASE}{TRASH}{name(path)}/"
    reply = alice.ask("MOVE", path, batch("move", name(path)), Destination=destination)
    assert (reply.status, reply.body) == (201, b"")  # Lycos takes no 204
    assert alice.names() == []
    assert reply.location.startswith(TRASH)
    assert alice.ask("GET", reply.location).body == b"Subject: one\r\n\r\n"


def test_a_moved_message_never_takes_the_place_of_another(alice: Dav, store: MailboxStore) -> None:
    """Folders made at once number their messages alike: the same name may be there already."""
    first = alice.append(b"Subject: first\r\n\r\n", "Deleted%20Items")
    second = alice.append(b"Subject: second\r\n\r\n")
    assert name(first) == name(second)
    reply = alice.ask("MOVE", second, Destination=f"{BASE}{first}", Overwrite="T")
    assert reply.status == 201
    assert alice.names("Deleted%20Items") == [name(first), name(reply.location)]
    assert alice.ask("GET", first).body == b"Subject: first\r\n\r\n"


def test_a_copy_leaves_the_original_and_keeps_its_flags(alice: Dav, path: str) -> None:
    alice.ask("PROPPATCH", path, update(mark(read=True)))
    reply = alice.ask(
        "COPY", path, Destination=f"{BASE}/folders/Drafts/{name(path)}", Overwrite="F"
    )
    assert reply.status == 201
    assert alice.names() == [name(path)]
    assert alice.messages("Drafts")[0].found["hm:read"] == "1"
    assert alice.messages("Drafts")[0].href == BASE + reply.location


def test_a_message_that_comes_onto_a_folder_comes_into_it(alice: Dav, path: str) -> None:
    reply = alice.ask("MOVE", path, Destination=f"{BASE}{TRASH}")
    assert (reply.status, alice.names("Deleted%20Items")) == (201, [name(reply.location)])


def test_a_message_is_not_moved_onto_itself_or_within_its_folder(alice: Dav, path: str) -> None:
    for destination in (path, "/folders/Inbox/MSG1.99", "/folders/Inbox/"):
        assert alice.ask("MOVE", path, Destination=BASE + destination).status == 403
    assert alice.names() == [name(path)]


@pytest.mark.parametrize(
    ("destination", "status"),
    [
        (None, 400),
        ("http://elsewhere.test/MEHTTPMail/folders/Drafts/x", 502),
        ("http://mail.example.test:8080/other/x", 502),
        (f"{BASE}/folders/Nothing/x", 409),
        (f"{BASE}/contacts/x", 409),
        ("http://[::1/x", 400),
    ],
)
def test_a_destination_that_is_none_is_refused(
    alice: Dav, path: str, destination: str | None, status: int
) -> None:
    assert alice.ask("MOVE", path, Destination=destination).status == status
    assert alice.names() == [name(path)]


def test_apple_mail_moves_many_and_leaves_its_depth_in_the_header(
    alice: Dav, paths: list[str]
) -> None:
    body = batch("move", *map(name, paths[:2]), "MSG9.9")
    reply = alice.ask(
        "BMOVE",
        "/folders/Inbox/",
        body,
        Destination=f"{BASE}{TRASH}",
        Depth="1",
        Overwrite="f",
        Allow_Rename="t",
    )
    found = reply.responses()
    assert [(each.href, each.status) for each in found] == [
        (BASE + paths[0], 201),
        (BASE + paths[1], 201),
        (f"{BASE}/folders/Inbox/MSG9.9", 404),
    ]
    assert [each.location for each in found[:2]] == [
        each.href for each in alice.messages("Deleted%20Items")
    ]
    assert alice.names() == [name(paths[2])]


def test_each_of_a_batch_may_have_a_destination_of_its_own(alice: Dav, paths: list[str]) -> None:
    inside = "".join(
        f"<D:target><D:href>{name(path)}</D:href><D:dest>{dest}</D:dest></D:target>"
        for path, dest in (
            (paths[0], f"{BASE}/folders/Drafts/{name(paths[0])}"),
            (paths[1], f"<D:href>{BASE}{TRASH}</D:href>"),
        )
    )
    body = f'<D:copy xmlns:D="DAV:">{inside}</D:copy>'
    reply = alice.ask(
        "BCOPY", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Junk%20E-mail/"
    )
    assert [each.status for each in reply.responses()] == [201, 201]
    assert [len(alice.names(each)) for each in ("Drafts", "Deleted%20Items")] == [1, 1]
    assert len(alice.names()) == 3


def test_a_batch_without_prefix_is_read(alice: Dav, paths: list[str]) -> None:
    body = f'<move xmlns="DAV:"><target><href>{name(paths[0])}</href></target></move>'
    reply = alice.ask("BMOVE", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Drafts/")
    assert [each.status for each in reply.responses()] == [201]


@pytest.mark.parametrize("method", ["BMOVE", "BCOPY", "BDELETE", "BPROPPATCH"])
@pytest.mark.parametrize("body", ["", '<D:move xmlns:D="DAV:"/>', "no XML", "<x/>"])
def test_a_batch_without_targets_is_400(alice: Dav, method: str, body: str) -> None:
    reply = alice.ask(method, "/folders/Inbox/", body, Destination=f"{BASE}/folders/Drafts/")
    assert reply.status == 400


def test_a_batch_without_destination_is_400(alice: Dav, paths: list[str]) -> None:
    assert alice.ask("BMOVE", "/folders/Inbox/", batch("move", name(paths[0]))).status == 400
    assert len(alice.names()) == 3


def test_items_of_a_batch_fail_for_themselves(alice: Dav, paths: list[str]) -> None:
    body = batch("move", name(paths[0]), f"{BASE}/folders/Drafts/", "MSG1.1")
    reply = alice.ask("BMOVE", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Nothing/x/")
    assert [each.status for each in reply.responses()] == [409, 403, 404]
    same = alice.ask("BMOVE", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Inbox/")
    assert [each.status for each in same.responses()] == [403, 403, 404]
    assert len(alice.names()) == 3


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────


def test_deleting_is_for_good_and_in_the_journey(
    alice: Dav, store: MailboxStore, house: House
) -> None:
    content = store.content()
    content.write(b"Subject: one\r\n\r\n")
    inbox = store.special(Use.INBOX)
    uid = store.append(inbox.id, content, entry_id="01K3Z8Q4T9XW2M7B")
    reply = alice.ask("DELETE", f"/folders/Inbox/MSG{inbox.uid_validity}.{uid}")
    assert (reply.status, reply.body) == (200, b"")
    assert alice.names() == []
    events = until(lambda: house.journey.of("01K3Z8Q4T9XW2M7B"), "it is in its journey")
    assert [each.kind for each in events] == [Kind.DELETED]


def test_emptying_the_trash_tells_of_each(alice: Dav, paths: list[str]) -> None:
    body = batch("delete", name(paths[0]), name(paths[2]), name(paths[0]), "MSG9.9")
    reply = alice.ask("BDELETE", "/folders/Inbox/", body)
    assert [each.status for each in reply.responses()] == [200, 200, 200, 404]
    assert alice.names() == [name(paths[1])]


def test_a_batch_may_delete_folders(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("Old")
    reply = alice.ask("BDELETE", "/folders/", batch("delete", "Old/", "Inbox/"))
    assert [each.status for each in reply.responses()] == [200, 403]


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/folders/Projects/", "/folders/Projects"])
def test_a_folder_is_made(alice: Dav, store: MailboxStore, path: str) -> None:
    reply = alice.ask("MKCOL", path)
    assert (reply.status, reply.location, reply.body) == (201, "/folders/Projects/", b"")
    assert store.folders()[-1].name == "Projects"
    assert alice.ask("MKCOL", path).status == 405


def test_a_folder_is_made_with_properties_that_nobody_needs(alice: Dav) -> None:
    body = update(
        '<D:set><D:prop><e:outlookfolderclass xmlns:e="http://schemas.microsoft.com/exchange/">'
        "IPF.Note</e:outlookfolderclass></D:prop></D:set>"
    )
    assert alice.ask("MKCOL", "/folders/Bills/", body, Content_Type="text/xml").status == 201
    assert alice.ask("MKCOL", "/folders/Other/", body, Content_Type="x/y").status == 415


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/folders/Nothing/Inside/", 409),
        ("/folders/Inbox/Inside/", 403),
        ("/folders/INBOX/", 405),
        ("/contacts/Friends/", 409),
        ("/folders/MSG1.1/", 403),
        ("/folders/" + "n" * 101, 403),
        ("/folders/a%0Ab", 403),
        ("/folders/..", 403),
    ],
)
def test_where_no_folder_can_be_none_is_made(alice: Dav, path: str, status: int) -> None:
    reply = alice.ask("MKCOL", path)
    assert reply.status == status
    assert reply.phrase.isprintable()


def test_a_folder_is_renamed_and_keeps_its_messages(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("Projects")
    store.create_folder("Projects\\2026")
    path = alice.append(b"Subject: one\r\n\r\n", "Projects")
    reply = alice.ask("MOVE", "/folders/Projects/", Destination=f"{BASE}/folders/Archive/")
    assert (reply.status, reply.location) == (201, "/folders/Archive/")
    assert alice.names("Archive") == [name(path)]  # clients know messages by their names
    assert [each.name for each in store.folders()[5:]] == ["Archive", "Archive\\2026"]


def test_a_folder_may_change_its_capitals(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("projects")
    reply = alice.ask("MOVE", "/folders/projects/", Destination=f"{BASE}/folders/Projects/")
    assert (reply.status, store.folders()[-1].name) == (201, "Projects")


def test_a_rename_never_replaces_a_folder_unasked(alice: Dav, store: MailboxStore) -> None:
    for each in ("Old", "New"):
        store.create_folder(each)
        alice.append(b"Subject: one\r\n\r\n", each)
    reply = alice.ask("MOVE", "/folders/Old/", Destination=f"{BASE}/folders/New/")
    assert (reply.status, reply.phrase) == (412, "The name is in use already")
    assert alice.ask(
        "MOVE", "/folders/Old/", Destination=f"{BASE}/folders/New/", Overwrite="F"
    ).status == (412)
    assert len(store.folders()) == 7


def test_a_folder_is_deleted_with_what_is_in_it(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("Old")
    store.create_folder("Old\\Older")
    alice.append(b"Subject: one\r\n\r\n", "Old")
    reply = alice.ask("DELETE", "/folders/Old/", Depth="1")
    assert (reply.status, reply.body) == (200, b"")
    assert len(store.folders()) == 5
    assert store.usage() == (0, 0)


@pytest.mark.parametrize("path", ["/folders/Inbox/", "/folders/Sent%20Items/", "/folders/", ""])
def test_special_folders_stay_where_they_are(alice: Dav, path: str) -> None:
    for method in ("DELETE", "MOVE"):
        reply = alice.ask(method, path, Destination=f"{BASE}/folders/Other/", Overwrite="T")
        assert reply.status == 403
        assert reply.phrase not in ("Forbidden", "")  # Outlook Express shows nothing but this


def test_a_special_folder_is_not_replaced_either(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("Mine")
    alice.append(b"Subject: one\r\n\r\n")
    reply = alice.ask("MOVE", "/folders/Mine/", Destination=f"{BASE}/folders/Inbox/", Overwrite="T")
    assert reply.status == 403
    assert len(alice.names()) == 1


# ── filing ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("folder", "flags"),
    [
        ("Inbox", Flag(0)),
        ("Sent%20Items", Flag.SEEN),
        ("Drafts", Flag.SEEN | Flag.DRAFT),
    ],
)
def test_a_message_is_filed_by_post(
    alice: Dav, store: MailboxStore, folder: str, flags: Flag
) -> None:
    octets = b"From: alice@alpha.test\r\nSubject: Draft\r\n\r\nNot finished yet.\r\n"
    reply = alice.ask("POST", f"/folders/{folder}/", octets, Content_Type="message/rfc822")
    assert (reply.status, reply.body) == (201, b"")
    assert alice.ask("GET", reply.location).body == octets
    found = next(each for each in store.folders() if each.messages)
    assert store.every(found.id)[0].flags == flags


def test_line_ends_of_a_posted_message_are_put_right(alice: Dav) -> None:
    path = alice.append(b"Subject: one\n\nfirst\rsecond\r\nthird\n")
    assert alice.ask("GET", path).body == b"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n"


def test_a_folder_takes_messages_only(alice: Dav) -> None:
    for media_type in ("message/rfc821", "text/plain", ""):
        reply = alice.ask("POST", "/folders/Inbox/", b"x", Content_Type=media_type)
        assert (reply.status, alice.names()) == (415, [])
    reply = alice.ask("POST", "/contacts/", b"x", Content_Type="message/rfc822")
    assert (reply.status, "POST" in reply.headers["Allow"]) == (405, False)


def test_a_message_beyond_the_limit_is_413(town: Town, alice: Dav) -> None:
    town.do(ChangeSetting(setting="smtp.max_message_kb", value="64"))
    octets = b"Subject: large\r\n\r\n" + b"x" * 65_536
    for method, path in (("POST", "/folders/Inbox/"), ("PUT", "/folders/Inbox/large.eml")):
        reply = alice.ask(method, path, octets, Content_Type="message/rfc822")
        assert (reply.status, reply.phrase) == (413, "The body is larger than 64 KiB")
    assert alice.names() == []


def test_a_full_mailbox_takes_no_more(town: Town, alice: Dav, path: str) -> None:
    town.do(EditMailbox(mailbox="alice@alpha", quota_kb=1))
    octets = b"Subject: more\r\n\r\n" + b"x" * 1024
    for method, where in (("POST", "/folders/Inbox/"), ("PUT", "/folders/Inbox/more.eml")):
        reply = alice.ask(method, where, octets, Content_Type="message/rfc822")
        assert (reply.status, reply.phrase) == (507, "The mailbox is full: it may hold 1 KiB")
    assert alice.names() == [name(path)]


def test_copies_that_do_not_fit_are_told_for_each(town: Town, alice: Dav) -> None:
    paths = [alice.append(b"Subject: one\r\n\r\n".ljust(600, b"x")) for _ in range(2)]
    town.do(EditMailbox(mailbox="alice@alpha", quota_kb=2))
    body = batch("copy", *map(name, paths), name(paths[0]))
    reply = alice.ask("BCOPY", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Drafts/")
    assert [each.status for each in reply.responses()] == [507, 507, 507]
    reply = alice.ask("COPY", paths[0], Destination=f"{BASE}/folders/Drafts/")
    assert reply.status == 201
    body = batch("move", *map(name, paths), name(paths[0]))
    reply = alice.ask("BMOVE", "/folders/Inbox/", body, Destination=f"{BASE}/folders/Drafts/")
    assert [each.status for each in reply.responses()] == [201, 201, 201]  # takes no room
    assert len(alice.names("Drafts")) == 3


def test_a_body_that_breaks_off_files_nothing(alice: Dav) -> None:
    reply = alice.ask(
        "POST", "/folders/Inbox/", b"half", Content_Type="message/rfc822", Content_Length="9"
    )
    assert (reply.status, alice.names()) == (400, [])
