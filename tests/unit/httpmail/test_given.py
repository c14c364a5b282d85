"""Names and properties that clients give, remembered within bounds."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from httpmail import given
from httpmail.given import GivenNames, MailboxNames


def element(text: str = "") -> Element:
    made = Element("x")
    made.text = text
    return made


def test_a_name_stands_for_a_message_and_the_other_way_round() -> None:
    names = MailboxNames()
    names.keep(7, "a", 1)
    assert names.name_of(7, 1) == "a"
    names.keep(7, "a", 2)
    assert (names.name_of(7, 1), names.name_of(7, 2)) == ("", "a")
    names.forget(7, "a")
    assert (names.find(7, "a"), names.name_of(7, 2)) == (None, "")


def test_mailboxes_are_apart() -> None:
    names = GivenNames()
    names.of(1).keep(7, "a", 1)
    assert names.of(2).find(7, "a") is None
    assert names.of(1).find(7, "a") is not None


def test_the_mailbox_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MOST_MAILBOXES", 2)
    names = GivenNames()
    for mailbox in (1, 2):
        names.of(mailbox).keep(7, "a", 1)
    names.of(1)
    names.of(3)
    assert names.of(1).find(7, "a") is not None
    assert names.of(2).find(7, "a") is None


def test_names_that_stand_for_nothing_yet_are_told() -> None:
    names = MailboxNames()
    names.keep(7, "", 0)  # of the folder itself
    names.keep(7, "locked", 0)
    names.keep(7, "used", 3)
    names.keep(8, "elsewhere", 0)
    assert names.reserved(7) == ["locked"]


def test_the_oldest_are_forgotten_first() -> None:
    names = MailboxNames(most=2)
    names.keep(7, "a", 1)
    names.keep(7, "b", 2)
    assert names.find(7, "a") is not None  # used again
    names.keep(7, "c", 3)
    assert names.find(7, "b") is None
    assert names.name_of(7, 2) == ""
    assert names.name_of(7, 1) == "a"


def test_properties_go_along_with_a_copy_and_are_its_own() -> None:
    names = MailboxNames()
    names.keep(7, "a", 1)
    names.give(7, "a", {"x": element("1")})
    names.keep(8, "b", 2, like=names.find(7, "a"))
    names.give(8, "b", {"x": None, "y": element("2")})
    first, second = names.find(7, "a"), names.find(8, "b")
    assert first is not None
    assert second is not None
    assert (list(first.properties), list(second.properties)) == (["x"], ["y"])


def test_a_folder_is_forgotten_with_all_in_it() -> None:
    names = MailboxNames()
    for name in ("", "a", "b"):
        names.keep(7, name, 0)
    names.keep(8, "a", 1)
    names.forget_folder(7)
    assert names.reserved(7) == []
    assert names.find(8, "a") is not None


def test_properties_of_one_mailbox_have_to_fit_together() -> None:
    names = MailboxNames(max_octets=1000)
    text = element("x" * 400)
    for name in ("a", "b"):
        assert names.may_give(7, name, {"p": text})
        names.keep(7, name, 0)
        names.give(7, name, {"p": text})
    assert not names.may_give(7, "c", {"p": text})
    assert names.may_give(7, "a", {"p": element("y" * 400)})  # in place of the other
    names.keep(7, "c", 0, like=names.find(7, "a"))  # a copy is made all the same
    copied = names.find(7, "c")
    assert copied is not None
    assert not copied.properties
    names.forget(7, "a")
    assert names.may_give(7, "c", {"p": text})
    names.give(7, "b", {"p": None})
    assert names.may_give(7, "c", {"p": text, "q": text})
