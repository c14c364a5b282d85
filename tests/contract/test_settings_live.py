"""Settings: checked when they are set, and followed by every process without a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from appliance.operations.house import House
from appliance.operations.mailboxes import EnableMailbox
from appliance.operations.operation import Call, Invalid, perform
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.settings import ChangeSetting, GetSetting, ListSettings
from appliance.settings import catalogue, relay, smtp
from appliance.settings.setting import Scope
from appliance.settings.snapshot import Snapshot
from tests.support.town import ANNA, Town


def change(house: House, name: str, value: str | None, node: str = "") -> None:
    perform(house, Call(ANNA, "test"), ChangeSetting(setting=name, value=value, node=node))


def test_settings_begin_with_their_defaults(house: House) -> None:
    for setting in catalogue.every():
        assert house.settings[setting] == setting.default
        assert house.settings.is_default(setting)


def test_changed_setting_is_in_force_in_every_process_at_its_next_look(
    open_house: Callable[..., House],
) -> None:
    one, other = open_house(), open_house()
    assert other.settings[smtp.max_recipients] == 300
    change(one, "smtp.max_recipients", "7")
    other.live.refresh()  # each process looks once a second
    assert other.settings[smtp.max_recipients] == 7
    one.live.refresh()
    assert one.settings[smtp.max_recipients] == 7
    change(one, "smtp.max_recipients", None)
    other.live.refresh()
    assert other.settings[smtp.max_recipients] == 300
    assert other.settings.is_default(smtp.max_recipients)


def test_listeners_are_told_of_each_new_snapshot_and_of_nothing_else(
    open_house: Callable[..., House],
) -> None:
    one, other = open_house(), open_house()
    told: list[int] = []
    other.live.listen(lambda snapshot: told.append(snapshot[smtp.max_recipients]))
    assert told == [300]
    other.live.refresh()
    assert told == [300]
    before = other.settings
    change(one, "smtp.max_recipients", "7")
    other.live.refresh()
    other.live.refresh()
    assert told == [300, 7]
    assert before[smtp.max_recipients] == 300  # a snapshot never changes
    assert other.settings is not before


def test_last_settings_stay_while_the_directory_cannot_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from appliance.database.errors import StoreBusy

    def fail() -> int:
        raise StoreBusy("gone for a moment")

    before = house.settings
    monkeypatch.setattr(house.directory, "version", fail)
    house.live.refresh()
    assert house.settings is before
    assert "the last ones stay" in caplog.text


def test_value_for_a_node_is_in_force_on_that_node_only(open_house: Callable[..., House]) -> None:
    one, two = open_house(node="one"), open_house(node="two")
    change(one, "smtp.local_domain", "mail.example.com")
    change(one, "smtp.local_domain", "two.example.com", node="two")
    for house, expected in ((one, "mail.example.com"), (two, "two.example.com")):
        house.live.refresh()
        assert house.settings[smtp.local_domain] == expected
    change(one, "smtp.local_domain", None, node="two")
    two.live.refresh()
    assert two.settings[smtp.local_domain] == "mail.example.com"


def test_node_value_is_refused_where_the_setting_has_none(town: Town) -> None:
    assert Scope.NODE not in smtp.max_recipients.scopes
    with pytest.raises(Invalid, match=r"smtp\.max_recipients can't be set for a node"):
        change(town.house, "smtp.max_recipients", "7", node="two")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("smtp.max_recipients", "many", "'many' is not a whole number; a whole number from 1"),
        ("smtp.max_recipients", "0", "0 is out of range"),
        ("relay.enabled", "perhaps", "'perhaps' is neither yes nor no"),
        ("relay.privileged_ranges", "10.0.0.0/8 nowhere", "'nowhere' is not an address or network"),
        ("retry.first", "soon", "'soon' is not a length of time"),
        ("retry.delay_notice", "always", "'always' is not among the choices; one of off"),
        ("smarthost.host", "a b", "'a b' is not a host"),
        ("smtp.banner", "a\nb", "control character"),
    ],
)
def test_wrong_value_is_refused_with_what_would_be_right(
    town: Town, name: str, value: str, told: str
) -> None:
    version = town.house.directory.version()
    with pytest.raises(Invalid) as refused:
        change(town.house, name, value)
    assert str(refused.value).startswith(f"{name}: ")
    assert told in str(refused.value)
    assert town.house.directory.version() == version
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.outcome, audit.object) == ("failed", f"setting {name}")


def test_unknown_name_is_refused_with_the_nearest_ones(town: Town) -> None:
    for ask in (
        lambda: change(town.house, "smtp.max_recipient", "7"),
        lambda: town.ask(GetSetting(setting="smtp.max_recipient")),
    ):
        with pytest.raises(Invalid, match=r"did you mean smtp\.max_recipients"):
            ask()
    with pytest.raises(Invalid, match="posthouse settings list"):
        change(town.house, "qqqqqqqqqqqq", "7")


def test_value_is_kept_and_shown_in_its_one_form(town: Town) -> None:
    change(town.house, "retry.first", " 900 S ")
    shown = town.ask(GetSetting(setting="retry.first"))
    assert (shown.value, shown.is_default) == ("15m", False)
    (revision,) = town.ask(ListRevisions(most=1))
    assert revision.object == "setting retry.first"
    assert revision.after == '{"value": "15m"}'
    version = town.house.directory.version()
    change(town.house, "retry.first", "15m")  # the same again is no change
    assert town.house.directory.version() == version


def test_settings_are_listed_by_name_changed_ones_alone_or_by_a_word(town: Town) -> None:
    everything = town.ask(ListSettings())
    assert [each.setting for each in everything] == catalogue.every()
    assert all(each.is_default for each in everything)
    change(town.house, "relay.local_senders", "yes")
    assert [each.setting for each in town.ask(ListSettings(changed=True))] == [relay.local_senders]
    found = [each.setting.name for each in town.ask(ListSettings(containing="RELAY for"))]
    assert set(found) >= {"relay.authenticated", "relay.privileged_ranges", "relay.local_senders"}


def test_value_that_a_newer_program_left_is_passed_over(
    house: House, open_house: Callable[..., House], caplog: pytest.LogCaptureFixture
) -> None:
    from sqlalchemy import insert

    from appliance.database.statement import Statement
    from appliance.directory import tables

    row = Statement(insert(tables.settings))
    for name, value in (("future.setting", "1"), ("smtp.max_recipients", "unheard of")):
        values = {"name": name, "scope": "server", "subject": "", "value": value}
        house.databases.get("directory").transact(lambda tx, v=values: tx.run(row, v))  # type: ignore[misc]
    assert open_house().settings[smtp.max_recipients] == 300
    assert "future.setting" in caplog.text
    assert "smtp.max_recipients" in caplog.text


def test_no_change_is_missed_when_two_are_made_at_once(
    open_house: Callable[..., House], town: Town, gate: Callable[[Callable[[str], None]], None]
) -> None:
    # Each process reads again when the newest revision's number has grown: on PostgreSQL a number
    # must not become visible before a lower one.
    first, second, follower = (open_house() for _ in range(3))
    for house in (first, second, follower):
        assert isinstance(house.settings, Snapshot)
    second_is_done = threading.Event()
    waiting = iter([True])

    def wait(label: str) -> None:
        if label == "directory.commit.before" and next(waiting, False):
            threading.Thread(target=disable_bob).start()
            second_is_done.wait(0.3)
            follower.live.refresh()

    def disable_bob() -> None:
        perform(second, Call(ANNA, "test"), EnableMailbox(mailbox="bob@beta", enabled=False))
        second_is_done.set()

    gate(wait)
    change(first, "smtp.max_recipients", "7")
    assert second_is_done.wait(20)
    follower.live.refresh()
    assert follower.settings[smtp.max_recipients] == 7
