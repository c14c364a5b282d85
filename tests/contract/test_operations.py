"""Changes of the directory: validated, unique, with their audit and revision, or not at all."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, text

from appliance.database.errors import CommitFailed, DatabaseError
from appliance.database.statement import Statement
from appliance.directory import tables
from appliance.directory.records import Role
from appliance.operations import operation
from appliance.operations.addresses import CreateAddress, DeleteAddress, ListAddresses
from appliance.operations.domains import CreateDomain, DeleteDomain, EnableDomain, ListDomains
from appliance.operations.house import House
from appliance.operations.mailboxes import (
    CreateMailbox,
    DeleteMailbox,
    EditMailbox,
    EnableMailbox,
    ListMailboxes,
    SetMailboxPassword,
    ShowMailbox,
)
from appliance.operations.operation import (
    Call,
    Change,
    Clash,
    Invalid,
    NotFound,
    OperationError,
    Question,
    perform,
)
from appliance.operations.operators import (
    CreateOperator,
    DeleteOperator,
    ListOperators,
    SetOperatorPassword,
)
from appliance.operations.postoffices import (
    CreatePostOffice,
    DeletePostOffice,
    EnablePostOffice,
    ListPostOffices,
    ShowPostOffice,
)
from appliance.operations.queue import HoldMessage, ListQueue
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.settings import ChangeSetting
from tests.support.letters import delivery, entry
from tests.support.town import ANNA, PASSWORD, Town, submit

Gate = Callable[[Callable[[str], None]], None]


def rows(house: House, *names: str) -> list[tuple[Any, ...]]:
    """Read whole tables of the directory."""
    with house.databases.get("directory").reader(snapshot=True) as connection:
        return [
            row for name in names for row in connection.tuples(select(tables.metadata.tables[name]))
        ]


EVERYTHING = tuple(tables.metadata.tables)


# ── post offices (manual §5.3) ───────────────────────────────────────────────────────────────────


def test_post_office_begins_with_its_admin_mailbox(town: Town) -> None:
    # CHECKLIST 028
    admin = town.house.directory.mailbox("ADMIN@alpha")
    assert admin is not None
    assert (admin.role, admin.enabled) == (Role.ADMIN, True)


@pytest.mark.parametrize("name", ["alpha", "ALPHA", "Alpha"])
def test_post_office_name_is_taken_whatever_the_case(town: Town, name: str) -> None:
    with pytest.raises(Clash, match=f"there is a post office '{name}' already"):
        town.do(CreatePostOffice(postoffice=name, password=PASSWORD))


@pytest.mark.parametrize("name", ["", " ", "-a", "a b", "a@b", "a/b", "..", "x" * 65, "a_"])
def test_post_office_name_that_cannot_be_part_of_a_login_is_refused(
    house: House, name: str
) -> None:
    with pytest.raises(Invalid, match="can't be the name of a post office: use 1 to 64 letters"):
        perform(house, Call(ANNA, "test"), CreatePostOffice(postoffice=name, password=PASSWORD))
    assert rows(house, "postoffices", "revisions") == []


def test_deleted_post_office_is_gone_with_everything_in_it_and_its_name_is_free(
    town: Town,
) -> None:
    directory = town.house.directory
    old = directory.postoffice("alpha")
    town.do(DeletePostOffice(postoffice="Alpha"))
    assert directory.postoffice("alpha") is None
    assert [each.name for each in town.ask(ListPostOffices())] == ["beta"]
    assert (directory.mailboxes("alpha"), directory.domains("alpha")) == ([], [])
    assert directory.addresses(postoffice="alpha") == []
    with pytest.raises(NotFound):
        town.ask(ShowPostOffice(postoffice="alpha"))
    with pytest.raises(NotFound):
        town.do(DeletePostOffice(postoffice="alpha"))
    new = town.do(CreatePostOffice(postoffice="alpha", password=PASSWORD))
    assert old is not None
    assert new.id > old.id  # ids are never used again: its mail is not the old one's
    town.do(CreateDomain(domain="alpha.test", postoffice="alpha"))
    town.do(CreateMailbox(mailbox="alice@alpha", password=PASSWORD))


# ── domains (manual §5.4) ────────────────────────────────────────────────────────────────────────


def test_domain_gives_every_mailbox_an_address_and_admin_the_required_ones(town: Town) -> None:
    # RFC 5321 §4.5.1: postmaster; RFC 2142: abuse
    town.do(CreateDomain(domain="second.test", postoffice="alpha"))
    found = {
        each.address: each.mailbox
        for each in town.house.directory.addresses(postoffice="alpha")
        if each.address.endswith("@second.test")
    }
    assert found == {
        "ADMIN@second.test": "ADMIN",
        "abuse@second.test": "ADMIN",
        "alice@second.test": "alice",
        "postmaster@second.test": "ADMIN",
    }


def test_mailbox_named_postmaster_gets_that_address(town: Town) -> None:
    town.do(CreateMailbox(mailbox="abuse@alpha", password=PASSWORD))
    town.do(CreateDomain(domain="second.test", postoffice="alpha"))
    found = {each.address: each.mailbox for each in town.house.directory.addresses()}
    assert found["postmaster@second.test"] == "ADMIN"
    assert found["abuse@second.test"] in ("ADMIN", "abuse")  # once, whoever came first


@pytest.mark.parametrize(
    ("given", "kept"),
    [("Example.COM", "example.com"), ("bücher.example", "xn--bcher-kva.example")],
)
def test_domain_is_kept_in_its_one_form(town: Town, given: str, kept: str) -> None:
    assert town.do(CreateDomain(domain=given, postoffice="alpha")).name == kept
    with pytest.raises(Clash):
        town.do(CreateDomain(domain=kept, postoffice="beta"))


@pytest.mark.parametrize("domain", ["", "localhost", "a..b", "-a.test", "[192.0.2.1]", "a b.test"])
def test_what_is_no_full_domain_is_refused(town: Town, domain: str) -> None:
    with pytest.raises(Invalid):
        town.do(CreateDomain(domain=domain, postoffice="alpha"))


def test_domain_is_hosted_once_on_the_server(town: Town) -> None:
    with pytest.raises(Clash, match="hosted here already"):
        town.do(CreateDomain(domain="alpha.test", postoffice="beta"))
    with pytest.raises(NotFound, match="no post office 'gamma'"):
        town.do(CreateDomain(domain="gamma.test", postoffice="gamma"))


def test_deleted_domain_may_go_to_another_post_office(town: Town) -> None:
    town.do(DeleteDomain(domain="alpha.test"))
    town.do(CreateDomain(domain="alpha.test", postoffice="beta"))
    assert {
        each.mailbox for each in town.house.directory.addresses() if "alpha" in each.address
    } == {
        "ADMIN",
        "bob",
    }
    with pytest.raises(NotFound):
        town.do(DeleteDomain(domain="gone.test"))
    with pytest.raises(NotFound):
        town.do(EnableDomain(domain="gone.test", enabled=True))


# ── mailboxes (manual §5.5) ──────────────────────────────────────────────────────────────────────


def test_mailbox_gets_an_address_in_every_domain_of_its_post_office(town: Town) -> None:
    town.do(CreateDomain(domain="second.test", postoffice="alpha"))
    town.do(CreateMailbox(mailbox="carol@alpha", password=PASSWORD))
    details = town.ask(ShowMailbox(mailbox="carol@alpha"))
    assert details.addresses == ["carol@alpha.test", "carol@second.test"]
    assert (details.messages, details.octets) == (0, 0)


def test_mailbox_is_shown_with_what_it_holds(town: Town) -> None:
    mailbox = town.house.directory.mailbox("alice@alpha")
    assert mailbox is not None
    town.house.store.deliver(
        mailbox.postoffice_id, [delivery(entry(1), mailbox.id, octets=b"x" * 77)]
    )
    details = town.ask(ShowMailbox(mailbox="ALICE@alpha"))
    assert (details.messages, details.octets, details.mailbox) == (1, 77, mailbox)


@pytest.mark.parametrize("login", ["alice@alpha", "ALICE@alpha", "alice@ALPHA"])
def test_mailbox_name_is_taken_whatever_the_case(town: Town, login: str) -> None:
    with pytest.raises(Clash):
        town.do(CreateMailbox(mailbox=login, password=PASSWORD))


@pytest.mark.parametrize(
    "login",
    [
        "",
        "carol",
        "@alpha",
        "carol@",
        "ca rol@alpha",
        "a\0b@alpha",
        "\udcff@alpha",
        "x" * 65 + "@alpha",
    ],
)
def test_mailbox_name_that_cannot_be_is_refused_and_audited(town: Town, login: str) -> None:
    with pytest.raises(Invalid):
        town.do(CreateMailbox(mailbox=login, password=PASSWORD))
    assert len(town.house.directory.mailboxes("alpha")) == 2
    (latest,) = town.ask(ListAudit(most=1))
    assert (latest.operation, latest.outcome) == ("mailbox.create", "failed")


@pytest.mark.parametrize("login", ["nobody@alpha", "alice@nowhere", "nobody", ""])
def test_mailbox_that_is_not_there_is_not_found(town: Town, login: str) -> None:
    changes: tuple[Change[None], ...] = (
        SetMailboxPassword(mailbox=login, password=PASSWORD),
        EnableMailbox(mailbox=login, enabled=False),
        DeleteMailbox(mailbox=login),
    )
    for change in changes:
        with pytest.raises(NotFound, match="there is no mailbox"):
            town.do(change)
    with pytest.raises(NotFound):
        town.ask(ShowMailbox(mailbox=login))


def test_mailbox_in_a_post_office_that_is_not_there(town: Town) -> None:
    with pytest.raises(NotFound, match="no post office 'nowhere'"):
        town.do(CreateMailbox(mailbox="carol@nowhere", password=PASSWORD))


def test_deleted_mailboxs_name_is_free_and_its_number_is_not(town: Town) -> None:
    old = town.house.directory.mailbox("alice@alpha")
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    new = town.do(CreateMailbox(mailbox="alice@alpha", password=PASSWORD))
    assert old is not None
    assert new.id > old.id
    assert town.ask(ShowMailbox(mailbox="alice@alpha")).addresses == ["alice@alpha.test"]


def test_admin_mailbox_stays_as_long_as_its_post_office(town: Town) -> None:
    # RFC 5321 §4.5.1: mail for postmaster goes there
    with pytest.raises(Invalid, match="delete the post office instead"):
        town.do(DeleteMailbox(mailbox="admin@alpha"))


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "tab\tinside it", "nul\0inside it"])
def test_bad_password_is_refused_for_every_account(town: Town, password: str) -> None:
    changes: tuple[Change[Any], ...] = (
        CreatePostOffice(postoffice="gamma", password=password),
        CreateMailbox(mailbox="carol@alpha", password=password),
        SetMailboxPassword(mailbox="alice@alpha", password=password),
        CreateOperator(operator="olga", password=password),
    )
    for change in changes:
        with pytest.raises(Invalid, match="password"):
            town.do(change)


def test_mailbox_is_made_with_its_owners_name_and_a_quota(town: Town) -> None:
    made = town.do(
        CreateMailbox(
            mailbox="carol@alpha", password=PASSWORD, full_name="  Carol Ćosić ", quota_kb=2048
        )
    )
    assert (made.full_name, made.quota_kb) == ("Carol Ćosić", 2048)
    assert town.house.directory.mailbox("carol@alpha") == made
    assert made in town.ask(ListMailboxes(postoffice="alpha"))


def test_edited_mailbox_is_revised_by_what_is_different(town: Town) -> None:
    edited = town.do(EditMailbox(mailbox="Alice@ALPHA", full_name="Alice Arden", quota_kb=0))
    assert edited == town.house.directory.mailbox("alice@alpha")
    assert edited.full_name == "Alice Arden"
    (revision,) = town.ask(ListRevisions(most=1))
    assert (revision.operation, revision.object) == ("mailbox.edit", "mailbox alice@alpha")
    assert json.loads(revision.before) == {"full_name": ""}
    assert json.loads(revision.after) == {"full_name": "Alice Arden"}
    town.do(EditMailbox(mailbox="alice@alpha", role=Role.ADMIN, quota_kb=10))
    (revision,) = town.ask(ListRevisions(most=1))
    assert json.loads(revision.before) == {"role": "USER", "quota_kb": 0}
    assert json.loads(revision.after) == {"role": "ADMIN", "quota_kb": 10}
    version = town.house.directory.version()
    assert town.do(EditMailbox(mailbox="alice@alpha", role=Role.ADMIN)) == (
        town.house.directory.mailbox("alice@alpha")
    )
    assert town.house.directory.version() == version  # nothing was different


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"full_name": "x" * 101}, "full_name"),
        ({"full_name": "two\nlines"}, "full_name"),
        ({"full_name": "a\0b"}, "full_name"),
        ({"full_name": "\udcff"}, "full_name"),
        ({"quota_kb": -1}, "quota_kb"),
        ({"quota_kb": 1 << 41}, "quota_kb"),
    ],
)
def test_what_a_mailbox_cannot_be_is_refused_where_it_is_wrong(
    town: Town, values: dict[str, Any], field: str
) -> None:
    for change in (
        EditMailbox(mailbox="alice@alpha", **values),
        CreateMailbox(mailbox="carol@alpha", password=PASSWORD, **values),
    ):
        with pytest.raises(Invalid) as refused:
            town.do(change)
        assert refused.value.field == field
    assert town.house.directory.mailbox("carol@alpha") is None


def test_admin_mailbox_of_a_post_office_stays_its_admin(town: Town) -> None:
    with pytest.raises(Invalid, match="stays an ADMIN") as refused:
        town.do(EditMailbox(mailbox="admin@alpha", role=Role.USER, full_name="The Boss"))
    assert refused.value.field == "role"
    town.do(EditMailbox(mailbox="admin@alpha", role=Role.ADMIN, full_name="The Boss"))
    town.do(CreateMailbox(mailbox="second@alpha", password=PASSWORD, role=Role.ADMIN))
    town.do(EditMailbox(mailbox="second@alpha", role=Role.USER))


def test_error_names_the_field_it_is_about(town: Town) -> None:
    town.do(CreateOperator(operator="olga", password=PASSWORD))
    wrong: tuple[tuple[Change[Any], str], ...] = (
        (CreatePostOffice(postoffice="a b", password=PASSWORD), "postoffice"),
        (CreatePostOffice(postoffice="alpha", password=PASSWORD), "postoffice"),
        (CreatePostOffice(postoffice="gamma", password="short"), "password"),
        (CreateDomain(domain="nodot", postoffice="alpha"), "domain"),
        (CreateDomain(domain="a..b", postoffice="alpha"), "domain"),
        (CreateDomain(domain="beta.test", postoffice="alpha"), "domain"),
        (CreateDomain(domain="new.test", postoffice="nowhere"), "postoffice"),
        (CreateMailbox(mailbox="carol", password=PASSWORD), "mailbox"),
        (CreateMailbox(mailbox="ca rol@alpha", password=PASSWORD), "mailbox"),
        (CreateMailbox(mailbox="alice@alpha", password=PASSWORD), "mailbox"),
        (CreateMailbox(mailbox="carol@nowhere", password=PASSWORD), "mailbox"),
        (CreateMailbox(mailbox="carol@alpha", password="short"), "password"),
        (SetMailboxPassword(mailbox="nobody@alpha", password=PASSWORD), "mailbox"),
        (CreateAddress(address="no address", mailbox="alice@alpha"), "address"),
        (CreateAddress(address="alice@alpha.test", mailbox="alice@alpha"), "address"),
        (CreateAddress(address="x@beta.test", mailbox="alice@alpha"), "address"),
        (CreateAddress(address="x@alpha.test", mailbox="nobody@alpha"), "mailbox"),
        (CreateOperator(operator="a b", password=PASSWORD), "operator"),
        (CreateOperator(operator="olga", password=PASSWORD), "operator"),
        (CreateOperator(operator="eve", password="short"), "password"),
        (SetOperatorPassword(operator="nobody", password=PASSWORD), "operator"),
        (ChangeSetting(setting="smtp.nothing", value="1"), "setting"),
        (ChangeSetting(setting="smtp.max_recipients", value="many"), "value"),
        (ChangeSetting(setting="smtp.max_recipients", value="3", node="one"), "node"),
        (ChangeSetting(setting="auth.default_postoffice", value="nowhere"), "value"),
        (ChangeSetting(setting="tls.certificate_file", value="relative"), "value"),
    )
    for change, field in wrong:
        with pytest.raises(OperationError) as refused:
            town.do(change)
        assert refused.value.field == field, change


# ── addresses (manual §5.6) ──────────────────────────────────────────────────────────────────────


def test_further_address_leads_to_the_mailbox_until_it_is_deleted(town: Town) -> None:
    made = town.do(CreateAddress(address="Sales@alpha.test", mailbox="alice@alpha"))
    assert made.destination == "[SF:alpha/alice]"
    assert "Sales@alpha.test" in town.ask(ShowMailbox(mailbox="alice@alpha")).addresses
    with pytest.raises(Clash, match=r"leads to \[SF:alpha/alice\] already"):
        town.do(CreateAddress(address="sales@ALPHA.test", mailbox="ADMIN@alpha"))
    town.do(DeleteAddress(address="SALES@alpha.test"))
    with pytest.raises(NotFound):
        town.do(DeleteAddress(address="sales@alpha.test"))
    town.do(CreateAddress(address="sales@alpha.test", mailbox="ADMIN@alpha"))


@pytest.mark.parametrize("address", ["sales@beta.test", "sales@elsewhere.test"])
def test_address_in_a_domain_of_somebody_else_is_refused(town: Town, address: str) -> None:
    with pytest.raises(Invalid, match=r"its domains are: alpha\.test"):
        town.do(CreateAddress(address=address, mailbox="alice@alpha"))


@pytest.mark.parametrize(
    "address", ["", "sales", "@alpha.test", "a b@alpha.test", "a@", "u..v@a.b"]
)
def test_what_is_no_address_is_refused(town: Town, address: str) -> None:
    with pytest.raises(Invalid):
        town.do(CreateAddress(address=address, mailbox="alice@alpha"))
    with pytest.raises(Invalid):
        town.do(DeleteAddress(address=address))


def test_address_of_another_post_office_is_not_there(town: Town) -> None:
    with pytest.raises(NotFound):
        town.do(DeleteAddress(address="bob@beta.test", postoffice="alpha"))
    assert len(town.ask(ListAddresses(postoffice="beta", mailbox="bob@beta"))) == 1


def test_mailbox_of_another_post_office_is_as_unknown_as_one_that_is_not_there(town: Town) -> None:
    # an admin may ask within the own post office only, and learns nothing about others
    texts = set()
    for mailbox in ("bob@beta", "nobody@beta"):
        with pytest.raises((NotFound, Invalid)) as refused:
            town.ask(ListAddresses(postoffice="alpha", mailbox=mailbox))
        texts.add(str(refused.value).replace(mailbox, "it"))
    assert len(texts) == 1


# ── operators ────────────────────────────────────────────────────────────────────────────────────


def test_operators_are_made_listed_and_deleted(town: Town) -> None:
    town.do(CreateOperator(operator="olga", password=PASSWORD))
    assert [each.name for each in town.ask(ListOperators())] == ["olga"]
    with pytest.raises(Clash):
        town.do(CreateOperator(operator="olga", password=PASSWORD))
    town.do(SetOperatorPassword(operator="olga", password="another horse"))
    town.do(DeleteOperator(operator="olga"))
    assert town.ask(ListOperators()) == []
    with pytest.raises(NotFound):
        town.do(DeleteOperator(operator="olga"))
    town.do(CreateOperator(operator="olga", password=PASSWORD))


def test_lists_of_a_post_office_that_is_not_there_say_so(town: Town) -> None:
    questions: tuple[Question[Any], ...] = (
        ListDomains(postoffice="nowhere"),
        ListMailboxes(postoffice="nowhere"),
        ListAddresses(postoffice="nowhere"),
    )
    for question in questions:
        with pytest.raises(NotFound, match="no post office 'nowhere'"):
            town.ask(question)


# ── audit and revisions ──────────────────────────────────────────────────────────────────────────


def test_change_is_audited_and_revised_with_who_and_what(town: Town) -> None:
    before = town.house.directory.version()
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.actor, audit.door, audit.client) == ("operator:anna", "test", "192.0.2.1")
    assert (audit.operation, audit.object) == ("mailbox.enable", "mailbox alice@alpha")
    assert (audit.outcome, audit.at) == ("done", town.house.clock.now_us())
    (revision,) = town.ask(ListRevisions(most=1))
    assert revision.number > before
    assert (revision.actor, revision.door) == ("operator:anna", "test")
    assert (revision.operation, revision.object) == ("mailbox.enable", "mailbox alice@alpha")
    assert json.loads(revision.before) == {"enabled": True}
    assert json.loads(revision.after) == {"enabled": False}


def test_change_that_changes_nothing_makes_no_revision(town: Town) -> None:
    version = town.house.directory.version()
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=True))
    town.do(EnableDomain(domain="alpha.test", enabled=True))
    town.do(EnablePostOffice(postoffice="alpha", enabled=True))
    town.do(ChangeSetting(setting="smtp.max_recipients", value=None))
    assert town.house.directory.version() == version


def test_failed_change_is_audited_with_its_error(town: Town) -> None:
    with pytest.raises(Clash) as clash:
        town.do(CreateMailbox(mailbox="alice@alpha", password=PASSWORD))
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.outcome, audit.detail) == ("failed", str(clash.value))


def test_action_on_the_queue_is_audited(town: Town) -> None:
    message_id = submit(town.house, "alice@alpha.test")
    town.do(HoldMessage(message=message_id))
    with pytest.raises(NotFound):
        town.do(HoldMessage(message="0" * 16))
    failed, done = town.ask(ListAudit(most=2))
    assert (done.operation, done.outcome, done.object) == (
        *("queue.hold", "done"),
        f"message {message_id}",
    )
    assert failed.outcome == "failed"
    assert town.ask(ListQueue(state="held"))


def test_questions_are_not_audited(town: Town) -> None:
    before = rows(town.house, "audit")
    town.ask(ListMailboxes())
    assert rows(town.house, "audit") == before


@pytest.mark.parametrize("spelling", ["mailbox ALICE@alpha", "mailbox alice@Alpha"])
def test_revisions_of_a_thing_are_found_under_one_name(town: Town, spelling: str) -> None:
    login = spelling.removeprefix("mailbox ")
    town.do(EnableMailbox(mailbox=login, enabled=False))
    town.do(SetMailboxPassword(mailbox=login, password=PASSWORD))
    town.do(EnablePostOffice(postoffice="ALPHA", enabled=False))
    about = [each.operation for each in town.ask(ListRevisions(about="mailbox alice@alpha"))]
    assert about == ["mailbox.password", "mailbox.enable", "mailbox.create"]
    about = [each.operation for each in town.ask(ListRevisions(about="postoffice alpha"))]
    assert about == ["postoffice.enable", "postoffice.create"]


CHANGES: list[Change[Any]] = [
    CreatePostOffice(postoffice="gamma", password=PASSWORD),
    CreateDomain(domain="second.test", postoffice="alpha"),
    CreateMailbox(mailbox="carol@alpha", password=PASSWORD),
    CreateAddress(address="sales@alpha.test", mailbox="alice@alpha"),
    CreateOperator(operator="olga", password=PASSWORD),
    EnablePostOffice(postoffice="alpha", enabled=False),
    EnableDomain(domain="alpha.test", enabled=False),
    EnableMailbox(mailbox="alice@alpha", enabled=False),
    SetMailboxPassword(mailbox="alice@alpha", password="another horse"),
    DeletePostOffice(postoffice="alpha"),
    DeleteDomain(domain="alpha.test"),
    DeleteMailbox(mailbox="alice@alpha"),
    DeleteAddress(address="alice@alpha.test"),
    ChangeSetting(setting="smtp.max_recipients", value="7"),
    ChangeSetting(setting="smarthost.password", value="hidden horse"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_change_its_audit_and_its_revision_are_one_commit(
    town: Town, change: Change[Any], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(town.house, *EVERYTHING)

    def fail(label: str) -> None:
        if label == "directory.commit.before":
            raise OSError(errno.EIO, "input/output error")

    gate(fail)
    with pytest.raises(CommitFailed):
        town.do(change)
    gate(lambda label: None)
    assert rows(town.house, *EVERYTHING) == before
    for statement in ("_INSERT_AUDIT", "_INSERT_REVISION"):
        with monkeypatch.context() as patch:
            patch.setattr(operation, statement, Statement(text("INSERT INTO nowhere VALUES (1)")))
            with pytest.raises(DatabaseError):
                town.do(change)
        assert rows(town.house, *EVERYTHING) == before
    town.do(change)
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.operation, audit.outcome) == (change.name, "done")
    assert town.ask(ListRevisions(most=1))[0].operation == change.name


# ── at the same moment ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [each for each in CHANGES if each.name.endswith(".create")],
    ids=lambda change: change.name,
)
def test_of_two_that_make_the_same_at_once_one_is_told_that_it_is_there(
    open_house: Callable[[], House], town: Town, change: Change[Any], gate: Gate
) -> None:
    houses = (open_house(), open_house())
    for house in houses:
        assert house.directory.version()
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def wait(label: str) -> None:
        if label == "directory.commit.before":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.2)

    def work(house: House) -> None:
        try:
            perform(house, Call(ANNA, "test"), change)
            outcomes.append("done")
        except Clash as clash:
            outcomes.append(type(clash).__name__)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            outcomes.append(repr(error))

    gate(wait)
    threads = [threading.Thread(target=work, args=(house,)) for house in houses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["Clash", "done"]
    audits = town.ask(ListAudit(most=2))
    assert {(each.operation, each.outcome) for each in audits} == {
        (change.name, "done"),
        (change.name, "failed"),
    }


def test_domain_and_mailbox_made_at_once_know_each_other(
    open_house: Callable[[], House], town: Town, gate: Gate
) -> None:
    houses = (open_house(), open_house())
    for house in houses:
        assert house.directory.version()
    changes: tuple[Change[Any], ...] = (
        CreateDomain(domain="second.test", postoffice="alpha"),
        CreateMailbox(mailbox="carol@alpha", password=PASSWORD),
    )
    together = threading.Barrier(2)

    def wait(label: str) -> None:
        if label == "directory.commit.before":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.2)

    gate(wait)
    threads = [
        threading.Thread(target=perform, args=(house, Call(ANNA, "test"), change))
        for house, change in zip(houses, changes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    addresses = town.ask(ShowMailbox(mailbox="carol@alpha")).addresses
    assert addresses == ["carol@alpha.test", "carol@second.test"]
