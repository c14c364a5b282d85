"""No password is readable anywhere but where it was typed: not kept, not told, not shown."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from appliance.directory import tables
from appliance.operations.house import House
from appliance.operations.mailboxes import (
    ChangeOwnPassword,
    CreateMailbox,
    SetMailboxPassword,
)
from appliance.operations.operation import Call, Change, OperationError, perform
from appliance.operations.operators import (
    ChangeOwnOperatorPassword,
    CreateOperator,
    SetOperatorPassword,
)
from appliance.operations.postoffices import CreatePostOffice
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.settings import HIDDEN, ChangeSetting, GetSetting, ListSettings
from appliance.rules.access import Actor, ActorKind
from appliance.settings import catalogue, smarthost
from tests.support.town import ANNA, Town

SECRET = "Zx9-xylophone-quartz"
CHANGES: list[Change[Any]] = [
    CreatePostOffice(postoffice="gamma", password=SECRET),
    CreateMailbox(mailbox="carol@alpha", password=SECRET),
    SetMailboxPassword(mailbox="alice@alpha", password=SECRET),
    CreateOperator(operator="olga", password=SECRET),
    SetOperatorPassword(operator="olga", password=SECRET),
    ChangeSetting(setting="smarthost.password", value=SECRET),
]
# The same, refused: by the actor, by the password, because it is there, because it is not there.
REFUSED: list[Change[Any]] = [
    *CHANGES[:2],
    CreateOperator(operator="olga", password=SECRET),
    CreatePostOffice(postoffice="delta", password=f"{SECRET}\n"),
    CreatePostOffice(postoffice="delta", password=SECRET * 100),
    CreateMailbox(mailbox="dora@alpha", password=f"{SECRET}\0"),
    CreateMailbox(mailbox="dora@nowhere", password=SECRET),
    SetMailboxPassword(mailbox="nobody@alpha", password=SECRET),
    SetMailboxPassword(mailbox="alice@alpha", password=f"\x7f{SECRET}"),
    CreateOperator(operator="olga two", password=SECRET),
    SetOperatorPassword(operator="nobody", password=SECRET),
    ChangeSetting(setting="smarthost.password", value=f"{SECRET}\n"),
    ChangeSetting(setting="smarthost.password", value=SECRET * 1000),
    ChangeSetting(setting="smarthost.password", value=SECRET, node="one"),
    ChangeSetting(setting="smarthost.pasword", value=SECRET),
    ChangeOwnPassword(mailbox="alice@alpha", old=SECRET * 2, new=SECRET),
    ChangeOwnPassword(mailbox="alice@alpha", old=SECRET, new=f"{SECRET}\n"),
    ChangeOwnOperatorPassword(operator="olga", old=SECRET * 2, new=SECRET),
    ChangeOwnOperatorPassword(operator="olga", old=SECRET, new=SECRET * 100),
]
STRANGER = Actor(ActorKind.MAILBOX, "alice@alpha", "alpha")


def everything_kept(house: House) -> str:
    """Read the whole directory, every column of every row."""
    with house.databases.get("directory").reader(snapshot=True) as connection:
        return "\n".join(
            repr(row)
            for table in tables.metadata.sorted_tables
            for row in connection.tuples(select(table))
        )


def test_every_field_that_takes_a_secret_is_left_out_of_repr() -> None:
    for change in (*CHANGES, *REFUSED):
        assert SECRET not in repr(change)
        assert SECRET not in str(change)
        assert dataclasses.is_dataclass(change)
        for field in dataclasses.fields(change):
            if field.name in ("password", "value", "old", "new"):
                assert not field.repr


def test_no_secret_is_kept_told_or_shown(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for change in CHANGES:
        town.do(change)
    told: list[str] = []
    for change in REFUSED:
        with pytest.raises(OperationError) as refused:
            town.do(change)
        told.append(str(refused.value))
    for change in CHANGES:
        with pytest.raises(OperationError) as refused:
            perform(town.house, Call(STRANGER, "test"), change)
        told.append(str(refused.value))
    for place in (
        "\n".join(told),
        repr(town.ask(ListAudit(most=1000))),
        repr(town.ask(ListRevisions(most=1000))),
        repr(town.ask(ListSettings())),
        repr(town.ask(GetSetting(setting="smarthost.password"))),
        everything_kept(town.house),
        caplog.text,
    ):
        assert SECRET not in place
        assert "xylophone" not in place


def test_nothing_in_the_home_holds_a_secret(town: Town, tmp_path: Path) -> None:
    for change in CHANGES:
        town.do(change)
    town.house.close()
    for path in (tmp_path / "home").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_passwords_are_kept_as_argon2id(town: Town) -> None:
    for change in CHANGES[:-1]:
        town.do(change)
    with town.house.databases.get("directory").reader() as connection:
        hashes = [
            row[0]
            for table in (tables.mailboxes, tables.operators)
            for row in connection.tuples(select(table.c.password_hash))
        ]
    assert len(hashes) == len(set(hashes)) == 7
    assert all(each.startswith("$argon2id$") for each in hashes)


def test_changed_password_is_revised_as_changed_and_no_more(town: Town) -> None:
    town.do(SetMailboxPassword(mailbox="alice@alpha", password=SECRET))
    (revision,) = town.ask(ListRevisions(most=1))
    assert (revision.before, revision.after) == ("{}", '{"password": "(changed)"}')


def test_secret_setting_is_used_here_and_shown_to_nobody(town: Town) -> None:
    town.do(ChangeSetting(setting="smarthost.password", value=SECRET))
    town.house.live.refresh()
    assert town.house.settings[smarthost.password] == SECRET
    shown = town.ask(GetSetting(setting="smarthost.password"))
    assert (shown.value, shown.is_default) == (HIDDEN, False)
    (revision,) = town.ask(ListRevisions(most=1))
    assert HIDDEN in revision.after
    town.do(ChangeSetting(setting="smarthost.password", value=None))
    assert town.ask(GetSetting(setting="smarthost.password")).value == ""
    (revision,) = town.ask(ListRevisions(most=1))
    assert HIDDEN in revision.before


def test_every_setting_that_may_hold_a_secret_is_declared_as_one() -> None:
    suspicious = [each for each in catalogue.every() if "password" in each.name.split(".")[1]]
    assert [each.name for each in suspicious if not each.secret] == ["auth.min_password_length"]


def test_key_file_is_readable_by_its_owner_only(town: Town, tmp_path: Path) -> None:
    town.do(ChangeSetting(setting="smarthost.password", value=SECRET))
    key_file = tmp_path / "home" / "config" / "key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key_file.read_bytes()) == 32
    assert [path.name for path in key_file.parent.glob("key*")] == ["key"]


def test_secret_sealed_with_another_key_is_passed_over_and_mail_goes_on(
    open_house: Callable[..., House], town: Town, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # a home restored without its key: the server starts, and says what has to be set again
    town.do(ChangeSetting(setting="smarthost.password", value=SECRET))
    town.do(ChangeSetting(setting="smtp.max_recipients", value="7"))
    other = open_house(key_file=tmp_path / "another-key")
    assert other.settings[smarthost.password] == ""
    assert other.settings[catalogue.named("smtp.max_recipients")] == 7
    assert "smarthost.password" in caplog.text
    perform(other, Call(ANNA, "test"), ChangeSetting(setting="smarthost.password", value="new"))
    other.live.refresh()
    assert other.settings[smarthost.password] == "new"
