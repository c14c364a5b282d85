"""What every daemon counts, asked for on a unix socket in Prometheus' text format."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.runtime import metrics
from tests.support.processes import Worker


def value(text: str, name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )
    return found


def test_process_answers_with_what_it_counted(tmp_path: Path) -> None:
    with Worker("count", directory=str(tmp_path), service="smtp") as other:
        path = Path(other.hear())
        assert path == tmp_path / f"smtp.{other.pid}"
        for _ in range(2):  # it may be asked again and again
            text = metrics.read(path)
            for kind, command, answer, count in (
                ("SMTP-IN", "RCPT", "2", 2),
                ("SMTP-IN", "RCPT", "5", 1),
                ("POP3-IN", "PASS", "-ERR", 1),
                ("POP3-IN", "PASS", "+OK", 1),
            ):
                labels = {"kind": kind, "command": command, "answer": answer}
                assert value(text, "posthouse_exchanges_total", **labels) == count
            assert value(text, "posthouse_notes_total", service="SMTP", level="warning") == 1


def test_answer_is_http_for_whoever_scrapes_it(tmp_path: Path) -> None:
    with Worker("count", directory=str(tmp_path), service="smtp") as other:
        path = other.hear()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(20)
            connection.connect(path)
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.0 200 OK"
    assert b"Content-Type: text/plain; version=0.0.4" in lines
    assert b"Content-Length: %d" % len(body) in lines
    assert b"# HELP posthouse_exchanges_total" in body


def test_client_that_says_nothing_stops_nobody_else(tmp_path: Path) -> None:
    with Worker("count", directory=str(tmp_path), service="smtp") as other:
        path = other.hear()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
            mute.connect(path)
            mute.close()
            assert metrics.read(Path(path))


def test_process_that_has_gone_has_no_metrics_and_its_socket_is_unlinked(tmp_path: Path) -> None:
    with Worker("count", directory=str(tmp_path), service="smtp") as other:
        path = Path(other.hear())
        other.kill()
    assert path.exists()
    assert metrics.read(path) == ""
    assert not path.exists()
    assert metrics.read(path) == ""


def test_every_metric_is_named_as_the_field_names_them() -> None:
    for family in metrics.REGISTRY.collect():
        assert family.name.startswith("posthouse_")
        assert family.documentation.endswith(".")


@pytest.mark.parametrize("command", ["", "RCPT\n", "a b", "<script>", "é 1"])
def test_command_that_is_no_word_is_counted_as_unknown(command: str) -> None:
    labels = {"kind": "TEST", "command": "?", "answer": "5"}
    before = metrics.REGISTRY.get_sample_value("posthouse_exchanges_total", labels) or 0
    metrics.EXCHANGES.add("TEST", command, "500 5.5.2 no")
    assert metrics.REGISTRY.get_sample_value("posthouse_exchanges_total", labels) == before + 1
