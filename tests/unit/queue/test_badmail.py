"""Copies of what could not be delivered (manual §6.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.database.content import Content
from appliance.queue import badmail
from appliance.queue.badmail import BadMail

ENTRY = "01JABCDEFGHJKMNP"


def copy(number: int = 0, entry_id: str = ENTRY) -> BadMail:
    return BadMail(
        entry_id=entry_id,
        number=number,
        reverse_path="",
        recipient=f"user{number}@b.test",
        subject="Grüße",
        size=5,
        reason="550 5.1.1 no such user",
        at_us=1_750_000_000_000_000,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("is_file", [False, True])
def test_a_copy_is_kept_with_its_reason(tmp_path: Path, is_file: bool) -> None:
    source = tmp_path / "content"
    source.write_bytes(b"octet")
    content = Content(5, None, source) if is_file else Content(5, b"octet", None)
    folder = tmp_path / "badmail"
    badmail.save(folder, [copy(0), copy(1)], content)
    source.unlink()
    assert badmail.find(folder) == [copy(0), copy(1)]
    assert badmail.read(folder, f"{ENTRY}.1") == copy(1)
    found = badmail.content_of(folder, f"{ENTRY}.1")
    assert found is not None
    assert found.read() == b"octet"
    assert names(folder) == [
        f"{ENTRY}.{number}.{kind}" for number in (0, 1) for kind in ("eml", "json")
    ]


def test_the_octets_of_many_copies_are_on_the_disk_once(tmp_path: Path) -> None:
    badmail.save(tmp_path, [copy(number) for number in range(3)], Content(5, b"octet", None))
    assert len({path.stat().st_ino for path in tmp_path.glob("*.eml")}) == 1


@pytest.mark.parametrize("is_file", [False, True])
def test_keeping_a_copy_again_leaves_one(tmp_path: Path, is_file: bool) -> None:
    """After a crash between the copy and the mark the attempt is made again."""
    source = tmp_path / "content"
    source.write_bytes(b"octet")
    content = Content(5, None, source) if is_file else Content(5, b"octet", None)
    folder = tmp_path / "badmail"
    for _ in range(2):
        badmail.save(folder, [copy(0), copy(1)], content)
    assert len(names(folder)) == 4
    assert source.read_bytes() == b"octet"


def test_a_copy_is_complete_before_it_is_found(tmp_path: Path) -> None:
    (tmp_path / f"{ENTRY}.0.eml").write_bytes(b"oct")
    (tmp_path / f".{ENTRY}.0.json.new").write_bytes(b"{")
    assert badmail.find(tmp_path) == []
    assert badmail.content_of(tmp_path, f"{ENTRY}.0") is None


def test_copies_are_listed_in_pages(tmp_path: Path) -> None:
    entries = [f"01JABCDEFGHJKMN{letter}" for letter in "CAB"]
    for name in entries:
        badmail.save(tmp_path, [copy(0, name)], Content(5, b"octet", None))
    first = badmail.find(tmp_path, most=2)
    assert [each.entry_id for each in first] == sorted(entries)[:2]
    rest = badmail.find(tmp_path, most=2, after=first[-1].name)
    assert [each.entry_id for each in rest] == sorted(entries)[2:]


def test_a_copy_is_deleted_once(tmp_path: Path) -> None:
    badmail.save(tmp_path, [copy()], Content(5, b"octet", None))
    assert badmail.delete(tmp_path, copy().name)
    assert not badmail.delete(tmp_path, copy().name)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["", "..", f"../{ENTRY}.0", f"{ENTRY}", f"{ENTRY}.x"])
def test_a_name_that_is_none_finds_nothing(tmp_path: Path, name: str) -> None:
    assert badmail.read(tmp_path, name) is None
    assert not badmail.delete(tmp_path, name)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert badmail.find(tmp_path / "none") == []
