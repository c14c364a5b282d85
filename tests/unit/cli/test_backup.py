"""Backups by the command line: before an upgrade, of an earlier program, and their names."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import posthouse
from appliance.operations import house as house_module

Text = Callable[..., str]
Run = Callable[..., Result]

_NEXT = """
from alembic import op
revision = "next"
down_revision = "{head}"
def upgrade() -> None:
    op.execute("CREATE TABLE made_by_the_upgrade (x INTEGER)")
"""


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next program, whose directory has a table more."""
    schema = house_module.SCHEMAS["directory"]
    folder = Path(shutil.copytree(schema.versions, tmp_path / "versions"))
    (folder / "next.py").write_text(_NEXT.format(head=schema.head))
    newer = replace(schema, versions=folder, head="next")
    monkeypatch.setitem(house_module.SCHEMAS, "directory", newer)


def _has_new_table(home: Path) -> bool:
    with sqlite3.connect(home / "config" / "directory.db") as raw:
        found = raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'made_by_the_upgrade'")
        is_there = found.fetchone() is not None
    raw.close()
    return is_there


@pytest.mark.usefixtures("newer")
def test_an_upgrade_makes_a_backup_first_that_can_be_restored(home: Path, done: Text) -> None:
    assert "-before-upgrade: 1 post office, 2 mailboxes" in done("upgrade")
    assert _has_new_table(home)
    (made,) = json.loads(done("backup", "list", "--json"))
    assert made["label"] == "before-upgrade"
    assert not _has_new_table(home / "backups" / made["name"])
    assert "The services can be started" in done("backup", "restore", made["name"], "--yes")
    assert _has_new_table(home)  # brought along
    assert "alice@demo" in done("mailbox", "list")
    assert "nothing to do" in done("upgrade")


@pytest.mark.usefixtures("newer")
def test_an_upgrade_without_a_backup(home: Path, done: Text) -> None:
    done("upgrade", "--no-backup")
    assert _has_new_table(home)
    assert not (home / "backups").exists()


@pytest.mark.usefixtures("newer")
def test_a_backup_of_another_version_is_made_by_the_upgrade_only(refused: Text) -> None:
    assert "run `posthouse upgrade`" in refused("backup", "create")


def test_a_newer_programs_backup_is_refused_in_one_line(
    home: Path, done: Text, refused: Text
) -> None:
    (made,) = [json.loads(done("backup", "create", "--json"))]
    path = home / "backups" / made["name"] / "manifest.json"
    text = path.read_text(encoding="utf-8")
    for change, expected in (
        (("directory0002", "directory9999"), "is at version directory9999, which this program"),
        (('"directory":"', '"lists":"'), "has a database 'lists', which this program"),
    ):
        assert change[0] in text
        path.write_text(text.replace(*change), encoding="utf-8")
        assert expected in refused("backup", "restore", made["name"], "--yes")
        assert expected in refused("backup", "verify", made["name"])


def test_names_are_completed(home: Path, done: Text) -> None:
    name = json.loads(done("backup", "create", "--json"))["name"]
    words = f"posthouse --home {home} backup verify {name[:4]}"
    told = CliRunner().invoke(
        posthouse,
        prog_name="posthouse",
        env={
            "_POSTHOUSE_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": "5",
        },
    )
    assert told.output.splitlines() == [f"plain,{name}"]


def test_an_empty_home_has_no_backup(done: Text) -> None:
    assert json.loads(done("backup", "list", "--json")) == []


def test_the_command_tells_and_answers_by_its_exit_code(home: Path, run: Run, done: Text) -> None:
    told = done("backup", "create", "--label", "first")
    assert re.fullmatch(
        r"Backup \d{8}T\d{6}Z-first: 1 post office, 2 mailboxes, 0 messages, 0 in the queue\.\n"
        r".* of which .* are copied\.\n",
        told,
    )
    (backup,) = json.loads(done("backup", "list", "--json"))
    name, folder = backup["name"], home / "backups" / backup["name"]
    assert "is sound: 1 post office" in done("backup", "verify", name)
    assert name in done("backup", "list")
    (folder / "config" / "directory.db").write_bytes(b"")
    found = run("backup", "verify", name)
    assert (found.exit_code, found.stdout) == (1, "")
    assert "posthouse: config/directory.db has 0 octets" in found.stderr
    found = run("backup", "verify", name, "--json")
    assert (found.exit_code, found.stderr) == (1, "")
    assert "has 0 octets" in json.loads(found.stdout)["problems"][0]
    done("backup", "delete", name, "--yes")
    assert json.loads(done("backup", "list", "--json")) == []
    assert "there is no backup" in run("backup", "restore", name, "--yes").stderr
    assert "backup.delete" in {
        each["operation"] for each in json.loads(done("audit", "list", "--json"))
    }


@pytest.mark.usefixtures("terminal")
def test_a_restore_asks_first(home: Path, run: Run, done: Text) -> None:
    name = json.loads(done("backup", "create", "--json"))["name"]
    refused = run("backup", "restore", name, given="n\n")
    assert refused.exit_code == 1
    assert f"Restore the backup {name} into {home}? What is there is put aside." in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert not (home / "scratch").exists()
    assert "The services can be started" in run("backup", "restore", name, given="y\n").stdout
