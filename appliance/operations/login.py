"""Logging in: throttled, counted, logged; the one way for every door.

Standards: RFC 4954 §4 (535, 454), RFC 3206 (AUTH, SYS/TEMP).
Owns: a bounded pool of threads for argon2id. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from appliance.directory.lookup import fold
from appliance.directory.records import Mailbox
from appliance.journey.reason import Outcome, Reason
from appliance.operations.house import House
from appliance.rules.login import full_login, may_try
from appliance.runtime import metrics
from appliance.settings import auth, pop

_THREADS = 2  # argon2id takes 20 ms and 19 MiB each


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What came of a login: the mailbox, or why not."""

    mailbox: Mailbox | None
    login: str
    reason: Reason


class Logins:
    """Checks logins for one service."""

    def __init__(self, house: House, service: str) -> None:
        """Take the house and the service's name for the metrics."""
        self._house = house
        self._service = service
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="login")
        self._turns = asyncio.Semaphore(_THREADS)

    async def check(self, name: str, password: str, *, client: str) -> LoginResult:
        """Check a login.

        Args:
            name: as the client sent it.
            password: what it claims.
            client: its IP address.
        """
        house, settings = self._house, self._house.settings
        login = full_login(
            name,
            default_postoffice=settings[auth.default_postoffice],
            alternate_at=settings[pop.alternate_at] if self._service == "pop3" else "",
        )
        key = fold(login)
        verdict = self._may_try(key, client)
        if not verdict.accepted:
            return self._result(None, login, verdict, "throttled")
        found = house.directory.login(login)
        stored = found[1] if found else None
        if not (stored and house.passwords.remembers(key, password, stored)):
            async with self._turns:
                verdict = self._may_try(key, client)  # others of a burst have failed meanwhile
                if not verdict.accepted:
                    return self._result(None, login, verdict, "throttled")
                loop, verify = asyncio.get_running_loop(), house.passwords.verify
                if not await loop.run_in_executor(self._pool, verify, key, password, stored):
                    await asyncio.to_thread(
                        house.throttle.count,
                        f"login {key}",
                        f"client {client}",
                        within_s=settings[auth.pause],
                    )
                    wrong = Reason(
                        rule="login.wrong",
                        outcome=Outcome.REJECT,
                        text="The login or the password is wrong.",
                        inputs={"login": login, "client": client},
                    )
                    return self._result(None, login, wrong, "wrong")
        if self._failures(f"login {key}"):
            await asyncio.to_thread(house.throttle.forget, f"login {key}")
        assert found is not None
        mailbox = found[0]
        right = Reason(
            rule="login.right",
            outcome=Outcome.ACCEPT,
            text=f"{mailbox.login} has logged in.",
            inputs={"login": mailbox.login, "client": client},
        )
        return self._result(mailbox, mailbox.login, right, "right")

    def _may_try(self, key: str, client: str) -> Reason:
        return may_try(
            login_failures=self._failures(f"login {key}"),
            client_failures=self._failures(f"client {client}"),
            settings=self._house.settings,
        )

    def _failures(self, key: str) -> int:
        return self._house.throttle.failures(key, within_s=self._house.settings[auth.pause])

    def _result(
        self, mailbox: Mailbox | None, login: str, reason: Reason, outcome: str
    ) -> LoginResult:
        metrics.LOGINS.labels(self._service, outcome).inc()
        return LoginResult(mailbox, login, reason)
