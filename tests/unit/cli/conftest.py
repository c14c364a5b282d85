"""A home with a post office, and the command run on it inside the test's own process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import posthouse

PASSWORD = "correct horse"

Run = Callable[..., Result]
Ask = Callable[..., Any]


def _run(home: Path, *words: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(
        posthouse, ["--home", str(home), *words], input=given, catch_exceptions=False
    )


@pytest.fixture(scope="session")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: a post office `demo` with the domain demo.test and the mailbox alice@demo."""
    home = tmp_path_factory.mktemp("furnished") / "home"
    for words in (
        ("postoffice", "create", "demo", "--password-stdin"),
        ("domain", "create", "demo.test", "--postoffice", "demo"),
        ("mailbox", "create", "alice@demo", "--password-stdin"),
    ):
        result = _run(home, *words, given=f"{PASSWORD}\n")
        assert result.exit_code == 0, result.output
    return home


@pytest.fixture
def home(_furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it for one test."""
    for name in ("SUDO_USER", "POSTHOUSE_HOME", "POSTHOUSE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Path(shutil.copytree(_furnished, tmp_path / "home"))


@pytest.fixture
def run(home: Path) -> Run:
    """Run the command on the home."""

    def command(*words: str, given: str | bytes | None = None) -> Result:
        return _run(home, *words, given=given)

    return command


@pytest.fixture
def done(run: Run) -> Callable[..., str]:
    """Run a command that must succeed; returns what it printed."""

    def command(*words: str, given: str | bytes | None = None) -> str:
        result = run(*words, given=given)
        assert result.exit_code == 0, result.output
        return result.stdout

    return command


@pytest.fixture
def ask(done: Callable[..., str]) -> Ask:
    """Run a command with --json; returns the document."""
    return lambda *words, given=None: json.loads(done(*words, "--json", given=given))


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command that must be refused; returns its one line."""

    def command(*words: str, given: str | bytes | None = None) -> str:
        result = run(*words, given=given)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("posthouse: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    return command


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command believe that somebody is there to be asked."""
    monkeypatch.setattr("appliance.cli.options.on_terminal", lambda: True)
