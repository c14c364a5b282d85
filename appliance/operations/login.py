"""Logging in: throttled, counted, logged; the one way for every door.

Standards: RFC 4954 §4 (535, 454), RFC 3206 (AUTH, SYS/TEMP).
Owns: threads for argon2id; when each mailbox's last login was written.
Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import update

from appliance.database.errors import DatabaseError
from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.lookup import fold
from appliance.directory.passwords import fingerprint
from appliance.directory.records import Mailbox, Operator
from appliance.journey.reason import Outcome, Reason
from appliance.operations.house import House
from appliance.rules.login import full_login, may_try
from appliance.runtime import metrics
from appliance.runtime.clock import MICROSECONDS
from appliance.settings import auth, pop

_THREADS = 2  # as many as `Passwords.turns` lets in
_NOTE_EVERY_US = 60 * MICROSECONDS
_NOTED_MOST = 10_000

_m = tables.mailboxes.c
_NOTE = Statement(
    update(tables.mailboxes)
    .where(_m.id == param("box"), _m.last_login_at < param("now"))
    .values(last_login_at=param("now"))
)


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What came of a login: the mailbox or the operator, or why not.

    Attributes:
        mailbox: who has logged in with a mailbox's password.
        login: the mailbox's login or operator's name; as it was tried, where nobody got in.
        reason: why, or why not.
        operator: who has logged in with an operator's password.
        stored: the password's hash; empty where nobody got in.
    """

    mailbox: Mailbox | None
    login: str
    reason: Reason
    operator: Operator | None = None
    stored: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Of the password, for what ends when it changes; empty where nobody got in."""
        return fingerprint(self.stored) if self.stored else ""


@dataclass(slots=True)
class _Attempt:
    """A login being tried.

    Attributes:
        login: as it was tried, completed.
        key: its name among failures and remembered passwords.
        client: IP address.
        mailbox: whose login it is, if a mailbox's.
        operator: the same, if an operator's.
        stored: the account's password hash; None where there is no such account.
    """

    login: str
    key: str
    client: str
    mailbox: Mailbox | None = None
    operator: Operator | None = None
    stored: str | None = field(default=None, repr=False)


def confirm(house: House, account: Mailbox | Operator, password: str) -> Reason:
    """Check the password of somebody who is signed in; a wrong one counts as a failed login.

    Blocks for some 20 ms.
    """
    if isinstance(account, Mailbox):
        key, found = f"login {fold(account.login)}", house.directory.account(account.id)
        stored = found[1] if found else None
    else:
        key, known = f"operator {fold(account.name)}", house.directory.operator_account(account.id)
        stored = known[1] if known else None
    within_s = house.settings[auth.pause]
    with house.passwords.turns:
        verdict = may_try(
            login_failures=house.throttle.failures(key, within_s=within_s),
            client_failures=0,
            settings=house.settings,
        )
        if verdict.accepted and not house.passwords.verify(key, password, stored):
            house.throttle.count(key, within_s=within_s)
            return _refuse("That is not the password until now.", {})
    return verdict


def _refuse(text: str, inputs: Mapping[str, str]) -> Reason:
    return Reason(rule="login.wrong", outcome=Outcome.REJECT, text=text, inputs=inputs)


class Logins:
    """Checks logins for one service."""

    def __init__(self, house: House, service: str) -> None:
        """Take the house and the service's name for the metrics."""
        self._house = house
        self._service = service
        self._counters = {
            outcome: metrics.LOGINS.labels(service, outcome)
            for outcome in ("right", "wrong", "throttled")
        }
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="login")
        self._noted: OrderedDict[int, int] = OrderedDict()  # mailbox id to µs
        self._guard = threading.Lock()

    async def check(self, name: str, password: str, *, client: str) -> LoginResult:
        """Check a mailbox's login, for an event loop.

        Args:
            name: as the client sent it.
            password: what it claims.
            client: its IP address.
        """
        result = self.known(name, password, client=client)
        if result is not None:
            return result
        attempt = self._of_mailbox(name, client)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._look, attempt, password)

    def known(self, name: str, password: str, *, client: str) -> LoginResult | None:
        """Check a mailbox's login without argon2id, quickly enough for an event loop.

        Returns:
            What came of it; None when that takes `check`, with the same arguments.
        """
        result = self._at_once(self._of_mailbox(name, client), password)
        found = None if result is None else result.mailbox
        if found is not None and self._is_worth_noting(found):
            self._pool.submit(self._note, found)
        return result

    def check_now(self, name: str, password: str, *, client: str) -> LoginResult:
        """Check a mailbox's login, on a thread that may wait; see `check`."""
        return self._check_now(self._of_mailbox(name, client), password)

    def check_operator_now(self, name: str, password: str, *, client: str) -> LoginResult:
        """Check an operator's login, on a thread that may wait; see `check`."""
        name = name.strip()
        operator, stored = self._house.directory.operator_login(name) or (None, None)
        key = f"operator {fold(name)}"
        attempt = _Attempt(name, key, client, operator=operator, stored=stored)
        return self._check_now(attempt, password)

    def _check_now(self, attempt: _Attempt, password: str) -> LoginResult:
        result = self._at_once(attempt, password)
        if result is None:
            return self._look(attempt, password)
        if result.mailbox is not None and self._is_worth_noting(result.mailbox):
            self._note(result.mailbox)
        return result

    def _of_mailbox(self, name: str, client: str) -> _Attempt:
        settings = self._house.settings
        login = full_login(
            name,
            default_postoffice=settings[auth.default_postoffice],
            alternate_at=settings[pop.alternate_at] if self._service == "pop3" else "",
        )
        mailbox, stored = self._house.directory.login(login) or (None, None)
        return _Attempt(login, f"login {fold(login)}", client, mailbox=mailbox, stored=stored)

    def _at_once(self, attempt: _Attempt, password: str) -> LoginResult | None:
        """Decide without argon2id, where that is possible; quick enough for an event loop."""
        failures = self._failures(attempt.key)
        refused = self._throttled(attempt, failures)
        if refused is not None:
            return refused
        if attempt.stored is None or failures:
            return None
        if self._house.passwords.remembers(attempt.key, password, attempt.stored):
            return self._right(attempt, attempt.stored)
        return None

    def _look(self, attempt: _Attempt, password: str) -> LoginResult:
        """Verify the password; blocks for some 20 ms."""
        house = self._house
        key, stored = attempt.key, attempt.stored
        with house.passwords.turns:
            # others of a burst have failed meanwhile
            refused = self._throttled(attempt, self._failures(key))
            if refused is not None:
                return refused
            remembered = stored is not None and house.passwords.remembers(key, password, stored)
            verified = remembered or house.passwords.verify(key, password, stored)
            if not verified or stored is None:
                keys = (key, f"client {attempt.client}")
                house.throttle.count(*keys, within_s=house.settings[auth.pause])
                return self._wrong(attempt)
        if self._failures(key):
            house.throttle.forget(key)
        if attempt.mailbox is not None and self._is_worth_noting(attempt.mailbox):
            self._note(attempt.mailbox)
        return self._right(attempt, stored)

    def _throttled(self, attempt: _Attempt, failures: int) -> LoginResult | None:
        verdict = may_try(
            login_failures=failures,
            client_failures=self._failures(f"client {attempt.client}"),
            settings=self._house.settings,
        )
        if verdict.accepted:
            return None
        self._counters["throttled"].inc()
        return LoginResult(None, attempt.login, verdict)

    def _wrong(self, attempt: _Attempt) -> LoginResult:
        self._counters["wrong"].inc()
        inputs = {"login": attempt.login, "client": attempt.client}
        reason = _refuse("The login or the password is wrong.", inputs)
        return LoginResult(None, attempt.login, reason)

    def _right(self, attempt: _Attempt, stored: str) -> LoginResult:
        self._counters["right"].inc()
        login = attempt.login if attempt.mailbox is None else attempt.mailbox.login
        reason = Reason(
            rule="login.right",
            outcome=Outcome.ACCEPT,
            text=f"{login} has logged in.",
            inputs={"login": login, "client": attempt.client},
        )
        return LoginResult(attempt.mailbox, login, reason, attempt.operator, stored)

    def _failures(self, key: str) -> int:
        return self._house.throttle.failures(key, within_s=self._house.settings[auth.pause])

    def _is_worth_noting(self, mailbox: Mailbox) -> bool:
        """Tell once a minute and mailbox that its login is to be written down."""
        now = self._house.clock.now_us()
        with self._guard:
            last = max(self._noted.pop(mailbox.id, 0), mailbox.last_login_at)
            due = now - last >= _NOTE_EVERY_US
            self._noted[mailbox.id] = now if due else last
            while len(self._noted) > _NOTED_MOST:
                self._noted.popitem(last=False)
        return due

    def _note(self, mailbox: Mailbox) -> None:
        """Write down, lazily, when a mailbox has logged in."""
        row = {"box": mailbox.id, "now": self._house.clock.now_us()}
        with suppress(DatabaseError):  # who has got in is not turned away for it
            self._house.databases.get("directory").transact(
                lambda transaction: transaction.run(_NOTE, row), lazy=True
            )
