"""Going back in revisions: a plan over configuration, carried out as a change; never mail, never
credentials (DESIGN, Revisions)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.directory.records import Mailbox, Role
from appliance.net.tls import self_signed
from appliance.operations.addresses import CreateAddress, DeleteAddress
from appliance.operations.domains import CreateDomain, DeleteDomain, EnableDomain
from appliance.operations.going_back import Past
from appliance.operations.house import House
from appliance.operations.mailboxes import (
    CreateMailbox,
    DeleteMailbox,
    EditMailbox,
    EnableMailbox,
    SetMailboxPassword,
)
from appliance.operations.operation import Change, Clash, Invalid, NotFound
from appliance.operations.operators import CreateOperator
from appliance.operations.postoffices import CreatePostOffice, DeletePostOffice, EnablePostOffice
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.revisions import (
    PlanReturn,
    PlanUndo,
    ReturnPlan,
    ReturnTo,
    UndoRevision,
)
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from tests.support.town import ANNA, PASSWORD, Town

BERT = Actor(ActorKind.OPERATOR, "bert")


def newest(town: Town) -> int:
    return town.house.directory.version()


def texts(plan: ReturnPlan) -> list[str]:
    return [step.text for step in plan.steps]


def kept(plan: ReturnPlan) -> dict[str, str]:
    return {each.object: each.text for each in plan.kept}


def configuration(house: House) -> dict[str, object]:
    """Everything there is but ids and times."""
    directory = house.directory
    return {
        "settings": sorted(directory.setting_rows()[1]),
        "postoffices": [(each.name, each.enabled) for each in directory.postoffices()],
        "domains": [(each.name, each.postoffice, each.enabled) for each in directory.domains()],
        "addresses": [(each.address, each.destination) for each in directory.addresses()],
        "mailboxes": [facts(each) for each in directory.mailboxes()],
        "operators": [each.name for each in directory.operators()],
    }


def facts(mailbox: Mailbox) -> tuple[object, ...]:
    return (
        *(mailbox.login, mailbox.role, mailbox.enabled),
        *(mailbox.full_name, mailbox.quota_kb),
    )


# ── what can be brought back ─────────────────────────────────────────────────────────────────────

WAYS: list[tuple[list[Change[Any]], list[str]]] = [
    (
        [ChangeSetting(setting="smtp.max_recipients", value="100")],
        ["smtp.max_recipients: 100 → 300 (default)"],
    ),
    (
        [ChangeSetting(setting="smtp.banner", value=None)],
        ["smtp.banner: %LOCALDOMAIN% ESMTP Posthouse ready (default) → Welcome"],
    ),
    (
        [ChangeSetting(setting="smtp.port", value="26", node="one")],
        ["smtp.port on one: 26 → 25 (default)"],
    ),
    ([EnablePostOffice(postoffice="alpha", enabled=False)], ["alpha: enabled"]),
    ([EnableDomain(domain="alpha.test", enabled=False)], ["alpha.test: enabled"]),
    (
        [CreateDomain(domain="new.test", postoffice="beta")],
        ["new.test: deleted from the post office beta, with 4 addresses"],
    ),
    (
        [DeleteDomain(domain="second.test")],
        [
            "second.test: created, for the post office alpha",
            "second.test: disabled",
            "abuse@second.test: leads to [SF:alpha/ADMIN]",
            "admin@second.test: leads to [SF:alpha/ADMIN]",
            "alice@second.test: leads to [SF:alpha/alice]",
            "postmaster@second.test: leads to [SF:alpha/ADMIN]",
        ],
    ),
    (
        [
            DeleteDomain(domain="second.test"),
            CreateDomain(domain="second.test", postoffice="beta"),
            EnableDomain(domain="second.test", enabled=False),
        ],
        [
            "second.test: deleted from the post office beta, with 4 addresses",
            "second.test: created, for the post office alpha",
            "second.test: disabled",
            "abuse@second.test: leads to [SF:alpha/ADMIN]",
            "admin@second.test: leads to [SF:alpha/ADMIN]",
            "alice@second.test: leads to [SF:alpha/alice]",
            "postmaster@second.test: leads to [SF:alpha/ADMIN]",
        ],
    ),
    (
        [CreateAddress(address='"new name"@alpha.test', mailbox="alice@alpha")],
        ["new name@alpha.test: deleted"],
    ),
    (
        [DeleteAddress(address="sales@alpha.test")],
        ["sales@alpha.test: leads to [SF:alpha/alice]"],
    ),
    (
        [
            DeleteAddress(address="sales@alpha.test"),
            CreateAddress(address="Sales@alpha.test", mailbox="ADMIN@alpha"),
        ],
        [
            "sales@alpha.test: taken away",
            "sales@alpha.test: leads to [SF:alpha/alice] in place of [SF:alpha/ADMIN]",
        ],
    ),
    ([EnableMailbox(mailbox="alice@alpha", enabled=False)], ["alice@alpha: enabled"]),
    (
        [
            EditMailbox(mailbox="alice@alpha", full_name="Alice", role=Role.ADMIN),
            EditMailbox(mailbox="alice@alpha", full_name="Alice A.", quota_kb=100),
        ],
        ["alice@alpha: full name Alice A. → A. Lice, role ADMIN → USER, quota (KiB) 100 → (none)"],
    ),
    (
        [
            ChangeSetting(setting="pop.port", value="111"),
            ChangeSetting(setting="pop.port", value=None),
            EnableDomain(domain="beta.test", enabled=False),
            EnableDomain(domain="beta.test", enabled=True),
        ],
        [],
    ),
]


@pytest.fixture
def furnished(town: Town) -> Town:
    """A town with something of everything."""
    changes: list[Change[Any]] = [
        ChangeSetting(setting="smtp.banner", value="Welcome"),
        CreateDomain(domain="second.test", postoffice="alpha"),
        EnableDomain(domain="second.test", enabled=False),
        CreateAddress(address="sales@alpha.test", mailbox="alice@alpha"),
        EditMailbox(mailbox="alice@alpha", full_name="A. Lice"),
    ]
    for change in changes:
        town.do(change)
    return town


@pytest.mark.parametrize(("changes", "steps"), WAYS)
def test_configuration_is_again_what_it_was(
    furnished: Town, changes: list[Change[Any]], steps: list[str]
) -> None:
    town = furnished
    before, number = configuration(town.house), newest(town)
    for change in changes:
        town.do(change)
    plan = town.ask(PlanReturn(revision=number))
    assert texts(plan) == steps
    assert plan.kept == ()
    assert town.do(ReturnTo(revision=number, expected=plan.digest)) == plan
    assert configuration(town.house) == before
    assert town.ask(PlanReturn(revision=number)).steps == ()


def test_everything_is_brought_back_in_one_go_and_going_back_can_be_gone_back_on(
    furnished: Town,
) -> None:
    town = furnished
    before, number = configuration(town.house), newest(town)
    for changes, _ in WAYS:
        for change in changes:
            try:
                town.do(change)
            except (Clash, NotFound, Invalid):
                continue  # an earlier one took its object away
    changed, last = configuration(town.house), newest(town)
    town.do(ReturnTo(revision=number))
    assert configuration(town.house) == before
    town.do(ReturnTo(revision=last))
    assert configuration(town.house) == changed


def test_going_back_is_a_change_with_its_own_revisions_and_one_audit_record(town: Town) -> None:
    number = newest(town)
    town.do(ChangeSetting(setting="smtp.max_recipients", value="100"))
    town.do(ReturnTo(revision=number), BERT)
    revision = town.ask(ListRevisions(most=1))[0]
    assert (revision.actor, revision.door) == ("operator:bert", "test")
    assert (revision.operation, revision.object) == (
        "revision.return",
        "setting smtp.max_recipients",
    )
    assert (json.loads(revision.before), json.loads(revision.after)) == (
        {"value": "100"},
        {"value": None},
    )
    record = town.ask(ListAudit(most=1))[0]
    assert (record.operation, record.object, record.outcome) == (
        "revision.return",
        f"revision {number}",
        "done",
    )


def test_the_beginning_is_revision_0(house: House) -> None:
    town = Town.__new__(Town)
    town.house = house
    town.do(ChangeSetting(setting="smtp.max_recipients", value="100"))
    town.do(ReturnTo(revision=0))
    assert house.directory.setting_rows()[1] == []


def test_revision_that_does_not_exist_is_not_found(town: Town) -> None:
    number = 10**6
    for operation in (PlanReturn(revision=number), PlanUndo(revision=number)):
        with pytest.raises(NotFound, match="posthouse revision list"):
            town.ask(operation)
    with pytest.raises(NotFound):
        town.do(ReturnTo(revision=number))
    with pytest.raises(NotFound):
        town.do(UndoRevision(revision=number))


def test_plan_that_was_agreed_to_is_carried_out_or_none(town: Town) -> None:
    number = newest(town)
    town.do(ChangeSetting(setting="smtp.max_recipients", value="100"))
    plan = town.ask(PlanReturn(revision=number))
    town.do(ChangeSetting(setting="pop.port", value="111"), BERT)
    with pytest.raises(Clash, match="changed meanwhile") as found:
        town.do(ReturnTo(revision=number, expected=plan.digest))
    assert found.value.field == "expected"
    assert len(town.house.directory.setting_rows()[1]) == 2


def test_two_certificate_files_come_back_together(town: Town) -> None:
    # each alone would not fit the other one that is set now
    house = town.house
    pairs = [self_signed(house.home / name, ["localhost"]) for name in ("first", "second")]

    def choose(index: int) -> None:
        for setting in ("tls.certificate_file", "tls.key_file"):
            town.do(ChangeSetting(setting=setting, value=None))
        town.do(ChangeSetting(setting="tls.certificate_file", value=str(pairs[index][0])))
        town.do(ChangeSetting(setting="tls.key_file", value=str(pairs[index][1])))

    choose(0)
    before, number = configuration(house), newest(town)
    choose(1)
    town.do(ReturnTo(revision=number))
    assert configuration(house) == before


# ── what stays as it is, and why ─────────────────────────────────────────────────────────────────


def test_mailbox_made_since_stays_with_its_addresses(town: Town) -> None:
    number = newest(town)
    town.do(CreateMailbox(mailbox="carol@alpha", password=PASSWORD))
    town.do(CreateAddress(address="c@alpha.test", mailbox="carol@alpha"))
    town.do(CreateAddress(address="al@alpha.test", mailbox="alice@alpha"))
    plan = town.do(ReturnTo(revision=number))
    assert texts(plan) == ["al@alpha.test: deleted"]
    assert kept(plan) == {
        "mailbox carol@alpha": "It was made since and may hold mail: delete it by hand.",
        **{
            f"address {name}@alpha.test": (
                "It belongs to the mailbox carol@alpha, which was made since."
            )
            for name in ("c", "carol")
        },
    }
    assert town.house.directory.mailbox("carol@alpha") is not None


def test_deleted_mailbox_does_not_come_back_and_nothing_leads_to_it(town: Town) -> None:
    number = newest(town)
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    plan = town.do(ReturnTo(revision=number))
    assert plan.steps == ()
    assert kept(plan) == {
        "mailbox alice@alpha": (
            "It was deleted: its mail may be gone, and passwords are not kept."
        ),
        "address alice@alpha.test": "The mailbox it led to, alice@alpha, is gone.",
    }


def test_another_mailbox_of_the_same_name_is_left_alone(town: Town) -> None:
    town.do(EditMailbox(mailbox="alice@alpha", role=Role.ADMIN))
    number = newest(town)
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    town.do(CreateMailbox(mailbox="alice@alpha", password=PASSWORD))
    before = configuration(town.house)
    plan = town.do(ReturnTo(revision=number))
    assert plan.steps == ()
    assert "another" in kept(plan)["mailbox alice@alpha"]
    assert configuration(town.house) == before


def test_post_office_made_since_stays_with_its_domains(town: Town) -> None:
    number = newest(town)
    town.do(CreatePostOffice(postoffice="gamma", password=PASSWORD))
    town.do(CreateDomain(domain="gamma.test", postoffice="gamma"))
    before = configuration(town.house)
    plan = town.do(ReturnTo(revision=number))
    assert plan.steps == ()
    assert kept(plan)["domain gamma.test"] == (
        "It belongs to the post office gamma, which was made since."
    )
    assert configuration(town.house) == before


def test_deleted_post_office_does_not_come_back_nor_what_it_had(town: Town) -> None:
    number = newest(town)
    town.do(EnableDomain(domain="alpha.test", enabled=False))
    town.do(DeleteAddress(address="alice@alpha.test"))
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    town.do(DeletePostOffice(postoffice="alpha"))
    plan = town.ask(PlanReturn(revision=number))
    assert plan.steps == ()
    assert set(kept(plan)) == {
        *("postoffice alpha", "domain alpha.test", "address alice@alpha.test"),
        "mailbox alice@alpha",
    }
    # nor into another of its name
    town.do(CreatePostOffice(postoffice="alpha", password=PASSWORD))
    town.do(CreateDomain(domain="alpha.test", postoffice="alpha"))
    before = configuration(town.house)
    assert town.do(ReturnTo(revision=number)).steps == ()
    assert configuration(town.house) == before


def test_credentials_are_never_touched(town: Town) -> None:
    number = newest(town)
    town.do(SetMailboxPassword(mailbox="alice@alpha", password="another password"))
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    town.do(CreateOperator(operator="olga", password=PASSWORD))
    town.do(ChangeSetting(setting="smarthost.password", value="secret"))
    plan = town.do(ReturnTo(revision=number))
    assert texts(plan) == ["alice@alpha: enabled"]
    assert kept(plan) == {
        "mailbox alice@alpha": "Its password was changed; earlier passwords are not kept.",
        "operator olga": "Accounts and tokens of those who run the server are never touched.",
        "setting smarthost.password": "It is a secret; the change log has none.",
    }
    assert [each.name for each in town.house.directory.operators()] == ["olga"]


def test_value_that_would_be_wrong_now_is_not_set(town: Town) -> None:
    town.do(ChangeSetting(setting="auth.default_postoffice", value="alpha"))
    number = newest(town)
    town.do(ChangeSetting(setting="auth.default_postoffice", value="beta"))
    town.do(DeletePostOffice(postoffice="alpha"))
    plan = town.ask(PlanReturn(revision=number))
    assert plan.steps == ()
    assert "there is no post office 'alpha'" in kept(plan)["setting auth.default_postoffice"]


def test_address_in_a_domain_that_moved_to_somebody_else_stays_away(town: Town) -> None:
    town.do(CreateDomain(domain="second.test", postoffice="alpha"))
    number = newest(town)
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    town.do(DeleteAddress(address="abuse@second.test"))
    plan = town.ask(PlanReturn(revision=number))
    assert texts(plan) == ["abuse@second.test: leads to [SF:alpha/ADMIN]"]
    assert set(kept(plan)) == {
        *("mailbox alice@alpha", "address alice@alpha.test", "address alice@second.test"),
    }


# ── undoing one change ───────────────────────────────────────────────────────────────────────────


def test_only_that_change_is_undone(town: Town) -> None:
    town.do(ChangeSetting(setting="smtp.max_recipients", value="100"))
    number = newest(town)
    town.do(ChangeSetting(setting="pop.port", value="111"))
    plan = town.ask(PlanUndo(revision=number))
    assert texts(plan) == ["smtp.max_recipients: 100 → 300 (default)"]
    assert town.do(UndoRevision(revision=number, expected=plan.digest)) == plan
    assert [row[0] for row in town.house.directory.setting_rows()[1]] == ["pop.port"]
    assert town.ask(ListRevisions(most=1))[0].operation == "revision.undo"


def test_change_that_another_one_followed_is_not_undone(town: Town) -> None:
    town.do(ChangeSetting(setting="smtp.max_recipients", value="100"))
    number = newest(town)
    town.do(ChangeSetting(setting="smtp.max_recipients", value="200"))
    with pytest.raises(Clash, match=f"changed again since revision {number}"):
        town.ask(PlanUndo(revision=number))
    with pytest.raises(Clash):
        town.do(UndoRevision(revision=number))


def test_deleted_domain_comes_back_with_the_addresses_it_took_along(furnished: Town) -> None:
    town = furnished
    before = configuration(town.house)
    town.do(DeleteDomain(domain="second.test"))
    domain = next(
        each for each in town.ask(ListRevisions(most=9)) if each.object == "domain second.test"
    )
    town.do(UndoRevision(revision=domain.number))
    assert configuration(town.house) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (DeleteMailbox(mailbox="alice@alpha"), "It was deleted"),
        (SetMailboxPassword(mailbox="alice@alpha", password=PASSWORD), "Its password was changed"),
        (CreateOperator(operator="olga", password=PASSWORD), "are never touched"),
    ],
)
def test_what_can_not_be_undone_is_told_and_not_done(
    town: Town, change: Change[Any], told: str
) -> None:
    town.do(change)
    about = change.object()
    number = next(each.number for each in town.ask(ListRevisions(about=about, most=1)))
    before = configuration(town.house)
    with pytest.raises(Clash, match=told):
        town.do(UndoRevision(revision=number))
    assert configuration(town.house) == before


# ── what later changes tell of the past ──────────────────────────────────────────────────────────


def test_the_earliest_later_change_tells_what_was() -> None:
    past = Past()
    past.learn({"enabled": True}, {"enabled": False})
    past.learn({"enabled": False, "role": "USER"}, {"enabled": True, "role": "ADMIN"})
    past.learn({"login": "a", "enabled": True, "role": "ADMIN"}, None)
    past.learn(None, {"login": "a", "enabled": True, "role": "USER"})
    past.learn({"quota_kb": 0}, {"quota_kb": 5})
    assert (past.existed, past.was_replaced) == (True, True)
    assert past.values == {"enabled": True, "role": "USER", "login": "a"}


# ── the change log by the page ───────────────────────────────────────────────────────────────────


def test_change_log_comes_in_pages_by_object_and_by_actor(town: Town) -> None:
    for port in range(101, 106):
        actor = BERT if port % 2 else ANNA
        change = ChangeSetting(setting="pop.port", value=str(port))
        town.do(change, actor)
    about = "setting pop.port"
    first = town.ask(ListRevisions(about=about, most=3))
    rest = town.ask(ListRevisions(about=about, most=3, before=first[-1].number))
    values = [json.loads(each.after)["value"] for each in (*first, *rest)]
    assert values == ["105", "104", "103", "102", "101"]
    by_bert = town.ask(ListRevisions(actor="operator:bert", most=2))
    assert [json.loads(each.after)["value"] for each in by_bert] == ["105", "103"]
    assert town.ask(ListRevisions(before=1)) == []


def test_revision_names_the_post_office_of_its_object(town: Town) -> None:
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    town.do(ChangeSetting(setting="pop.port", value="111"))
    assert [each.postoffice for each in town.ask(ListRevisions(most=2))] == ["", "alpha"]
