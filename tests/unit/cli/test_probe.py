"""`posthouse probe`: what it asks of the home, and what can't be meant; no server is there."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.mark.parametrize(
    "words",
    [
        ("--password-stdin",),
        ("--address", "a@b.test"),
        ("--login", "a@b"),  # and no password
        ("--web", "mail.example.com"),
        ("--httpmail", "ftp://mail.example.com"),
        ("--within", "0s"),
        ("--within", "soon"),
        ("--ca", "/nowhere/ca.pem"),
    ],
)
def test_what_can_not_be_meant_is_usage(run: Run, words: tuple[str, ...]) -> None:
    assert run("probe", *words).exit_code == 2


def test_the_ports_are_those_of_the_homes_settings(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # and from here on nobody listens there
    names = ("smtp.port", "smtp.submission_port", "smtp.submissions_port", "pop.port")
    for name in (*names, "pop.tls_port"):
        assert run("settings", "set", name, str(port)).exit_code == 0
    result = run("probe", "--web", f"http://127.0.0.1:{port}", "--json")
    assert result.exit_code == 1
    steps = json.loads(result.stdout)["steps"]
    assert len(steps) == 10
    refused = f"nobody listens at 127.0.0.1:{port}: connection refused"
    assert {each["text"] for each in steps} == {refused}


def test_a_password_that_is_empty_is_told_before_a_door_is_tried(run: Run) -> None:
    result = run("probe", "--login", "alice@demo", "--password-stdin", given="\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the first line of standard input is empty" in result.stderr


def test_without_a_home_the_usual_ports_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.cli.probe import _known
    from appliance.cli.session import Session

    monkeypatch.setenv("POSTHOUSE_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("POSTHOUSE_CONFIG", str(tmp_path / "nowhere.toml"))
    known = _known(Session(None), None)
    assert (known.home, known.name, known.clear_logins) == (None, "", False)
    assert known.ports == {
        "smtp": 25,
        "submission": 587,
        "submissions": 465,
        "pop3": 110,
        "pop3s": 995,
    }
