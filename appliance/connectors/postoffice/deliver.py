"""Delivering a batch: one transaction for each post office it concerns (connector SF).

Owns: nothing.
Failure: a message whose content can't be had waits alone; a post office whose store can't be
    written makes its own recipients wait; `DatabaseError` when the queue can't be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.operations.house import House
from appliance.queue.entry import Claimed
from appliance.store.errors import ContentsMissing
from appliance.store.message import Delivery


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one recipient.

    Attributes:
        claimed: the recipient.
        target: its mailbox.
        problem: why it does not lie there yet (DEFER); None when it does.
    """

    claimed: Claimed
    target: Target
    problem: Reason | None


def deliver(house: House, batch: Sequence[tuple[Claimed, Target]]) -> list[Delivered]:
    """Put messages into mailboxes.

    Args:
        house: whose store and queue.
        batch: recipients with the mailbox each goes to.

    Raises:
        DatabaseError: the queue can't be read; nothing was delivered.
    """
    contents: dict[str, Content | Reason] = {}
    for claimed, _ in batch:
        if claimed.entry_id not in contents:
            contents[claimed.entry_id] = _content(house, claimed)
    by_postoffice: dict[int, list[tuple[Claimed, Target]]] = {}
    for claimed, target in batch:
        by_postoffice.setdefault(target.postoffice_id, []).append((claimed, target))
    done: list[Delivered] = []
    for postoffice_id, copies in by_postoffice.items():
        problems = _deliver(house, postoffice_id, copies, contents)
        done.extend(
            Delivered(claimed, target, problems.get(claimed.entry_id)) for claimed, target in copies
        )
    return done


def _content(house: House, claimed: Claimed) -> Content | Reason:
    try:
        return house.queue.content_of(claimed)
    except (OSError, LookupError) as error:
        return _unreadable(error)


def _deliver(
    house: House,
    postoffice_id: int,
    copies: Sequence[tuple[Claimed, Target]],
    contents: dict[str, Content | Reason],
) -> dict[str, Reason]:
    """Deliver to one post office; returns the problems by entry id."""
    problems: dict[str, Reason] = {}
    deliveries: list[Delivery] = []
    for claimed, target in copies:
        content = contents[claimed.entry_id]
        if isinstance(content, Reason):
            problems[claimed.entry_id] = content
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
    reverse_path = claimed.envelope.reverse_path
    return Delivery(
        id=f"{claimed.entry_id}.{claimed.number}",
        entry_id=claimed.entry_id,
        mailbox_id=target.mailbox_id,
        content=content,
        of=claimed.of,
        prefix=f"Return-Path: <{reverse_path or ''}>\r\n".encode(),  # RFC 5321 §4.4
        summary=claimed.summary_json,
    )


def _unreadable(error: Exception) -> Reason:
    return Reason(
        rule="delivery.content-unreadable",
        outcome=Outcome.DEFER,
        text="The content of this message can't be read at present.",
        reply=Reply(451, "4.3.0", "The content of this message can't be read"),
        inputs={"problem": str(error)},
    )


def _unlinkable(error: OSError) -> Reason:
    if isinstance(error, FileNotFoundError | PermissionError):
        return _unreadable(error)
    return _unwritable(error)  # a full disk, for one: shorter messages may still fit


def _unwritable(error: Exception) -> Reason:
    return Reason(
        rule="delivery.postoffice-unwritable",
        outcome=Outcome.DEFER,
        text="The post office can't be written at present.",
        reply=Reply(451, "4.3.0", "The post office can't be written at present"),
        inputs={"problem": str(error)},
    )
