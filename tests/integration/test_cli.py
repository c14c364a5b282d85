"""The installed `posthouse` command, as a shell runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("posthouse")


def _run(home: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "--home", home, *words], input=given, capture_output=True, text=True, check=False
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home made by the command itself."""
    place = tmp_path / "home"
    for words in (
        ("postoffice", "create", "demo", "--password-stdin"),
        ("domain", "create", "demo.test", "--postoffice", "demo"),
        ("mailbox", "create", "alice@demo", "--password-stdin"),
    ):
        result = _run(place, *words, given="correct horse\n")
        assert (result.returncode, result.stderr) == (0, ""), result
    return place


def test_from_nothing_to_a_message_that_can_be_traced(home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert _run(home, "settings", "set", "smtp.max_recipients", "300").returncode == 0
    words = ("send", "--from", "alice@demo.test", "--to", "alice@demo.test", "--subject", "Hello")
    made = _run(home, *words, given="It works.\n").stdout.strip()
    trace = json.loads(_run(home, "message", "trace", made, "--json").stdout)
    assert trace["queued"]["subject"] == "Hello"
    assert _run(home, "message", "trace", made).stdout.startswith(f"message  {made}\n")
    found = json.loads(_run(home, "mailbox", "list", "--json").stdout)
    assert [each["login"] for each in found] == ["ADMIN@demo", "alice@demo"]


def test_the_exit_code_says_done_refused_or_usage(home: Path) -> None:
    assert _run(home, "mailbox", "show", "alice@demo").returncode == 0
    result = _run(home, "mailbox", "show", "bob@demo")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("posthouse: there is no mailbox 'bob@demo'")
    assert result.stderr.count("\n") == 1
    assert _run(home, "mailbox", "show").returncode == 2


def test_a_reader_that_has_gone_is_no_error(home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [COMMAND, "--home", home, "settings", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (result.returncode, result.stderr) == (-signal.SIGPIPE, b"")


def test_a_full_disk_below_the_output_takes_one_line(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [COMMAND, "--home", home, "settings", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == b"posthouse: No space left on device\n"


def test_ctrl_c_ends_quietly_as_the_signal_it_is(home: Path) -> None:
    folder = home / "logs" / "SMTP"
    folder.mkdir(parents=True)
    (folder / "SMTP-Activity-261122.log").write_text("one line\n")
    words = ("logs", "show", "SMTP", "--follow")
    with subprocess.Popen(
        [COMMAND, "--home", home, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"one line\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr.read() == b""


def test_on_a_terminal_tables_are_drawn_and_deletions_asked_about(home: Path) -> None:
    def on_terminal(*words: str, typed: bytes = b"") -> tuple[int, str]:
        inside, outside = pty.openpty()
        if typed:
            os.write(inside, typed)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        with subprocess.Popen(
            [COMMAND, "--home", home, *words],
            stdin=outside, stdout=outside, stderr=outside, env=environment,
        ) as process:  # fmt: skip
            os.close(outside)
            seen = b""
            try:
                while block := os.read(inside, 4096):
                    seen += block
            except OSError:  # the other end is closed
                pass
        os.close(inside)
        return process.returncode, seen.decode()

    code, seen = on_terminal("mailbox", "list")
    assert code == 0
    assert "\x1b[1mlogin" in seen
    code, seen = on_terminal("mailbox", "delete", "alice@demo", typed=b"n\n")
    assert code == 1
    assert "posthouse: nothing was changed" in seen
    assert on_terminal("mailbox", "delete", "alice@demo", typed=b"y\n")[0] == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_run_by_root_nothing_in_the_home_belongs_to_root() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        place = Path(folder)
        os.chown(place, 12345, 12345)
        words = ("postoffice", "create", "demo", "--password-stdin")
        result = _run(place, *words, given="correct horse\n")
        assert (result.returncode, result.stderr) == (0, "")
        assert {path.stat().st_uid for path in place.rglob("*")} == {12345}
        record = json.loads(_run(place, "audit", "list", "--json").stdout)[0]
    assert record["actor"] == f"operator:{os.environ.get('SUDO_USER', 'root')}"
