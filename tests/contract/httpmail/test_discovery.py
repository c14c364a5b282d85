"""The account's addresses and the folder list (CHECKLIST 310, 312, 314, 319).

The facts about each client are those of its published code: Apple Mail's httpmail plugin,
Thunderbird's Webmail extension with its Lycos part, FreePOPs, the Java client of communitychest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from appliance.operations.settings import ChangeSetting
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag
from tests.support.dav import ACCOUNT, BASE, FOLDERS, Dav, text_between
from tests.support.town import PASSWORD, Town

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

OUTLOOK_EXPRESS = "Outlook-Express/6.0 (MSIE 6.0; Windows NT 5.1; TmstmpExt)"
WANTED = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n'
    '<D:multistatus xmlns:D="DAV:" xmlns:hm="urn:schemas:httpmail:" '
    'xmlns:m="urn:schemas:mailheader:" xmlns:h="http://schemas.microsoft.com/hotmail/">\r\n'
    f"<D:response><D:href>{BASE}/</D:href><D:propstat><D:prop>\r\n"
    "<h:adbar>AdPane=Off*</h:adbar>\r\n"
    f"<hm:contacts>{BASE}/contacts/</hm:contacts>\r\n"
    f"<hm:inbox>{BASE}/folders/Inbox/</hm:inbox>\r\n"
    f"<hm:outbox>{BASE}/outbox/</hm:outbox>\r\n"
    f"<hm:sendmsg>{BASE}/sendmsg</hm:sendmsg>\r\n"
    f"<hm:sentitems>{BASE}/folders/Sent%20Items/</hm:sentitems>\r\n"
    f"<hm:deleteditems>{BASE}/folders/Deleted%20Items/</hm:deleteditems>\r\n"
    f"<hm:drafts>{BASE}/folders/Drafts/</hm:drafts>\r\n"
    f"<hm:msgfolderroot>{BASE}/folders/</hm:msgfolderroot>\r\n"
    "<h:maxpoll>30</h:maxpoll>\r\n"
    "<h:sig/>\r\n"
    "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\r\n"
    "</D:multistatus>\r\n"
)


# ── discovery ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("depth", ["0", "1", None, "1,noroot"])
def test_the_account_is_described_in_exactly_these_octets(
    alice: Dav, path: str, depth: str | None
) -> None:
    reply = alice.propfind(path, ACCOUNT, Depth=depth, Brief="t", User_Agent=OUTLOOK_EXPRESS)
    assert (reply.status, reply.phrase) == (207, "Multi-Status")
    assert reply.headers["Content-Type"] == "text/xml"  # communitychest compares the whole value
    assert reply.text == WANTED


@pytest.mark.parametrize("depth", ["0", None])
def test_apple_mail_begins_with_a_request_without_a_body(alice: Dav, depth: str | None) -> None:
    assert alice.ask("PROPFIND", "", Depth=depth).text == WANTED


def test_only_what_is_asked_for_is_described(alice: Dav) -> None:
    reply = alice.propfind("", ["hm:inbox", "h:modified", "h:maxpoll"])
    assert text_between(reply.text, "<hm:", ">") == ["inbox"]
    assert "h:modified" not in reply.text  # nobody knows its form; its absence is understood
    assert "<h:maxpoll>30</h:maxpoll>" in reply.text


def test_no_element_of_mail_is_empty(alice: Dav) -> None:
    """Apple Mail's plugin takes all up to the next `</hm:`: an empty one swallows its neighbour."""
    text = alice.propfind("", ACCOUNT).text
    found = {
        name: text[text.index(f"<hm:{name}>") + len(name) + 5 :].partition("</hm:")[0]
        for name in ("inbox", "outbox", "sendmsg", "sentitems", "deleteditems", "drafts")
    }
    assert all(value.startswith(BASE) and "<" not in value for value in found.values())


def test_the_manuals_path_is_taken_in_any_capitals(app: WSGIApplication) -> None:
    client = Dav(app, "alice@alpha", PASSWORD, mount="/mehttpmail")
    assert client.ask("PROPFIND").text == WANTED


@pytest.mark.parametrize("mount", ["", "/MEHTTPMail2", "/other", "/mewebmail"])
def test_elsewhere_it_is_told_where_httpmail_is(app: WSGIApplication, mount: str) -> None:
    reply = Dav(app, "alice@alpha", PASSWORD, mount=mount).ask("PROPFIND")
    assert (reply.status, reply.phrase) == (404, "HTTPMail is at /MEHTTPMail")


def test_a_port_that_a_client_leaves_out_of_host_is_added(alice: Dav) -> None:
    reply = alice.propfind("", ACCOUNT, Host="mail.example.test")
    assert f"<hm:inbox>{BASE}/folders/Inbox/</hm:inbox>" in reply.text


def test_the_public_address_replaces_the_one_that_was_asked_by(town: Town, alice: Dav) -> None:
    town.do(ChangeSetting(setting="httpmail.public_url", value="https://mail.example.org"))
    text = alice.propfind("", ACCOUNT).text
    assert "<hm:inbox>https://mail.example.org/MEHTTPMail/folders/Inbox/</hm:inbox>" in text
    assert "example.test" not in text


def test_a_host_that_is_none_is_refused(alice: Dav) -> None:
    assert alice.propfind("", ACCOUNT, Host="a<b>.test").status == 400


def test_the_longest_time_between_polls_is_told(town: Town, alice: Dav) -> None:
    town.do(ChangeSetting(setting="httpmail.max_poll", value="5"))
    assert "<h:maxpoll>5</h:maxpoll>" in alice.propfind("", ACCOUNT).text


@pytest.mark.parametrize("name", ["contacts", "outbox"])
def test_contacts_and_outbox_are_empty(alice: Dav, name: str) -> None:
    assert alice.propfind(f"/{name}/", ["hm:read", "D:id"], Depth="1").hrefs() == []
    assert alice.propfind(f"/{name}/", ["D:resourcetype"], Depth="1").hrefs() == [
        f"/MEHTTPMail/{name}/"
    ]


# ── folders ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("depth", ["0", "1", "1,noroot", "infinity", None])
def test_the_folder_list_holds_folders_only_whatever_the_depth(
    alice: Dav, store: MailboxStore, depth: str | None
) -> None:
    """Each client takes every response for a folder; Depth may be a leftover."""
    store.create_folder("Projects été")
    responses = alice.propfind("/folders/", FOLDERS, Depth=depth).responses()
    assert [(each.name, each.found.get("hm:special")) for each in responses] == [
        ("Inbox", "inbox"),
        ("Drafts", "drafts"),
        ("Sent Items", "sentitems"),
        ("Deleted Items", "deleteditems"),
        ("Junk E-mail", "bulkmail"),
        ("Projects été", None),
    ]
    assert all(each.href.startswith(f"{BASE}/folders/") for each in responses)
    assert all(each.href.endswith("/") for each in responses)  # Lycos appends the message's name
    assert {each.found["D:isfolder"] for each in responses} == {"1"}
    assert all(not each.missing for each in responses)


def test_special_folders_have_a_role_and_others_a_name(alice: Dav, store: MailboxStore) -> None:
    store.create_folder("Bills & <more>")
    responses = alice.propfind("/folders/", FOLDERS).responses()
    named = [each for each in responses if "D:displayname" in each.found]
    assert [each.found["D:displayname"] for each in named] == ["Bills & <more>"]
    assert named[0].href == f"{BASE}/folders/Bills%20%26%20%3Cmore%3E/"
    assert "D:displayname" not in responses[0].found


def test_special_folders_have_names_too_where_that_is_set(town: Town, alice: Dav) -> None:
    town.do(ChangeSetting(setting="httpmail.special_names", value="yes"))
    responses = alice.propfind("/folders/", ["D:displayname", "hm:special"]).responses()
    assert [each.found["D:displayname"] for each in responses] == [each.name for each in responses]


def test_counts_are_those_of_the_store(alice: Dav, store: MailboxStore) -> None:
    uids = [alice.append(b"Subject: one\r\n\r\n").rpartition(".")[2] for _ in range(3)]
    store.flag(store.folders()[0].id, [int(uids[0])], add=Flag.SEEN)
    inbox = alice.propfind("/folders/", FOLDERS).responses()[0].found
    assert (inbox["hm:unreadcount"], inbox["D:visiblecount"]) == ("2", "3")
    assert (inbox["D:hassubs"], inbox["D:nosubs"]) == ("0", "1")


def test_one_folder_tells_how_full_it_is(alice: Dav) -> None:
    alice.append(b"Subject: one\r\n\r\n")
    reply = alice.propfind("/folders/Inbox", ["hm:unreadcount", "D:visiblecount"], Depth="0")
    assert [each.found for each in reply.responses()] == [
        {"hm:unreadcount": "1", "D:visiblecount": "1"}
    ]


def test_a_folder_in_a_folder_is_one_of_the_flat_list(alice: Dav) -> None:
    """Lycos renames by replacing the name in the address: they have to agree."""
    assert alice.ask("MKCOL", "/folders/Work/").status == 201
    assert alice.ask("MKCOL", "/folders/Work/2026/").status == 201
    responses = alice.propfind("/folders/", FOLDERS).responses()[5:]
    names = [each.found["D:displayname"] for each in responses]
    assert names == ["Work", "Work\\2026"]
    assert [unquote(each.href) for each in responses] == [f"{BASE}/folders/{n}/" for n in names]
    assert alice.propfind("/folders/Work%5C2026/", ["hm:read"]).responses() == []


def test_the_answer_reads_by_the_patterns_of_clients_that_know_no_xml(
    alice: Dav, store: MailboxStore
) -> None:
    store.create_folder("été")
    text = alice.propfind("/folders/", FOLDERS).text
    assert re.findall(r"<(\w+:\w+) ", text) == ["D:multistatus"]  # no attributes elsewhere
    assert "<D:displayname>&#233;t&#233;</D:displayname>" in text
    assert len(text_between(text, "<D:response>", "</D:response>")) == 6
    assert re.findall(r"folders/(.*?)/", text, re.IGNORECASE)[0] == "Inbox"
