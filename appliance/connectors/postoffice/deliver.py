"""Delivering a batch: one transaction for each post office it concerns (connector SF).

Owns: nothing.
Failure: a message whose content can't be had waits alone; a post office whose store can't be
    written makes its own recipients wait; `DatabaseError` when the queue can't be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache, partial

from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.operations.house import House
from appliance.queue.entry import Claimed
from appliance.store.errors import ContentsMissing
from appliance.store.message import Delivery

_SIDE_BY_SIDE = 4  # post offices
_MAX_OCTETS = 8 << 20  # of contents in memory at the same time, as in the writer


Copies = Sequence[tuple[Claimed, Target]]
Piece = list[tuple[int, Copies]]  # post offices' ids with copies for each


def deliver(house: House, batch: Copies) -> dict[tuple[int, str], Reason]:
    """Put messages into mailboxes.

    Args:
        house: whose store and queue.
        batch: recipients with the mailbox each goes to.

    Returns:
        Why copies don't lie there yet (DEFER), by post office's and entry's id; of all the others
        they do.

    Raises:
        DatabaseError: the queue can't be read; what was not delivered before is so when the batch
            is repeated.
    """
    by_postoffice: dict[int, list[tuple[Claimed, Target]]] = {}
    for copy in batch:
        by_postoffice.setdefault(copy[1].postoffice_id, []).append(copy)
    problems: dict[tuple[int, str], Reason] = {}
    for pieces in _pieces(by_postoffice):
        contents = house.queue.contents(claimed for _, copies in pieces for claimed, _ in copies)
        write = partial(_deliver, house, contents)
        side_by_side = map if len(pieces) == 1 else _threads().map
        for (postoffice_id, _), found in zip(pieces, side_by_side(write, pieces), strict=True):
            problems |= {(postoffice_id, entry_id): why for entry_id, why in found.items()}
    return problems


def _pieces(by_postoffice: dict[int, list[tuple[Claimed, Target]]]) -> Iterator[Piece]:
    """Yield a batch in pieces whose contents fit into memory."""
    piece: Piece = []
    octets = 0
    for postoffice_id, copies in by_postoffice.items():
        begin, last = 0, ""
        for number, (claimed, _) in enumerate(copies):
            if claimed.file is None and claimed.entry_id != last:
                if octets + claimed.size > _MAX_OCTETS and octets:
                    yield [
                        *piece,
                        *([(postoffice_id, copies[begin:number])] if number > begin else []),
                    ]
                    piece, octets, begin = [], 0, number
                octets += claimed.size
            last = claimed.entry_id
        piece.append((postoffice_id, copies[begin:]))
    if piece:
        yield piece


@cache
def _threads() -> ThreadPoolExecutor:
    """Return what writes several post offices at the same time: they wait for the disk together."""
    return ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="delivery")


def _deliver(
    house: House, contents: Mapping[str, Content], piece: tuple[int, Copies]
) -> dict[str, Reason]:
    """Deliver to one post office; returns the problems by entry id."""
    postoffice_id, copies = piece
    problems: dict[str, Reason] = {}
    deliveries: list[Delivery] = []
    for claimed, target in copies:
        content = contents.get(claimed.entry_id)
        if content is None:
            problems[claimed.entry_id] = _unreadable(f"the content of {claimed.entry_id} is gone")
        else:
            deliveries.append(_delivery(claimed, target, content))
    while deliveries:
        try:
            house.store.deliver(postoffice_id, deliveries)
        except ContentsMissing as missing:  # nothing was written: the others go without them
            problems |= {each: _unlinkable(error) for each, error in missing.errors.items()}
            deliveries = [each for each in deliveries if each.entry_id not in missing.errors]
        except (DatabaseError, OSError) as error:
            problem = _unwritable(error)
            problems |= {each.entry_id: problem for each in deliveries}
            break
        else:
            break
    return problems


def _delivery(claimed: Claimed, target: Target, content: Content) -> Delivery:
    return Delivery(  # by place: a message may have thousands
        f"{claimed.entry_id}.{claimed.number}",
        claimed.entry_id,
        target.mailbox_id,
        content,
        claimed.of,
        _return_path(claimed.accepted.reverse_path),
        claimed.summary_json,
    )


@lru_cache(maxsize=256)
def _return_path(reverse_path: str) -> bytes:
    return f"Return-Path: <{reverse_path}>\r\n".encode()  # RFC 5321 §4.4


def _unreadable(problem: str) -> Reason:
    return Reason(
        rule="delivery.content-unreadable",
        outcome=Outcome.DEFER,
        text="The content of this message can't be read at present.",
        reply=Reply(451, "4.3.0", "The content of this message can't be read"),
        inputs={"problem": problem},
    )


def _unlinkable(error: OSError) -> Reason:
    if isinstance(error, FileNotFoundError | PermissionError):
        return _unreadable(str(error))
    return _unwritable(error)  # a full disk, for one: shorter messages may still fit


def _unwritable(error: Exception) -> Reason:
    return Reason(
        rule="delivery.postoffice-unwritable",
        outcome=Outcome.DEFER,
        text="The post office can't be written at present.",
        reply=Reply(451, "4.3.0", "The post office can't be written at present"),
        inputs={"problem": str(error)},
    )
