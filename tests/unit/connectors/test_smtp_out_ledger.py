"""Results of sent mail: written in groups, none lost, and none holding up another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from appliance.connectors.returns import Failure, Relayed
from appliance.connectors.smtp_out import ledger as ledger_module
from appliance.connectors.smtp_out.ledger import Entry, Ledger


class Book:
    """Stands for the queue: remembers which results came in one commit; it may be broken."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.broken: dict[str, list[Exception]] = {}
        self.open = threading.Event()
        self.open.set()

    def settle(self, relayed: Sequence[Relayed], failures: Sequence[Failure]) -> None:
        names = [each.claimed.entry_id for each in relayed]
        self.open.wait(10)
        for name in names:
            if self.broken.get(name):
                raise self.broken[name].pop(0)
        self.commits.append(names)


def relayed(name: str) -> list[Relayed]:
    return cast("list[Relayed]", [SimpleNamespace(claimed=SimpleNamespace(entry_id=name))])


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    found = Book()
    monkeypatch.setattr(ledger_module, "Returns", lambda *_, **__: found)
    monkeypatch.setattr(ledger_module, "_WRITE_AGAIN_S", 0.0)
    return found


def play(scenario: Callable[[Ledger, Callable[[str], Entry], list[str]], Any]) -> None:
    """Run a scenario with a ledger, a short way to enter a result, and who was told."""
    house: Any = SimpleNamespace(
        journey=SimpleNamespace(record=lambda _: None), queue=SimpleNamespace()
    )
    logs: Any = SimpleNamespace(note=lambda *_, **__: None)

    async def main() -> None:
        ledger = Ledger(house, logs)
        told: list[str] = []

        def enter(name: str) -> Entry:
            return ledger.enter(relayed(name), [], lambda: told.append(name))

        await scenario(ledger, enter, told)

    asyncio.run(main())


def test_results_gather_until_one_is_waited_for_and_share_its_commit(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_GATHER_S", 3600.0)

    async def scenario(_: Ledger, enter: Callable[[str], Entry], told: list[str]) -> None:
        enter("A")
        enter("B")
        last = enter("C")
        assert book.commits == []
        await last.written()
        assert book.commits == [["A", "B", "C"]]
        assert told == ["A", "B", "C"]

    play(scenario)


def test_what_comes_while_a_commit_runs_shares_the_next_one(book: Book) -> None:
    async def scenario(_: Ledger, enter: Callable[[str], Entry], told: list[str]) -> None:
        book.open.clear()
        first = asyncio.create_task(enter("A").written())
        await asyncio.sleep(0)  # it has asked for the commit
        await asyncio.sleep(0)  # which has begun
        second, third = enter("B"), enter("C")
        assert told == []
        book.open.set()
        await asyncio.gather(first, second.written(), third.written())
        assert book.commits == [["A"], ["B", "C"]]

    play(scenario)


def test_a_result_nobody_waits_for_is_written_all_the_same(book: Book) -> None:
    async def scenario(ledger: Ledger, enter: Callable[[str], Entry], told: list[str]) -> None:
        enter("A")
        await ledger.finish(10)
        assert book.commits == [["A"]]
        assert told == ["A"]

    play(scenario)


def test_a_result_that_can_not_be_written_holds_up_no_other(book: Book) -> None:
    book.broken["B"] = [OSError(28, "No space left on device")] * 3

    async def scenario(_: Ledger, enter: Callable[[str], Entry], told: list[str]) -> None:
        entries = [enter(name) for name in "ABC"]
        for entry in entries:
            await entry.written()
        assert sorted(book.commits) == [["A"], ["B"], ["C"]]
        assert sorted(told) == ["A", "B", "C"]

    play(scenario)


def test_a_result_that_can_not_be_explained_is_held_for_an_operator(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[str] = []
    monkeypatch.setattr(ledger_module, "Desk", lambda _: SimpleNamespace(hold=held.append))
    book.broken["A"] = [ValueError("nobody foresaw this")] * 2

    async def scenario(_: Ledger, enter: Callable[[str], Entry], told: list[str]) -> None:
        await enter("A").written()
        assert held == ["A"]
        assert told == ["A"]
        assert book.commits == []

    play(scenario)
