"""Going back in revisions, health, and messages returned, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from appliance.operations.services import expected
from appliance.runtime.doorbell import Doorbell

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]


@pytest.fixture
def before(done: Text, ask: Ask) -> str:
    """A revision, after which a setting and a domain were changed: its number."""
    number = str(ask("revision", "list", "--most", "1")[0]["number"])
    done("settings", "set", "smtp.max_recipients", "100")
    done("domain", "disable", "demo.test")
    return number


def value(ask: Ask) -> str:
    found: str = str(ask("settings", "get", "smtp.max_recipients")["value"])
    return found


# ── revision plan, return, undo ──────────────────────────────────────────────────────────────────


def test_a_plan_is_shown_and_changes_nothing(before: str, done: Text, ask: Ask) -> None:
    text = done("revision", "plan", before)
    assert "setting     smtp.max_recipients: 100 → 300 (default)\n" in text
    assert "domain      demo.test: enabled\n" in text
    plan = ask("revision", "plan", before)
    assert plan["revision"] == int(before)
    assert [each["object"] for each in plan["steps"]] == [
        "setting smtp.max_recipients",
        "domain demo.test",
    ]
    assert plan["kept"] == []
    assert plan["digest"]
    assert value(ask) == "100"


def test_what_stays_as_it_is_is_shown_too(done: Text, ask: Ask) -> None:
    words = ("mailbox", "create", "bob@demo", "--password-stdin")
    number = str(ask("revision", "list", "--most", "1")[0]["number"])
    done(*words, given="correct horse\n")
    text = done("revision", "plan", number)
    assert text.startswith("Nothing is to be changed.\n")
    assert "kept        mailbox bob@demo: It was made since" in text


def test_the_configuration_goes_back(before: str, done: Text, ask: Ask) -> None:
    found = ask("revision", "return", before)
    assert len(found["steps"]) == 2
    assert value(ask) == "300"
    assert done("revision", "return", before, "--yes") == "Nothing is to be changed.\n"
    assert ask("revision", "list", "--most", "1")[0]["operation"] == "revision.return"


@pytest.mark.usefixtures("terminal")
def test_somebody_at_a_terminal_sees_the_plan_and_is_asked(before: str, run: Run, ask: Ask) -> None:
    result = run("revision", "return", before, given="n\n")
    assert result.exit_code == 1
    assert "smtp.max_recipients: 100 → 300" in result.stdout
    assert "Change this?" in result.stderr
    assert value(ask) == "100"
    assert run("revision", "return", before, given="y\n").exit_code == 0
    assert value(ask) == "300"
    result = run("revision", "return", before, given="")  # nothing left to be asked about
    assert (result.exit_code, result.stdout) == (0, "Nothing is to be changed.\n")


def test_one_change_is_undone_unless_another_followed(
    before: str, done: Text, ask: Ask, refused: Text
) -> None:
    number = ask("revision", "list", "--about", "setting smtp.max_recipients")[0]["number"]
    assert "smtp.max_recipients: 100 → 300" in done("revision", "undo", str(number), "--yes")
    assert value(ask) == "300"
    assert not ask("domain", "list")[0]["enabled"]
    assert "has changed again since" in refused("revision", "undo", str(number))


@pytest.mark.usefixtures("terminal")
def test_undoing_is_asked_about_at_a_terminal(before: str, run: Run, ask: Ask) -> None:
    number = str(ask("revision", "list", "--most", "1")[0]["number"])
    assert run("revision", "undo", number, given="n\n").exit_code == 1
    assert not ask("domain", "list")[0]["enabled"]
    assert run("revision", "undo", number, given="y\n").exit_code == 0
    assert ask("domain", "list")[0]["enabled"]


@pytest.mark.parametrize("verb", ["plan", "return", "undo"])
def test_a_revision_that_is_not_there_is_refused(verb: str, refused: Text) -> None:
    assert "there is no revision 12345" in refused("revision", verb, "12345")


def test_revisions_are_listed_by_actor_and_by_the_page(before: str, ask: Ask, run: Run) -> None:
    newest = ask("revision", "list", "--most", "1")[0]
    assert newest["postoffice"] == "demo"
    later = ask("revision", "list", "--before", str(newest["number"]), "--most", "1")[0]
    assert later["object"] == "setting smtp.max_recipients"
    found = ask("revision", "list", "--actor", newest["actor"])
    assert [each["number"] for each in found[:2]] == [newest["number"], later["number"]]
    result = run("revision", "list", "--actor", "operator:nobody")
    assert (result.stdout, result.stderr) == ("", "No such revision.\n")


# ── diagnose ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def all_run(home: Path) -> Iterator[None]:
    """Every service runs: this process."""
    bells = [Doorbell(home / "run" / "doorbell", name) for name in expected()]
    yield
    for bell in bells:
        bell.close()


def test_what_is_bad_ends_diagnose_with_1(run: Run) -> None:
    result = run("diagnose")
    assert result.exit_code == 1
    assert "services       none runs\n" in result.stdout
    assert "bad   The server does not run\n" in result.stdout
    assert result.stderr.startswith("posthouse: something is bad: The server does not run")
    result = run("diagnose", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["findings"][0] == {
        "severity": "bad",
        "title": "The server does not run",
        "text": found["findings"][0]["text"],
        "cause": "service.none",
        "link": "services",
    }
    assert found["queue"]["waiting"] == 0
    assert found["queue"]["oldest_at"] is None


@pytest.mark.usefixtures("all_run")
def test_what_is_only_worth_knowing_ends_diagnose_with_0(
    done: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(total=200 << 30, used=40 << 30, free=120 << 30)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    done("settings", "set", "auth.without_tls", "yes")
    text = done("diagnose")
    assert "warn  Passwords go in clear text\n" in text
    assert "The setting is auth.without_tls." in text
    assert "queue          0 waiting, 0 on hold\n" in text
    assert "disk           25 % used, 120.0 GiB free\n" in text


# ── queue bounce, destinations ───────────────────────────────────────────────────────────────────


def test_a_message_is_handed_over_to_be_returned(done: Text, ask: Ask, refused: Text) -> None:
    words = ("send", "--from", "alice@demo.test", "--to", "bob@remote.test", "--text", "x")
    sent = done(*words).strip()
    assert ask("queue", "destinations") == []
    assert (
        done("queue", "bounce", sent, "--yes") == f"Message {sent} is returned for 1 recipient.\n"
    )
    assert ask("queue", "show", sent)["recipients"][0]["connector"] == "RETURN"
    trace = ask("message", "trace", sent)
    assert [each["kind"] for each in trace["events"]] == ["accepted", "returned"]
    assert "is not in the queue" in refused("queue", "bounce", "0" * 16, "--yes")


@pytest.mark.usefixtures("terminal")
def test_returning_is_asked_about_at_a_terminal(done: Text, run: Run, ask: Ask) -> None:
    words = ("send", "--from", "alice@demo.test", "--to", "bob@remote.test", "--text", "x")
    sent = done(*words).strip()
    result = run("queue", "bounce", sent, given="n\n")
    assert result.exit_code == 1
    assert "No further attempt is made." in result.stderr
    assert ask("queue", "show", sent)["recipients"][0]["connector"] == ""
