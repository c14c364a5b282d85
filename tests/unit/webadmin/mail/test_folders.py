from __future__ import annotations

import re
from html import unescape

import pytest

from appliance.store.message import Flag, Use
from tests.support.boxes import file
from tests.support.webmail import Reader, toasts, undo_of

_FOLDER = re.compile(r'<a id="folder-\d+".*?<span class="cut" dir="auto">(.*?)</span>', re.DOTALL)


def _folders(page: str) -> list[str]:
    return [unescape(name) for name in _FOLDER.findall(page)]


def test_special_folders_come_first_then_ones_own(reader: Reader) -> None:
    for name in ("b", "A", "<i>"):
        reader.box.create_folder(name)
    assert _folders(reader.page("/webmail/")) == [
        "Inbox",
        "Drafts",
        "Sent Items",
        "Deleted Items",
        "Junk E-mail",
        "<i>",
        "A",
        "b",
    ]


def test_unread_messages_are_counted_and_drafts_as_a_whole(reader: Reader) -> None:
    reader.file()
    reader.file(flags=Flag.SEEN)
    reader.file(flags=Flag.SEEN | Flag.DRAFT, use=Use.DRAFTS)
    page = reader.page("/webmail/")
    assert '1<span class="sr"> unread</span>' in page
    assert '1<span class="sr"> draft</span>' in page


def test_a_folder_is_made_and_opens(reader: Reader) -> None:
    assert "<form" in reader.page("/webmail/new-folder")
    answer = reader.post("/webmail/new-folder", name=" Night boats ")
    assert answer.status_code == 303
    page = reader.get(answer.location)
    assert "Night boats" in _folders(page.text)
    assert toasts(page) == ["The folder Night boats is there"]


@pytest.mark.parametrize("name", ["a/b", "", "inbox", "x" * 101])
def test_a_name_that_cannot_be_stands_beside_its_field_and_stays(reader: Reader, name: str) -> None:
    answer = reader.post("/webmail/new-folder", name=name)
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{name}"' in answer.text
    part = reader.post("/webmail/new-folder", into="dialog", name=name)
    assert part.status_code == 422
    assert "<dialog" in part.text
    assert len(reader.box.folders()) == 5


def test_a_folder_is_renamed_and_called_as_before_again(reader: Reader) -> None:
    folder = reader.box.create_folder("Exhibitions")
    assert 'value="Exhibitions"' in reader.page(f"/webmail/{folder.id}/rename")
    answer = reader.post(f"/webmail/{folder.id}/rename", name="Fairs")
    page = reader.get(answer.location)
    assert toasts(page) == ["Exhibitions is called Fairs now"]
    undone = reader.post("/webmail/undo", into="fresh", **undo_of(page))
    assert undone.headers["HX-Redirect"] == f"/webmail/{folder.id}/"
    assert reader.box.folder(folder.id).name == "Exhibitions"


def test_a_deleted_folder_leaves_its_mail_in_deleted_items_and_comes_back(reader: Reader) -> None:
    folder = reader.box.create_folder("Exhibitions")
    for _ in range(3):
        file(reader.box, folder.id, flags=Flag.FLAGGED)
    page = reader.get(reader.post(f"/webmail/{folder.id}/delete").location)
    assert toasts(page) == ["Folder Exhibitions deleted; its 3 messages are in Deleted Items"]
    assert len(reader.flags(Use.TRASH)) == 3
    assert "Exhibitions" not in _folders(page.text)
    undone = reader.post("/webmail/undo", into="fresh", **undo_of(page))
    back = reader.box.folders()[-1]
    assert undone.headers["HX-Redirect"] == f"/webmail/{back.id}/"
    assert (back.name, back.messages) == ("Exhibitions", 3)
    assert reader.flags(Use.TRASH) == {}
    assert toasts(reader.get(f"/webmail/{back.id}/")) == ["The folder Exhibitions is back"]


def test_an_empty_folder_that_is_deleted_comes_back_too(reader: Reader) -> None:
    folder = reader.box.create_folder("Exhibitions")
    page = reader.get(reader.post(f"/webmail/{folder.id}/delete").location)
    assert toasts(page) == ["Folder Exhibitions deleted"]
    reader.post("/webmail/undo", into="fresh", **undo_of(page))
    assert reader.box.folders()[-1].name == "Exhibitions"


@pytest.mark.parametrize("use", list(Use))
def test_special_folders_keep_their_name_and_stay(reader: Reader, use: Use) -> None:
    for path in ("rename", "delete"):
        answer = reader.post(f"/webmail/{reader.id(use)}/{path}", name="other")
        assert answer.status_code == 400
    assert len(reader.box.folders()) == 5
    assert "Rename folder" not in reader.page(f"/webmail/{reader.id(use)}/")


@pytest.mark.parametrize("use", [Use.TRASH, Use.JUNK])
def test_emptying_asks_with_the_loss_in_numbers(reader: Reader, use: Use) -> None:
    for _ in range(2):
        reader.file(use=use)
    path = f"/webmail/{reader.id(use)}/empty"
    assert "Delete all 2 messages in" in reader.page(path)
    assert len(reader.flags(use)) == 2
    assert toasts(reader.post(path, into="fresh")) == ["2 messages deleted for good"]
    assert reader.flags(use) == {}


@pytest.mark.parametrize("use", [Use.INBOX, Use.SENT, Use.DRAFTS])
def test_other_folders_cannot_be_emptied(reader: Reader, use: Use) -> None:
    reader.file(use=use)
    assert reader.get(f"/webmail/{reader.id(use)}/empty").status_code == 404
    assert reader.post(f"/webmail/{reader.id(use)}/empty").status_code == 404
    assert len(reader.flags(use)) == 1
