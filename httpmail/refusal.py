"""What is answered instead of what was asked for: a status, and why, in words for people.

Old mail clients show a user nothing but the reason phrase, so it says what is wrong.
"""

from __future__ import annotations

import errno
from http import HTTPStatus

from wsgidav.dav_error import DAVError

from appliance.database.errors import DatabaseError
from appliance.store.errors import (
    BadFolderName,
    FolderExists,
    FolderNotFound,
    FolderProtected,
    StoreError,
    TooManyFolders,
)

_MAX_PHRASE = 150
_STATUS_OF = {
    FolderNotFound: 404,
    FolderExists: 412,
    FolderProtected: 403,
    BadFolderName: 403,
    TooManyFolders: 507,
}
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Refused(DAVError):  # type: ignore[misc] # WsgiDAV ships no types
    """A request is answered with an error.

    Attributes:
        text: why; the reason phrase is made of it.
        headers: what the answer says besides.
    """

    def __init__(
        self, status: int, text: str = "", *, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(status, text or HTTPStatus(status).phrase)
        self.text: str = self.context_info
        self.headers = headers

    def __str__(self) -> str:
        return self.text


def of_store(error: StoreError) -> Refused:
    """Return the refusal that says what the store said."""
    return Refused(_STATUS_OF.get(type(error), 409), str(error))


def of_failure(error: DatabaseError | OSError) -> Refused:
    """Return the refusal for a store or disk that does not work at present."""
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return Refused(507, "The server's disk is full; please try again later")
    return Refused(503, "The mail store can't be reached at present; please try again later")


def phrase(error: DAVError) -> str:
    """Return the reason phrase of an error, of ours or of WsgiDAV's."""
    if isinstance(error, Refused):
        return one_line(error.text)
    return HTTPStatus(error.value).phrase


def one_line(text: str) -> str:
    """Make a text fit the status line: printable ASCII, not too long (RFC 9112 §4)."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:_MAX_PHRASE])
