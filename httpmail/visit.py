"""A request together with the mailbox it may see: finding resources, checking locks.

Owns: what was read for this request. Never: reaches beyond the mailbox that has logged in.
Failure: `Refused`, WsgiDAV's `DAVError`; the store's own errors go through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from appliance.directory.records import Mailbox
from appliance.journey.event import Event, Kind
from appliance.operations.house import House
from appliance.runtime.logs import Logs
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Folder
from httpmail import properties
from httpmail.dav import Dav
from httpmail.given import MailboxNames
from httpmail.refusal import Refused
from httpmail.request import Request
from httpmail.tree import (
    EMPTY,
    FOLDERS,
    SENDMSG,
    Account,
    EmptyPlace,
    Folders,
    MailFolder,
    MailMessage,
    Provider,
    Reserved,
    Resource,
    SendPlace,
)

_KIB = 1024


@dataclass(frozen=True, slots=True)
class Destination:
    """Where something is to be moved or copied.

    Attributes:
        parent: in what.
        name: under which name; empty for a message that is to choose none.
        target: what has that name there.
    """

    parent: Resource | None
    name: str
    target: Resource | None


class Visit:
    """One request of one mailbox.

    Attributes:
        request: what is asked for.
        mailbox: who has logged in.
        client: from which IP address.
        store: the mailbox's mail.
        given: what clients have given to resources.
        dav: WsgiDAV's part in it.
        dav_environ: what WsgiDAV's classes look into.
    """

    def __init__(
        self,
        request: Request,
        mailbox: Mailbox,
        *,
        client: str,
        house: House,
        logs: Logs,
        provider: Provider,
        given: MailboxNames,
    ) -> None:
        """Begin; nothing is read yet."""
        self.request = request
        self.mailbox = mailbox
        self.client = client
        self.house = house
        self.logs = logs
        self.given = given
        self.store: MailboxStore = house.store.mailbox(mailbox.postoffice_id, mailbox.id)
        self.dav_environ: dict[str, Any] = {
            **request.environ,
            "PATH_INFO": request.path,
            "httpmail.visit": self,
            "wsgidav.provider": provider,
            "wsgidav.config": {},
            "wsgidav.verbose": 1,
            "wsgidav.user_name": mailbox.login,
            "wsgidav.auth.user_name": mailbox.login,
        }
        self.dav = Dav(provider)

    # finding

    @cached_property
    def folders(self) -> list[Folder]:
        """The mailbox's folders."""
        return self.store.folders()

    def changed(self) -> None:
        """Say that folders or their counters have changed."""
        self.__dict__.pop("folders", None)

    def find(self, path: str) -> Resource | None:
        """Return the resource at a path; a slash at its end does not count."""
        segments = [segment for segment in path.split("/") if segment]
        match segments:
            case []:
                return Account("/", self)
            case ["folders"]:
                return Folders(FOLDERS, self)
            case ["folders", *names]:
                return self._find_below(names)
            case ["sendmsg"]:
                return SendPlace(SENDMSG, self)
            case [name] if name in EMPTY:
                return EmptyPlace(f"/{name}/", self)
        return None

    def asked_for(self) -> Resource:
        """Return the resource the request is about.

        Raises:
            Refused: there is none.
        """
        found = self.find(self.request.path)
        if found is None:
            raise Refused(404)
        return found

    def parent(self, path: str) -> tuple[Resource | None, str]:
        """Return the resource in which a path is a name, and that name."""
        head, _, name = path.rstrip("/").rpartition("/")
        return self.find(head), name

    def destination(self, path: str, source: Resource) -> Destination:
        """Return what a path means for something that is moved there.

        A message that comes onto a folder comes into it: it never takes the folder's place.
        """
        target = self.find(path)
        if isinstance(source, MailMessage | Reserved) and isinstance(target, MailFolder):
            return Destination(target, "", None)
        return Destination(*self.parent(path), target)

    def find_folder(self, names: Sequence[str]) -> MailFolder | None:
        """Return the folder at the segments of a path."""
        if not names:
            return None
        wanted = _fold("\\".join(names))
        found = next((each for each in self.folders if _fold(each.name) == wanted), None)
        return None if found is None else MailFolder(found, self)

    def folders_in(self, name: str) -> Iterator[MailFolder]:
        """Yield the folders directly in another, by its name; those in none for an empty name."""
        by_name = {_fold(each.name): each for each in self.folders}
        for folder in self.folders:
            parent = folder.name.rpartition("\\")[0]
            is_inside = bool(parent) and _fold(parent) in by_name
            if (is_inside and _fold(parent) == _fold(name)) or not (is_inside or name):
                yield MailFolder(folder, self)

    def member(self, parent: MailFolder, name: str) -> MailMessage | Reserved | None:
        """Return what a folder holds under a name: a message's own, or one that was given."""
        uid = properties.uid_of(name, parent.folder)
        if not uid:
            given = self.given.find(parent.folder.id, name)
            if given is None or properties.is_message_name(name):
                return None
            if not given.uid:
                return Reserved(parent, name)
            uid = given.uid
        listed = self.store.listed(parent.folder.id, [uid])
        return MailMessage(parent, listed[0]) if listed else None

    def folder_url(self, folder: Folder) -> str:
        """Return a folder's absolute address, its whole name as one segment."""
        return f"{self.request.base}{FOLDERS}{quote(folder.name, safe='')}/"

    def _find_below(self, names: list[str]) -> Resource | None:
        folder = self.find_folder(names)
        if folder is not None:
            return folder
        parent = self.find_folder(names[:-1])
        return None if parent is None else self.member(parent, names[-1])

    # checking

    def check_conditions(self, resource: Resource | None) -> None:
        """Refuse when the request's conditions do not hold (RFC 9110 §13, RFC 4918 §10.4)."""
        self.dav.check_conditions(self, resource)

    def check_lock(self, resource: Resource | None, *, below: bool = False) -> None:
        """Refuse when somebody else has a resource locked, or what is below it (RFC 4918 §7)."""
        self.dav.check_lock(self, resource, "infinity" if below else "0")

    def unlock_all(self, resource: Resource) -> None:
        """Forget the locks on a resource that is gone, and below it."""
        resource.remove_all_locks(recursive=True)  # type: ignore[attr-defined] # WsgiDAV's

    def check_quota(self, octets: int) -> None:
        """Refuse when so much more does not fit into the mailbox."""
        room = self.room()
        if room is not None and octets > room:
            raise Refused(507, f"The mailbox is full: it may hold {self.mailbox.quota_kb} KiB")

    def room(self) -> int | None:
        """Return how many octets more fit into the mailbox; None where there is no quota."""
        quota = self.mailbox.quota_kb * _KIB
        return max(quota - self.store.usage()[1], 0) if quota else None

    # recording

    def record(self, kind: Kind, entry_ids: Sequence[str]) -> None:
        """Write into the journeys of messages what their reader did with them."""
        ids = [each for each in entry_ids if each]
        if ids:
            event = Event(
                at_us=self.house.clock.now_us(),
                message_id="",
                kind=kind,
                recipient=self.mailbox.login,
                connector="SF",
                text=f"{kind} by {self.mailbox.login} over HTTPMail from {self.client}",
            )
            self.house.journey.record_alike(event, ids)


def _fold(name: str) -> str:
    """Fold a folder's name for comparing: capitals do not count."""
    return normalize("NFC", name).casefold()
