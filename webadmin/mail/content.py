"""A message's octets, as reading needs them: small ones from their row, large ones mapped.

Owns: the mapping, until the block is left. Failure: 404 for what is not there, or no longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap

from flask import abort

from appliance.mail.part import Buffer, Part, find
from appliance.store.message import Message
from webadmin.mail.mailbox import mailbox

_ROOT = "0"  # how an address names the message itself among its parts


def message_or_404(folder_id: int, uid: int) -> Message:
    """Return a message of whoever is signed in."""
    found = mailbox().message(folder_id, uid)
    if found is None:
        abort(404)
    return found


@contextmanager
def opened(message: Message) -> Iterator[Buffer]:
    """Give a message's octets, without the lines that only this copy has."""
    content = message.content
    if content.body is not None:
        yield content.body
        return
    assert content.path is not None
    try:
        file = content.path.open("rb")
    except FileNotFoundError:  # deleted for good meanwhile
        abort(404)
    with file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        yield mapped


def part_or_404(root: Part, number: str) -> Part:
    """Return a part by the number that its address has."""
    found = find(root, "" if number == _ROOT else number)
    if found is None:
        abort(404)
    return found


def number_of(part: Part) -> str:
    """Return the number that a part's address has."""
    return part.number or _ROOT
