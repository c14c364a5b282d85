"""The directory: where an address leads, whose a login is, what there is and what is gone."""

from __future__ import annotations

import pytest

from appliance.directory.records import Mailbox, Role, Target
from appliance.mail.address import Address
from appliance.operations.addresses import CreateAddress
from appliance.operations.domains import DeleteDomain, EnableDomain
from appliance.operations.mailboxes import DeleteMailbox, EnableMailbox, SetMailboxPassword
from appliance.operations.postoffices import DeletePostOffice, EnablePostOffice
from tests.support.town import PASSWORD, Town


def target(town: Town, address: str) -> Target:
    return town.house.directory.target(Address.parse(address))


def login(town: Town, name: str) -> str | None:
    """Return whose login it is."""
    found = town.house.directory.login(name)
    return None if found is None else found[0].login


# ── the address map (manual §12) ─────────────────────────────────────────────────────────────────


def test_address_leads_to_its_mailbox(town: Town) -> None:
    found = target(town, "alice@alpha.test")
    assert (found.domain_known, found.enabled, found.mailbox_enabled) == (True, True, True)
    assert (found.postoffice, found.mailbox) == ("alpha", "alice")
    mailbox = town.house.directory.mailbox("alice@alpha")
    assert mailbox is not None
    assert (found.mailbox_id, found.postoffice_id) == (mailbox.id, mailbox.postoffice_id)


@pytest.mark.parametrize("address", ["ALICE@alpha.test", "alice@ALPHA.test", '"alice"@alpha.test'])
def test_address_is_found_however_it_is_written(town: Town, address: str) -> None:
    assert target(town, address).mailbox == "alice"


def test_domain_that_is_not_hosted_here_is_not_known(town: Town) -> None:
    assert target(town, "alice@elsewhere.test") == Target(domain_known=False)
    assert target(town, "alice@sub.alpha.test") == Target(domain_known=False)


def test_many_addresses_lead_where_each_of_them_does(town: Town) -> None:
    town.do(EnableMailbox(mailbox="bob@beta", enabled=False))
    texts = ("alice@alpha.test", "ALICE@alpha.test", "bob@beta.test", "bob@alpha.test")
    some = [Address.parse(each) for each in (*texts, "nobody@alpha.test", "a@elsewhere.test")]
    find = town.house.directory.target
    assert town.house.directory.targets(some) == {each: find(each) for each in some}
    town.do(EnablePostOffice(postoffice="alpha", enabled=False))
    assert town.house.directory.targets(some) == {each: find(each) for each in some}
    town.do(DeletePostOffice(postoffice="alpha"))
    assert town.house.directory.targets(some) == {each: find(each) for each in some}
    assert town.house.directory.targets([]) == {}


def test_unknown_address_of_a_hosted_domain(town: Town) -> None:
    found = target(town, "nobody@alpha.test")
    assert (found.domain_known, found.enabled, found.mailbox_id) == (True, True, 0)
    assert (found.mailbox, found.mailbox_enabled) == ("", False)


def test_mailboxes_of_other_post_offices_have_no_address_in_a_domain(town: Town) -> None:
    assert target(town, "bob@alpha.test").mailbox_id == 0


def test_disabled_mailbox_is_known_and_disabled(town: Town) -> None:
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    found = target(town, "alice@alpha.test")
    assert (found.mailbox, found.mailbox_enabled, found.enabled) == ("alice", False, True)


@pytest.mark.parametrize(
    "change",
    [
        EnableDomain(domain="alpha.test", enabled=False),
        EnablePostOffice(postoffice="alpha", enabled=False),
    ],
)
def test_disabled_domain_or_post_office_disables_its_addresses(
    town: Town, change: EnableDomain | EnablePostOffice
) -> None:
    town.do(change)
    found = target(town, "alice@alpha.test")
    assert (found.domain_known, found.enabled) == (True, False)
    assert target(town, "bob@beta.test").enabled


def test_deleted_domain_is_not_hosted_any_more(town: Town) -> None:
    town.do(DeleteDomain(domain="alpha.test"))
    assert target(town, "alice@alpha.test") == Target(domain_known=False)
    assert town.house.directory.domain("alpha.test") is None
    assert town.house.directory.addresses(postoffice="alpha") == []
    assert town.house.directory.mailbox("alice@alpha") is not None


def test_deleted_mailbox_leaves_no_address(town: Town) -> None:
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    assert target(town, "alice@alpha.test").mailbox_id == 0
    assert town.house.directory.mailbox("alice@alpha") is None
    assert town.house.directory.addresses(mailbox="alice@alpha") == []


def test_lines_of_the_map_are_written_as_the_manual_writes_them(town: Town) -> None:
    found = town.house.directory.address(Address.parse("Alice@alpha.test"))
    assert found is not None
    assert found.source == "[SMTP:alice@alpha.test]"
    assert found.destination == "[SF:alpha/alice]"


# ── logins (manual §2.8: mailbox@postoffice) ─────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["alice@alpha", "ALICE@Alpha"])
def test_login_is_mailbox_at_post_office(town: Town, name: str) -> None:
    assert login(town, name) == "alice@alpha"


@pytest.mark.parametrize("name", ["alice@alpha.test", "Alice@Alpha.Test"])
def test_address_is_a_login_too(town: Town, name: str) -> None:
    assert login(town, name) == "alice@alpha"


def test_further_address_is_a_login_too(town: Town) -> None:
    town.do(CreateAddress(address="a.lice@alpha.test", mailbox="alice@alpha"))
    assert login(town, "a.lice@alpha.test") == "alice@alpha"


@pytest.mark.parametrize(
    "name", ["", "@", "alice", "alice@", "@alpha", "bob@alpha", "alice@beta.test", "alice@alpha@x"]
)
def test_unknown_login_is_nobody(town: Town, name: str) -> None:
    assert login(town, name) is None


@pytest.mark.parametrize(
    "change",
    [
        EnableMailbox(mailbox="alice@alpha", enabled=False),
        EnablePostOffice(postoffice="alpha", enabled=False),
        DeleteMailbox(mailbox="alice@alpha"),
        DeletePostOffice(postoffice="alpha"),
    ],
    ids=lambda change: change.name + str(getattr(change, "enabled", "")),
)
@pytest.mark.parametrize("name", ["alice@alpha", "alice@alpha.test"])
def test_disabled_or_deleted_login_is_nobody(
    town: Town,
    change: EnableMailbox | EnablePostOffice | DeleteMailbox | DeletePostOffice,
    name: str,
) -> None:
    assert login(town, name) == "alice@alpha"
    town.do(change)
    assert login(town, name) is None
    assert login(town, "bob@beta") == "bob@beta"


def test_login_comes_with_the_password_as_a_hash_that_changes(town: Town) -> None:
    directory = town.house.directory
    before = directory.login("alice@alpha")
    assert before is not None
    assert before[1].startswith("$argon2id$")
    assert PASSWORD not in before[1]
    town.do(SetMailboxPassword(mailbox="alice@alpha", password=PASSWORD))
    after = directory.login("alice@alpha")
    assert after is not None
    assert after[1] != before[1]  # a salt of its own each time


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


def test_lists_are_of_one_post_office_or_of_all(town: Town) -> None:
    directory = town.house.directory
    assert [each.name for each in directory.postoffices()] == ["alpha", "beta"]
    assert [each.name for each in directory.domains()] == ["alpha.test", "beta.test"]
    assert [each.name for each in directory.domains("ALPHA")] == ["alpha.test"]
    assert [each.login for each in directory.mailboxes("beta")] == ["ADMIN@beta", "bob@beta"]
    assert len(directory.mailboxes()) == 4
    assert [each.address for each in directory.addresses(mailbox="bob@beta")] == ["bob@beta.test"]
    assert directory.mailboxes("nowhere") == []
    assert directory.operators() == []


def test_mailbox_is_shown_with_its_role_and_state(town: Town) -> None:
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    found = town.house.directory.mailbox("Alice@ALPHA")
    assert found == Mailbox(
        id=found.id if found else 0,
        postoffice_id=1,
        postoffice="alpha",
        name="alice",
        role=Role.USER,
        enabled=False,
        created_at=town.house.clock.now_us(),
    )


def test_version_grows_with_every_change(town: Town) -> None:
    directory = town.house.directory
    before = directory.version()
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    assert directory.version() > before


def test_tombstones_are_listed_for_housekeeping(town: Town) -> None:
    directory = town.house.directory
    assert directory.deleted() == ([], [])
    alice, beta = directory.mailbox("alice@alpha"), directory.postoffice("beta")
    assert alice is not None
    assert beta is not None
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    town.do(DeletePostOffice(postoffice="beta"))
    boxes, offices = directory.deleted()
    assert (alice.postoffice_id, alice.id) in boxes
    assert len(boxes) == 3  # and both of beta
    assert offices == [beta.id]
