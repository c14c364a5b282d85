"""Samples numbers that move, once a minute: counts of all processes, queue, disk, mail kept.

docs/metrics.md lists the series.

Owns: what each process had counted at the last sample. Failure: `StoreBusy`, `CommitFailed`: the
minute is left out, and its increases are part of the next one.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from appliance.operations.house import House
from appliance.operations.services import pages
from appliance.operations.trends import MARKER
from appliance.queue.desk import Desk
from appliance.queue.entry import ACTIVE
from appliance.queue.samples import MINUTE_US, Samples

_HOUR_US = 60 * MINUTE_US
# A sample of a process' page to a series: its first word and the labels that follow.
_COUNTED = {
    "posthouse_accepted_messages_total": (MARKER,),
    "posthouse_recipients_total": ("recipients", "connector", "outcome"),
    "posthouse_refused_total": ("refused", "rule"),
    "posthouse_logins_total": ("logins", "service", "outcome"),
}
_OPEN = {"posthouse_connections": ("connections", "service")}

_Key = tuple[str, int]  # service and process id


@dataclass(slots=True)
class _Reading:
    """What the processes said at one moment."""

    totals: dict[_Key, dict[str, int]] = field(default_factory=dict)  # series to count
    since: dict[_Key, int] = field(default_factory=dict)
    connections: Counter[str] = field(default_factory=Counter)


class Sampler:
    """Samples one home on one machine."""

    def __init__(self, house: House) -> None:
        """Begin: what has been counted until now belongs to no minute."""
        self._house = house
        self._samples = Samples(house.databases.get("journey"))
        self._last = self._read(_Reading())
        self._last_at = house.clock.now_us()
        self._hour = -1

    def sample(self) -> None:
        """Write down the minute that has just ended."""
        now = self._house.clock.now_us()
        found = self._read(self._last)
        counts = {**self._increases(found), **found.connections}
        hour = now // _HOUR_US
        levels = self._queue() | self._disk() | (self._store() if hour != self._hour else {})
        self._samples.write(now - MINUTE_US, counts=counts, levels=levels)
        self._last, self._last_at, self._hour = found, now, hour

    def _read(self, last: _Reading) -> _Reading:
        found = _Reading()
        for process, text in pages(self._house):
            key = (process.service, process.pid)
            found.since[key] = process.since
            if text:
                found.totals[key] = _take(text, found.connections)
            elif key in last.totals:  # it hangs: it is asked again in a minute
                found.totals[key] = last.totals[key]
        return found

    def _increases(self, found: _Reading) -> Counter[str]:
        """Return by how much all processes' counts have grown; one that is new began at 0."""
        increases: Counter[str] = Counter({MARKER: 0})
        for key, totals in found.totals.items():
            before = self._last.totals.get(key)
            if before is None and found.since[key] <= self._last_at:
                continue  # it ran before it could be asked: what of it is new nobody knows
            for series, total in totals.items():
                last = before.get(series, 0) if before else 0
                grown = total - last if total >= last else total  # another process of the same id
                if grown:
                    increases[series] += grown
        return increases

    def _queue(self) -> dict[str, int]:
        levels = Counter({"queue.waiting": 0})
        for (connector, state), count in Desk(self._house.queue).waiting().items():
            levels[f"queue.{connector or 'unrouted'}.{state}"] = count
            if state in ACTIVE:
                levels["queue.waiting"] += count
        return dict(levels)

    def _disk(self) -> dict[str, int]:
        found = shutil.disk_usage(self._house.home)
        return {"disk.used": found.used, "disk.free": found.free}

    def _store(self) -> dict[str, int]:
        """Return how much mail each post office keeps; asked once an hour."""
        return {
            f"store.{each.name}": sum(
                octets for _, octets in self._house.store.usages(each.id).values()
            )
            for each in self._house.directory.postoffices()
        }


def _take(text: str, connections: Counter[str]) -> dict[str, int]:
    """Return a process' counts by series; its open connections are added to the others'."""
    totals: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in _COUNTED:
                totals[_series(_COUNTED[sample.name], sample.labels)] = int(sample.value)
            elif sample.name in _OPEN and sample.value:
                connections[_series(_OPEN[sample.name], sample.labels)] += int(sample.value)
    return totals


def _series(named: tuple[str, ...], labels: Mapping[str, str]) -> str:
    first, *rest = named
    return ".".join([first, *(labels[label] for label in rest)])
