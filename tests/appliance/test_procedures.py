"""What providers do with a running appliance: back up, restore, look closely, change, go on."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.appliance import ALICE, NAME, PASSWORD, Doors, Given
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import Player
from tests.support.waiting import until


@pytest.fixture
def mail(lab: Lab, provisioned: Image) -> Iterator[Host]:
    made = lab.host(NAME, provisioned)
    yield made
    lab.remove(made)


@pytest.fixture
def doors(mail: Host) -> Doors:
    return Doors.of(mail)


def test_a_backup_is_made_verified_fetched_and_restored(
    play: Player, mail: Host, doors: Doors, tmp_path: Path
) -> None:
    doors.submit("In the backup")
    unique = doors.arrived("In the backup")
    play("backup", mail, {"posthouse_backup_fetch": str(tmp_path)})
    [pack] = tmp_path.iterdir()
    with tarfile.open(pack) as opened:
        assert any(each.name.endswith("manifest.json") for each in opened)
    [made] = json.loads(mail.ask("posthouse backup list --json"))

    doors.submit("After the backup")
    doors.arrived("After the backup")
    mail.run("posthouse mailbox delete bob@example --yes")
    mail.run("posthouse settings set smtp.max_recipients 5")

    play("restore", mail, {"posthouse_backup": made["name"]})
    until(lambda: mail.run("systemctl is-active posthouse-pop3", check=False).returncode == 0, "up")
    assert doors.pop() == {unique: "In the backup"}, "the same message, by the same unique id"
    assert mail.ask("posthouse settings get smtp.max_recipients").strip() == "77"
    assert "bob@example" in mail.ask("posthouse mailbox list --json")

    # a fetched backup makes a server of a machine that has lost everything
    mail.run("systemctl stop posthouse.target")
    mail.run("rm -rf /var/lib/posthouse/*")
    play("restore", mail, {"posthouse_backup": str(pack)})
    until(lambda: mail.run("systemctl is-active posthouse-pop3", check=False).returncode == 0, "up")
    assert doors.pop() == {unique: "In the backup"}


def test_the_nightly_backup_is_made_by_its_unit(mail: Host) -> None:
    before = json.loads(mail.ask("posthouse backup list --json"))
    mail.run("systemctl start posthouse-backup.service")
    after = json.loads(mail.ask("posthouse backup list --json"))
    assert len(after) == len(before) + 1
    assert "NEXT" in mail.ask("systemctl list-timers --all posthouse-backup.timer")


def test_one_service_becomes_verbose_and_is_as_before_afterwards(play: Player, mail: Host) -> None:
    before = json.loads(mail.ask("posthouse debug list --json"))
    found = play("debug", mail, {"posthouse_debug_service": "SMTP", "posthouse_debug_seconds": 1})
    assert found.failed == 0
    assert json.loads(mail.ask("posthouse debug list --json")) == before
    play("debug", mail, {"posthouse_debug_service": "POP", "posthouse_debug_seconds": 0})
    assert "POP" in mail.ask("posthouse debug list --json")
    mail.run("posthouse debug off --all")


def test_other_ports_are_followed_by_sockets_and_firewall(
    play: Player, mail: Host, given: Given
) -> None:
    wanted = given(posthouse_pop_tls_port=9950)
    found = play("site", mail, wanted)
    assert any("Have systemd listen" in each for each in found.changes)
    moved = Doors.of(mail, pop_port=9950)
    assert isinstance(moved.pop(), dict)
    assert ":995 " not in mail.ask("ss --no-header --listening --tcp --numeric")
    assert play("site", mail, wanted).changes == []


def test_a_tenant_leaves_and_another_comes(play: Player, mail: Host, tmp_path: Path) -> None:
    book = tmp_path / "tenants.yml"
    book.write_text(
        """
- hosts: posthouse
  gather_facts: false
  tasks:
    - posthouse.appliance.posthouse_postoffice: {name: harbour, password: "{{ first_password }}"}
    - posthouse.appliance.posthouse_domain: {name: harbour.example, postoffice: harbour}
    - posthouse.appliance.posthouse_mailbox:
        {name: carla@harbour, password: "{{ first_password }}", quota_kb: 100}
    - posthouse.appliance.posthouse_setting: {name: smtp.max_message_kb, value: 2048}
    - posthouse.appliance.posthouse_postoffice: {name: example, state: suspended}
"""
    )
    secret = {"first_password": "rope and tar 21"}
    planned = play(book, mail, secret, options=["--check", "--diff"])
    assert planned.changed >= 3
    assert "harbour" not in mail.ask("posthouse postoffice list --json")
    done = play(book, mail, secret, options=["--diff"])
    assert done.changed == 5
    assert "rope and tar" not in done.stdout
    assert play(book, mail, secret).changed == 0
    doors = Doors.of(mail)
    assert doors.pop(login="carla@harbour", password="rope and tar 21") == {}
    with pytest.raises(Exception, match="ERR"):
        doors.pop(login=ALICE, password=PASSWORD)
