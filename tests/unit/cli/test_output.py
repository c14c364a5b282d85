from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.cli import output


def test_columns_stand_below_each_other_and_lines_have_no_tail() -> None:
    assert output.aligned([["a", "bbb", "c"], ["aaaa", "b", ""]]) == ["a     bbb  c", "aaaa  b"]


def test_a_very_long_cell_does_not_widen_the_whole_column() -> None:
    lines = output.aligned([["x" * 90, "end"], ["y", "end"]])
    assert lines[1] == "y".ljust(48) + "  end"


@given(st.text())
def test_nothing_printed_can_steer_a_terminal(text: str) -> None:
    shown = output.printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)


def test_a_subject_can_not_move_the_cursor() -> None:
    assert output.printable("hi\x1b[2J\x9b1m\r") == "hi\ufffd[2J\ufffd1m\ufffd"


def test_times_are_iso_8601_utc_and_no_time_is_null() -> None:
    assert output.to_iso(1_700_000_000_999_999) == "2023-11-14T22:13:20Z"
    assert output.to_iso(0) is None
    assert output.local(0) == ""


def test_sizes_are_read_at_a_glance() -> None:
    assert [output.size(each) for each in (0, 1023, 1536, 5 << 20)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB",
        "5.0 MiB",
    ]


def test_one_is_not_many() -> None:
    assert output.counted(1, "mailbox", "mailboxes") == "1 mailbox"
    assert output.counted(2, "mailbox", "mailboxes") == "2 mailboxes"
    assert output.counted(0, "recipient") == "0 recipients"
