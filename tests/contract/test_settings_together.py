"""Several settings in one step: all of them, or none; a plan says the same beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from appliance.net.tls import self_signed
from appliance.operations.operation import Invalid
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.settings import (
    HIDDEN,
    ChangeSetting,
    ChangeSettings,
    PlanSettings,
    SettingChange,
)
from appliance.settings import smarthost, smtp, tls
from tests.support.town import Town

SECRET = "Zx9-xylophone-quartz"
Told = list[tuple[str, str | None, str | None]]


def told(changes: list[SettingChange]) -> Told:
    return [(each.setting.name, each.before, each.after) for each in changes]


def plan(town: Town, values: Mapping[str, str | None], *, node: str = "") -> Told:
    version = town.house.directory.version()
    found = told(town.ask(PlanSettings(values=values, node=node)))
    assert town.house.directory.version() == version
    return found


def change(town: Town, values: Mapping[str, str | None], *, node: str = "") -> Told:
    planned = plan(town, values, node=node)
    done = told(town.do(ChangeSettings(values=values, node=node)))
    assert done == planned
    town.house.live.refresh()
    return done


def test_what_differs_is_changed_and_told(town: Town) -> None:
    town.do(ChangeSetting(setting="smtp.max_recipients", value="7"))
    values = {"smtp.max_recipients": "8", "retry.first": "900", "smtp.banner": "Welcome"}
    assert change(town, values) == [
        ("retry.first", None, "15m"),
        ("smtp.banner", None, "Welcome"),
        ("smtp.max_recipients", "7", "8"),
    ]
    assert town.house.settings[smtp.max_recipients] == 8
    assert change(town, values) == []
    assert change(town, {"smtp.banner": None, "smtp.max_recipients": None}) == [
        ("smtp.banner", "Welcome", None),
        ("smtp.max_recipients", "8", None),
    ]
    assert town.house.settings.is_default(smtp.banner)


def test_one_wrong_value_and_nothing_is_changed(town: Town) -> None:
    version = town.house.directory.version()
    for wrong, field, text in (
        ({"smtp.max_recipients": "many"}, "values", "from 1 to 100000"),
        ({"smtp.max_recipient": "1"}, "values", r"did you mean smtp\.max_recipients"),
        ({"auth.default_postoffice": "nowhere"}, "values", "no post office 'nowhere'"),
        ({"smtp.banner": "half \ud800"}, "values", "half a character"),
    ):
        values = {"smtp.banner": "Welcome", **wrong}
        with pytest.raises(Invalid, match=text):
            town.ask(PlanSettings(values=values))
        with pytest.raises(Invalid, match=text) as refused:
            town.do(ChangeSettings(values=values))
        assert refused.value.field == field
    with pytest.raises(Invalid, match="can't be set for a node") as refused:
        town.do(ChangeSettings(values={"smtp.port": "26", "relay.enabled": "no"}, node="one"))
    assert refused.value.field == "node"
    assert town.house.directory.version() == version


def test_each_setting_has_its_revision_and_all_of_them_one_audit_record(town: Town) -> None:
    names = ["smtp.max_recipients", "smtp.max_send", "smtp.max_connections", "smtp.max_errors"]
    change(town, dict.fromkeys(names, "9"))
    assert sorted(each.object for each in town.ask(ListRevisions(most=4))) == sorted(
        f"setting {name}" for name in names
    )
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.operation, audit.outcome) == ("settings.load", "done")
    assert audit.object == (
        "settings smtp.max_connections, smtp.max_errors, smtp.max_recipients and 1 more"
    )


def test_a_nodes_values_are_its_own(town: Town) -> None:
    change(town, {"smtp.port": "26"})
    assert change(town, {"smtp.port": "26"}, node="one") == [("smtp.port", None, "26")]
    assert change(town, {"smtp.port": "26"}, node="one") == []
    assert change(town, {"smtp.port": None}, node="one") == [("smtp.port", "26", None)]
    assert town.house.settings[smtp.port] == 26


def test_a_secret_is_compared_and_never_told(town: Town) -> None:
    assert change(town, {"smarthost.password": SECRET}) == [("smarthost.password", None, HIDDEN)]
    revisions = len(town.ask(ListRevisions()))
    assert change(town, {"smarthost.password": SECRET}) == []
    town.do(ChangeSetting(setting="smarthost.password", value=SECRET))
    assert len(town.ask(ListRevisions())) == revisions
    assert change(town, {"smarthost.password": "another"}) == [
        ("smarthost.password", HIDDEN, HIDDEN)
    ]
    assert town.house.settings[smarthost.password] == "another"
    with pytest.raises(Invalid) as refused:
        town.ask(PlanSettings(values={"smarthost.password": f"{SECRET}\n"}))
    assert SECRET not in str(refused.value)


def test_a_secret_sealed_with_another_key_is_another(town: Town) -> None:
    change(town, {"smarthost.password": SECRET})
    town.house.config.key_file.unlink()
    assert plan(town, {"smarthost.password": SECRET}) == [("smarthost.password", HIDDEN, HIDDEN)]


def test_a_certificate_and_its_key_are_changed_together(town: Town, tmp_path: Path) -> None:
    pairs = [self_signed(tmp_path / name, ["mail.test"]) for name in ("one", "two")]
    for certificate, key in pairs:
        values = {"tls.certificate_file": str(certificate), "tls.key_file": str(key)}
        assert len(change(town, values)) == 2
    mixed = {"tls.certificate_file": str(pairs[0][0]), "tls.key_file": str(pairs[1][1])}
    with pytest.raises(Invalid):
        town.do(ChangeSettings(values=mixed))
    assert town.house.settings[tls.key_file] == str(pairs[1][1])
