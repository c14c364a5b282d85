"""Where the services' logs lie (manual §8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.operations.house import House
from appliance.operations.operation import Invalid, Question
from appliance.operations.watch import LOGGED
from appliance.rules.access import Permission

_KINDS = {"activity": "{}-Activity-*.log", "debug": "{}-Debug-*.log", "w3c": "ex*.log"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLogs(Question[list[Path]]):
    """The files of one log.

    Attributes:
        service: a folder of logs, such as SMTP.
        kind: activity, debug or w3c.
    """

    name = "logs.find"
    permission = Permission.SERVER_READ
    service: str
    kind: str

    def answer(self, house: House) -> list[Path]:
        """Return them, the newest last."""
        if self.service not in LOGGED:
            raise Invalid(
                f"{self.service!r} has no logs; one of {', '.join(LOGGED)} has", field="service"
            )
        if self.kind not in _KINDS:
            raise Invalid(
                f"{self.kind!r} is no kind of log; one of {', '.join(_KINDS)} is", field="kind"
            )
        found = (house.home / "logs" / self.service).glob(_KINDS[self.kind].format(self.service))
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
