"""Backups: what is in them while mail moves, what their verification finds, and the way back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.agents.housekeeping.chores import CHORES
from appliance.agents.mta.agent import MtaAgent
from appliance.database.content import INLINE_MAX, Content
from appliance.database.statement import Statement
from appliance.directory.sessions import Room, SessionRow
from appliance.operations.domains import CreateDomain
from appliance.operations.health import ShowHealth
from appliance.operations.house import RESTORE_UNFINISHED, Config, HomeError, House
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operation import Clash, Invalid, NotFound, OperationError
from appliance.operations.postoffices import CreatePostOffice, DeletePostOffice
from appliance.operations.records import ListAudit
from appliance.operations.settings import ChangeSetting
from appliance.queue import badmail
from appliance.queue.desk import Desk
from appliance.runtime.locks import ProcessLock
from appliance.runtime.logs import Logs
from appliance.runtime.removals import Removals
from appliance.settings import smarthost
from appliance.store import tables
from appliance.upkeep.backup import create as backup_create
from appliance.upkeep.backup import manifest
from appliance.upkeep.backup.operations import (
    CreateBackup,
    Created,
    DeleteBackup,
    ListBackups,
    RestoreBackup,
    UpgradeWithBackup,
    VerifyBackup,
)
from tests.support import letters
from tests.support.clock import SetClock
from tests.support.letters import mails
from tests.support.town import MESSAGE, PASSWORD, Town, submit
from tests.support.waiting import until

LARGE = MESSAGE + b"filler\r\n" * (INLINE_MAX // 8)
ALICE, BOB = "alice@alpha.test", "bob@beta.test"
_HOURS_S = 7200


@pytest.fixture(autouse=True)
def _now(clock: SetClock) -> None:
    """Files have the machine's time."""
    clock.at_us = time.time_ns() // 1000


@dataclass
class Second:
    """Another machine: a home of its own, and a database of its own."""

    house: House

    def restore(self, folder: Path) -> Town:
        town = Town.__new__(Town)
        town.house = self.house
        town.do(RestoreBackup(backup=str(folder)))
        return town


@pytest.fixture
def second(
    tmp_path: Path, dialect: str, request: pytest.FixtureRequest, clock: SetClock
) -> Iterator[Second]:
    url = request.getfixturevalue("new_postgresql")() if dialect == "postgresql" else ""
    home = tmp_path / "second"
    house = House(Config(home, url, home / "config" / "key", "two"), clock=clock, to_restore=True)
    yield Second(house)
    house.close()


def deliver(house: House) -> None:
    """Do what the MTA agent does until nothing is due."""
    logs = Logs(house.home, "MTA")
    agent = MtaAgent(house, logs)
    while agent.work():
        pass
    agent.mark()
    logs.close()


def keep_house(house: House) -> None:
    for chore in CHORES:
        chore(house)


def inbox(house: House, login: str) -> dict[int, bytes]:
    mailbox = house.directory.mailbox(login)
    assert mailbox is not None
    return mails(house, mailbox.postoffice_id, mailbox.id)


def bodies(house: House, login: str) -> list[bytes]:
    """Return what somebody has, without the Return-Path line of each."""
    return sorted(each.partition(b"\r\n")[2] for each in inbox(house, login).values())


def letter(number: int, *, large: bool = False) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + (LARGE if large else MESSAGE)


def create(town: Town, **options: object) -> Created:
    return town.do(CreateBackup(**options))  # type: ignore[arg-type] # a test's own words


def problems(town: Town, folder: Path) -> list[str]:
    return town.ask(VerifyBackup(backup=str(folder))).problems


def furnish(town: Town) -> None:
    """Have something of everything."""
    house = town.house
    town.do(ChangeSetting(setting=smarthost.password.name, value="sealed secret"))
    for number in range(3):
        submit(house, ALICE, BOB, octets=letter(number, large=number == 1))
    deliver(house)
    submit(house, ALICE, octets=letter(10))
    submit(house, BOB, octets=letter(11, large=True))
    assert Desk(house.queue).look().waiting == 2
    copy = badmail.BadMail(
        entry_id="0" * 16,
        number=0,
        reverse_path="",
        recipient="x@example.org",
        subject="lost",
        size=len(MESSAGE),
        reason="nobody took it",
        at_us=1,
    )
    badmail.save(house.badmail, [copy], Content(len(MESSAGE), MESSAGE, None))


# ── what is in it, and the way back ──────────────────────────────────────────────────────────────


def test_what_was_backed_up_is_there_on_another_machine(town: Town, second: Second) -> None:
    furnish(town)
    made = create(town, label="move")
    assert made.problems == ()
    counts = made.manifest.counts
    assert (counts.postoffices, counts.domains, counts.mailboxes) == (2, 2, 4)
    assert (counts.messages, counts.queued) == (6, 2)
    before = {login: inbox(town.house, login) for login in ("alice@alpha", "bob@beta")}
    moved = shutil.copytree(made.folder, second.house.home.parent / made.folder.name)

    restored = second.restore(moved)

    house = second.house
    for login, found in before.items():
        assert inbox(house, login) == found  # by uid: POP3's UIDLs are the same
    account = house.directory.login("alice@alpha")
    assert account is not None
    assert house.passwords.verify("alice@alpha", PASSWORD, account[1])
    house.live.refresh()
    assert house.settings[smarthost.password] == "sealed secret"
    assert [each.subject for each in badmail.find(house.badmail)] == ["lost"]
    assert house.journey.search(ALICE, since_us=0, most=100)
    (audit,) = restored.ask(ListAudit(most=1))
    assert (audit.operation, audit.outcome) == ("backup.restore", "done")
    deliver(house)
    assert bodies(house, "alice@alpha") == sorted(
        letter(number, large=number == 1) for number in (0, 1, 2, 10)
    )
    assert bodies(house, "bob@beta").count(letter(11, large=True)) == 1


def test_numbers_given_out_since_the_backup_are_not_given_out_again(town: Town) -> None:
    submit(town.house, ALICE, octets=letter(1))
    deliver(town.house)
    made = create(town)
    submit(town.house, ALICE, octets=letter(2))
    deliver(town.house)
    seen = set(inbox(town.house, "alice@alpha"))
    town.do(RestoreBackup(backup=made.manifest.name))
    submit(town.house, ALICE, octets=letter(3))
    deliver(town.house)
    found = inbox(town.house, "alice@alpha")
    assert len(found) == 2
    (new,) = {uid for uid, octets in found.items() if b"Subject: 3" in octets}
    assert new not in seen


def test_a_restore_puts_aside_what_was_there(town: Town, database_url: str) -> None:
    made = create(town)
    submit(town.house, ALICE, octets=letter(1, large=True))
    deliver(town.house)
    town.do(CreateMailbox(mailbox="carol@alpha", password=PASSWORD))
    done = town.do(RestoreBackup(backup=made.manifest.name))
    assert town.house.directory.mailbox("carol@alpha") is None
    assert inbox(town.house, "alice@alpha") == {}
    assert not list(town.house.home.glob("postoffices/*/content/*/*"))
    assert len(list(done.aside.glob("postoffices/*/content/*/*"))) == 1
    aside = "database.dump" if database_url else "config/directory.db"
    assert (done.aside / aside).stat().st_size > 0
    assert not list((town.house.home / "scratch").glob("restore-*"))


def test_a_restore_signs_everybody_out(town: Town) -> None:
    row = SessionRow(
        id="0" * 64,
        room=Room.CONSOLE,
        mailbox_id=0,
        operator_id=1,
        fingerprint="x",
        remembered=0,
        created_at=1,
        seen_at=1,
        client="192.0.2.1",
        agent="",
    )
    town.house.sessions.open(row)
    made = create(town)
    assert town.house.sessions.find(row.id) is not None
    town.do(RestoreBackup(backup=made.manifest.name))
    assert town.house.sessions.find(row.id) is None


def test_a_backup_is_for_its_owner_only(town: Town) -> None:
    furnish(town)
    made = create(town)
    for path in (made.folder.parent, made.folder, *made.folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_contents_are_linked_and_a_second_backup_copies_only_databases(town: Town) -> None:
    furnish(town)
    first = create(town)
    large = list(first.folder.glob("*/**/content/*/*"))
    assert len(large) == 3  # one of alpha's, one of beta's, one in the queue
    second = create(town)
    for path in large:
        again = second.folder / path.relative_to(first.folder)
        assert again.samefile(path)
        assert again.samefile(town.house.home / path.relative_to(first.folder))
    digests = first.manifest.files
    assert {path: digests[path] for path in digests if "/content/" in path} == {
        path: digest for path, digest in second.manifest.files.items() if "/content/" in path
    }
    assert problems(town, second.folder) == []


def test_backups_on_another_disk_share_contents_among_themselves(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(town)
    home, link = town.house.home, os.link

    def elsewhere(source: Path, target: Path) -> None:
        inside = [Path(path).is_relative_to(home / "backups") for path in (source, target)]
        if inside == [False, True]:
            raise OSError(errno.EXDEV, "another disk")
        link(source, target)

    monkeypatch.setattr(os, "link", elsewhere)
    first, second = create(town), create(town)
    large = [path for path in first.manifest.files if "/content/" in path]
    assert len(large) == 3
    for path in large:
        assert not (first.folder / path).samefile(home / path)
        assert (first.folder / path).samefile(second.folder / path)
    assert problems(town, second.folder) == []


# ── while mail moves ─────────────────────────────────────────────────────────────────────────────


class Meanwhile:
    """Something that happens once, when a backup has come so far."""

    def __init__(self, when: str, happens: Callable[[], None]) -> None:
        self._when = when
        self._happens = happens
        self.has_happened = False

    def __call__(self, what: str, _done: int, _of: int) -> None:
        if what == self._when and not self.has_happened:
            self.has_happened = True
            self._happens()


class Traffic:
    """Mail before a backup and during it, each message known by its subject."""

    def __init__(self, town: Town, clock: SetClock, number: int) -> None:
        self.town, self._clock = town, clock
        kinds = ("stays", "deleted", "waits", "late")
        self._letters = {
            (kind, large): b"Subject: %s %d %d\r\n\r\n" % (kind.encode(), large, number)
            + (LARGE if large else MESSAGE)
            for kind in kinds
            for large in (False, True)
        }

    def before(self) -> None:
        self._submit("stays")
        self._submit("deleted")
        deliver(self.town.house)
        self._submit("waits")

    def meanwhile(self) -> None:
        """Deliver what waits, delete some, take more, let hours pass, and keep house."""
        house = self.town.house
        deliver(house)
        self._submit("late")
        deliver(house)
        for login in ("alice@alpha", "bob@beta"):
            mailbox = house.directory.mailbox(login)
            assert mailbox is not None
            folder = house.store.inbox(mailbox.postoffice_id, mailbox.id)
            assert folder is not None
            gone = [uid for uid, each in inbox(house, login).items() if b"Subject: deleted" in each]
            house.store.expunge(mailbox.postoffice_id, folder.id, gone)
        self._clock.advance(_HOURS_S)
        keep_house(house)

    def copies(self, house: House, login: str) -> dict[tuple[str, bool], int]:
        found = bodies(house, login)
        return {key: found.count(octets) for key, octets in self._letters.items()}

    def _submit(self, kind: str) -> None:
        for large in (False, True):
            submit(self.town.house, ALICE, BOB, octets=self._letters[kind, large])


STAGES = {
    "sqlite": (
        *("queue", "contents of queue", "store 1", "contents of store 1", "store 2"),
        *("journey", "directory", "checksums"),
    ),
    "postgresql": ("directory", "contents of queue", "contents of store", "database"),
}


def test_whenever_mail_moves_none_is_lost_and_none_doubled(
    town: Town, dialect: str, clock: SetClock, second: Second
) -> None:
    for number, stage in enumerate(STAGES[dialect]):
        traffic = Traffic(town, clock, number)
        traffic.before()
        meanwhile = Meanwhile(stage, traffic.meanwhile)
        made = create(town, progress=meanwhile)
        assert meanwhile.has_happened, stage
        assert (made.problems, made.manifest.missing) == ((), ()), stage
        assert problems(town, made.folder) == [], stage
        second.restore(made.folder)
        deliver(second.house)
        for login in ("alice@alpha", "bob@beta"):
            for (kind, large), count in traffic.copies(second.house, login).items():
                if kind in ("stays", "waits"):
                    assert count == 1, (stage, login, kind, large)
                else:
                    assert count <= 1, (stage, login, kind, large)
    clock.advance(_HOURS_S)
    keep_house(town.house)  # what stayed because of a backup goes afterwards
    for name in ("alpha", "beta"):
        found = town.house.directory.postoffice(name)
        assert found is not None
        assert letters.files(town.house, found.id) == letters.named_files(town.house, found.id)


@pytest.fixture
def nothing_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def allowed(_: Removals) -> Iterator[bool]:
        yield True

    monkeypatch.setattr(Removals, "allowed", allowed)


@pytest.mark.usefixtures("nothing_held_up")
def test_without_the_lock_contents_are_missing(town: Town, dialect: str, clock: SetClock) -> None:
    stage = "contents of store 1" if dialect == "sqlite" else "contents of store"
    traffic = Traffic(town, clock, 0)
    traffic.before()
    made = create(town, progress=Meanwhile(stage, traffic.meanwhile))
    assert made.manifest.missing
    assert made.problems


@pytest.mark.usefixtures("nothing_held_up")
@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)  # PostgreSQL is copied in one moment
def test_without_the_lock_mail_is_doubled(town: Town, clock: SetClock, second: Second) -> None:
    def happens() -> None:
        deliver(town.house)
        clock.advance(_HOURS_S)
        keep_house(town.house)

    submit(town.house, ALICE, octets=letter(0))
    deliver(town.house)
    submit(town.house, ALICE, octets=letter(1))
    made = create(town, progress=Meanwhile("store 1", happens))
    second.restore(made.folder)
    deliver(second.house)
    assert bodies(second.house, "alice@alpha") == [letter(0), letter(1)]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_in_another_order_mail_is_lost(
    town: Town, clock: SetClock, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = Traffic(town, clock, 0)
    traffic.before()
    take = backup_create.take_database
    later: list[tuple[object, ...]] = []

    def queue_last(made: object, role: str, name: str, path: str) -> None:
        if role == "queue":
            later.append((made, role, name, path))
            return
        take(made, role, name, path)  # type: ignore[arg-type] # handed on
        if role == "directory":
            take(*later[0])  # type: ignore[arg-type] # the same

    monkeypatch.setattr(backup_create, "take_database", queue_last)
    made = create(town, progress=Meanwhile("journey", traffic.meanwhile))
    second.restore(made.folder)
    deliver(second.house)
    assert traffic.copies(second.house, "alice@alpha")["waits", False] == 0


def test_mailboxes_that_come_and_go_meanwhile_break_nothing(
    town: Town, dialect: str, clock: SetClock, second: Second
) -> None:
    def happens() -> None:
        town.do(CreatePostOffice(postoffice="gamma", password=PASSWORD))
        town.do(CreateDomain(domain="gamma.test", postoffice="gamma"))
        town.do(CreateMailbox(mailbox="carol@alpha", password=PASSWORD))
        town.do(CreateMailbox(mailbox="grace@gamma", password=PASSWORD))
        submit(town.house, "carol@alpha.test", "grace@gamma.test", octets=letter(1))
        town.do(DeletePostOffice(postoffice="beta"))
        deliver(town.house)
        clock.advance(_HOURS_S)
        keep_house(town.house)

    submit(town.house, ALICE, BOB, octets=letter(0, large=True))
    deliver(town.house)
    stage = "store 1" if dialect == "sqlite" else "queue"
    made = create(town, progress=Meanwhile(stage, happens))
    assert made.problems == ()
    restored = second.restore(made.folder)
    deliver(second.house)
    keep_house(second.house)
    assert bodies(second.house, "alice@alpha") == [letter(0, large=True)]
    if second.house.directory.mailbox("carol@alpha") is not None:
        assert bodies(second.house, "carol@alpha") in ([], [letter(1)])
    # ids go on where they were: nobody finds somebody else's mail
    restored.do(CreateMailbox(mailbox="dora@alpha", password=PASSWORD))
    assert inbox(second.house, "dora@alpha") == {}


def test_a_backup_waits_for_removals_under_way(town: Town) -> None:
    made: list[Created] = []
    backup = threading.Thread(target=lambda: made.append(create(town)))
    with Removals(town.house.home).allowed() as may:
        assert may
        backup.start()
        until(lambda: list((town.house.home / "backups").glob("2*")), "the backup has begun")
        assert made == []
    backup.join(20)
    assert made[0].problems == ()


# ── how old they are ─────────────────────────────────────────────────────────────────────────────


def test_diagnosis_tells_of_a_newest_backup_that_is_old(town: Town, clock: SetClock) -> None:
    def told() -> list[str]:
        found = town.ask(ShowHealth()).findings
        return [each.text for each in found if each.cause == "backup.old"]

    clock.advance(3 * 86_400)
    assert told() == []  # nobody makes any
    create(town)
    clock.advance(2 * 86_400)
    assert told() == []
    clock.advance(3_600)
    (text,) = told()
    assert text.startswith("It was made 2 days ago")
    town.do(ChangeSetting(setting="backup.max_age", value="0"))
    assert told() == []
    town.do(ChangeSetting(setting="backup.max_age", value=None))
    create(town)
    assert told() == []


# ── what can go wrong ────────────────────────────────────────────────────────────────────────────


def test_only_one_backup_is_made_at_a_time(town: Town) -> None:
    def happens() -> None:
        with pytest.raises(Clash, match=rf"process {os.getpid()} works on the backups"):
            create(town)

    meanwhile = Meanwhile("checksums", happens)
    assert create(town, progress=meanwhile).problems == ()
    assert meanwhile.has_happened
    assert len(town.ask(ListBackups())) == 1


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_backup_that_fails_leaves_nothing(town: Town, error: BaseException) -> None:
    def fail() -> None:
        raise error

    submit(town.house, ALICE)
    for stage in ("queue", "checksums"):
        with pytest.raises(type(error)):
            create(town, progress=Meanwhile(stage, fail))
        assert list((town.house.home / "backups").iterdir()) == []
    assert create(town).problems == ()


def test_too_full_a_disk_is_told_before_anything_is_copied(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(town.house.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(Clash, match="1 MiB are free"):
        create(town)
    assert list((town.house.home / "backups").iterdir()) == []


def test_a_backup_that_was_cut_off_does_not_count_and_the_next_one_removes_it(town: Town) -> None:
    made = create(town)
    (made.folder / manifest.FILE).unlink()
    (listed,) = town.ask(ListBackups())
    assert listed.manifest is None
    with pytest.raises(Invalid, match="is no backup"):
        town.do(RestoreBackup(backup=listed.name))
    create(town)
    (listed,) = town.ask(ListBackups())
    assert listed.manifest is not None


def test_the_oldest_are_removed_beyond_those_that_are_kept(town: Town, clock: SetClock) -> None:
    town.do(ChangeSetting(setting="backup.keep", value="2"))
    made = []
    for _ in range(4):
        clock.advance(60)
        made.append(create(town))
    names = [each.manifest.name for each in made]
    assert [each.name for each in town.ask(ListBackups())] == names[2:]
    assert [each.removed for each in made] == [(), (), (names[0],), (names[1],)]
    assert problems(town, made[3].folder) == []  # whose contents the removed ones shared
    town.do(ChangeSetting(setting="backup.keep", value="0"))
    assert create(town).removed == ()
    town.do(DeleteBackup(backup=names[2]))
    assert len(town.ask(ListBackups())) == 2


def test_a_backup_with_problems_removes_no_older_one(town: Town, clock: SetClock) -> None:
    town.do(ChangeSetting(setting="backup.keep", value="1"))
    submit(town.house, ALICE, octets=letter(0, large=True))
    deliver(town.house)
    good = create(town)
    (lost,) = town.house.home.glob("postoffices/*/content/*/*")
    lost.unlink()
    clock.advance(60)
    bad = create(town)
    (problem,) = bad.problems
    path = lost.relative_to(town.house.home)
    assert problem == f"{path} was missing in the home already when the backup was made."
    assert (bad.removed, len(town.ask(ListBackups()))) == ((), 2)
    assert problems(town, good.folder) == []
    town.do(RestoreBackup(backup=bad.manifest.name))  # the rest of it is worth having


def _change(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    _replace(path, bytes(octets))


def _misspell(path: Path) -> None:
    """Change what a database says of its tables."""
    _replace(path, path.read_bytes().replace(b"content_id", b"content_ie"))


def _replace(path: Path, octets: bytes) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(octets)
    copy.replace(path)


def _count_wrong(town: Town) -> None:
    """Have a home whose own counters are wrong: an error of ours, say."""
    statement = Statement(update(tables.folders).values(messages=tables.folders.c.messages + 1))
    town.house.databases.store(1).transact(lambda tx: tx.run(statement))


def test_verification_finds_what_has_changed(town: Town, database_url: str) -> None:
    furnish(town)
    made = create(town)
    database = "database.dump" if database_url else "queues/queue.db"
    content = next(path for path in made.manifest.files if "/content/" in path)
    for path, change, expected in (
        (content, _change, "has changed"),
        (content, Path.unlink, "is missing"),
        (content, lambda path: (path.unlink(), path.write_bytes(b"")), "has 0 octets"),
        (database, _change, "has changed"),
        (database, _misspell, "can't be used"),
        (database, lambda path: os.truncate(path, 20_000), "has 20000 octets"),
        (database, Path.unlink, "can't be used"),
    ):
        copy = shutil.copytree(made.folder, made.folder.parent / "copy")
        change(copy / path)
        found = problems(town, copy)
        assert any(expected in sentence for sentence in found), (path, expected, found)
        with pytest.raises(OperationError, match="is damaged"):
            town.do(RestoreBackup(backup=str(copy)))
        shutil.rmtree(copy)
    assert len(inbox(town.house, "alice@alpha")) == 3  # nothing of it touched the home


def test_verification_recounts(town: Town) -> None:
    furnish(town)
    made = create(town)
    path = made.folder / manifest.FILE
    found = json.loads(path.read_text(encoding="utf-8"))
    found["counts"]["messages"] += 1
    path.write_text(json.dumps(found), encoding="utf-8")
    assert problems(town, made.folder) == ["There are 6 messages; the manifest says 7."]
    _count_wrong(town)
    (problem,) = create(town).problems
    assert "folders that count other messages or octets than they hold" in problem


@pytest.mark.parametrize("service", ["serve", "mta", "web"])
def test_a_restore_is_refused_while_services_run(town: Town, service: str) -> None:
    made = create(town)
    lock = ProcessLock(town.house.home / "run" / "locks" / service)
    assert lock.try_acquire(shared=True)
    with pytest.raises(
        Clash, match=rf"stop the services first: {service} \(process {os.getpid()}\)"
    ):
        town.do(RestoreBackup(backup=made.manifest.name))
    lock.release()


def test_a_newer_programs_backup_is_refused(town: Town) -> None:
    submit(town.house, ALICE)
    made = create(town)
    path = made.folder / manifest.FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"format":1', '"format":2'), encoding="utf-8")
    with pytest.raises(Invalid, match="has the format 2, this program knows 1"):
        town.do(RestoreBackup(backup=made.manifest.name))
    path.write_text(text.replace("queue0004", "queue9999"), encoding="utf-8")
    with pytest.raises(Invalid, match="version queue9999, which this program does not know"):
        town.do(RestoreBackup(backup=made.manifest.name))
    (problem,) = problems(town, made.folder)
    assert "queue9999" in problem


def test_the_other_kind_of_database_is_refused(town: Town, tmp_path: Path, clock: SetClock) -> None:
    made = create(town)
    path = made.folder / manifest.FILE
    other = {manifest.SQLITE: manifest.POSTGRESQL, manifest.POSTGRESQL: manifest.SQLITE}
    found = json.loads(path.read_text(encoding="utf-8"))
    found["database"] = other[found["database"]]
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(Invalid, match="and this home keeps its data in"):
        town.do(RestoreBackup(backup=made.manifest.name))


def test_without_the_client_programs_it_is_told_what_to_install(
    town: Town, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    if database_url:
        with pytest.raises(Clash, match=r"pg_dump is not installed.*postgresql-client"):
            create(town)
        assert list((town.house.home / "backups").iterdir()) == []
    else:
        assert create(town).problems == ()


def test_a_key_outside_the_home_is_put_where_it_belongs(
    tmp_path: Path, database_url: str, clock: SetClock
) -> None:
    key = tmp_path / "etc" / "key"
    house = House(Config(tmp_path / "home", database_url, key, "one"), clock=clock)
    town = Town(house)
    town.do(ChangeSetting(setting=smarthost.password.name, value="sealed secret"))
    made = create(town)
    key.write_bytes(b"x" * 32)
    done = town.do(RestoreBackup(backup=made.manifest.name))
    house.live.refresh()
    assert house.settings[smarthost.password] == "sealed secret"
    assert (done.aside / "key").read_bytes() == b"x" * 32
    house.close()


def test_names_that_are_none_are_refused(town: Town) -> None:
    for name in ("..", "none", "20260101T000000Z", "/nowhere"):
        with pytest.raises(NotFound, match="there is no backup"):
            town.do(RestoreBackup(backup=name))
    with pytest.raises(Invalid, match="is a path"):
        town.do(DeleteBackup(backup="/nowhere/20260101T000000Z"))
    with pytest.raises(Invalid, match="can't be part of a folder's name"):
        create(town, label="../x")


def test_a_restore_that_is_cut_off_goes_on_when_it_is_run_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(town)
    made = create(town)
    expected = inbox(town.house, "alice@alpha")
    rename, config = Path.rename, town.house.config
    for stop in range(8):
        submit(town.house, ALICE, octets=letter(100 + stop, large=True))
        deliver(town.house)
        left = stop

        def cut_off(path: Path, target: Path) -> Path:
            nonlocal left
            if not left:
                raise OSError(errno.EIO, "cut off")
            left -= 1
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", cut_off)
            with pytest.raises(HomeError, match="unfinished"):
                town.do(RestoreBackup(backup=made.manifest.name))
        with pytest.raises(HomeError, match="was cut off: run `posthouse backup restore`"):
            House(config)
        town.house.close()
        town.house = House(config, clock=town.house.clock, to_restore=True)
        done = town.do(RestoreBackup(backup=made.manifest.name))
        assert done.went_on
        assert not (config.home / RESTORE_UNFINISHED).exists()
        House(config)
        assert inbox(town.house, "alice@alpha") == expected
        assert len(list(done.aside.rglob("postoffices*/*/content/*/*"))) == 4
    town.house.close()


def _cut_off(*_: object) -> None:
    raise OSError(errno.EIO, "cut off")


def test_an_unfinished_restore_is_finished_by_its_own_backup_only(
    town: Town, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = create(town)
    clock.advance(60)
    other = create(town)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _cut_off)
        with pytest.raises(HomeError, match="unfinished"):
            town.do(RestoreBackup(backup=first.manifest.name))
    with pytest.raises(HomeError, match=f"{first.manifest.name} was cut off"):
        town.do(RestoreBackup(backup=other.manifest.name))
    town.do(RestoreBackup(backup=first.manifest.name))


def test_an_upgrade_with_nothing_to_do_makes_no_backup(town: Town) -> None:
    assert town.do(UpgradeWithBackup()) == (None, [])
    assert town.ask(ListBackups()) == []
