"""Sending a letter: to the queue, a copy into Sent Items, a mark on what was answered.

The three happen under one key, so that the letter can be sent again after any failure: it goes out
once and is filed once.

Owns: nothing. Failure: `Refusal` says what is wrong and beside which field; DatabaseError, OSError
    (temporary): send it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from appliance.mail.address import Address, AddressError
from appliance.mail.headers import HeaderError
from appliance.mail.letter import LetterError
from appliance.operations.outgoing import Fault, OutgoingRefused, send_letter
from appliance.store.errors import FolderNotFound
from appliance.store.message import Flag, Use
from webadmin.context import client, house
from webadmin.mail import drafts
from webadmin.mail.draft import Draft, Upload
from webadmin.mail.drafts import SourceGone
from webadmin.mail.mailbox import mailbox, owner, special

WHOLE = "whole"  # what is wrong with none of the fields
_FIELDS = {"sender": "from", "from": "from", "recipients": "to", "size": "attachments"}
_TYPED = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong with a letter.

    Attributes:
        text: what, why, what would be right: a sentence.
        value: the part of the field that is wrong; empty for all of it.
        fix: what would be right in its place; empty when nobody knows.
    """

    text: str
    value: str = ""
    fix: str = ""


class Refusal(Exception):
    """A letter can't be saved or sent as it is.

    Attributes:
        wrongs: what is wrong, by field.
    """

    def __init__(self, wrongs: Mapping[str, Sequence[Wrong]]) -> None:
        """Keep what is wrong."""
        super().__init__(" ".join(each.text for some in wrongs.values() for each in some))
        self.wrongs = wrongs


def save(draft: Draft, uploads: Sequence[Upload]) -> Draft:
    """Save a letter in Drafts; returns it as it now is.

    Raises:
        Refusal: it can't be written.
    """
    try:
        return drafts.save(draft, uploads)
    except (LetterError, HeaderError) as error:
        raise Refusal(_unwritten(draft, error)) from error
    except SourceGone as error:
        raise Refusal(lost(len(draft.kept))) from error


def send(draft: Draft, uploads: Sequence[Upload]) -> None:
    """Send a letter and file it.

    Raises:
        Refusal: it went to nobody.
    """
    if not draft.from_:
        text = _("This mailbox has no address that a letter could be sent from.")
        raise Refusal({"from": [Wrong(text)]})
    names = [each.filename for each in draft.kept] + [each.filename for each in uploads]
    name = draft.submission(names)
    at = drafts.now()
    try:
        with drafts.written(draft, uploads, with_bcc=False, at=at, name=name) as octets:
            entry_id = send_letter(
                house(),
                mailbox=owner(),
                client=client(),
                envelope_from=draft.from_,
                recipients=draft.recipients(),
                octets=octets,
                origin="WEBMAIL",
                key=name,
            )
    except (LetterError, HeaderError) as error:
        raise Refusal(_unwritten(draft, error)) from error
    except SourceGone as error:
        raise Refusal(lost(len(draft.kept))) from error
    except OutgoingRefused as error:
        raise Refusal(_refused(draft, error)) from error
    content = mailbox().content()
    try:
        with drafts.written(draft, uploads, with_bcc=True, at=at, name=name) as octets:
            for chunk in octets:
                content.write(chunk)
    except BaseException:
        content.abandon()
        raise
    sent = special(Use.SENT)
    mailbox().append(sent.id, content, flags=Flag.SEEN, key=name, entry_id=entry_id)
    if draft.uid:
        mailbox().expunge(special(Use.DRAFTS).id, [draft.uid])
    _mark_answered(draft)


def lost(count: int) -> dict[str, list[Wrong]]:
    """Return what is wrong with a letter that had more attachments than are there."""
    if not count:
        return {}
    text = ngettext(
        "One attachment is gone: the message it was in was deleted. Attach it again.",
        "%(num)s attachments are gone: the message they were in was deleted. Attach them again.",
        count,
    )
    return {"attachments": [Wrong(text)]}


def _mark_answered(draft: Draft) -> None:
    if draft.answers is None:
        return
    how = Flag.FORWARDED if draft.answers.how == "forward" else Flag.ANSWERED
    try:
        mailbox().flag(draft.answers.folder_id, [draft.answers.uid], add=how)
    except FolderNotFound:  # deleted while the answer was written
        return


def _unwritten(draft: Draft, error: LetterError | HeaderError) -> dict[str, list[Wrong]]:
    if isinstance(error, HeaderError):  # its text begins with the field's name
        name = str(error).partition(":")[0].lower()
        return {name if name in (*_TYPED, "subject") else WHOLE: [Wrong(str(error))]}
    field = _FIELDS.get(error.field, error.field)
    fix = error.suggestion
    if fix and "," in error.value:
        text = _("%(value)s has a comma where a dot belongs.", value=error.value)
        return {field: [Wrong(text, value=error.value, fix=fix)]}
    if "@" not in error.value:
        fix = fix or _own_house(draft, error.value)
        text = _("%(value)s is no address: there is no @ in it.", value=error.value)
        return {field: [Wrong(text, value=error.value, fix=fix)]}
    text = _("%(value)s is no address: %(why)s.", value=error.value, why=error.why)
    return {field: [Wrong(text, value=error.value, fix=fix)]}


def _own_house(draft: Draft, name: str) -> str:
    """Return the address of somebody in the writer's own domain who was named without it."""
    try:
        found = Address.parse(f"{name}@{draft.from_.rpartition('@')[2]}")
    except AddressError:
        return ""
    return str(found) if house().directory.target(found).mailbox_id else ""


def _refused(draft: Draft, error: OutgoingRefused) -> dict[str, list[Wrong]]:
    """Return what was refused beside the field it was typed in."""
    if not error.faults:
        return {_FIELDS.get(error.field, WHOLE): [Wrong(str(error))]}
    found: dict[str, list[Wrong]] = {}
    for fault in error.faults:
        wrong = Wrong(fault.text, value=fault.address)
        found.setdefault(_field_of(draft, fault), []).append(wrong)
    return found


def _field_of(draft: Draft, fault: Fault) -> str:
    address = fault.address.casefold()
    return next((name for name in _TYPED if address in getattr(draft, name).casefold()), "to")
