"""The properties of messages and folders that mail clients ask for.

Those of `urn:schemas:mailheader:` are as in the message: ASCII, with encoded-words; their namesakes
in `urn:schemas:httpmail:` are decoded.

Standards: RFC 2047 (encoded-words), RFC 5322 §3.3 (dates). Never: asks a database.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

from appliance.mail.addresses import addresses
from appliance.mail.headers import HeaderError, header
from appliance.runtime.clock import to_datetime
from appliance.store.message import Flag, Folder, Listed, Use
from httpmail.multistatus import Value
from httpmail.vocabulary import DAV, HOTMAIL, HTTPMAIL, MAILHEADER, SPECIAL

_MESSAGE_NAME = re.compile(r"MSG(\d{1,19})\.(\d{1,19})", re.ASCII)
_FOLD = re.compile(r"\r\n(?=[ \t])")


def message_name(folder: Folder, uid: int) -> str:
    """Return the last segment of a message's address: never given to another message."""
    return f"MSG{folder.uid_validity}.{uid}"


def is_message_name(segment: str) -> bool:
    """Whether a segment has the form of a message's own name."""
    return _MESSAGE_NAME.fullmatch(segment) is not None


def uid_of(segment: str, folder: Folder) -> int:
    """Return the uid that a segment names in a folder; 0 when it is no name of a message there."""
    match = _MESSAGE_NAME.fullmatch(segment)
    if match is None or int(match[1]) != folder.uid_validity:
        return 0
    return int(match[2])


def sent_at(listed: Listed) -> datetime:
    """Return when a message was sent by its own word, or else when it came; UTC."""
    try:
        parsed = parsedate_tz(listed.summary.date)
        if parsed is not None:
            local = datetime(*parsed[:6], tzinfo=UTC)
            return local - timedelta(seconds=parsed[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):  # whatever strangers wrote
        pass
    return to_datetime(listed.received_at)


def iso(at: datetime) -> str:
    """Write a time in the columns clients expect."""
    return f"{at.year:04}-{at:%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def encoded(name: str, value: str) -> str:
    """Write a header field's value as it stands in a message: ASCII, unfolded.

    A value that no message could hold so comes as it is.
    """
    if value.isascii() and "=?" not in value:
        return value
    try:
        field = header(name, value).decode("ascii")
    except HeaderError:
        return value
    return _FOLD.sub("", field).partition(":")[2].strip()


def _first_address(listed: Listed) -> str:
    found = addresses(listed.summary.from_header)
    return found[0][1] if found else ""


_MESSAGE: dict[str, Callable[[Listed], Value]] = {
    f"{{{DAV}}}isfolder": lambda _: "0",
    f"{{{DAV}}}ishidden": lambda _: "0",
    f"{{{DAV}}}getcontentlength": lambda listed: str(listed.size),
    f"{{{HTTPMAIL}}}read": lambda listed: str(int(bool(listed.flags & Flag.SEEN))),
    f"{{{HTTPMAIL}}}hasattachment": lambda listed: str(int(listed.digest.has_attachments)),
    f"{{{HTTPMAIL}}}to": lambda listed: listed.summary.to_header,
    f"{{{HTTPMAIL}}}from": lambda listed: listed.summary.from_header,
    f"{{{HTTPMAIL}}}fromemail": _first_address,
    f"{{{HTTPMAIL}}}subject": lambda listed: listed.summary.subject,
    f"{{{HTTPMAIL}}}date": lambda listed: iso(sent_at(listed)),
    f"{{{HTTPMAIL}}}datereceived": lambda listed: iso(to_datetime(listed.received_at)),
    f"{{{MAILHEADER}}}hasattachment": lambda listed: str(int(listed.digest.has_attachments)),
    f"{{{MAILHEADER}}}to": lambda listed: encoded("To", listed.summary.to_header),
    f"{{{MAILHEADER}}}from": lambda listed: encoded("From", listed.summary.from_header),
    f"{{{MAILHEADER}}}subject": lambda listed: encoded("Subject", listed.summary.subject),
    f"{{{MAILHEADER}}}date": lambda listed: iso(sent_at(listed)),
    f"{{{MAILHEADER}}}message-id": lambda listed: listed.summary.message_id,
    f"{{{HOTMAIL}}}fromaddr": _first_address,
}
_FOLDER: dict[str, Callable[[Folder], Value]] = {
    f"{{{DAV}}}isfolder": lambda _: "1",
    f"{{{DAV}}}hassubs": lambda _: "0",
    f"{{{DAV}}}nosubs": lambda folder: "1" if folder.use else "0",
    f"{{{HTTPMAIL}}}special": lambda folder: SPECIAL[Use(folder.use)] if folder.use else None,
    f"{{{HTTPMAIL}}}unreadcount": lambda folder: str(folder.unread),
    f"{{{DAV}}}visiblecount": lambda folder: str(folder.messages),
    f"{{{DAV}}}objectcount": lambda folder: str(folder.messages),
    f"{{{DAV}}}childcount": lambda folder: str(folder.messages),
}
# Which of the names are about messages in a folder, rather than about the folder.
MESSAGE_PROPERTIES = frozenset(_MESSAGE) - frozenset(_FOLDER) | {f"{{{DAV}}}getcontentlength"}


def of_message(name: str, listed: Listed) -> Value:
    """Return a message's property; None when messages have none of that name."""
    make = _MESSAGE.get(name)
    return None if make is None else make(listed)


def of_folder(name: str, folder: Folder) -> Value:
    """Return a folder's property; None when it has none of that name."""
    make = _FOLDER.get(name)
    return None if make is None else make(folder)
