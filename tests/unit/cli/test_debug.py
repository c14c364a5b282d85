"""`posthouse debug` and `posthouse logs show --since` by the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]


def test_a_service_is_made_verbose_and_says_until_when_and_where(ask: Ask, home: Path) -> None:
    found = ask("debug", "on", "smtp", "--for", "10m")
    ends = datetime.fromisoformat(found["until"])
    assert timedelta(minutes=9) < ends - datetime.now(UTC) <= timedelta(minutes=10)
    assert (found["service"], found["verbose"], found["changed"]) == ("SMTP", True, True)
    assert datetime.now(UTC) - datetime.fromisoformat(found["since"]) < timedelta(minutes=1)
    assert found["log"].startswith(str(home / "logs" / "SMTP" / "SMTP-Debug-"))
    assert ask("debug", "on", "SMTP", "--for", "10m")["changed"] is False
    listed = {each["service"]: each for each in ask("debug", "list")}
    assert listed["SMTP"]["until"] == found["until"]
    assert listed["POP"] == {
        "service": "POP",
        "verbose": False,
        "until": None,
        "log": found["log"].replace("SMTP", "POP"),
    }
    ended = ask("debug", "off", "SMTP")
    assert (ended["verbose"], ended["until"], ended["changed"]) == (False, None, True)
    assert ask("debug", "off", "SMTP")["changed"] is False


def test_all_are_ended_together(ask: Ask, done: Text) -> None:
    done("debug", "on", "POP")
    assert [each["service"] for each in ask("debug", "off", "--all") if each["changed"]] == ["POP"]
    assert done("debug", "off", "--all") == "No service was verbose.\n"
    assert done("debug", "off", "web") == "WEB was not verbose.\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("on", "IMAP"), "IMAP"),
        (("on", "SMTP", "--for", "59s"), "out of range"),
        (("on", "SMTP", "--for", "25h"), "from 1m to 1d"),
        (("on", "SMTP", "--for", "soon"), "not a length of time"),
        (("off",), "either a service or --all"),
        (("off", "SMTP", "--all"), "either a service or --all"),
    ],
)
def test_what_can_not_be_meant_is_usage(run: Run, words: tuple[str, ...], hint: str) -> None:
    result = run("debug", *words)
    assert result.exit_code == 2
    assert hint in result.stderr


# ── logs show --since ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lines(home: Path) -> datetime:
    """A Debug log with a line a minute for two hours, until now; returns when the last was."""
    folder = home / "logs" / "SMTP"
    folder.mkdir(parents=True)
    last = datetime.now(UTC).replace(microsecond=0)
    moments = [last - timedelta(minutes=minutes) for minutes in range(119, -1, -1)]
    texts = [f"{at:%m/%d/%y %H:%M:%S}\tINFO\t-\t-\tline {n}\n" for n, at in enumerate(moments)]
    (folder / "SMTP-Debug-260101.log").write_text("".join(texts[:60]))
    (folder / "SMTP-Debug-260102.log").write_text("".join(texts[60:]) + "no time\n")
    return last


def _numbers(text: str) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in text.splitlines()]


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(("length", "count"), [("30m", 30), ("90m", 90), ("3h", 120), ("10s", 1)])
def test_lines_of_the_last_minutes_are_shown_whole(done: Text, length: str, count: int) -> None:
    text = done("logs", "show", "SMTP", "--kind", "debug", "--since", length)
    found = _numbers(text)
    assert found == list(range(120 - len(found), 120))
    assert len(found) - count in (0, 1)  # the minute that is just over


def test_lines_since_a_moment_are_shown(done: Text, lines: datetime) -> None:
    moment = (lines - timedelta(minutes=2)).isoformat()
    words = ("logs", "show", "SMTP", "--kind", "debug", "--since", moment)
    assert _numbers(done(*words)) == [117, 118, 119]
    assert _numbers(done(*words, "-n", "1")) == [119]


def test_since_something_else_is_usage(run: Run) -> None:
    result = run("logs", "show", "SMTP", "--since", "yesterday")
    assert result.exit_code == 2
    assert "'yesterday' is neither a length of time" in result.stderr
    assert run("logs", "show", "SMTP", "--kind", "w3c", "--since", "1m").exit_code == 2
