"""Other ways to provision: PostgreSQL, other certificates; and machines that are refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.acme import authority
from tests.appliance.appliance import NAME, Doors, Given
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import Player


@pytest.fixture
def mail(lab: Lab, provisioned: Image) -> Iterator[Host]:
    """A provisioned host of a test alone."""
    made = lab.host(NAME, provisioned)
    yield made
    lab.remove(made)


def test_on_postgresql_mail_flows_and_a_backup_is_restored(
    play: Player, host: Host, given: Given
) -> None:
    wanted = given(posthouse_database="postgresql")
    play("site", host, wanted)
    doors = Doors.of(host)
    doors.submit("Kept in PostgreSQL")
    unique = doors.arrived("Kept in PostgreSQL")
    assert "Kept in PostgreSQL" in doors.webmail()
    assert not host.ask("ls /var/lib/posthouse/postoffices/*/mail.db 2>/dev/null || true")
    play("backup", host)
    [made] = json.loads(host.ask("posthouse backup list --json"))
    doors.submit("After the backup")
    doors.arrived("After the backup")
    play("restore", host, {"posthouse_backup": made["name"]})
    assert doors.arrived("Kept in PostgreSQL") == unique
    assert set(doors.pop().values()) == {"Kept in PostgreSQL"}
    assert play("site", host, wanted).changes == []
    found = play("site", host, given(), fails=True)
    assert "mail is in the other database" in " ".join(found.stdout.split())


def test_an_authoritys_certificate_serves_mail_and_web_and_is_renewed(
    play: Player, lab: Lab, mail: Host, given: Given, tmp_path: Path
) -> None:
    with authority(tmp_path, lab.outer) as (made, directory):
        root = made.ca_file.read_text()
        mail.write("/usr/local/share/ca-certificates/quay.crt", root)
        mail.run("update-ca-certificates")
        wanted = given(
            posthouse_tls="acme",
            posthouse_acme_email="keeper@example.com",
            posthouse_acme_directory=directory,
        )
        play("site", mail, wanted)
        assert [each.partition("/")[0] for each in made.asked] == [NAME]
        doors = Doors.of(mail, ca=root)
        doors.expect_certificate(root, serial=made.signed[-1])
        assert play("site", mail, wanted).changes == []
        mail.run("certbot renew --force-renewal --no-random-sleep-on-renew")
        assert len(made.signed) == 2
        doors.expect_certificate(root, serial=made.signed[-1])


def test_without_an_authority_the_own_certificate_serves_and_the_way_is_told(
    play: Player, mail: Host, given: Given
) -> None:
    nobody = "https://127.0.0.1:9/directory"
    wanted = given(
        posthouse_tls="acme",
        posthouse_acme_email="keeper@example.com",
        posthouse_acme_directory=nobody,
    )
    found = play("site", mail, wanted, fails=True)
    told = " ".join(found.stdout.split())
    assert f"{nobody} gave no certificate for {NAME}: have the names lead to this server" in told
    Doors.of(mail).submit("Meanwhile")


def test_a_given_certificate_is_used_by_mail_and_web(
    play: Player, lab: Lab, mail: Host, given: Given, tmp_path: Path
) -> None:
    certificate, key = _self_signed(tmp_path, NAME)
    wanted = given(
        posthouse_tls="given",
        posthouse_tls_certificate=str(certificate),
        posthouse_tls_key=str(key),
    )
    found = play("site", mail, wanted, options=["--diff"])
    assert "PRIVATE KEY" not in found.stdout
    Doors.of(mail, ca=certificate.read_text()).expect_certificate(certificate.read_text())
    assert mail.ask("stat --format '%U:%G %a' /etc/posthouse/tls/key.pem").strip() == (
        "root:posthouse 640"
    )


@pytest.mark.parametrize(
    ("name", "fits", "told"),
    [(NAME, False, "is not its key"), ("other.example.test", True, f"it is not for {NAME}")],
)
def test_a_certificate_that_does_not_fit_is_refused_first(
    play: Player, bare: Host, given: Given, tmp_path: Path, *, name: str, fits: bool, told: str
) -> None:
    certificate, key = _self_signed(tmp_path, name)
    if not fits:
        _, key = _self_signed(tmp_path / "other", name)
    wanted = given(
        posthouse_tls="given",
        posthouse_tls_certificate=str(certificate),
        posthouse_tls_key=str(key),
    )
    found = play("site", bare, wanted, fails=True)
    assert told in " ".join(found.stdout.split())
    assert found.changes == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"posthouse_hostname": "mail"},
            'posthouse_hostname is "mail", which is no full host name',
        ),
        ({"posthouse_tls": "letsencrypt"}, "use self_signed, given or acme"),
        ({"posthouse_tls": "acme"}, "set posthouse_acme_email"),
        ({"posthouse_wheel": "/nowhere/posthouse-1-py3-none-any.whl"}, "run `make wheel`"),
        ({"posthouse_preflight_memory_mb": 10_000_000}, "MB of memory"),
        ({"posthouse_smtp_max_recipients": "many"}, "posthouse_smtp_max_recipients"),
        ({"posthouse_smtp_max_recipient": 5}, "no setting behind posthouse_smtp_max_recipient;"),
        ({"posthouse_operators": ["nobody-there"]}, "nobody-there"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_changed(
    play: Player,
    bare: Host,
    given: Given,
    wrong: dict[str, object],
    told: str,
) -> None:
    found = play("site", bare, given(**wrong), fails=True)
    assert told in " ".join(found.stdout.split())
    assert found.changes == []


def test_another_mail_server_in_the_way_is_named(play: Player, bare: Host, given: Given) -> None:
    other = 'import signal,socket; s=socket.create_server(("",25)); signal.pause()'
    bare.run(f"systemd-run --unit=other-mta python3 -c '{other}'")
    bare.run("until ss -ltn | grep -q :25; do :; done")
    found = play("site", bare, given(), fails=True)
    bare.run("systemctl stop other-mta")
    assert "Something else listens on ports that Posthouse needs" in found.stdout
    assert "python3" in found.stdout
    assert found.changes == []


@pytest.mark.parametrize("tag", ["preflight", "database", "firewall", "settings", "web"])
def test_each_part_can_be_looked_at_alone(
    play: Player, bare: Host, given: Given, *, tag: str
) -> None:
    play("site", bare, given(), options=["--check", "--tags", tag])


def test_check_mode_says_what_would_be_done_to_a_bare_machine(
    play: Player, bare: Host, given: Given
) -> None:
    found = play("site", bare, given(), options=["--check", "--diff"])
    assert any("Put the units into place" in each for each in found.changes)
    assert bare.run("test -e /opt/posthouse", check=False).returncode != 0


def _self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    certificate, key = folder / "given.pem", folder / "given.key"
    asked = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={name} "
        f"-addext subjectAltName=DNS:{name} -keyout {key} -out {certificate}"
    )
    subprocess.run(asked.split(), check=True, capture_output=True)
    return certificate, key
