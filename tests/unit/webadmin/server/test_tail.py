from __future__ import annotations

from pathlib import Path

import pytest

from webadmin.server import tail
from webadmin.server.logs import pieces
from webadmin.server.tail import last_lines, new_lines, octets_of


def _log(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_the_last_lines_come_in_their_order_across_files(tmp_path: Path) -> None:
    old = _log(tmp_path, "a.log", "1\n2\n3\n")
    new = _log(tmp_path, "b.log", "4\n5\n")
    found = last_lines([old, new], containing="", most=4)
    assert found.lines == ("2", "3", "4", "5")
    assert (found.file, found.end) == ("b.log", 4)


def test_a_text_is_looked_for_in_any_case(tmp_path: Path) -> None:
    log = _log(tmp_path, "a.log", "RCPT alice\nDATA\nrcpt bob\n")
    assert last_lines([log], containing="rcpt", most=9).lines == ("RCPT alice", "rcpt bob")


def test_a_line_that_is_still_written_waits_for_its_end(tmp_path: Path) -> None:
    log = _log(tmp_path, "a.log", "whole\nhal")
    found = last_lines([log], containing="", most=9)
    assert found.lines == ("whole",)
    with log.open("a") as file:
        file.write("f\n")
    later = new_lines([log], containing="", file=found.file, end=found.end, most=9)
    assert later.lines == ("half",)


def test_following_goes_on_to_the_next_day(tmp_path: Path) -> None:
    old = _log(tmp_path, "a.log", "1\n")
    seen = last_lines([old], containing="", most=9)
    old.write_text("1\n2\n")
    new = _log(tmp_path, "b.log", "3\n")
    found = new_lines([old, new], containing="", file=seen.file, end=seen.end, most=9)
    assert (found.lines, found.file, found.end) == (("2", "3"), "b.log", 2)


def test_reading_is_bounded_however_rare_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_OCTETS", 1000)
    log = _log(tmp_path, "a.log", "needle\n" + "hay\n" * 1000)
    found = last_lines([log], containing="needle", most=1)
    assert found.lines == ()
    assert found.is_cut


def test_long_lines_are_whole_across_blocks(tmp_path: Path) -> None:
    lines = [str(number) * 70_000 for number in range(1, 4)]
    log = _log(tmp_path, "a.log", "\n".join(lines) + "\n")
    assert last_lines([log], containing="", most=9).lines == tuple(lines)


def test_no_files_are_no_lines() -> None:
    assert last_lines([], containing="", most=9).lines == ()


def test_a_file_is_handed_out_as_it_is_now(tmp_path: Path) -> None:
    log = _log(tmp_path, "a.log", "1\n2\n")
    octets = octets_of(log)
    assert b"".join(octets) == b"1\n2\n"


def test_ids_of_messages_are_told_apart_in_a_line() -> None:
    assert pieces("SMTP-IN\t01K3Z8Q4T9XW2M7B\t25") == [
        ("SMTP-IN  ", False),
        ("01K3Z8Q4T9XW2M7B", True),
        ("  25", False),
    ]
    assert pieces("ABCDEFGHJKMNPQRS") == [("ABCDEFGHJKMNPQRS", False)]  # a word of 16 letters
