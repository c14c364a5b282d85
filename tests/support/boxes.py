"""Mailboxes to test the store with: filing letters, and looking at what is in a folder."""

from __future__ import annotations

from appliance.operations.house import House
from appliance.store.mailbox import MailboxStore
from appliance.store.message import NO_FLAGS, Flag, Listed, Order, Page

ALPHA, BETA = 1, 2
ALICE, CAROL = 11, 12


def letter(subject: str = "hello", sender: str = "Bob <bob@x.test>", body: str = "Hello.") -> bytes:
    """Write a letter."""
    return f"From: {sender}\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


def file(
    box: MailboxStore,
    folder_id: int,
    octets: bytes = letter(),
    *,
    flags: Flag = NO_FLAGS,
    key: str = "",
    replaces: int | None = None,
    entry_id: str = "",
) -> int:
    """File octets as a message."""
    content = box.content()
    content.write(octets)
    return box.append(
        folder_id, content, flags=flags, key=key, replaces=replaces, entry_id=entry_id
    )


def alice(house: House) -> MailboxStore:
    return house.store.mailbox(ALPHA, ALICE)


def subjects(listed: list[Listed]) -> list[str]:
    return [each.summary.subject for each in listed]


def flags(box: MailboxStore, folder_id: int) -> dict[int, Flag]:
    return {each.uid: each.flags for each in box.every(folder_id)}


def walk(
    box: MailboxStore, folder_id: int, *, order: Order, descending: bool, most: int
) -> list[Page]:
    """Turn over all pages of a folder."""
    pages = [box.page(folder_id, order=order, descending=descending, most=most)]
    while pages[-1].after:
        after = pages[-1].after
        pages.append(
            box.page(folder_id, order=order, descending=descending, most=most, after=after)
        )
    return pages


def walk_back(
    box: MailboxStore, folder_id: int, page: Page, *, order: Order, descending: bool, most: int
) -> list[Page]:
    """Turn back from a page to the first one."""
    pages = [page]
    while pages[0].before:
        before = pages[0].before
        found = box.page(folder_id, order=order, descending=descending, most=most, before=before)
        pages.insert(0, found)
    return pages
