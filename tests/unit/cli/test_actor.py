"""Who is an operator on the command line (DESIGN, Actors)."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.cli import actor
from appliance.cli.failure import Failed

OWNER, MEMBER, STRANGER = 2001, 2002, 2003
NAMES = {0: "root", OWNER: "keeper", MEMBER: "anna", STRANGER: "mallory"}


class Machine:
    """The unix users of a machine, and what the process became."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        self.patch = patch
        self.became: list[tuple[Any, ...]] = []
        stat = home.stat()
        patch.delenv("SUDO_USER", raising=False)
        patch.setattr(
            Path, "stat", lambda path, **_: SimpleNamespace(st_uid=OWNER, st_gid=OWNER, st=stat)
        )
        patch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=NAMES[uid]))
        patch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=900))
        for name in ("initgroups", "setgroups", "setresgid", "setresuid"):
            patch.setattr(os, name, lambda *args, name=name: self.became.append((name, *args)))

    def user(self, uid: int, *, groups: tuple[int, ...] = ()) -> None:
        self.patch.setattr(os, "getuid", lambda: uid)
        self.patch.setattr(os, "getegid", lambda: uid)
        self.patch.setattr(os, "getgroups", lambda: list(groups))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_the_owner_of_the_home_is_an_operator(machine: Machine, tmp_path: Path) -> None:
    machine.user(OWNER)
    assert str(actor.identify(tmp_path)) == "operator:keeper"
    assert machine.became == []


def test_a_member_of_the_group_is_an_operator(machine: Machine, tmp_path: Path) -> None:
    machine.user(MEMBER, groups=(900,))
    assert str(actor.identify(tmp_path)) == "operator:anna"


def test_anybody_else_is_refused_in_one_line(machine: Machine, tmp_path: Path) -> None:
    machine.user(STRANGER)
    with pytest.raises(Failed, match=r"mallory is no operator .* keeper, root, .* group posthouse"):
        actor.identify(tmp_path)


def test_without_the_group_on_the_machine_only_owner_and_root_are_operators(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.user(MEMBER, groups=(900,))
    monkeypatch.setattr(grp, "getgrnam", {}.__getitem__)
    with pytest.raises(Failed):
        actor.identify(tmp_path)


def test_root_becomes_the_owner_groups_first_and_stays_root_for_the_record(
    machine: Machine, tmp_path: Path
) -> None:
    machine.user(0)
    assert str(actor.identify(tmp_path)) == "operator:root"
    assert machine.became == [
        ("initgroups", "keeper", OWNER),
        ("setresgid", OWNER, OWNER, OWNER),
        ("setresuid", OWNER, OWNER, OWNER),
    ]


def test_an_owner_without_an_entry_gets_the_homes_group_alone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.user(0)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    actor.identify(tmp_path)
    assert machine.became[0] == ("setgroups", [OWNER])


@pytest.mark.parametrize("uid", [0, OWNER])
def test_whoever_called_sudo_is_named(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    machine.user(uid)
    monkeypatch.setenv("SUDO_USER", "anna")
    assert str(actor.identify(tmp_path)) == "operator:anna"


def test_a_member_can_not_pass_for_somebody_else(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.user(MEMBER, groups=(900,))
    monkeypatch.setenv("SUDO_USER", "root")
    assert str(actor.identify(tmp_path)) == "operator:anna"


def test_of_a_home_that_is_not_there_whoever_makes_it_is_the_operator(tmp_path: Path) -> None:
    assert str(actor.identify(tmp_path / "new")).startswith("operator:")


def test_a_home_that_can_not_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failed, match="can't be reached: Not a directory"):
        actor.identify(tmp_path / "file" / "home")
