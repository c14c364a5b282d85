"""A bare Debian becomes a working mail server by one playbook (site.yml)."""

from __future__ import annotations

import base64
import http.client
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host as Machine

from tests.appliance.appliance import (
    CA,
    NAME,
    PASSWORD,
    RELAY_SECRET,
    SERVICES,
    Doors,
    Given,
    knocking,
)
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import Player
from tests.support.waiting import until

_CEILING = 2.5  # of `systemd-analyze security`


@pytest.fixture(scope="module")
def mail(lab: Lab, provisioned: Image) -> Iterator[Host]:
    """A provisioned host that these tests share; none leaves it otherwise than it was."""
    made = lab.host(NAME, provisioned)
    yield made
    lab.remove(made)


@pytest.fixture(scope="module")
def machine(mail: Host, infra: Callable[[Host], Machine]) -> Machine:
    return infra(mail)


@pytest.fixture(scope="module")
def doors(mail: Host) -> Doors:
    return Doors.of(mail)


def test_a_second_run_changes_nothing(play: Player, mail: Host, given: Given) -> None:
    found = play("site", mail, given(), options=["-vv"])
    assert found.changes == []
    assert PASSWORD not in found.stdout


def test_check_mode_and_diff_find_nothing_to_do(play: Player, mail: Host, given: Given) -> None:
    found = play("site", mail, given(), options=["--check", "--diff"])
    assert found.changes == []


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_runs_hardened(machine: Machine, service: str) -> None:
    unit = f"posthouse-{service}.service"
    assert machine.service(unit).is_running
    said = machine.check_output("systemd-analyze security --no-pager %s", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= _CEILING, said
    shown = machine.check_output("systemctl show %s", unit)
    facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert (facts["User"], facts["Type"], facts["NoNewPrivileges"]) == (
        "posthouse",
        "notify",
        "yes",
    )
    assert facts["WatchdogUSec"] not in ("0", "infinity")
    assert facts.get("CapabilityBoundingSet", "") == ""


def test_the_server_starts_with_the_machine(machine: Machine) -> None:
    assert machine.service("posthouse.target").is_enabled
    assert machine.service("posthouse-backup.timer").is_running
    assert machine.service("posthouse-scrub.timer").is_running
    assert machine.service("nginx").is_enabled
    assert machine.service("nftables-posthouse").is_enabled


def test_only_what_clients_need_listens_to_the_outside(machine: Machine) -> None:
    listening = machine.check_output("ss --no-header --listening --tcp --numeric")
    open_ = {line.split()[3] for line in listening.splitlines()}
    outside = {int(each.rpartition(":")[2]) for each in open_ if not each.startswith("127.")}
    assert outside == {22, 25, 80, 110, 443, 465, 587, 995}
    assert {"127.0.0.1:8000", "127.0.0.1:8080"} <= open_


def test_the_firewall_leaves_other_rules_and_the_way_in_alone(mail: Host) -> None:
    mail.run("nft add table inet mine")
    mail.run("systemctl reload nftables-posthouse")
    assert "table inet mine" in mail.ask("nft list tables")
    mail.run("nft delete table inet mine")
    rules = mail.ask("nft list table inet posthouse")
    assert "policy drop" in rules
    assert "tcp dport 22 accept" in rules
    assert "tcp dport { 25, 80, 110, 443, 465, 587, 995 } accept" in rules


def test_what_is_secret_is_readable_by_the_services_alone(machine: Machine) -> None:
    home = machine.file("/var/lib/posthouse")
    assert (home.user, home.group, oct(home.mode)) == ("posthouse", "posthouse", "0o750")
    for path in ("config/key", "config/directory.db", "config/tls/server.key"):
        found = machine.file(f"/var/lib/posthouse/{path}")
        assert (found.user, found.mode & 0o077) == ("posthouse", 0), path
    assert machine.file("/etc/posthouse/posthouse.toml").mode & 0o007 == 0
    everything = machine.check_output("journalctl --no-pager --output cat")
    logs = machine.check_output("cat /var/lib/posthouse/logs/*/* 2>/dev/null || true")
    for secret in (PASSWORD, RELAY_SECRET):
        assert secret not in everything + logs


def test_the_settings_of_the_inventory_are_in_force(mail: Host) -> None:
    assert mail.ask("posthouse settings get smtp.max_recipients").strip() == "77"
    assert mail.ask("posthouse settings get smtp.local_domain").strip() == NAME
    assert mail.ask("posthouse diagnose --json")


def test_an_operator_of_the_unix_group_uses_the_command_without_being_root(mail: Host) -> None:
    mail.run("useradd --groups posthouse anna")
    asked = "sudo -u anna sudo -n -u posthouse posthouse postoffice list --json"
    assert '"example"' in mail.ask(asked)
    mail.run("userdel anna")
    mail.run("useradd berta")
    assert mail.run(asked.replace("anna", "berta"), check=False).returncode != 0
    mail.run("userdel berta")


def test_a_message_comes_in_and_is_read_through_every_door(doors: Doors) -> None:
    doors.receive("By SMTP")
    doors.submit("By submission", "bob@example.com")
    doors.submit("By submission over TLS", port=465)
    doors.arrived("By SMTP")
    doors.arrived("By submission over TLS")
    assert {"By SMTP", "By submission over TLS"} <= set(doors.httpmail_subjects())
    assert "By SMTP" in doors.webmail()


def test_the_mailbox_has_its_quota_and_name(mail: Host) -> None:
    assert '"quota_kb": 20000' in mail.ask("posthouse mailbox show bob@example --json")
    assert "Alice Oakes" in mail.ask("posthouse mailbox show alice@example --json")


def test_passwords_are_taken_over_tls_only(mail: Host) -> None:
    with smtplib.SMTP(mail.address, 587, timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth")


def test_the_certificate_is_for_the_servers_name(mail: Host) -> None:
    context = ssl.create_default_context(cadata=mail.read(CA))
    for port in (443, 465, 995):
        with (
            socket.create_connection((mail.address, port), timeout=30) as bare,
            context.wrap_socket(bare, server_hostname=NAME) as checked,
        ):
            assert checked.version() == "TLSv1.3"


def test_the_web_is_reached_over_https_only(doors: Doors, mail: Host) -> None:
    plain = http.client.HTTPConnection(mail.address, 80, timeout=30)
    plain.request("GET", "/webmail/")
    answer = plain.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{NAME}/webmail/")
    plain.close()
    status, headers, _ = doors.https("GET", "/console/login")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    status, _, body = doors.https("GET", "/api/v1/openapi.json")
    assert (status, body[:1]) == (200, b"{")


def test_a_client_cannot_say_where_it_comes_from(doors: Doors, mail: Host) -> None:
    wrong = base64.b64encode(b"alice@example:wrong").decode()
    doors.https(
        "PROPFIND",
        "/MEHTTPMail/",
        Authorization=f"Basic {wrong}",
        X_Forwarded_For="192.0.2.99",
    )
    logs = "cat /var/lib/posthouse/logs/HTTPMAIL/*Activity*"
    here = doors.own_address()
    until(lambda: here in mail.run(logs, check=False).stdout, "it is logged", within_s=20)
    assert "192.0.2.99" not in mail.ask(logs)


def test_the_self_test_goes_through_every_door_and_leaves_nothing(play: Player, mail: Host) -> None:
    play("selftest", mail)
    assert "selftest" not in mail.ask("posthouse postoffice list --json")


@pytest.mark.parametrize(("service", "port"), [("smtp", 25), ("pop3", 110)])
@pytest.mark.parametrize("verb", ["restart", "reload"])
def test_no_client_is_refused_meanwhile(mail: Host, service: str, port: int, verb: str) -> None:
    unit = f"posthouse-{service}.service"
    before = mail.ask(f"systemctl show --value --property MainPID {unit}")
    with knocking(mail.address, port) as problems:
        for _ in range(2):
            mail.run(f"systemctl {verb} {unit}")
    assert problems == []
    after = mail.ask(f"systemctl show --value --property MainPID {unit}")
    assert (before != after) == (verb == "restart")


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_started_again(mail: Host, service: str) -> None:
    unit = f"posthouse-{service}.service"

    def pid() -> str:
        found = mail.ask(f"systemctl show --value --property MainPID {unit}").strip()
        active = mail.run(f"systemctl is-active --quiet {unit}", check=False).returncode == 0
        return found if active and found != "0" else ""

    before = pid()
    mail.run(f"kill -KILL {before}")
    until(lambda: pid() not in ("", before), f"{unit} runs again", within_s=30)


def test_a_hung_service_is_ended_by_the_watchdog(mail: Host) -> None:
    unit = "posthouse-pop3.service"
    mail.run(f"mkdir -p /run/systemd/system/{unit}.d")
    mail.write(f"/run/systemd/system/{unit}.d/watchdog.conf", "[Service]\nWatchdogSec=3s\n")
    mail.run(f"systemctl daemon-reload && systemctl restart {unit}")
    before = mail.ask(f"systemctl show --value --property MainPID {unit}").strip()
    mail.run(f"kill -STOP {before}")
    until(
        lambda: mail.ask(f"systemctl show --value --property NRestarts {unit}").strip() != "0",
        "the watchdog ended it",
        within_s=60,
    )
    mail.run(f"rm -r /run/systemd/system/{unit}.d && systemctl daemon-reload")
    mail.run(f"systemctl restart {unit}")


def test_mail_and_services_survive_a_reboot_and_a_power_cut(doors: Doors, mail: Host) -> None:
    doors.submit("Before the reboot")
    unique = doors.arrived("Before the reboot")
    mail.reboot()
    until(lambda: _all_run(mail), "all services run", within_s=60)
    assert doors.pop()[unique] == "Before the reboot"
    doors.receive("Before the power cut")
    mail.kill()
    mail.start()
    until(lambda: _all_run(mail), "all services run", within_s=60)
    doors.arrived("Before the power cut")
    assert doors.pop()[unique] == "Before the reboot"


def _all_run(host: Host) -> bool:
    units = " ".join(f"posthouse-{each}.service" for each in SERVICES)
    return host.run(f"systemctl is-active --quiet {units}", check=False).returncode == 0
