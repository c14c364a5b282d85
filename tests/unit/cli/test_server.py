"""Services, metrics, logs and upgrades by the command line."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from prometheus_client.parser import text_string_to_metric_families

from appliance.cli import logs
from appliance.operations import house as house_module
from appliance.operations.services import merge
from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]


@pytest.fixture
def bell(home: Path) -> Iterator[Doorbell]:
    """A service that runs: this process."""
    found = Doorbell(home / "run" / "doorbell", "mta")
    yield found
    found.close()


def test_a_process_is_listed_by_the_sockets_it_listens_on(bell: Doorbell, ask: Ask) -> None:
    found = ask("service", "list")
    assert [
        (each["service"], each["pid"], each["doorbell"], each["metrics"]) for each in found
    ] == [("mta", os.getpid(), True, False)]
    assert found[0]["since"].endswith("Z")


def test_a_socket_that_a_dead_process_left_does_not_count(home: Path, run: Run, ask: Ask) -> None:
    (home / "run" / "metrics").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(home / "run" / "metrics" / "smtp.1"))
    assert ask("service", "list") == []
    assert "No service" in run("service", "list").stderr
    assert run("service", "metrics").stdout == ""


def test_all_processes_metrics_make_one_valid_page(home: Path, done: Text) -> None:
    path = metrics.serve(home / "run" / "metrics", "smtp")
    metrics.LOGINS.labels("pop3", "right").inc()
    families = {
        each.name: each for each in text_string_to_metric_families(done("service", "metrics"))
    }
    path.unlink()
    assert any(
        sample.labels
        == {"service": "pop3", "outcome": "right", "process": "smtp", "pid": str(os.getpid())}
        for sample in families["posthouse_logins"].samples
    )


def test_a_family_that_several_processes_have_is_written_once() -> None:
    page = (
        "# HELP posthouse_x_total What\n# TYPE posthouse_x_total counter\nposthouse_x_total 2.0\n"
    )
    lines = merge([("smtp", 7, page), ("mta", 8, page), ("pop3", 9, "")]).splitlines()
    assert lines == [
        "# HELP posthouse_x_total What",
        "# TYPE posthouse_x_total counter",
        'posthouse_x_total{pid="7",process="smtp"} 2.0',
        'posthouse_x_total{pid="8",process="mta"} 2.0',
    ]


# ── logs ──


@pytest.fixture
def debug(home: Path) -> Path:
    """Two days of a Debug log."""
    folder = home / "logs" / "SMTP"
    folder.mkdir(parents=True)
    for day, age in (("261120", 2), ("261121", 1)):
        path = folder / f"SMTP-Debug-{day}.log"
        path.write_text("".join(f"{day}\tINFO\tID{n}\tline {n}\n" for n in range(30)))
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


@pytest.mark.usefixtures("debug")
def test_the_last_lines_are_shown_across_the_days(done: Text) -> None:
    words = ("logs", "show", "smtp", "--kind", "debug")
    assert len(done(*words).splitlines()) == 20
    lines = done(*words, "-n", "31").splitlines()
    assert lines[0] == "261120\tINFO\tID29\tline 29"
    assert lines[1] == "261121\tINFO\tID0\tline 0"
    assert done(*words, "-n", "0") == ""


@pytest.mark.usefixtures("debug")
def test_one_messages_lines_are_found_in_all_files(done: Text) -> None:
    lines = done("logs", "show", "SMTP", "--kind", "debug", "--message", "id29").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["261120", "261121"]


def test_a_log_that_is_not_there_yet_is_no_error(run: Run) -> None:
    result = run("logs", "show", "POP")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no activity log of POP yet" in result.stderr


def test_a_log_line_can_not_steer_the_terminal(home: Path, done: Text) -> None:
    folder = home / "logs" / "MTA"
    folder.mkdir(parents=True)
    (folder / "MTA-Activity-261122.log").write_bytes(b"a\tEHLO \x1b[2J\xc2\x9b\xff\n")
    assert done("logs", "show", "MTA") == "a\tEHLO \ufffd[2J\ufffd\ufffd\n"


@pytest.mark.parametrize("length", [1, 70_000])
def test_lines_are_read_backwards_by_the_block(tmp_path: Path, length: int) -> None:
    path = tmp_path / "log"
    lines = [f"{n} {'x' * length}\n".encode() for n in range(5)] + [b"no end yet"]
    path.write_bytes(b"".join(lines))
    size = path.stat().st_size
    assert logs.last_lines([(path, size)], b"", None) == lines
    assert logs.last_lines([(path, size)], b"", 2) == lines[-2:]
    assert logs.last_lines([(path, size - 10)], b"", 1) == [lines[4]]


def test_following_goes_on_with_whole_lines_and_with_the_next_file(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"old\nnew\nha")
    files = [first]

    def pause() -> None:
        if first.read_bytes().endswith(b"ha"):
            first.write_bytes(b"old\nnew\nhalf\n")
        else:
            second.write_bytes(b"next day\n")
            os.utime(second, (4_000_000_000, 4_000_000_000))
            files.append(second)

    found = logs.new_lines(lambda: files, (first, 4), pause=pause)
    assert [next(found) for _ in range(3)] == [b"new\n", b"half\n", b"next day\n"]


# ── upgrade ──


def test_databases_of_this_version_need_nothing(done: Text) -> None:
    assert "nothing to do" in done("upgrade")


def test_an_upgrade_is_refused_while_services_run_its_plan_is_not(
    home: Path, bell: Doorbell, done: Text, run: Callable[..., Result]
) -> None:
    _stamp_queue(home / "queues" / "queue.db", "queue0001")
    assert "queue: queue0001 -> " in done("upgrade", "--dry-run")
    result = run("upgrade")
    assert result.exit_code == 1
    assert "mta still run" in result.stderr
    assert not (home / "backups").exists()


def test_a_database_of_a_newer_program_is_left_alone(home: Path, refused: Text) -> None:
    _stamp_queue(home / "queues" / "queue.db", "queue9999")
    line = refused("upgrade")
    assert "queue9999" in line
    assert "newer" in line
    assert "queue9999" in refused("queue", "list")


def _stamp_queue(path: Path, version: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version_queue (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version_queue VALUES (?)", (version,))
    connection.close()


_NEXT = """
from alembic import op
revision = "next"
down_revision = "{head}"
def upgrade() -> None:
    op.execute("CREATE TABLE made_by_the_upgrade (x INTEGER)")
"""


def test_an_older_database_is_migrated_after_saying_so(
    home: Path, tmp_path: Path, done: Text, refused: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = house_module.SCHEMAS["directory"]
    folder = Path(shutil.copytree(schema.versions, tmp_path / "versions"))
    (folder / "next.py").write_text(_NEXT.format(head=schema.head))
    newer = replace(schema, versions=folder, head="next")
    monkeypatch.setitem(house_module.SCHEMAS, "directory", newer)

    assert "run `posthouse upgrade`" in refused("mailbox", "list")
    planned = done("upgrade", "--dry-run")
    assert planned == f"directory: {schema.head} -> next\n"
    assert "run `posthouse upgrade`" in refused("mailbox", "list")
    assert done("upgrade").startswith(planned)
    assert "alice@demo" in done("mailbox", "list")
    with sqlite3.connect(home / "config" / "directory.db") as connection:
        assert connection.execute("SELECT count(*) FROM made_by_the_upgrade").fetchone() == (0,)
    connection.close()
