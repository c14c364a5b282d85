r"""BMOVE, BCOPY and BDELETE: one request for several messages of a folder.

The body's root is called like the method without its B; its targets are addresses, relative to the
folder or absolute, each perhaps with a destination of its own. Items are independent of each other,
and the answer lists every one with what became of it, because clients take their new addresses from
there.

Failure: `Refused` for the request as a whole; of items it stands in the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wsgidav.dav_error import DAVError

from appliance.journey.event import Kind
from appliance.store.errors import StoreError
from httpmail import filing, properties, xml_in
from httpmail.answer import Answer, multi_status
from httpmail.multistatus import MultiStatus
from httpmail.refusal import of_store
from httpmail.tree import MailFolder, MailMessage, Reserved, Resource
from httpmail.visit import Destination, Visit

_SINGLE = {"BMOVE": "move", "BCOPY": "copy", "BDELETE": "delete"}


@dataclass(slots=True)
class _Item:
    """One target with what becomes of it.

    Attributes:
        href: its address in the answer.
        resource: what is there.
        destination: the path it shall have, or the folder it shall come to; empty to delete it.
        status: what came of it; 0 as long as nothing did.
        location: its new address.
    """

    href: str
    resource: Resource | None
    destination: str = ""
    status: int = 0
    location: str = ""


_Member = tuple[_Item, MailMessage, MailFolder]  # with the folder it comes to


def batch(visit: Visit) -> Answer:
    """Answer a batch."""
    request = visit.request
    body = request.octets(xml_in.MAX_OCTETS)
    targets = xml_in.targets(xml_in.parse(body)[0], _SINGLE[request.method])
    visit.check_conditions(visit.asked_for())
    whole = "" if request.method == "BDELETE" else request.destination()
    paths = [request.path_of(target.href) for target in targets]
    items = [
        _Item(
            request.url(path) if resource is None else resource.url,
            resource,
            request.path_of(target.destination) if target.destination and whole else whole,
        )
        for target, path, resource in zip(targets, paths, find_all(visit, paths), strict=True)
    ]
    if request.method == "BDELETE":
        _delete(visit, items)
    else:
        _transfer(visit, items, is_move=request.method == "BMOVE")
    answer = MultiStatus()
    for item in items:
        answer.status(item.href, item.status, item.location)
    return multi_status(answer)


def find_all(visit: Visit, paths: list[str]) -> list[Resource | None]:
    """Return the resources at some paths; messages of one folder are looked up together."""
    found: list[Resource | None] = [None] * len(paths)
    folders: dict[str, MailFolder | None] = {}
    wanted: dict[str, dict[int, list[int]]] = {}  # folder, uid, places in the list
    for place, path in enumerate(paths):
        head, _, name = path.rstrip("/").rpartition("/")
        if head not in folders:
            parent = visit.find(head)
            folders[head] = parent if isinstance(parent, MailFolder) else None
        parent = folders[head]
        uid = 0 if parent is None else properties.uid_of(name, parent.folder)
        if uid:
            wanted.setdefault(head, {}).setdefault(uid, []).append(place)
        else:
            found[place] = visit.find(path)
    for head, places in wanted.items():
        parent = folders[head]
        assert parent is not None
        for listed in visit.store.listed(parent.folder.id, places):
            message = MailMessage(parent, listed)
            for place in places[listed.uid]:
                found[place] = message
    return found


def _delete(visit: Visit, items: list[_Item]) -> None:
    by_folder: dict[int, list[tuple[_Item, MailMessage]]] = {}
    for item in items:
        resource = item.resource
        if resource is None:
            item.status = 404
        elif not _is_free(visit, item):
            continue
        elif isinstance(resource, MailMessage):
            by_folder.setdefault(resource.folder.id, []).append((item, resource))
        else:
            item.status = _status_of(partial(filing.destroy, visit, resource))
    for folder_id, members in by_folder.items():
        gone = visit.store.expunge(folder_id, [message.listed.uid for _, message in members])
        visit.record(Kind.DELETED, [entry_id for _, entry_id in gone])
        deleted = {uid for uid, _ in gone}
        for item, message in members:
            item.status = 200 if message.listed.uid in deleted else 404
            visit.given.forget(*message.given_key)
            visit.unlock_all(message)
    visit.changed()


def _transfer(visit: Visit, items: list[_Item], *, is_move: bool) -> None:
    groups: dict[tuple[int, int], list[_Member]] = {}
    for item in items:
        resource = item.resource
        if not isinstance(resource, MailMessage | Reserved):
            item.status = 404 if resource is None else 403
            continue
        if is_move and not _is_free(visit, item):
            continue
        to = visit.destination(item.destination, resource)
        is_ours = not to.name or properties.is_message_name(to.name)
        parent = to.parent
        if not isinstance(parent, MailFolder):
            item.status = 409
        elif isinstance(resource, Reserved) or not is_ours:
            _transfer_one(visit, item, resource, to, is_move=is_move)
        elif is_move and parent.folder.id == resource.folder.id:
            item.status = 403
        elif _may(item, partial(visit.check_lock, parent)):
            key = (resource.folder.id, parent.folder.id)
            groups.setdefault(key, []).append((item, resource, parent))
    for members in groups.values():
        _transfer_group(visit, members, is_move=is_move)
    visit.changed()


def _transfer_group(visit: Visit, members: list[_Member], *, is_move: bool) -> None:
    """Move or copy messages of one folder to another, all at once."""
    _, first, parent = members[0]
    source, destination = first.folder.id, parent.folder.id
    uids = list(dict.fromkeys(message.listed.uid for _, message, _ in members))
    if is_move:
        new = visit.store.move(source, uids, destination)
    else:
        octets = sum(message.listed.size for _, message, _ in members)
        if status := _status_of(partial(visit.check_quota, octets), done=0):
            for item, _, _ in members:
                item.status = status
            return
        new = visit.store.copy(source, uids, destination)
    for item, message, folder in members:
        uid = new.get(message.listed.uid)
        item.status = 404 if uid is None else 201
        if uid is not None:
            item.location = folder.url + properties.message_name(folder.folder, uid)
        if is_move:
            visit.given.forget(*message.given_key)
            visit.unlock_all(message)


def _transfer_one(
    visit: Visit,
    item: _Item,
    resource: MailMessage | Reserved,
    to: Destination,
    *,
    is_move: bool,
) -> None:
    """Move or copy an item to a name that its client has chosen."""

    def carry_out() -> None:
        visit.check_lock(to.target or to.parent, below=to.target is not None)
        answer = filing.transfer_leaf(visit, resource, to, is_move=is_move)
        item.location = dict(answer.headers).get("Location", "")

    item.status = _status_of(carry_out, done=201)


def _is_free(visit: Visit, item: _Item) -> bool:
    return _may(item, partial(visit.check_lock, item.resource, below=True))


def _may(item: _Item, check: Callable[[], None]) -> bool:
    """Whether a check lets an item pass; otherwise it gets the status."""
    status = _status_of(check, done=0)
    item.status = status
    return not status


def _status_of(action: Callable[[], None], *, done: int = 200) -> int:
    """Carry something out; returns the status of what it came to."""
    try:
        action()
    except DAVError as error:
        return int(error.value)
    except StoreError as error:
        return int(of_store(error).value)
    return done
