"""The tree of resources that one mailbox shows, as WsgiDAV wants to see it.

    /                      the account
    /folders/              the folders
    /folders/NAME/         a folder; a backslash in its name parts a folder from one inside it
    /folders/NAME/MSG1.2   a message, by its folder's uid validity and its uid
    /sendmsg               where messages are posted to be sent
    /contacts/  /outbox/   empty, because mail clients ask for their addresses

Standards: RFC 4918 §5. Owns: nothing. Never: shows anything of another mailbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

from wsgidav.dav_error import HTTP_NOT_FOUND, DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from appliance.runtime.clock import MICROSECONDS
from appliance.store.message import Folder, Listed
from httpmail import properties
from httpmail.given import Given, Key
from httpmail.multistatus import Value
from httpmail.refusal import Refused
from httpmail.request import MOUNT
from httpmail.vocabulary import DAV, LOCK_DISCOVERY, SUPPORTED_LOCK, split_name

if TYPE_CHECKING:
    from httpmail.visit import Visit

FOLDERS = "/folders/"
SENDMSG = "/sendmsg"
EMPTY = ("contacts", "outbox")
_BATCH = 1000
_LIVE = tuple(
    f"{{{DAV}}}{local}"
    for local in (
        *("creationdate", "displayname", "getcontentlength", "getcontenttype"),
        *("getetag", "getlastmodified", "resourcetype"),
    )
)
_ALL = (*_LIVE, LOCK_DISCOVERY, SUPPORTED_LOCK)


class Resource:
    """What is common to all resources; mixed into WsgiDAV's two kinds.

    Attributes:
        path: below the mount, with a final slash for a collection.
        visit: the request with its mailbox.
    """

    path: str
    visit: Visit
    folder: Folder | None = None

    @property
    def given_key(self) -> Key | None:
        """Under what it is found among what clients have given; None where nothing can be given."""
        return None

    @property
    def given(self) -> Given | None:
        """What clients have given it."""
        key = self.given_key
        return None if key is None else self.visit.given.find(*key)

    @property
    def url(self) -> str:
        """Its absolute address, as mail clients want it."""
        return self.visit.request.url(self.path)

    def members(self) -> Iterator[Resource]:
        """Yield what is directly in it."""
        yield from ()

    def mail_property(self, name: str) -> Value:  # noqa: ARG002 - for those that have some
        """Return a property that only mail clients ask for; None when it has none."""
        return None

    def property(self, name: str) -> Value:
        """Return a property, of whatever kind; None when there is none."""
        value: Any = self.mail_property(name)
        if value is None and split_name(name)[0] == DAV:
            try:
                value = self.get_property_value(name)  # type: ignore[attr-defined] # WsgiDAV's
            except DAVError as error:
                if error.value != HTTP_NOT_FOUND:
                    raise
        if value is None and (given := self.given) is not None:
            value = given.properties.get(name)
        return value if value is None or isinstance(value, Element) else str(value)

    def property_names(self) -> list[str]:
        """Return the names of the properties that everybody may ask for (RFC 4918 §9.1)."""
        known = [name for name in _ALL if self.property(name) is not None]
        return known + list(self.given.properties if self.given else ())

    def get_ref_url(self) -> str:
        """Return what names it among locks: unlike its path, it tells mailboxes apart."""
        return quote(f"/{self.visit.mailbox.id}{self.path}")

    def get_href(self) -> str:
        """Return its address without scheme and host, as WebDAV clients want it."""
        return quote(MOUNT + self.path, safe="/!*'(),$-_|.")

    def support_etag(self) -> bool:
        """Whether it has an entity tag."""
        return self.get_etag() is not None

    def get_etag(self) -> str | None:
        """Return its entity tag."""
        return None


class _Collection(Resource, DAVCollection):  # type: ignore[misc] # WsgiDAV ships no types
    """A collection."""

    def __init__(self, path: str, visit: Visit) -> None:
        super().__init__(path, visit.dav_environ)
        self.visit = visit

    def get_member_names(self) -> list[str]:
        """WsgiDAV's; the listing asks `members`."""
        return [each.path for each in self.members()]

    def prevent_locking(self) -> bool:
        """Whether it can't be locked."""
        return True

    def get_used_bytes(self) -> int:
        """Return how many octets the mailbox holds (RFC 4331)."""
        return self.visit.store.usage()[1]

    def get_available_bytes(self) -> int | None:
        """Return how many octets more it may hold; None where nothing says."""
        return self.visit.room()


class Account(_Collection):
    """The mailbox as a whole."""

    def members(self) -> Iterator[Resource]:
        """Yield the fixed places."""
        visit = self.visit
        yield Folders(FOLDERS, visit)
        for name in EMPTY:
            yield EmptyPlace(f"/{name}/", visit)
        yield SendPlace(SENDMSG, visit)


class EmptyPlace(_Collection):
    """A place that is empty and stays so."""


class Folders(_Collection):
    """All folders."""

    def members(self) -> Iterator[Resource]:
        """Yield the folders that are in no other."""
        yield from self.visit.folders_in("")


class MailFolder(_Collection):
    """A folder with its messages."""

    folder: Folder

    def __init__(self, folder: Folder, visit: Visit) -> None:
        super().__init__(folder_path(folder.name), visit)
        self.folder = folder

    @property
    def given_key(self) -> Key:
        """Under what it is found among what clients have given."""
        return self.folder.id, ""

    @property
    def url(self) -> str:
        """Its absolute address; its whole name is one segment, as mail clients count folders."""
        return self.visit.folder_url(self.folder)

    def get_display_name(self) -> str:
        """Return the last segment of its address."""
        return self.folder.name.rpartition("\\")[2]

    def prevent_locking(self) -> bool:
        """Whether it can't be locked."""
        return False

    def mail_property(self, name: str) -> Value:
        """Return a property that only mail clients ask for."""
        return properties.of_folder(name, self.folder)

    def members(self) -> Iterator[Resource]:
        """Yield the folders in it, the names that were locked, the messages."""
        yield from self.visit.folders_in(self.folder.name)
        for name in self.visit.given.reserved(self.folder.id):
            yield Reserved(self, name)
        for listed in self.messages():
            yield MailMessage(self, listed)

    def messages(self) -> Iterator[Listed]:
        """Yield its messages by their uids, a thousand at a time."""
        last = 0
        while batch := self.visit.store.every(self.folder.id, after_uid=last, most=_BATCH):
            yield from batch
            last = batch[-1].uid

    def create_empty_resource(self, name: str) -> Reserved:
        """Keep a name for a message to come: WsgiDAV locks a name that nobody uses (§9.10.4)."""
        if properties.is_message_name(name):
            raise Refused(403, "The server chooses names of this form")
        self.visit.given.keep(self.folder.id, name, 0)
        return Reserved(self, name)


class _Leaf(Resource, DAVNonCollection):  # type: ignore[misc] # WsgiDAV ships no types
    """A resource with octets."""

    def __init__(self, path: str, visit: Visit) -> None:
        super().__init__(path, visit.dav_environ)
        self.visit = visit

    def get_content_length(self) -> int:
        """Return how many octets it has."""
        return 0

    def get_content_type(self) -> str:
        """Return its media type."""
        return "message/rfc822"

    def get_content(self) -> Any:  # noqa: ANN401 - WsgiDAV's
        """WsgiDAV's; messages are read by `reading`."""
        raise NotImplementedError

    def support_recursive_move(self, dest_path: str) -> bool:  # noqa: ARG002 - WsgiDAV's
        """WsgiDAV's: there is nothing below it."""
        return False


class SendPlace(_Leaf):
    """Where messages are posted to be sent."""

    def prevent_locking(self) -> bool:
        """Whether it can't be locked."""
        return True

    def get_content_type(self) -> str:
        """Return what is posted here."""
        return "message/rfc821"


class Reserved(_Leaf):
    """A name in a folder that was locked, and that no message has yet."""

    def __init__(self, parent: MailFolder, name: str) -> None:
        super().__init__(parent.path + name, parent.visit)
        self.folder: Folder = parent.folder

    @property
    def given_key(self) -> Key:
        """Under what it is found among what clients have given."""
        return self.folder.id, self.name

    def get_etag(self) -> str:
        """Return its entity tag."""
        return "empty"


class MailMessage(_Leaf):
    """A message."""

    def __init__(self, parent: MailFolder, listed: Listed) -> None:
        self.own_name = properties.message_name(parent.folder, listed.uid)
        name = parent.visit.given.name_of(parent.folder.id, listed.uid) or self.own_name
        super().__init__(parent.path + name, parent.visit)
        self.folder: Folder = parent.folder
        self.listed = listed

    @property
    def given_key(self) -> Key:
        """Under what it is found among what clients have given."""
        return self.folder.id, self.name

    @property
    def url(self) -> str:
        """Its absolute address, by its own name."""
        return self.visit.folder_url(self.folder) + self.own_name

    @cached_property
    def _received(self) -> datetime:
        return datetime.fromtimestamp(self.listed.received_at // MICROSECONDS, UTC)

    def get_content_length(self) -> int:
        """Return how many octets it has."""
        return self.listed.size

    def get_etag(self) -> str:
        """Return its entity tag: the octets of a message never change."""
        return self.own_name

    def get_last_modified(self) -> float:
        """Return when it came, seconds since the epoch."""
        return self._received.timestamp()

    def get_creation_date(self) -> float:
        """Return when it came, seconds since the epoch."""
        return self._received.timestamp()

    def mail_property(self, name: str) -> Value:
        """Return a property that only mail clients ask for."""
        return properties.of_message(name, self.listed)


class Provider(DAVProvider):  # type: ignore[misc] # WsgiDAV ships no types
    """Finds resources for WsgiDAV; one for all requests, so that all see the same locks."""

    def __init__(self, locks: Any) -> None:  # noqa: ANN401 - WsgiDAV ships no types
        super().__init__()
        self.set_mount_path(MOUNT)
        self.set_share_path("")
        self.set_lock_manager(locks)

    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> Resource | None:
        """Return the resource at a path of the request's mailbox."""
        visit: Visit = environ["httpmail.visit"]
        return visit.find(path)

    def ref_url_to_path(self, ref_url: str) -> str:
        """Return the path of a resource by what names it among locks."""
        path: str = super().ref_url_to_path(ref_url)
        return "/" + path.strip("/").partition("/")[2]


def folder_path(name: str) -> str:
    """Return a folder's path by its name."""
    return FOLDERS + name.replace("\\", "/") + "/"
