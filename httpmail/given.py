"""What generic WebDAV clients give to resources: names of their own, and properties.

A mail store numbers its messages, and nothing else. A client that saves `letter.eml` expects to
find it under that name, though, and properties it has set. Both are remembered here while the
service runs, for the resources used last; the messages themselves are always found by their number.

Owns: the names and properties, in memory. Never: a message or a folder.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, tostring

MOST = 20_000  # resources of which something is remembered
MOST_PROPERTIES = 100  # of one resource
MAX_VALUE = 16 << 10  # octets of one property

FolderKey = tuple[int, int]  # the ids of post office and folder: on SQLite the latter repeat
Key = tuple[FolderKey, str]  # and the name in it; the empty name stands for the folder itself


@dataclass(slots=True)
class Given:
    """What was given to one resource.

    Attributes:
        uid: the message that a name stands for; 0 for a name that was locked before it was used.
        properties: the properties, by name.
    """

    uid: int = 0
    properties: dict[str, Element] = field(default_factory=dict)


class GivenNames:
    """Remembers what was given, for all mailboxes."""

    def __init__(self, most: int = MOST) -> None:
        """Remember at most so many resources."""
        self._most = most
        self._guard = threading.Lock()
        self._kept: OrderedDict[Key, Given] = OrderedDict()
        self._names: dict[tuple[FolderKey, int], str] = {}

    def find(self, folder: FolderKey, name: str) -> Given | None:
        """Return what was given to a resource."""
        with self._guard:
            found = self._kept.get((folder, name))
            if found is not None:
                self._kept.move_to_end((folder, name))
            return found

    def name_of(self, folder: FolderKey, uid: int) -> str:
        """Return the name that a message was given, or an empty text."""
        with self._guard:
            return self._names.get((folder, uid), "")

    def reserved(self, folder: FolderKey) -> list[str]:
        """Return the names in a folder that stand for no message yet."""
        with self._guard:
            return [
                key[1]
                for key, given in self._kept.items()
                if key[0] == folder and key[1] and not given.uid
            ]

    def keep(self, folder: FolderKey, name: str, uid: int, *, like: Given | None = None) -> Given:
        """Let a name stand for a message.

        Args:
            folder: which.
            name: the name in it.
            uid: the message; 0 for none yet.
            like: whose properties it gets; without it those it has stay.
        """
        with self._guard:
            given = self._kept.get((folder, name)) or Given()
            self._unname(folder, given)
            given.uid = uid
            if like is not None:
                given.properties = dict(like.properties)
            self._kept[folder, name] = given
            self._kept.move_to_end((folder, name))
            if uid:
                self._names[folder, uid] = name
            while len(self._kept) > self._most:
                key, oldest = self._kept.popitem(last=False)
                self._unname(key[0], oldest)
            return given

    def forget(self, folder: FolderKey, name: str) -> None:
        """Forget what was given to one resource."""
        with self._guard:
            given = self._kept.pop((folder, name), None)
            if given is not None:
                self._unname(folder, given)

    def forget_folder(self, folder: FolderKey) -> None:
        """Forget everything in a folder, and of itself."""
        with self._guard:
            for key in [key for key in self._kept if key[0] == folder]:
                self._unname(folder, self._kept.pop(key))

    def _unname(self, folder: FolderKey, given: Given) -> None:
        self._names.pop((folder, given.uid), None)


def fits(given: Given | None, name: str, value: Element) -> bool:
    """Whether a property may still be remembered."""
    properties = given.properties if given else {}
    is_few = name in properties or len(properties) < MOST_PROPERTIES
    return is_few and len(name) + len(tostring(value, encoding="us-ascii")) <= MAX_VALUE
