from __future__ import annotations

import pytest

from appliance.store.message import Flag, Use
from tests.support.webmail import Post, Reader, event, toasts, undo_of
from webadmin.mail.uids import unpack

_SEEN, _FLAGGED = Flag.SEEN, Flag.FLAGGED


def test_delete_moves_to_deleted_items_and_undo_puts_it_back(reader: Reader) -> None:
    first, second = reader.file(flags=_FLAGGED), reader.file()
    deleted = reader.act("delete", first)
    assert toasts(deleted) == ["1 message moved to Deleted Items"]
    assert event(deleted) == {"folder": reader.id(), "gone": str(first)}
    assert list(reader.flags()) == [second]
    assert list(reader.flags(Use.TRASH).values()) == [_FLAGGED]
    undone = reader.undo(deleted)
    assert toasts(undone) == ["1 message is back"]
    assert event(undone) == {"folder": reader.id(), "stale": True}
    assert sorted(reader.flags().values()) == [Flag(0), _FLAGGED]
    assert reader.flags(Use.TRASH) == {}


def test_counts_come_with_the_answer(reader: Reader) -> None:
    uid = reader.file()
    reader.file()
    text = reader.act("delete", uid).text
    assert ">1 unread of 1<" in text
    assert 'id="folders"' in text
    assert 'id="quota"' in text


def test_delete_in_deleted_items_asks_first_and_is_for_good(reader: Reader) -> None:
    uids = [reader.file(use=Use.TRASH) for _ in range(2)]
    asked = reader.act("delete", *uids, use=Use.TRASH)
    assert asked.headers["HX-Retarget"] == "#dialog"
    assert "Delete 2 messages for good?" in asked.text
    assert "<dialog" in asked.text
    assert len(reader.flags(Use.TRASH)) == 2
    done = reader.act("expunge", use=Use.TRASH, uids="1-2")
    assert toasts(done) == ["2 messages deleted for good"]
    assert "undo" not in done.text.partition("toast")[2]
    assert reader.flags(Use.TRASH) == {}


def test_nothing_is_deleted_for_good_outside_of_deleted_items(reader: Reader) -> None:
    uid = reader.file()
    reader.act("expunge", uid)
    assert len(reader.flags(Use.TRASH)) == 1


def test_junk_goes_to_junk_and_not_junk_to_the_inbox(reader: Reader) -> None:
    assert toasts(reader.act("junk", reader.file())) == ["1 message moved to Junk E-mail"]
    (uid,) = reader.flags(Use.JUNK)
    assert toasts(reader.act("notjunk", uid, use=Use.JUNK)) == ["1 message moved to Inbox"]
    assert len(reader.flags()) == 1


def test_messages_move_to_a_folder_of_ones_own(reader: Reader) -> None:
    uids = [reader.file() for _ in range(3)]
    target = reader.box.create_folder("Exhibitions")
    moved = reader.act(f"move-{target.id}", *uids[:2])
    assert toasts(moved) == ["2 messages moved to Exhibitions"]
    assert reader.box.folder(target.id).messages == 2
    assert event(reader.undo(moved))["folder"] == reader.id()
    assert len(reader.flags()) == 3


def test_moving_to_where_they_are_moves_nothing(reader: Reader) -> None:
    uid = reader.file()
    answer = reader.act(f"move-{reader.id()}", uid)
    assert "Nothing was moved" in toasts(answer)[0]
    assert list(reader.flags()) == [uid]


@pytest.mark.parametrize(
    ("do", "before", "after", "told"),
    [
        ("read", Flag(0), _SEEN, {"as": "new", "on": False}),
        ("unread", _SEEN, Flag(0), {"as": "new", "on": True}),
        ("flag", Flag(0), _FLAGGED, {"as": "flagged", "on": True}),
        ("unflag", _FLAGGED, Flag(0), {"as": "flagged", "on": False}),
    ],
)
def test_marks_change_and_undo_touches_only_what_changed(
    reader: Reader, do: str, before: Flag, after: Flag, told: dict[str, object]
) -> None:
    changed = [reader.file(flags=before) for _ in range(2)]
    already = reader.file(flags=after)
    answer = reader.act(do, *changed, already)
    assert set(reader.flags().values()) == {after}
    assert event(answer) == {"folder": reader.id(), "marked": "1-3", **told}
    assert unpack(undo_of(answer)["uids"]) == changed
    reader.undo(answer)
    assert reader.flags() == {**dict.fromkeys(changed, before), already: after}


def test_all_means_the_whole_folder_as_it_was_shown(reader: Reader) -> None:
    for _ in range(30):
        reader.file()
    below = reader.box.folder(reader.id()).next_uid
    late = reader.file()
    moved = reader.act("delete", all="1", below=str(below))
    assert toasts(moved) == ["30 messages moved to Deleted Items"]
    assert event(moved)["stale"] is True
    assert list(reader.flags()) == [late]
    assert undo_of(moved)["uids"] == "1-30"
    reader.undo(moved)
    assert len(reader.flags()) == 31


def test_nothing_ticked_is_said_and_nothing_is_done(reader: Reader) -> None:
    uid = reader.file()
    assert toasts(reader.act("delete")) == [
        "No message is chosen, or they are gone. Tick some first."
    ]
    assert list(reader.flags()) == [uid]


def test_messages_that_are_gone_leave_the_list(reader: Reader) -> None:
    uid = reader.file()
    reader.box.expunge(reader.id(), [uid])
    assert event(reader.act("delete", uid))["gone"] == str(uid)


@pytest.mark.parametrize("do", ["burn", "", "move-", "move-x"])
def test_what_cannot_be_done_is_refused(reader: Reader, do: str) -> None:
    uid = reader.file()
    assert reader.act(do, uid).status_code == 400
    assert list(reader.flags()) == [uid]


@pytest.mark.parametrize("uids", ["x", "1;2", "1-99999999999"])
def test_uids_that_are_none_are_refused(reader: Reader, uids: str) -> None:
    assert reader.act("delete", uids=uids).status_code == 400


def test_a_folder_of_somebody_else_takes_nothing(post: Post, reader: Reader) -> None:
    uid, theirs = reader.file(), Reader(post).id()
    assert reader.act(f"move-{theirs}", uid).status_code == 404
    assert list(reader.flags()) == [uid]
    undo = {"what": "move", "folder": str(reader.id()), "home": str(theirs), "uids": str(uid)}
    assert reader.post("/webmail/undo", into="fresh", **undo).status_code == 404
    assert list(reader.flags()) == [uid]


def test_an_undo_that_makes_no_sense_is_refused(reader: Reader) -> None:
    uid = reader.file()
    for fields in ({"what": "burn"}, {"what": "read", "uids": "x"}, {}):
        answer = reader.post(
            "/webmail/undo", folder=str(reader.id()), **{"uids": str(uid), **fields}
        )
        assert answer.status_code == 400
    assert reader.post("/webmail/undo", what="read", folder="x", uids="1").status_code == 404


def test_without_script_the_list_comes_next_and_says_it(reader: Reader) -> None:
    uid = reader.file()
    answer = reader.act("delete", uid, into="", order="subject")
    assert answer.status_code == 303
    assert answer.location == f"/webmail/{reader.id()}/?order=subject"
    page = reader.get(answer.location)
    assert toasts(page) == ["1 message moved to Deleted Items"]
    assert undo_of(page)["what"] == "move"
    assert toasts(reader.get(answer.location)) == []


@pytest.mark.parametrize(("do", "stays"), [("flag", True), ("read", True), ("unread", False)])
def test_without_script_a_marked_message_stays_open_unless_it_is_unread(
    reader: Reader, do: str, stays: bool
) -> None:
    uid = reader.file()
    answer = reader.act(do, uid, into="", open=str(uid))
    here = f"/webmail/{reader.id()}/"
    assert answer.location == (f"{here}{uid}" if stays else here)


def test_without_script_the_question_is_a_page(reader: Reader) -> None:
    uid = reader.file(use=Use.TRASH)
    answer = reader.act("delete", uid, use=Use.TRASH, into="")
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert "Keep it" in answer.text
    assert "<html" in answer.text


def test_a_form_that_is_not_ours_does_nothing(reader: Reader) -> None:
    uid = reader.file()
    reader.visitor.csrf = "0" * 64
    assert reader.act("delete", uid).status_code == 403
    assert list(reader.flags()) == [uid]
