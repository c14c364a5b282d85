"""What housekeeping does: each chore tidies one thing and says what it has done.

Owns: nothing. Failure: a chore that fails is logged; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from sqlalchemy import delete

from appliance.database.orphans import ORPHAN_S
from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.operations.house import House
from appliance.queue.desk import Desk
from appliance.queue.samples import Samples
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.removals import Removals
from appliance.settings import auth, journey, log, retry, trends, web

_DAY_S = 86_400
_DELIVERIES_S = 3600
_FILINGS_S = _SUBMISSIONS_S = 7 * _DAY_S
_DELIVERIES_BATCH = 5000
_CLOCK_S = 300  # that two moments may differ by

_PURGE_MAILBOX = Statement(delete(tables.mailboxes).where(tables.mailboxes.c.id == param("id")))
_PURGE_POSTOFFICE = Statement(
    delete(tables.postoffices).where(tables.postoffices.c.id == param("id"))
)
_PURGE_REST = [
    Statement(delete(table).where(table.c.deleted_at > 0))
    for table in (tables.addresses, tables.domains, tables.operators, tables.tokens)
]


def _not_during_a_backup(chore: Callable[[House], str]) -> Callable[[House], str]:
    """Leave a chore to the next round while a backup runs, which may still need what it removes."""

    @wraps(chore)
    def held(house: House) -> str:
        with Removals(house.home).allowed() as may:
            return chore(house) if may else ""

    return held


@_not_during_a_backup
def remove_deleted(house: House) -> str:
    """Remove the mail of deleted mailboxes, then what the directory remembers of them."""
    mailboxes, postoffices = house.directory.deleted()
    database = house.databases.get("directory")

    def purge(statement: Statement, row_id: int) -> None:
        database.transact(lambda tx: tx.run(statement, {"id": row_id}))

    for postoffice_id, mailbox_id in mailboxes:
        house.store.remove_mailbox(postoffice_id, mailbox_id)
        purge(_PURGE_MAILBOX, mailbox_id)
    for postoffice_id in postoffices:
        house.store.remove_postoffice(postoffice_id)
        purge(_PURGE_POSTOFFICE, postoffice_id)
    rest = database.transact(lambda tx: sum(tx.run(statement) for statement in _PURGE_REST))
    count = len(mailboxes) + len(postoffices) + rest
    return f"{count} deleted things removed" if count else ""


def expire_journey(house: House) -> str:
    """Forget journeys older than `journey.days`."""
    days = house.settings[journey.days]
    now_us = house.clock.now_us()
    count = house.journey.expire(now_us - days * _DAY_S * MICROSECONDS, now_us=now_us)
    return f"{count} journey events forgotten" if count else ""


def expire_trends(house: House) -> str:
    """Forget samples older than `trends.days`."""
    days = house.settings[trends.days]
    samples = Samples(house.databases.get("journey"))
    count = samples.expire(house.clock.now_us() - days * _DAY_S * MICROSECONDS)
    return f"{count} samples forgotten" if count else ""


def pull_in(house: House) -> str:
    """Have mail tried again that a clock which was ahead has put off for too long."""
    now_us, settings = house.clock.now_us(), house.settings
    longest_s = max(
        settings[each] for each in (retry.first, retry.second, retry.third, retry.subsequent)
    )
    latest_us = now_us + (longest_s + _CLOCK_S) * MICROSECONDS
    count = Desk(house.queue).pull_in(latest_us, now_us)
    if count:
        house.ringer.ring("mta")
        house.ringer.ring("sender")
    return f"{count} recipients no longer put off by a clock that was ahead" if count else ""


def forget_submissions(house: House) -> str:
    """Forget the keys that clients submitted messages under a week ago: nobody repeats those."""
    before = house.clock.now_us() - _SUBMISSIONS_S * MICROSECONDS
    count = house.queue.forget_submissions(before)
    return f"{count} keys of submitted messages forgotten" if count else ""


def expire_logs(house: House) -> str:
    """Remove log files older than `log.keep_days`."""
    limit_s = house.clock.now_us() / MICROSECONDS - house.settings[log.keep_days] * _DAY_S
    old = [path for path in (house.home / "logs").glob("*/*.log") if _changed_before(path, limit_s)]
    for path in old:
        path.unlink(missing_ok=True)
    return f"{len(old)} log files removed" if old else ""


def expire_throttle(house: House) -> str:
    """Forget failed logins that no longer count."""
    count = house.throttle.expire(older_than_s=house.settings[auth.pause])
    return f"{count} login throttles forgotten" if count else ""


def expire_sessions(house: House) -> str:
    """Forget sessions of the web that have run out."""
    now, settings = house.clock.now_us(), house.settings
    count = house.sessions.expire(
        remembered_before=now - settings[web.remember_lifetime] * MICROSECONDS,
        opened_before=now - settings[web.session_lifetime] * MICROSECONDS,
        idle_before=now - settings[web.session_idle] * MICROSECONDS,
    )
    return f"{count} sessions forgotten" if count else ""


@_not_during_a_backup
def forget_deliveries(house: House) -> str:
    """Forget all old deliveries whose queue entries are closed, durably closed first.

    A delivery is remembered so that a batch repeated after a crash delivers nothing twice. The
    queue closes entries lazily: only once that is on the disk can no entry come back.
    """
    before = house.clock.now_us() - _DELIVERIES_S * MICROSECONDS
    desk = Desk(house.queue)
    count = 0
    for postoffice in house.directory.postoffices():
        last = ""
        while ids := house.store.old_deliveries(
            postoffice.id, before, _DELIVERIES_BATCH, after=last
        ):
            last = ids[-1]
            closed = desk.are_closed({each.partition(".")[0] for each in ids})
            done = [each for each in ids if each.partition(".")[0] in closed]
            if done:
                house.queue.database.engine.settle()
                house.store.forget_deliveries(postoffice.id, done)
            count += len(done)
    return f"{count} deliveries forgotten" if count else ""


def forget_filings(house: House) -> str:
    """Forget the keys that clients filed messages under a week ago: nobody repeats those."""
    before = house.clock.now_us() - _FILINGS_S * MICROSECONDS
    count = sum(
        house.store.forget_filings(postoffice.id, before)
        for postoffice in house.directory.postoffices()
    )
    return f"{count} keys of filed messages forgotten" if count else ""


def remove_deleted_folders(house: House) -> str:
    """Finish deleting mailboxes' folders where a crash cut it off."""
    count = sum(
        house.store.remove_deleted_folders(postoffice.id)
        for postoffice in house.directory.postoffices()
    )
    return f"{count} deleted folders removed" if count else ""


@_not_during_a_backup
def sweep_contents(house: House) -> str:
    """Unlink content files that a crash left without a row."""
    limit_s = house.clock.now_us() / MICROSECONDS - ORPHAN_S
    count = Desk(house.queue).files().sweep(limit_s)
    for postoffice in house.directory.postoffices():
        count += house.store.files(postoffice.id).sweep(limit_s)
    return f"{count} orphaned content files removed" if count else ""


CHORES: tuple[Callable[[House], str], ...] = (
    remove_deleted,
    expire_journey,
    expire_trends,
    expire_logs,
    expire_throttle,
    expire_sessions,
    forget_deliveries,
    forget_filings,
    forget_submissions,
    pull_in,
    remove_deleted_folders,
    sweep_contents,
)


def _changed_before(path: Path, limit_s: float) -> bool:
    try:
        return path.stat().st_mtime < limit_s
    except FileNotFoundError:
        return False
