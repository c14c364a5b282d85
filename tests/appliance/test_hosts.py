"""The harness keeps its promises: real hosts, really installing, alone among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host as Machine

from tests.appliance.harness.hosts import Host
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import Player
from tests.support.waiting import until

_PLAYBOOK = """
- hosts: posthouse
  gather_facts: false
  tasks:
    - name: Install from the packages that lie ready
      ansible.builtin.apt:
        name: nginx
        install_recommends: false
        update_cache: true
        cache_valid_time: 3600
    - name: Keep a secret in a file
      ansible.builtin.copy:
        content: "{{ kept_secret }}"
        dest: /root/kept
        mode: "0600"
    - name: Fail on demand
      ansible.builtin.fail:
        msg: "No: {{ kept_secret }}"
      when: to_fail | default(false)
"""


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[tuple[Host, Host]]:
    """Two hosts that tests look at, and bring back to what they were."""
    two = lab.host("one.example.test"), lab.host("two.example.test")
    yield two
    for host in two:
        lab.remove(host)


def test_host_boots_with_systemd_as_its_first_process(host: Host, machine: Machine) -> None:
    assert host.ask("systemctl is-system-running") == "running"
    assert machine.process.get(pid=1).comm == "systemd"
    assert machine.system_info.codename == "bookworm"
    assert machine.service("ssh").is_running
    assert host.ask("hostname --fqdn; hostname") == "mail.example.test\nmail"
    assert host.ask("systemctl --failed --no-legend") == ""


def test_image_has_nothing_of_what_roles_install(host: Host, machine: Machine) -> None:
    for name in ("nginx", "postgresql", "sudo", "python3-venv", "certbot"):
        assert not machine.package(name).is_installed
    assert host.ask(
        "cat /etc/apt/sources.list; ls /etc/apt/sources.list.d /etc/apt/auth.conf.d"
    ) == (
        "deb http://debian.test/debian bookworm main\n"
        "/etc/apt/auth.conf.d:\n\n/etc/apt/sources.list.d:"
    )
    assert host.run("test -e /etc/resolv.conf", check=False).returncode == 1


def test_apt_installs_and_starts_a_package_without_network(host: Host, machine: Machine) -> None:
    host.run("DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nginx")
    assert machine.package("nginx").is_installed
    assert machine.service("nginx").is_running
    assert machine.socket("tcp://0.0.0.0:80").is_listening


def test_playbook_installs_and_changes_nothing_the_second_time(
    host: Host, play: Player, tmp_path: Path
) -> None:
    playbook = tmp_path / "install.yml"
    playbook.write_text(_PLAYBOOK)
    variables = {"kept_secret": "xyzzy-17"}
    first = play(playbook, host, variables, options=["--diff"])
    assert first.changes == [
        f"{host.name}: Install from the packages that lie ready",
        f"{host.name}: Keep a secret in a file",
    ]
    assert first.recap[host.name]["failed"] == 0
    assert "xyzzy" not in first.stdout
    again = play(playbook, host, variables)
    assert (again.changed, again.changes, again.failed) == (0, [], 0)
    failed = play(playbook, host, {**variables, "to_fail": True}, fails=True)
    assert (failed.failed, failed.failures) == (1, [f"{host.name}: Fail on demand"])
    assert "xyzzy" not in failed.stdout


def test_host_comes_back_from_a_reboot_with_what_it_wrote(pair: tuple[Host, Host]) -> None:
    host, _ = pair
    host.write("/srv/note/kept", "kept\n")
    host.write("/run/gone", "gone\n")
    host.reboot()
    assert host.read("/srv/note/kept") == "kept\n"
    assert host.run("test -e /run/gone", check=False).returncode == 1


def test_host_comes_back_from_a_power_cut_with_what_it_wrote(pair: tuple[Host, Host]) -> None:
    host, _ = pair
    host.write("/srv/cut", "kept\n")
    host.kill()
    assert not host.running
    host.start()
    assert host.read("/srv/cut") == "kept\n"


def test_hosts_reach_each_other_and_nobody_outside(pair: tuple[Host, Host]) -> None:
    one, two = pair
    one.know(two)
    greeting = "exec 3<>/dev/tcp/{}/22; head -1 <&3"
    for address in (two.name, two.address, two.address6):
        assert one.ask(f"timeout 5 bash -c '{greeting.format(address)}'").startswith("SSH-2.0-")
    assert one.ask("ip -4 route show default; ip -6 route show default") == ""
    outside = one.run("timeout 5 bash -c '</dev/tcp/192.0.2.1/53'", check=False)
    assert "Network is unreachable" in outside.stderr


def test_host_that_is_cut_off_is_back_after_joining(pair: tuple[Host, Host]) -> None:
    one, two = pair
    reach = f"timeout 1 bash -c '</dev/tcp/{two.address}/22'"
    two.cut()
    assert one.run(reach, check=False).returncode != 0
    two.join()
    assert until(lambda: one.run(reach, check=False).returncode == 0, "the wire")


def test_clones_of_a_snapshot_are_hosts_of_their_own(
    lab: Lab, infra: Callable[[Host], Machine]
) -> None:
    first = lab.host("first.example.test")
    first.run("mkdir /srv/folder && echo common >/srv/folder/file")
    snapshot = first.snapshot()
    first.start()
    clone = lab.host("clone.example.test", snapshot)
    assert infra(clone).file("/srv/folder/file").content_string == "common\n"
    # a folder of the image is renamed in one step, not copied
    clone.run("python3 -c \"import os; os.rename('/srv/folder', '/srv/moved')\"")
    assert first.read("/srv/folder/file") == "common\n"
    for own in ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        assert first.read(own) != clone.read(own)
    lab.remove(clone)
    lab.remove(first)
