"""What a client can't do to the others: keep the server busy, get in without TLS, hide its name."""

from __future__ import annotations

import os
import pathlib
import ssl

import pytest

from appliance.database.content import INLINE_MAX, ContentFolder, ContentWriter
from appliance.net.certificates import Certificates
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Smtp, Wire


def test_commands_that_lead_to_no_message_end_the_connection(server: Server) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.send(b"NOOP\r\n" * 20_000)
        answers = client.rest().splitlines()
    assert answers[-1].startswith(b"421 4.7.0 Too many commands"), answers[-1]
    assert len(answers) < 110


def test_a_message_begins_the_count_of_commands_anew(server: Server, box: Box) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for _ in range(3):
            client.send(b"NOOP\r\n" * 80)
            for _ in range(80):
                client.line()
            client.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{box.address}>\r\nDATA\r\n".encode())
            assert [client.line()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
            client.send(b"Subject: x\r\n\r\n.\r\n")
            assert client.line().startswith(b"250 2.0.0")


@pytest.mark.parametrize("certificate", ["/nonexistent", "{home}/garbage.pem"])
def test_a_certificate_that_cannot_be_used_is_told_and_tls_stays(
    tmp_path: pathlib.Path, certificate: str
) -> None:
    """No listener is ever without TLS, for a plain one would take passwords."""
    (tmp_path / "garbage.pem").write_text("no certificate")
    complaints: list[str] = []
    certificates = Certificates(tmp_path / "tls", ["localhost"])
    path = certificate.format(home=tmp_path)
    certificates.follow(path, path, complaints.append)
    assert len(complaints) == 1
    assert path in complaints[0]
    assert isinstance(certificates.context, ssl.SSLContext)
    assert certificates.context.cert_store_stats() is not None


def test_the_journey_and_the_received_line_name_the_mailbox_however_it_was_written(
    server: Server, box: Box
) -> None:
    with Smtp(server.ports["submissions"], tls=server.tls) as client:
        client.ehlo()
        assert client.auth(box.address.upper(), box.password).code == 235
        client.send(f"MAIL FROM:<{box.address}>\r\nRCPT TO:<{box.address}>\r\nDATA\r\n".encode())
        assert [client.line()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        client.send(b"Subject: x\r\n\r\n.\r\n")
        message_id = client.line().decode().rpartition("(")[2].rstrip(")\r\n")
    events = server.json("message", "trace", message_id, "--json")["events"]
    accepted = next(event for event in events if event["kind"] == "accepted")
    assert accepted["detail"]["login"] == box.login
    assert accepted["reason"]["rule"] == "recipient.local"


def test_a_content_that_no_longer_fits_leaves_no_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ContentWriter(ContentFolder(tmp_path), "0123456789ABCDEF")
    content.write(b"x" * (INLINE_MAX + 1))
    assert content.is_file
    file = content._file  # noqa: SLF001 - a disk that fills up under it
    assert file is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.fileno())
    os.close(full)
    content.abandon()
    assert list(ContentFolder(tmp_path).names()) == []


@pytest.mark.parametrize("ends_by", ["garbage", "hanging up"])
@pytest.mark.parametrize("port", ["smtp", "pop3", "submissions", "pop3s"])
def test_who_fails_in_the_handshake_has_left(
    strict: Server, source: str, port: str, ends_by: str
) -> None:
    """More of them than a client may have connections at the same time, one after the other."""
    for _ in range(5):
        with Wire(strict.ports[port], source=source) as client:
            if port == "smtp":
                assert client.line().startswith(b"220 ")
                client.send(b"EHLO client.example\r\nSTARTTLS\r\n")
                while not (line := client.line()).startswith(b"220 "):
                    assert line.startswith(b"250")
            elif port == "pop3":
                assert client.line().startswith(b"+OK")
                client.send(b"STLS\r\n")
                assert client.line().startswith(b"+OK")
            if ends_by == "garbage":
                client.send(b"this is no handshake\r\n" * 20)
                client.rest()
    until(lambda: _is_greeted(strict, port, source), "a connection is free")


def _is_greeted(server: Server, port: str, source: str) -> bool:
    tls = server.tls if port.endswith("s") else None
    with Wire(server.ports[port], source=source, tls=tls) as client:
        return client.line().startswith((b"220 ", b"+OK"))
