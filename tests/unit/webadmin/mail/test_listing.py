from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from appliance.store.message import Flag, Use
from tests.support.boxes import letter
from tests.support.webmail import Post, Reader
from webadmin.mail.listing import PAGE_COOKIE

_OLDER = re.compile(r'id="more"><a href="([^"]+)"')
_PART = re.compile(r'id="more"><a [^>]*hx-get="([^"]+)"')
_UID = re.compile(r'data-uid="(\d+)"')
_SUBJECT = re.compile(r'<span class="subj">.*?<span class="cut" dir="auto">(.*?)</span>', re.DOTALL)
_WHO = re.compile(r'<span class="who cut" dir="auto">(.*?)</span>')


def _uids(page: str) -> list[int]:
    return [int(uid) for uid in _UID.findall(page)]


def _subjects(page: str) -> list[str]:
    return [unescape(subject) for subject in _SUBJECT.findall(page)]


def test_home_is_the_inbox_with_the_newest_first(reader: Reader) -> None:
    reader.file(letter("first"))
    reader.file(letter("second", sender="Ines Vale <ines@quay.example>", body="The lift works."))
    page = reader.page("/webmail/")
    assert _subjects(page) == ["second", "first"]
    assert "Ines Vale" in page
    assert "The lift works." in page
    assert ">2 unread of 2<" in page


def test_what_strangers_write_is_escaped(reader: Reader) -> None:
    reader.file(
        letter("<b>x</b>", sender='"<i>y</i>" <z@x.test>', body="<script>alert(1)</script>")
    )
    page = reader.page("/webmail/")
    assert _subjects(page) == ["<b>x</b>"]
    assert "<b>x" not in page
    assert "<i>y" not in page
    assert "<script>alert" not in page


def test_a_message_without_subject_and_sender_has_words_for_that(reader: Reader) -> None:
    reader.file(b"\r\nHello.\r\n")
    page = reader.page("/webmail/")
    assert _subjects(page) == ["No subject"]
    assert _WHO.findall(page) == ["No sender"]


@pytest.mark.parametrize("use", [Use.SENT, Use.DRAFTS])
def test_ones_own_mail_shows_the_recipients(reader: Reader, use: Use) -> None:
    head = "To: Ines <i@x.test>, b@x.test, C <c@x.test>, d@x.test\r\nSubject: a"
    reader.file(f"From: me@x.test\r\n{head}\r\n\r\n".encode(), use=use)
    page = reader.page(f"/webmail/{reader.id(use)}/")
    assert _WHO.findall(page) == ["Ines, b@x.test, C and 1 more"]


def test_a_draft_opens_for_writing(reader: Reader) -> None:
    uid = reader.file(flags=Flag.DRAFT | Flag.SEEN, use=Use.DRAFTS)
    folder = reader.id(Use.DRAFTS)
    assert f'href="/webmail/compose/{uid}"' in reader.page(f"/webmail/{folder}/")
    assert reader.get(f"/webmail/{folder}/{uid}").location == f"/webmail/compose/{uid}"


def test_older_pages_show_every_message_once_without_script(reader: Reader) -> None:
    for number in range(60):
        reader.file(letter(f"number {number}"))
    reader.visitor.client.set_cookie(PAGE_COOKIE, "25", domain="mail.test", path="/webmail")
    page = reader.page("/webmail/")
    found = [_subjects(page)]
    while older := _OLDER.search(page):
        page = reader.page(unescape(older[1]))
        assert "Newer messages" in page
        found.append(_subjects(page))
    assert [len(each) for each in found] == [25, 25, 10]
    everything = [subject for each in found for subject in each]
    assert everything == [f"number {number}" for number in reversed(range(60))]


def test_what_is_loaded_below_goes_on_under_the_same_heading(reader: Reader) -> None:
    for number in range(60):
        reader.file(letter(f"number {number}"))
    page = reader.page("/webmail/")
    part = _PART.search(page)
    assert part
    rest = reader.page(unescape(part[1]), into="more")
    assert "<h2" in page
    assert "<h2" not in rest
    assert 'hx-swap-oob="beforeend:#day-' in rest
    assert len(_uids(rest)) == 10
    assert not set(_uids(rest)) & set(_uids(page))
    assert "<html" not in rest


def test_a_list_is_sorted_by_subject_and_keeps_it_in_its_links(reader: Reader) -> None:
    for subject in ("pears", "apples", "Re: oranges"):
        uid = reader.file(letter(subject))
    folder = reader.id()
    page = reader.page(f"/webmail/{folder}/?order=subject")
    assert _subjects(page) == ["apples", "Re: oranges", "pears"]
    assert f'href="/webmail/{folder}/{uid}?order=subject"' in page
    assert "<h2 id=" not in page
    falling = reader.page(f"/webmail/{folder}/?order=subject&way=down")
    assert _subjects(falling) == ["pears", "Re: oranges", "apples"]


def test_a_list_by_size_says_the_sizes(reader: Reader) -> None:
    reader.file(letter("small"))
    reader.file(letter("large", body="x" * 50_000))
    page = reader.page(f"/webmail/{reader.id()}/?order=size")
    assert _subjects(page) == ["large", "small"]
    assert '<span class="thread nobr">49 KB</span>' in page
    assert "thread nobr" not in reader.page("/webmail/")


def test_nonsense_in_an_address_leads_to_the_first_page(reader: Reader) -> None:
    reader.file(letter("there"))
    for query in (
        "order=colour",
        "way=left",
        "after=x",
        "after=date.1.1&before=date.1.1",
        "rows=x",
    ):
        assert _subjects(reader.page(f"/webmail/{reader.id()}/?{query}")) in (["there"], [])
    assert _subjects(reader.page(f"/webmail/{reader.id()}/?after=nonsense")) == ["there"]


def test_flags_and_marks_are_said_in_words(reader: Reader) -> None:
    head = (
        b"From: a@x.test\r\nSubject: s\r\nX-Priority: 1\r\n"
        b"Content-Type: multipart/mixed; boundary=b"
    )
    body = (
        b"--b\r\n\r\ntext\r\n"
        b"--b\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nx\r\n--b--\r\n"
    )
    reader.file(head + b"\r\n\r\n" + body, Flag.FLAGGED | Flag.ANSWERED | Flag.SEEN)
    page = reader.page("/webmail/")
    for words in ("High priority.", "Has attachments.", "Replied", 'class="msg flagged"'):
        assert words in page


def test_an_empty_folder_says_what_belongs_there(reader: Reader) -> None:
    assert "Nothing here yet" in reader.page("/webmail/")
    assert "No junk" in reader.page(f"/webmail/{reader.id(Use.JUNK)}/")


def test_the_page_size_is_kept_in_a_cookie_and_only_known_ones_are(reader: Reader) -> None:
    answer = reader.post("/webmail/page-size", size="25", back=f"/webmail/{reader.id()}/")
    assert (answer.status_code, answer.location) == (303, f"/webmail/{reader.id()}/")
    assert f"{PAGE_COOKIE}=25" in answer.headers["Set-Cookie"]
    refused = reader.post("/webmail/page-size", size="7", back="https://elsewhere.example/")
    assert refused.location == "/webmail/"
    assert PAGE_COOKIE not in refused.headers.get("Set-Cookie", "")


def test_the_meter_shows_how_full_the_mailbox_is(post: Post) -> None:
    reader = Reader(post, quota_kb=100)
    reader.file(letter(body="x" * 85 * 1024))
    page = reader.page("/webmail/")
    assert "85 KB of 100 KB used" in page
    assert 'value="85"' in page
    assert "Filling up" in page


def test_without_a_quota_only_what_is_used_is_said(reader: Reader) -> None:
    page = reader.page("/webmail/")
    assert "0 KB used" in page
    assert "<meter" not in page


def test_somebody_elses_folder_is_not_there(post: Post, reader: Reader) -> None:
    other = Reader(post)
    uid = other.file(letter("secret"))
    theirs = other.id()
    for path in ("", f"{uid}", f"{uid}/body", f"{uid}/source", f"{uid}/fields", f"{uid}/part/0",
                 f"{uid}/all.zip", "rename", "empty"):  # fmt: skip
        answer = reader.get(f"/webmail/{theirs}/{path}")
        assert answer.status_code == 404, path
        assert "secret" not in answer.text
    for path in ("act", "delete", "rename", "empty"):
        assert (
            reader.post(f"/webmail/{theirs}/{path}", do="delete", uid=str(uid)).status_code == 404
        )
    undo: dict[str, Any] = {"what": "move", "folder": theirs, "home": reader.id(), "uids": uid}
    assert reader.post("/webmail/undo", **undo).status_code == 404
    assert list(other.flags()) == [uid]
    assert reader.get(f"/webmail/news?folder={theirs}").status_code == 404
    assert reader.get(f"/webmail/{reader.id()}/{uid}").status_code == 404


def test_a_list_read_again_is_as_long_as_it_was_and_leaves_the_reading_pane(reader: Reader) -> None:
    for _ in range(60):
        reader.file()
    again = reader.page(f"/webmail/{reader.id()}/?rows=60", into="list")
    assert len(_uids(again)) == 60
    assert 'hx-target="#reader" hx-swap="innerHTML"' not in again.replace("hx-get", "")
    assert len(_uids(reader.page(f"/webmail/{reader.id()}/?rows=100000", into="list"))) == 60


def test_another_folder_comes_with_an_empty_reading_pane(reader: Reader) -> None:
    part = reader.page(f"/webmail/{reader.id(Use.SENT)}/", into="list")
    assert '<hx-partial hx-target="#reader"' in part
    assert "Nothing sent yet" in part
    assert 'aria-current="page"' in part
    assert "<html" not in part
