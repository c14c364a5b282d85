"""What generic WebDAV clients give to resources: names of their own, and properties.

A mail store numbers its messages, and nothing else. A client that saves `letter.eml` expects to
find it under that name, though, and properties it has set. Both are remembered here while the
service runs, for the mailboxes and resources used last; the messages themselves are always found by
their number.

Owns: the names and properties, in memory, apart for each mailbox and bounded for each.
Never: a message or a folder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, tostring

MOST_MAILBOXES = 200
MOST_RESOURCES = 2000  # of one mailbox
MAX_OCTETS = 128 << 10  # of all properties of one mailbox

Key = tuple[int, str]  # a folder's id, the name in it; the empty name stands for the folder itself


@dataclass(slots=True)
class Given:
    """What was given to one resource.

    Attributes:
        uid: the message that a name stands for; 0 for a name that was locked before it was used.
        properties: the properties, by name.
        octets: how many they are, written out.
    """

    uid: int = 0
    properties: dict[str, Element] = field(default_factory=dict)
    octets: int = 0


class GivenNames:
    """What was given in all mailboxes of this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of: OrderedDict[int, MailboxNames] = OrderedDict()

    def of(self, mailbox_id: int) -> MailboxNames:
        """Return what was given in one mailbox."""
        with self._guard:
            found = self._of.pop(mailbox_id, None) or MailboxNames()
            self._of[mailbox_id] = found
            if len(self._of) > MOST_MAILBOXES:
                self._of.popitem(last=False)
            return found


class MailboxNames:
    """What was given in one mailbox."""

    def __init__(self, *, most: int = MOST_RESOURCES, max_octets: int = MAX_OCTETS) -> None:
        """Remember at most so many resources, with so many octets of properties."""
        self._most = most
        self._max_octets = max_octets
        self._guard = threading.RLock()
        self._kept: OrderedDict[Key, Given] = OrderedDict()
        self._names: dict[tuple[int, int], str] = {}
        self._octets = 0

    def find(self, folder_id: int, name: str) -> Given | None:
        """Return what was given to a resource."""
        with self._guard:
            found = self._kept.get((folder_id, name))
            if found is not None:
                self._kept.move_to_end((folder_id, name))
            return found

    def name_of(self, folder_id: int, uid: int) -> str:
        """Return the name that a message was given, or an empty text."""
        return self._names.get((folder_id, uid), "")

    def reserved(self, folder_id: int) -> list[str]:
        """Return the names in a folder that stand for no message yet."""
        with self._guard:
            return [
                name
                for (folder, name), given in self._kept.items()
                if folder == folder_id and name and not given.uid
            ]

    def keep(self, folder_id: int, name: str, uid: int, *, like: Given | None = None) -> None:
        """Let a name stand for a message.

        Args:
            folder_id: the folder.
            name: the name in it.
            uid: the message; 0 for none yet.
            like: whose properties it gets, as far as there is room; without it its own stay.
        """
        with self._guard:
            given = self._kept.pop((folder_id, name), None) or Given()
            self._names.pop((folder_id, given.uid), None)
            given.uid = uid
            if uid:
                self._names[folder_id, uid] = name
            self._kept[folder_id, name] = given
            if like is not None and self.may_give(folder_id, name, like.properties):
                self.give(folder_id, name, like.properties)
            while len(self._kept) > self._most:
                self._drop(next(iter(self._kept)))

    def may_give(self, folder_id: int, name: str, changes: Mapping[str, Element | None]) -> bool:
        """Whether there is room for properties of a resource.

        Args:
            folder_id: the folder.
            name: the resource's name in it.
            changes: properties by name; None for one to be removed.
        """
        with self._guard:
            given = self._kept.get((folder_id, name)) or Given()
            after = _octets(_changed(given, changes).items())
            return self._octets - given.octets + after <= self._max_octets

    def give(self, folder_id: int, name: str, changes: Mapping[str, Element | None]) -> None:
        """Change the properties of a resource that is kept, after `may_give`."""
        with self._guard:
            given = self._kept[folder_id, name]
            given.properties = _changed(given, changes)
            self._octets -= given.octets
            given.octets = _octets(given.properties.items())
            self._octets += given.octets

    def forget(self, folder_id: int, name: str) -> None:
        """Forget what was given to one resource."""
        with self._guard:
            if (folder_id, name) in self._kept:
                self._drop((folder_id, name))

    def forget_folder(self, folder_id: int) -> None:
        """Forget everything in a folder, and of itself."""
        with self._guard:
            for key in [key for key in self._kept if key[0] == folder_id]:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        given = self._kept.pop(key)
        self._names.pop((key[0], given.uid), None)
        self._octets -= given.octets


def _changed(given: Given, changes: Mapping[str, Element | None]) -> dict[str, Element]:
    after = {**given.properties, **changes}
    return {name: value for name, value in after.items() if value is not None}


def _octets(properties: Iterable[tuple[str, Element]]) -> int:
    return sum(len(name) + len(tostring(value, encoding="us-ascii")) for name, value in properties)
