"""PROPPATCH and BPROPPATCH: marking messages read, and properties that clients give.

Standards: RFC 4918 §9.2: all of a PROPPATCH is done, or nothing.
Failure: `Refused`, `BadXml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from appliance.store.message import Flag
from httpmail import xml_in
from httpmail.answer import Answer, multi_status
from httpmail.batches import find_all
from httpmail.multistatus import CONTENT_TYPE, MultiStatus
from httpmail.tree import MailMessage, Resource
from httpmail.visit import Visit
from httpmail.vocabulary import DAV, READ, is_httpmail, split_name
from httpmail.xml_in import Update


@dataclass(slots=True)
class _Patch:
    """What a body asks for.

    Attributes:
        read: mark read, mark unread, or neither.
        given: properties to set, or to remove by None.
        names: all names, in their order.
        refused: the status of those that can't be changed.
    """

    read: bool | None = None
    given: dict[str, Element | None] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


def proppatch(visit: Visit) -> Answer:
    """Change properties of one resource."""
    request = visit.request
    root, _ = xml_in.parse(request.octets(xml_in.MAX_OCTETS))
    patch = _read(xml_in.updates(root))
    resource = visit.asked_for()
    visit.check_conditions(resource)
    visit.check_lock(resource)
    refused = _refused(resource, patch)
    if not refused:
        _mark(visit, [resource], patch)
        _give(resource, patch)
        if patch.names == [READ]:  # the strictest client wants 200, and nothing to read
            return Answer(200, headers=[("Content-Type", CONTENT_TYPE)])
    answer = MultiStatus()
    if refused:
        rest = [(refused.get(name, 424), name) for name in patch.names]
        answer.properties(_address(resource, patch), [], rest)
    else:
        done = [] if request.is_brief else [(name, None) for name in patch.names]
        answer.properties(_address(resource, patch), done)
    return multi_status(answer)


def bproppatch(visit: Visit) -> Answer:
    """Change the same properties of several resources; each for itself."""
    request = visit.request
    root, _ = xml_in.parse(request.octets(xml_in.MAX_OCTETS))
    patch = _read(xml_in.updates(root))
    targets = xml_in.targets(root, "propertyupdate")
    visit.check_conditions(visit.asked_for())
    outcome: list[tuple[str, int]] = []
    changed: list[Resource] = []
    paths = [request.path_of(target.href) for target in targets]
    for path, resource in zip(paths, find_all(visit, paths), strict=True):
        if resource is None:
            outcome.append((request.url(path), 404))
            continue
        visit.check_lock(resource)
        refused = _refused(resource, patch)
        outcome.append((resource.url, max(refused.values(), default=200)))
        if not refused:
            changed.append(resource)
    _mark(visit, changed, patch)
    for resource in changed:
        _give(resource, patch)
    answer = MultiStatus()
    for href, status in outcome:
        answer.status(href, status)
    return multi_status(answer)


def _read(updates: Iterable[Update]) -> _Patch:
    patch = _Patch()
    for update in updates:
        name, value = update.name, update.value
        if name not in patch.names:
            patch.names.append(name)
        if name == READ:
            text = "" if value is None else "".join(value.itertext()).strip().lower()
            if text in ("0", "1", "true", "false"):
                patch.read = text in ("1", "true")
            else:
                patch.refused[name] = 409  # RFC 4918 §9.2.1: a value that makes no sense
        elif is_httpmail(name) or split_name(name)[0] == DAV:
            patch.refused[name] = 403
        else:
            if value is not None:
                value.tail = None
            patch.given[name] = value
    return patch


def _refused(resource: Resource, patch: _Patch) -> dict[str, int]:
    """Return what can't be changed of a resource, with its status."""
    refused = dict(patch.refused)
    if patch.read is not None and not isinstance(resource, MailMessage):
        refused[READ] = 403
    key = resource.given_key
    if key is None:
        refused |= dict.fromkeys(patch.given, 403)
    elif patch.given and not resource.visit.given.may_give(*key, patch.given):
        refused |= dict.fromkeys(patch.given, 507)
    return refused


def _mark(visit: Visit, resources: Sequence[Resource], patch: _Patch) -> None:
    """Mark messages read or unread, those of a folder at once."""
    if patch.read is None:
        return
    by_folder: dict[int, list[int]] = {}
    for resource in resources:
        if isinstance(resource, MailMessage):
            by_folder.setdefault(resource.folder.id, []).append(resource.listed.uid)
    for folder_id, uids in by_folder.items():
        if patch.read:
            visit.store.flag(folder_id, uids, add=Flag.SEEN)
        else:
            visit.store.flag(folder_id, uids, remove=Flag.SEEN)
    visit.changed()


def _give(resource: Resource, patch: _Patch) -> None:
    """Remember what a client gives to a resource."""
    key = resource.given_key
    if not patch.given or key is None:
        return
    uid = resource.listed.uid if isinstance(resource, MailMessage) else 0
    resource.visit.given.keep(*key, uid)
    resource.visit.given.give(*key, patch.given)


def _address(resource: Resource, patch: _Patch) -> str:
    """Return the address in the form that whoever asks for such properties reads."""
    return resource.url if READ in patch.names else resource.get_href()
