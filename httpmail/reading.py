"""GET, HEAD and OPTIONS.

Standards: RFC 9110 §9.3.1, §9.3.7, §14 (one range at a time); RFC 4918 §10.1 (DAV).
Failure: `Refused`, WsgiDAV's `DAVError`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgidav.util import get_rfc1123_time, obtain_content_ranges

from appliance.journey.event import Kind
from appliance.store.message import Message
from httpmail.answer import Answer
from httpmail.refusal import Refused
from httpmail.tree import (
    EmptyPlace,
    Folders,
    MailFolder,
    MailMessage,
    Reserved,
    Resource,
    SendPlace,
)
from httpmail.visit import Visit

_EVERYWHERE = ("OPTIONS", "HEAD", "GET", "PROPFIND", "PROPPATCH")
_LOCKS = ("LOCK", "UNLOCK")
_BATCHES = ("BPROPPATCH", "BMOVE", "BCOPY", "BDELETE")


def options(visit: Visit) -> Answer:
    """Say what can be done with a resource."""
    headers = [
        ("DAV", "1, 2"),
        ("MS-Author-Via", "DAV"),
        ("Allow", ", ".join(allowed(visit, visit.find(visit.request.path)))),
    ]
    return Answer(200, headers=headers)


def allowed(visit: Visit, resource: Resource | None) -> tuple[str, ...]:
    """Return the methods that a resource knows."""
    match resource:
        case MailFolder():
            return (*_EVERYWHERE, "POST", "DELETE", "COPY", "MOVE", *_BATCHES, *_LOCKS)
        case MailMessage() | Reserved():
            return (*_EVERYWHERE, "PUT", "DELETE", "COPY", "MOVE", *_LOCKS)
        case SendPlace():
            return (*_EVERYWHERE, "POST")
        case None:
            match visit.parent(visit.request.path)[0]:
                case Folders():
                    return ("OPTIONS", "MKCOL")
                case MailFolder():
                    return ("OPTIONS", "MKCOL", "PUT", "LOCK")
                case _:
                    raise Refused(404)
    return _EVERYWHERE


def get(visit: Visit) -> Answer:
    """Give a message, or a part of it; of a collection there is nothing to give."""
    resource = visit.asked_for()
    visit.check_conditions(resource)
    match resource:
        case MailMessage():
            return _message(visit, resource)
        case Reserved():
            headers = [("Content-Type", "message/rfc822"), ("ETag", f'"{resource.get_etag()}"')]
            return Answer(200, headers=headers)
        case SendPlace():
            raise Refused(405, "Messages are posted here")
        case EmptyPlace() | Folders() | MailFolder() | _:
            return Answer(200, headers=[("Content-Type", "text/plain")])


def _message(visit: Visit, resource: MailMessage) -> Answer:
    message = visit.store.message(resource.folder.id, resource.listed.uid)
    if message is None:
        raise Refused(404)
    first, last, status = 0, message.size - 1, 200
    headers = [
        ("Content-Type", "message/rfc822"),
        ("ETag", f'"{resource.get_etag()}"'),
        ("Last-Modified", get_rfc1123_time(resource.get_last_modified())),
        ("Accept-Ranges", "bytes"),
    ]
    if _wants_range(visit, resource) and message.size:
        ranges, _ = obtain_content_ranges(visit.request.field("Range"), message.size)
        if ranges:
            first, last, _ = ranges[0]
            status = 206
            headers.append(("Content-Range", f"bytes {first}-{last}/{message.size}"))
    if visit.request.method == "GET" and first == 0:
        visit.record(Kind.DOWNLOADED, [message.entry_id])
    length = last - first + 1
    return Answer(status, headers=headers, body=_octets(message, first, length), length=length)


def _wants_range(visit: Visit, resource: MailMessage) -> bool:
    """Whether a range is asked for, and of what is here still (RFC 9110 §13.1.5)."""
    condition = visit.request.field("If-Range")
    is_same = condition in ("", f'"{resource.get_etag()}"')
    return visit.request.field("Range").startswith("bytes=") and is_same


def _octets(message: Message, first: int, length: int) -> Iterator[bytes]:
    """Yield some of a message's octets."""
    for chunk in message.chunks():
        if length <= 0:
            return
        if first >= len(chunk):
            first -= len(chunk)
            continue
        piece = chunk[first : first + length]
        first = 0
        length -= len(piece)
        yield piece
