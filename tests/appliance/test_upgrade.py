"""A new release of the program on a server that is in use."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.appliance import NAME, Doors, Given, knocking
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import Player

_TABLES = "appliance/queue/tables.py"
_MIGRATION = """
from alembic import op

revision = "queue9000"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("{statement}")
"""


@pytest.fixture
def mail(lab: Lab, provisioned: Image) -> Iterator[Host]:
    made = lab.host(NAME, provisioned)
    yield made
    lab.remove(made)


def _release(wheel: Path, folder: Path, version: str, statement: str) -> Path:
    """Make a later release of the program, whose queue has one more migration."""
    later = folder / f"posthouse-{version}-py3-none-any.whl"
    found = re.compile(r"queue\d{4}(?=\")")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(later, "w") as new:
        head = ""
        for each in old.infolist():
            octets = old.read(each)
            if each.filename == _TABLES:
                [head] = set(found.findall(octets.decode()))
                octets = octets.replace(head.encode(), b"queue9000")
            name = re.sub(
                r"^posthouse-[^/]*\.dist-info", f"posthouse-{version}.dist-info", each.filename
            )
            if name.endswith("dist-info/METADATA"):
                octets = re.sub(rb"(?m)^Version: .*$", f"Version: {version}".encode(), octets)
            if name.endswith("dist-info/RECORD"):
                octets = re.sub(
                    rb"posthouse-[^/,]*\.dist-info", name.split("/")[0].encode(), octets
                )
            new.writestr(name, octets)
        migration = _MIGRATION.format(head=head, statement=statement)
        new.writestr("appliance/queue/migrations/queue9000_later.py", migration)
    return later


def _in_use(host: Host) -> str:
    return host.ask("readlink /opt/posthouse/current").rpartition("/")[2]


def test_a_release_replaces_another_and_one_that_cannot_leaves_it_serving(
    play: Player, mail: Host, given: Given, wheel: Path, tmp_path: Path
) -> None:
    doors = Doors.of(mail)
    doors.submit("Before")
    unique = doors.arrived("Before")
    first = _in_use(mail)

    # what it needs is listed otherwise: another release, with the same databases
    lock = tmp_path / "requirements.lock"
    lock.write_text(Path(str(given()["posthouse_lock"])).read_text() + "# as before\n")
    with knocking(mail.address, 25) as problems:
        play("site", mail, given(posthouse_lock=str(lock)))
    assert problems == []
    second = _in_use(mail)
    assert second != first
    assert doors.pop() == {unique: "Before"}

    # a migration that fails: the release before serves on, and a second run fails as the first did
    broken = _release(wheel, tmp_path, "0.9.0", "CREATE TABLE wrong (")
    for _ in range(2):
        found = play("site", mail, given(posthouse_wheel=str(broken)), fails=True)
        assert "so the earlier release serves on" in " ".join(found.stdout.split())
        assert _in_use(mail) == second
    doors.submit("After the failure")
    doors.arrived("After the failure")

    # one that works: with a backup before
    later = _release(wheel, tmp_path, "0.9.1", "CREATE TABLE made_by_the_upgrade (x INTEGER)")
    play("site", mail, given(posthouse_wheel=str(later)))
    assert _in_use(mail).startswith("0.9.1-")
    assert "before-upgrade" in mail.ask("posthouse backup list --json")
    assert set(doors.pop().values()) == {"Before", "After the failure"}

    # an earlier one refuses the newer databases before anything is stopped
    with knocking(mail.address, 110) as problems:
        found = play("site", mail, given(), fails=True)
    assert problems == []
    assert "it was made by a newer one" in " ".join(found.stdout.split())
    assert _in_use(mail).startswith("0.9.1-")
