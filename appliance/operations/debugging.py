"""Verbose Debug logs: one service at a time, for a while, and back by itself (manual §8.2).

A service is verbose until a moment that stands in its setting. So nobody has to be there to end it,
and neither a restart nor a crash leaves it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from appliance.operations.house import House
from appliance.operations.operation import Change, Invalid, Question, Work
from appliance.operations.settings import ChangeSetting
from appliance.operations.watch import LOGGED, VERBOSE
from appliance.rules.access import Permission
from appliance.runtime.clock import MICROSECONDS, to_datetime
from appliance.runtime.logs import LONGEST_VERBOSE_S

SHORTEST_S, LONGEST_S = 60, LONGEST_VERBOSE_S
USUAL_S = 1800
_ALIKE = 10  # an end that is a tenth of the wanted length away from the wanted one is left


@dataclass(frozen=True, slots=True, kw_only=True)
class Debugging:
    """How much a service logs at present.

    Attributes:
        service: the logs' name, such as SMTP.
        verbose: its Debug log is verbose.
        ends_at: when that ends, µs; 0 when it is not verbose.
        log: path of the Debug log of today.
        changed: what was asked for has changed something.
    """

    service: str
    verbose: bool
    ends_at: int
    log: str
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDebugging(Change[Debugging]):
    """Make a service's Debug log verbose for a while; asked again, the end moves.

    Attributes:
        service: the logs' name, such as SMTP.
        for_s: for how many seconds, from a minute to a day.
    """

    name = "debug.on"
    permission = Permission.SERVER_CHANGE
    service: str
    for_s: int = USUAL_S

    def object(self) -> str:
        """Return what it is about."""
        return f"log {self.service}"

    def prepare(self, house: House) -> str:  # noqa: ARG002 - an operation's shape
        """Check service and length."""
        _known(self.service)
        if not SHORTEST_S <= self.for_s <= LONGEST_S:
            raise Invalid(
                f"{self.for_s} seconds is out of range; from {SHORTEST_S} to {LONGEST_S} "
                "seconds, which is a day, is right",
                field="for_s",
            )
        return ""

    def apply(self, work: Work) -> Debugging:
        """Set the end, unless it is nearly that already."""
        wanted = work.now_us // MICROSECONDS + self.for_s
        before = _stored(work, self.service)
        is_alike = before > work.now_us and (
            abs(before // MICROSECONDS - wanted) * _ALIKE <= self.for_s
        )
        ends_at = before if is_alike else wanted * MICROSECONDS
        if not is_alike:
            moment = VERBOSE[self.service].kind.render(to_datetime(ends_at))
            _set(work, self.service, moment)
        return _debugging(work.house, self.service, ends_at, changed=not is_alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopDebugging(Change[list[Debugging]]):
    """End a service's verbose Debug log, or that of all services.

    Attributes:
        service: the logs' name, such as SMTP; empty for all.
    """

    name = "debug.off"
    permission = Permission.SERVER_CHANGE
    service: str = ""

    def object(self) -> str:
        """Return what it is about."""
        return f"log {self.service}" if self.service else "logs"

    def prepare(self, house: House) -> str:  # noqa: ARG002 - an operation's shape
        """Check the service."""
        if self.service:
            _known(self.service)
        return ""

    def apply(self, work: Work) -> list[Debugging]:
        """Return the settings to their default."""
        found: list[Debugging] = []
        for service in (self.service,) if self.service else LOGGED:
            before = _stored(work, service)
            _set(work, service, None)
            found.append(_debugging(work.house, service, 0, changed=before > work.now_us))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDebugging(Question[list[Debugging]]):
    """Which services' Debug logs are verbose, until when, and where all of them lie."""

    name = "debug.list"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[Debugging]:
        """Return each service that has logs."""
        house.live.refresh()
        return [_debugging(house, service, verbose_until(house, service)) for service in LOGGED]


def verbose_until(house: House, service: str) -> int:
    """Return until when a service's Debug log is verbose, µs; 0 when it is not."""
    until = house.settings[VERBOSE[service]]
    now = to_datetime(house.clock.now_us())
    if until is None or not timedelta(0) < until - now <= timedelta(seconds=LONGEST_S):
        return 0
    return int(until.timestamp()) * MICROSECONDS


def _known(service: str) -> None:
    if service not in LOGGED:
        raise Invalid(f"{service!r} has no logs; one of {', '.join(LOGGED)} has", field="service")


def _stored(work: Work, service: str) -> int:
    """Return the end that is set, µs, whether it is over or not; 0 for none."""
    setting = VERBOSE[service]
    for name, scope, _, text in work.directory.setting_rows()[1]:
        if name == setting.name and scope in setting.scopes:
            until = setting.parse(text)
            return int(until.timestamp()) * MICROSECONDS if until else 0
    return 0


def _set(work: Work, service: str, moment: str | None) -> None:
    """Change the setting as `posthouse settings set` would, revision and all."""
    change = ChangeSetting(setting=VERBOSE[service].name, value=moment)
    change.apply(Work(work.house, work.call, change, moment or "", work.transaction))


def _debugging(house: House, service: str, ends_at: int, *, changed: bool = False) -> Debugging:
    today = to_datetime(house.clock.now_us())
    log = house.home / "logs" / service / f"{service}-Debug-{today:%y%m%d}.log"
    return Debugging(
        service=service, verbose=bool(ends_at), ends_at=ends_at, log=str(log), changed=changed
    )
