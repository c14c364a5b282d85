"""What POP3 sessions share: listings, messages read ahead, and what is noted for the journey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from appliance.journey.event import Kind
from appliance.operations.house import House
from appliance.protocol.pop3_events import LINES_A_PIECE
from appliance.services.pop3 import maildrop as maildrops
from appliance.services.pop3.maildrop import InboxMaildrop, Listing, Listings, Text
from appliance.services.pop3.read_ahead import ReadAhead
from appliance.services.pop3.record import Record
from appliance.store.message import Copy
from appliance.store.store import Store
from tests.support.clock import SetClock
from tests.support.letters import delivery, entry

ALPHA = 1
ALICE, BOB = 11, 12


class Loop:
    """An event loop's clock that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.at

    def call_later(self, seconds: float, work: Callable[[], None]) -> None:
        self._due.append((self.at + seconds, work))

    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        due = [work for when, work in self._due if when <= self.at]
        self._due = [each for each in self._due if each[0] > self.at]
        for work in due:
            work()


class CountingStore(Store):
    """A store that notes which ranges of uids are read."""

    def __init__(self, house: House) -> None:
        super().__init__(house.databases, clock=house.clock)
        self.read: list[tuple[int, int]] = []

    def copies(self, postoffice_id: int, folder_id: int, first: int, last: int) -> list[Copy]:
        self.read.append((first, last))
        return super().copies(postoffice_id, folder_id, first, last)


@pytest.fixture
def store(house: House) -> CountingStore:
    return CountingStore(house)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def ahead(store: Store, loop: Loop) -> ReadAhead:
    return ReadAhead(store, now=loop.time, later=loop.call_later)


def fill(store: Store, count: int, *, mailbox: int = ALICE, octets: int = 20) -> None:
    first = 1000 * mailbox
    store.deliver(
        ALPHA,
        [
            delivery(entry(first + n), mailbox, octets=b"%d" % n * octets)
            for n in range(1, count + 1)
        ],
    )


def maildrop(store: Store, mailbox: int = ALICE) -> InboxMaildrop:
    folder = store.inbox(ALPHA, mailbox)
    return InboxMaildrop(ALPHA, mailbox, folder, Listings(store))


def uids(found: Sequence[Copy | None]) -> list[int | None]:
    return [None if copy is None else copy.uid for copy in found]


# ── retrieving ───────────────────────────────────────────────────────────────────────────────────


def test_client_that_goes_on_in_order_is_read_for_in_longer_and_longer_steps(
    store: CountingStore, ahead: ReadAhead
) -> None:
    fill(store, 40)
    drop = maildrop(store)
    for number in range(1, 41):
        [copy] = ahead.copies(drop, [number])
        assert copy is not None
        assert (copy.uid, copy.body) == (number, b"%d" % number * 20)
    assert store.read == [(1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 40)]


def test_commands_that_are_there_at_once_are_read_at_once(
    store: CountingStore, ahead: ReadAhead
) -> None:
    fill(store, 40)
    drop = maildrop(store)
    assert uids(ahead.copies(drop, [*range(3, 28), 30, 31])) == [*range(3, 28), 30, 31]
    assert store.read == [(3, 27), (30, 31)]


def test_client_that_takes_messages_here_and_there_is_read_for_singly(
    store: CountingStore, ahead: ReadAhead
) -> None:
    fill(store, 9)
    drop = maildrop(store)
    for number in (5, 5, 2, 9, 1):
        assert uids(ahead.copies(drop, [number])) == [number]
    assert store.read == [(5, 5), (5, 5), (2, 2), (9, 9), (1, 1)]


def test_message_that_was_retrieved_out_of_its_turn_is_there_in_its_turn(
    store: CountingStore, ahead: ReadAhead
) -> None:
    fill(store, 9)
    drop = maildrop(store)
    for number in (1, 2, 3, 4, 6, 5, 6, 7, 6, 6):
        assert uids(ahead.copies(drop, [number])) == [number]
    assert uids(ahead.copies(drop, [8, 7, 8, 9])) == [8, 7, 8, 9]
    assert ahead.copy(drop, 8) is not None


def test_no_more_is_read_ahead_than_some_octets(store: CountingStore, ahead: ReadAhead) -> None:
    fill(store, 12, octets=20_000)
    drop = maildrop(store)
    assert uids(ahead.copies(drop, range(1, 13))) == [*range(1, 13)]
    sizes = maildrop(store).listing().sizes
    assert len(store.read) > 1
    assert all(sum(sizes[first - 1 : last]) <= 256 << 10 for first, last in store.read)


def test_message_deleted_by_webmail_is_gone_a_second_later(
    store: CountingStore, ahead: ReadAhead, loop: Loop
) -> None:  # RFC 1939 §3 would have it stay until the end of the session
    fill(store, 6)
    drop = maildrop(store)
    assert uids(ahead.copies(drop, [1, 2, 3])) == [1, 2, 3]  # and the next four are read then:
    assert uids(ahead.copies(drop, [4])) == [4]
    store.expunge(ALPHA, drop.folder_id, [5, 6])
    assert uids(ahead.copies(drop, [5])) == [5]
    loop.pass_time(1.5)
    assert uids(ahead.copies(drop, [6, 5])) == [None, None]


def test_many_messages_that_have_gone_are_looked_for_once(
    store: CountingStore, ahead: ReadAhead
) -> None:
    fill(store, 9)
    drop = maildrop(store)
    drop.listing()
    store.expunge(ALPHA, drop.folder_id, [2, 3, 4, 5])
    assert uids(ahead.copies(drop, range(1, 10))) == [1, None, None, None, None, 6, 7, 8, 9]
    assert store.read == [(1, 9)]


def test_large_message_is_named_by_its_file(
    store: CountingStore, ahead: ReadAhead, tmp_path: Path
) -> None:
    octets = b"x" * 200_000
    given = delivery(entry(1), ALICE, octets=octets, prefix=b"P: q\r\n", file=tmp_path / "large")
    store.deliver(ALPHA, [given])
    [copy] = ahead.copies(maildrop(store), [1])
    assert copy is not None
    assert (copy.body, copy.prefix, copy.size) == (None, b"P: q\r\n", 200_006)
    assert b"".join(copy.content(store.folder(ALPHA)).chunks()) == octets


def test_session_that_pauses_or_ends_holds_nothing(
    store: CountingStore, ahead: ReadAhead, loop: Loop
) -> None:
    fill(store, 4)
    fill(store, 4, mailbox=BOB)
    alice, bob = maildrop(store), maildrop(store, BOB)
    for drop in (alice, bob):
        ahead.copies(drop, [1])
        ahead.copies(drop, [2])
        assert ahead.octets > 0
    ahead.forget(alice)
    loop.pass_time(1.1)
    assert ahead.octets == 0
    loop.pass_time(1.1)
    assert uids(ahead.copies(bob, [3])) == [3]


def test_all_sessions_together_hold_no_more_than_some_octets(
    store: CountingStore, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.services.pop3.read_ahead._OCTETS_OF_ALL", 100)
    ahead = ReadAhead(store, now=loop.time, later=loop.call_later)
    for mailbox in range(20, 26):
        fill(store, 3, mailbox=mailbox)
        drop = maildrop(store, mailbox)
        assert uids(ahead.copies(drop, [1])) == [1]
        assert uids(ahead.copies(drop, [2])) == [2]
        assert ahead.octets <= 100
        assert uids(ahead.copies(drop, [3])) == [3]


# ── listings ─────────────────────────────────────────────────────────────────────────────────────


def test_listing_is_said_in_pieces_of_so_many_lines() -> None:
    count = LINES_A_PIECE + 2
    listing = Listing([(2 * n, 7 * n) for n in range(1, count + 1)], 99)
    for text, line in ((Text.LIST, "{0} {1}"), (Text.UIDL, "{0} 99.{2}")):
        pieces = list(listing.render(text))
        assert [piece.count(b"\r\n") for piece in pieces] == [LINES_A_PIECE, 2]
        wanted = "".join(line.format(n, 7 * n, 2 * n) + "\r\n" for n in range(1, count + 1))
        assert b"".join(pieces) == wanted.encode()


def test_later_session_gets_the_listing_and_its_texts_while_nothing_changes(store: Store) -> None:
    fill(store, 3)
    listings = Listings(store)

    def session() -> InboxMaildrop:
        return InboxMaildrop(ALPHA, ALICE, store.inbox(ALPHA, ALICE), listings)

    first = session()
    text = list(first.uidl_pieces())
    second = session()
    assert second.listing() is first.listing()
    assert list(second.uidl_pieces()) == text
    assert next(second.uidl_pieces()) is text[0]
    fill(store, 1, mailbox=BOB)
    assert session().listing() is first.listing()
    store.expunge(ALPHA, first.folder_id, [1])
    third = session()
    assert third.listing().uids.tolist() == [2, 3]
    assert first.listing().uids.tolist() == [1, 2, 3]


def test_listings_that_are_kept_take_no_more_than_some_octets(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildrops, "_KEPT_OCTETS", 500)
    monkeypatch.setattr(maildrops, "_TEXT_OCTETS", 100)
    listings = Listings(store)
    drops = []
    for mailbox in range(20, 24):
        fill(store, 10, mailbox=mailbox)
        drop = InboxMaildrop(ALPHA, mailbox, store.inbox(ALPHA, mailbox), listings)
        drops.append(drop)
        assert b"".join(drop.list_pieces()).count(b"\r\n") == 10  # some 60 octets: kept
        assert b"".join(drop.uidl_pieces()).count(b"\r\n") == 10  # more than 100: not kept
        assert listings.octets <= 500
    assert [drop.listing().is_kept for drop in drops] == [False, False, True, True]
    assert [list(drop.listing().texts) for drop in drops] == [[], [], [Text.LIST], [Text.LIST]]
    assert b"".join(drops[0].list_pieces()).count(b"\r\n") == 10
    assert not drops[0].listing().texts


def test_only_a_long_listing_that_is_not_known_takes_long(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildrops, "_MANY", 2)
    fill(store, 3)
    fill(store, 2, mailbox=BOB)
    listings = Listings(store)
    long = InboxMaildrop(ALPHA, ALICE, store.inbox(ALPHA, ALICE), listings)
    short = InboxMaildrop(ALPHA, BOB, store.inbox(ALPHA, BOB), listings)
    empty = InboxMaildrop(ALPHA, 13, store.inbox(ALPHA, 13), listings)
    assert [drop.takes_long() for drop in (long, short, empty)] == [True, False, False]
    long.take(long.load())
    assert not long.takes_long()
    again = InboxMaildrop(ALPHA, ALICE, store.inbox(ALPHA, ALICE), listings)
    assert not again.takes_long()


def test_listing_longer_than_what_is_read_at_once_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.store._LISTED_AT_ONCE", 4)
    for count in (3, 4, 5, 8):
        mailbox = 20 + count
        fill(store, count, mailbox=mailbox)
        folder = store.inbox(ALPHA, mailbox)
        assert folder is not None
        assert [uid for uid, _ in store.listing(ALPHA, folder)] == [*range(1, count + 1)]


# ── the journey ──────────────────────────────────────────────────────────────────────────────────


def test_what_sessions_do_is_written_a_moment_later_in_its_order(
    house: House, loop: Loop, clock: SetClock
) -> None:
    downloads = Record(house, Kind.DOWNLOADED, later=loop.call_later)
    deletions = Record(house, Kind.DELETED, later=loop.call_later)
    downloads.add([entry(1), "", entry(2)], login="alice@alpha", client="127.0.0.1")
    clock.advance(0.1)
    deletions.add([entry(2)], login="alice@alpha", client="127.0.0.1")
    downloads.add([entry(2)], login="bob@alpha", client="127.0.0.2")
    assert house.journey.of(entry(1)) == []
    loop.pass_time(0.3)
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)
    assert [each.text for each in house.journey.of(entry(1))] == [
        "downloaded by alice@alpha over POP3 from 127.0.0.1"
    ]
    found = house.journey.of(entry(2))
    assert [(each.kind, each.recipient) for each in found if each.recipient == "alice@alpha"] == [
        (Kind.DOWNLOADED, "alice@alpha"),
        (Kind.DELETED, "alice@alpha"),
    ]
    assert len(found) == 3


def test_much_that_sessions_do_is_written_at_once(
    house: House, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.services.pop3.record._MOST", 3)
    downloads = Record(house, Kind.DOWNLOADED, later=loop.call_later)
    for number in range(1, 4):
        downloads.add([entry(number)], login="alice@alpha", client="127.0.0.1")
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)
    assert all(house.journey.of(entry(number)) for number in range(1, 4))


@pytest.mark.parametrize(
    ("octets", "is_known"),
    [
        (b"Subject: hello\r\n\r\nHello.\r\n", True),
        (b"\r\n", True),
        (b"", False),
        (b"no line end", False),
        (b".dot\r\n", False),
        (b"a\r\n.\r\nb\r\n", False),
        (b"bare LF\n.\r\n", False),
        (b"bare\rCR\r\n", False),
        (b"N\0L\r\n", False),
    ],
)
def test_what_is_sent_as_it_is_is_known_since_it_was_filed(
    store: Store, octets: bytes, *, is_known: bool
) -> None:  # RFC 1939 §3
    store.deliver(ALPHA, [delivery(entry(1), ALICE, octets=octets)])
    folder = store.inbox(ALPHA, ALICE)
    assert folder is not None
    [copy] = store.copies(ALPHA, folder.id, 1, 1)
    assert (bool(copy.unchanged), copy.body) == (is_known, octets)
