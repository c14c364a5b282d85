"""Names and properties that clients give, remembered within bounds."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from httpmail import given
from httpmail.given import Given, GivenNames

FOLDER = (1, 7)


def test_a_name_stands_for_a_message_and_the_other_way_round() -> None:
    names = GivenNames()
    names.keep(FOLDER, "a", 1)
    assert names.name_of(FOLDER, 1) == "a"
    names.keep(FOLDER, "a", 2)
    assert (names.name_of(FOLDER, 1), names.name_of(FOLDER, 2)) == ("", "a")
    names.forget(FOLDER, "a")
    assert (names.find(FOLDER, "a"), names.name_of(FOLDER, 2)) == (None, "")


def test_folders_of_other_post_offices_are_others() -> None:
    names = GivenNames()
    names.keep((1, 7), "a", 1)
    assert names.find((2, 7), "a") is None
    assert names.name_of((2, 7), 1) == ""


def test_names_that_stand_for_nothing_yet_are_told() -> None:
    names = GivenNames()
    names.keep(FOLDER, "", 0)  # of the folder itself
    names.keep(FOLDER, "locked", 0)
    names.keep(FOLDER, "used", 3)
    assert names.reserved(FOLDER) == ["locked"]


def test_the_oldest_are_forgotten_first() -> None:
    names = GivenNames(most=2)
    names.keep(FOLDER, "a", 1)
    names.keep(FOLDER, "b", 2)
    assert names.find(FOLDER, "a") is not None  # used again
    names.keep(FOLDER, "c", 3)
    assert names.find(FOLDER, "b") is None
    assert names.name_of(FOLDER, 2) == ""
    assert names.name_of(FOLDER, 1) == "a"


def test_properties_go_along_with_a_copy_and_are_its_own() -> None:
    names = GivenNames()
    first = names.keep(FOLDER, "a", 1)
    first.properties["x"] = Element("x")
    second = names.keep(FOLDER, "b", 2, like=first)
    second.properties.clear()
    assert list(first.properties) == ["x"]


def test_a_folder_is_forgotten_with_all_in_it() -> None:
    names = GivenNames()
    for name in ("", "a", "b"):
        names.keep(FOLDER, name, 0)
    names.keep((1, 8), "a", 1)
    names.forget_folder(FOLDER)
    assert names.reserved(FOLDER) == []
    assert names.find((1, 8), "a") is not None


def test_a_property_has_to_fit() -> None:
    value = Element("x")
    full = Given(properties={str(number): value for number in range(given.MOST_PROPERTIES)})
    assert given.fits(None, "x", value)
    assert given.fits(full, "1", value)
    assert not given.fits(full, "x", value)
    value.text = "x" * given.MAX_VALUE
    assert not given.fits(None, "x", value)
