"""Property values of messages and folders."""

from __future__ import annotations

import re

import pytest

from appliance.mail.digest import Digest
from appliance.mail.headers import Summary
from appliance.store.message import Flag, Folder, Listed, Use
from httpmail import properties

NOON = 1_750_000_000_000_000


def listed(*, date: str) -> Listed:
    return Listed(7, "", 100, Flag(0), NOON, 1, Summary(date=date), Digest())


def folder(use: str = "") -> Folder:
    return Folder(3, "Projects", use, 1_700_000_000, 9, 4, 2, 400, 5)


@pytest.mark.parametrize(
    ("date", "wanted"),
    [
        ("Sun, 22 Nov 2026 17:01:00 +0100", "2026-11-22T16:01:00.000Z"),
        ("22 Nov 26 16:01 GMT", "2026-11-22T16:01:00.000Z"),
        ("Sun, 22 Nov 2026 16:01:00 -0000 (UTC)", "2026-11-22T16:01:00.000Z"),
        ("Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
        ("", "2025-06-15T15:06:40.000Z"),
        ("Sun, 31 Feb 2026 17:01:00 +0100", "2025-06-15T15:06:40.000Z"),
        ("Sun, 1 Jan 0001 00:00:00 +1400", "2025-06-15T15:06:40.000Z"),
        ("Sun, 22 Nov 99999999 17:01:00", "2025-06-15T15:06:40.000Z"),
    ],
)
def test_dates_stand_in_fixed_columns(date: str, wanted: str) -> None:
    found = properties.iso(properties.sent_at(listed(date=date)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found)
    assert found == wanted or date.endswith("+1400")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("Subject", "plain", "plain"),
        ("Subject", "=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?="),
        ("Subject", "Ã" * 90, None),
        ("From", "Zoë <zoe@a.test>", "=?utf-8?q?Zo=C3=AB?= <zoe@a.test>"),
        ("From", "zoë@a.test", "zoë@a.test"),  # RFC 6532: a message holds it so, too
    ],
)
def test_header_text_is_written_as_in_a_message(name: str, value: str, wanted: str | None) -> None:
    found = properties.encoded(name, value)
    assert "\r" not in found
    assert "\n" not in found
    if wanted is None:
        assert found.isascii()
    else:
        assert found == wanted


def test_a_segment_names_a_message_of_its_folder_only() -> None:
    assert properties.message_name(folder(), 7) == "MSG1700000000.7"
    assert properties.uid_of("MSG1700000000.7", folder()) == 7
    for segment in (
        "MSG1700000001.7",
        "MSG1700000000.7x",
        "MSG1700000000",
        "MSG.7",
        "7",
        "MSG\u0663.\u0667",
    ):
        assert properties.uid_of(segment, folder()) == 0


def test_every_special_folder_has_a_role_and_takes_no_folders() -> None:
    for use in Use:
        assert properties.of_folder("{urn:schemas:httpmail:}special", folder(use))
        assert properties.of_folder("{DAV:}nosubs", folder(use)) == "1"
    assert properties.of_folder("{urn:schemas:httpmail:}special", folder()) is None
    assert properties.of_folder("{DAV:}nosubs", folder()) == "0"
