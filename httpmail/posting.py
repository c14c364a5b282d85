"""Messages that come from clients: into a folder by POST or PUT, on their way by POST to sendmsg.

Recipients come from the envelope only: a blind copy's stand nowhere else. `Bcc` is cut out of what
is sent and stays in the copy that `SAVEINSENT: t` asks for. A client that posts the same letter
again, because it did not get the answer, sends it once: the letter's own octets are its key.

Standards: RFC 5322 §3.6 (Date, Message-ID), RFC 6409 §8 (adding them).
Owns: a temporary file while a message comes in. Failure: `Refused`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from appliance.database.content import ContentWriter
from appliance.database.errors import DatabaseError
from appliance.mail import headers
from appliance.operations.outgoing import OutgoingRefused, send_letter
from appliance.runtime.clock import to_datetime
from appliance.settings import smtp
from appliance.store.message import Flag, Folder, Use
from httpmail import properties
from httpmail.answer import Answer, created
from httpmail.multistatus import CONTENT_TYPE
from httpmail.refusal import Refused
from httpmail.rfc821 import MAX_ENVELOPE, BadEnvelope, EnvelopeReader
from httpmail.tree import Folders, MailFolder, MailMessage, Reserved, SendPlace
from httpmail.visit import Visit

_KIB = 1024
_IN_MEMORY = 1 << 20
_CHUNK = 256 << 10
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BCC = re.compile(
    rb"^(?:resent-)?bcc[ \t]*:.*(?:\n|\Z)(?:[ \t].*(?:\n|\Z))*", re.IGNORECASE | re.MULTILINE
)
_FLAGS = {Use.SENT: Flag.SEEN, Use.DRAFTS: Flag.SEEN | Flag.DRAFT}


def post(visit: Visit) -> Answer:
    """File a message in a folder, or send one."""
    resource = visit.asked_for()
    if isinstance(resource, SendPlace):
        return _send(visit)
    if isinstance(resource, MailFolder):
        return _append(visit, resource)
    raise Refused(405, "Only folders and sendmsg take messages")


# ── into a folder ────────────────────────────────────────────────────────────────────────────────


def put(visit: Visit) -> Answer:
    """File a message under a name of its client's (RFC 9110 §9.3.4)."""
    request = visit.request
    if request.field("Content-Encoding") not in ("", "identity"):
        raise Refused(415, "Content can't be encoded")
    if request.field("Content-Range"):
        raise Refused(400, "A message is put as a whole")
    resource = visit.find(request.path)
    parent, name = visit.parent(request.path)
    if isinstance(resource, MailFolder | Folders | SendPlace):
        raise Refused(405, "A folder takes messages under a name, or by POST")
    if not isinstance(parent, MailFolder):
        raise Refused(409, "There is no folder to put it in")
    visit.check_conditions(resource)
    if resource is None and request.field("If-Match"):  # RFC 9110 §13.1.1
        raise Refused(412, "There is nothing of that name yet")
    visit.check_lock(parent if resource is None else resource)
    is_ours = properties.is_message_name(name)
    if is_ours and resource is not None:
        raise Refused(403, "A message can't be changed; delete it and file another one")
    replaced = resource.listed.uid if isinstance(resource, MailMessage) else None
    # as it is: who puts octets wants to get the same ones
    uid = _file(visit, parent.folder, request.chunks(_most(visit)), replaces=replaced)
    own_name = properties.message_name(parent.folder, uid)
    location = parent.url + own_name
    if not is_ours:
        visit.given.keep(parent.folder.id, name, uid)
        location = request.url(parent.path + name)
    if isinstance(resource, MailMessage | Reserved):
        return Answer(204, headers=[("ETag", f'"{own_name}"')])
    answer = created(location)
    answer.headers.append(("ETag", f'"{own_name}"'))
    return answer


def _append(visit: Visit, parent: MailFolder) -> Answer:
    if visit.request.media_type != "message/rfc822":
        raise Refused(415, "A folder takes message/rfc822")
    visit.check_conditions(parent)
    visit.check_lock(parent)
    octets = _with_crlf(visit.request.chunks(_most(visit)))
    uid = _file(visit, parent.folder, octets)
    return created(parent.url + properties.message_name(parent.folder, uid))


def _file(
    visit: Visit, folder: Folder, octets: Iterable[bytes], *, replaces: int | None = None
) -> int:
    visit.check_quota(visit.request.length or 0)
    with _content(visit) as content:
        for chunk in octets:
            content.write(chunk)
        if visit.request.length is None:
            visit.check_quota(content.size)
        flags = _FLAGS.get(Use(folder.use), Flag(0)) if folder.use else Flag(0)
        uid = visit.store.append(folder.id, content, flags=flags, replaces=replaces)
    visit.changed()
    return uid


@contextmanager
def _content(visit: Visit) -> Iterator[ContentWriter]:
    """Begin a message's content in the store; what is not filed is thrown away."""
    content = visit.store.content()
    try:
        yield content
    except BaseException:
        content.abandon()
        raise


def _most(visit: Visit) -> int:
    """Return how many octets a message may have; 0 for no limit."""
    return visit.house.settings[smtp.max_message_kb] * _KIB


# ── on its way ───────────────────────────────────────────────────────────────────────────────────


def _send(visit: Visit) -> Answer:
    request = visit.request
    if request.media_type != "message/rfc821":
        raise Refused(415, "sendmsg takes message/rfc821")
    most = _most(visit)
    envelope = EnvelopeReader()
    digest = hashlib.sha256()
    with SpooledTemporaryFile(_IN_MEMORY) as letter:
        try:
            for chunk in request.chunks(most and most + MAX_ENVELOPE):
                digest.update(chunk)
                letter.write(envelope.feed(chunk))
            envelope.close()
        except BadEnvelope as error:
            raise Refused(400, f"Malformed envelope: {error}") from None
        found = _Letter(letter, visit)
        key = f"httpmail {digest.hexdigest()}" if found.has_message_id else ""
        try:
            entry_id = send_letter(
                visit.house,
                mailbox=visit.mailbox,
                client=visit.client,
                envelope_from=envelope.reverse_path,
                recipients=envelope.recipients,
                octets=found.as_sent(),
                origin="HTTPMAIL",
                key=key,
            )
        except OutgoingRefused as error:
            raise _refusal(error) from None
        if request.field("Saveinsent").lower() in ("t", "1", "true"):
            _save(visit, found, entry_id, key)
    headers_ = [("Content-Type", CONTENT_TYPE)]
    return Answer(200, headers=headers_, message_id=entry_id)


def _refusal(error: OutgoingRefused) -> Refused:
    """Return the answer for a letter that nobody gets."""
    if error.is_temporary:
        return Refused(503, str(error))
    status = 413 if error.field == "size" else 403
    text = f"Sender not allowed: {error}" if error.field == "sender" else str(error)
    return Refused(status, text)


def _save(visit: Visit, letter: _Letter, entry_id: str, key: str) -> None:
    """File the sender's copy; a letter that is on its way is not refused for it."""
    try:
        with _content(visit) as content:
            for chunk in letter.as_written():
                content.write(chunk)
            visit.check_quota(content.size)
            sent = visit.store.special(Use.SENT)
            visit.store.append(sent.id, content, flags=_FLAGS[Use.SENT], key=key, entry_id=entry_id)
    except (DatabaseError, OSError, Refused) as error:
        text = f"{visit.mailbox.login} gets no copy in Sent Items: {error}"
        visit.logs.note("warning", text, message_id=entry_id)


class _Letter:
    """A letter as it came, in a file, and as it is sent."""

    def __init__(self, file: IO[bytes], visit: Visit) -> None:
        self._file = file
        file.seek(0)
        beginning = b"".join(_with_crlf([file.read(headers.MAX_SECTION)]))
        summary = headers.scan(beginning)
        self.has_message_id = summary.has_message_id
        house = visit.house
        added: list[bytes] = []
        if not summary.has_date:
            now = to_datetime(house.clock.now_us())
            added.append(headers.header("Date", headers.format_date(now)))
        if not summary.has_message_id:
            named = f"<{house.queue.new_id()}@{house.local_domain}>"
            added.append(headers.header("Message-ID", named))
        self._added = b"".join(added)

    def as_written(self) -> Iterator[bytes]:
        """Yield it with what was missing, line ends in order."""
        yield self._added
        self._file.seek(0)
        yield from _with_crlf(iter(lambda: self._file.read(_CHUNK), b""))

    def as_sent(self) -> Iterator[bytes]:
        """Yield it without the recipients of blind copies."""
        octets = self.as_written()
        section, rest = b"", b""
        for chunk in octets:
            section += chunk
            head, rest = headers.split(section)
            if rest or len(section) > headers.MAX_SECTION:
                section = head
                break
        yield _BCC.sub(b"", section)
        yield rest
        yield from octets


def _with_crlf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield octets with every line's end as CRLF (RFC 5321 §2.3.8)."""
    held = b""
    for chunk in chunks:
        octets = held + chunk
        held = b"\r" if octets.endswith(b"\r") else b""
        octets = octets.removesuffix(held)
        pairs = octets.count(b"\r\n")
        if octets.count(b"\r") == pairs == octets.count(b"\n"):
            yield octets
        else:
            yield _LINE_END.sub(b"\r\n", octets)
    if held:
        yield b"\r\n"
