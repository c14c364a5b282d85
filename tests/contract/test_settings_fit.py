"""Values that must fit the house: an address, a post office, a certificate and its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.net.tls import self_signed
from appliance.operations.operation import Invalid
from appliance.operations.settings import ChangeSetting
from appliance.settings import auth, smtp, tls
from tests.support.town import Town


def change(town: Town, name: str, value: str | None, *, node: str = "") -> None:
    town.do(ChangeSetting(setting=name, value=value, node=node))
    town.house.live.refresh()


def told(town: Town, name: str, value: str) -> str:
    with pytest.raises(Invalid) as refused:
        change(town, name, value)
    assert str(refused.value).startswith(f"{name}: ")
    return str(refused.value)


def test_the_sender_of_notices_is_an_address_or_nothing(town: Town) -> None:
    assert "nope" in told(town, "smtp.bad_mail_sender", "nope")
    change(town, "smtp.bad_mail_sender", "postmaster@example.com")
    assert town.house.settings[smtp.bad_mail_sender] == "postmaster@example.com"
    change(town, "smtp.bad_mail_sender", "")
    assert town.house.settings[smtp.bad_mail_sender] == ""


def test_the_default_post_office_exists(town: Town) -> None:
    text = told(town, "auth.default_postoffice", "nowhere")
    assert "there is no post office 'nowhere'; see `posthouse postoffice list`" in text
    change(town, "auth.default_postoffice", "alpha")
    assert town.house.settings[auth.default_postoffice] == "alpha"


def test_certificate_and_key_can_be_read_and_are_what_they_are_called(
    town: Town, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path / "one", ["mail.test"])
    missing = str(tmp_path / "missing.pem")
    assert "No such file or directory" in told(town, "tls.certificate_file", missing)
    assert "holds no CERTIFICATE" in told(town, "tls.certificate_file", str(key))
    assert "holds no PRIVATE KEY" in told(town, "tls.key_file", str(certificate))
    assert "is not absolute" in told(town, "tls.key_file", "server.key")
    assert town.house.settings[tls.key_file] == ""


def test_a_key_that_does_not_fit_the_certificate_is_refused(town: Town, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path / "one", ["mail.test"])
    certificate_2, key_2 = self_signed(tmp_path / "two", ["mail.test"])
    change(town, "tls.certificate_file", str(certificate))
    assert "reset tls.certificate_file first" in told(town, "tls.key_file", str(key_2))
    change(town, "tls.key_file", str(key))
    assert "reset tls.key_file first" in told(town, "tls.certificate_file", str(certificate_2))
    change(town, "tls.key_file", None)
    change(town, "tls.certificate_file", str(certificate_2))
    change(town, "tls.key_file", str(key_2))
    assert town.house.settings[tls.key_file] == str(key_2)


def test_files_of_another_node_are_not_looked_at_here(town: Town) -> None:
    change(town, "tls.certificate_file", "/only/there.pem", node="elsewhere")
    assert town.house.settings[tls.certificate_file] == ""
