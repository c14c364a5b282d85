"""The directory's things as values, and how names are compared."""

from __future__ import annotations

import pytest

from appliance.directory.lookup import fold, storable
from appliance.directory.records import Mailbox, MappedAddress, Role, Target


def test_login_is_mailbox_at_post_office() -> None:
    # CHECKLIST 029
    mailbox = Mailbox(1, 2, "Alpha", "alice", Role.USER, enabled=True, created_at=0)
    assert mailbox.login == "alice@Alpha"


def test_line_of_the_address_map_is_written_as_in_the_manual() -> None:
    line = MappedAddress(1, "jones@example.com", "Example", "jones")
    assert (line.source, line.destination) == ("[SMTP:jones@example.com]", "[SF:Example/jones]")


def test_unknown_domain_leads_nowhere() -> None:
    target = Target(domain_known=False)
    assert (target.enabled, target.mailbox_id, target.postoffice_id) == (False, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"), [("Alice", "ALICE"), ("Straße", "STRASSE"), ("ÄÖ", "äö"), ("\u017f", "S")]
)
def test_case_does_not_count(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize("text", ["a\0b", "\udcff", "\ud800x"])
def test_what_no_database_takes_is_replaced(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\0" not in kept
    assert storable("plain Grüße 漢字\n") == "plain Grüße 漢字\n"
