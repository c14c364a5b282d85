"""Files that come with a form: held on disk, never more of them than there may be.

A form that brings too much is read to its end all the same, so that its answer can say what was too
much, and keeps what was typed; the octets beyond the limit are thrown away as they come.

Owns: temporary files, until the request is over.
"""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import IO

from flask import Request, request

_IN_MEMORY = 512 << 10
_FIELDS = 1 << 20  # octets of a form besides its files
_TEXTS = 8 << 20  # octets of a form without files: a long quotation, many uids
_STRANGERS = 1 << 20  # of whoever is not signed in: what was typed when a session ended
_WITH_FILES = "multipart/form-data"


class Held(SpooledTemporaryFile[bytes]):
    """A file that came with a form.

    Attributes:
        size: octets that came.
        is_whole: all of them are held; if not, none is.
    """

    def __init__(self, request: HoldingRequest) -> None:
        """Belong to a request, whose files share its limit."""
        super().__init__(max_size=_IN_MEMORY, mode="w+b")
        self.size = 0
        self.is_whole = True
        self._request = request

    def write(self, octets: bytes) -> int:  # type: ignore[override] # bytes is all that comes
        """Take a piece; beyond the limit it is only counted."""
        self.size += len(octets)
        self._request.held += len(octets)
        most = self._request.most_held
        if self.is_whole and (most is None or self._request.held <= most):
            return super().write(octets)
        if self.is_whole:
            self.is_whole = False
            self.seek(0)
            self.truncate()
        return len(octets)


class HoldingRequest(Request):
    """A request whose files are held up to a limit.

    Attributes:
        most_held: octets of all files together; None for no limit.
        held: octets that came.
    """

    most_held: int | None = None
    held = 0

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return Held(self)


def limit(most: int, *, is_known: bool) -> None:
    """Refuse the request if it brings too much.

    Only files are held on disk. All else is read into memory: bounded, whatever the settings say.

    Args:
        most: octets of files; 0 for no limit.
        is_known: somebody is signed in, whose forms may bring files.
    """
    assert isinstance(request, HoldingRequest)
    request.most_held = most or None
    if not is_known:
        request.max_content_length = _STRANGERS
    elif request.mimetype == _WITH_FILES:
        request.max_content_length = most + _FIELDS if most else None
    else:
        request.max_content_length = _TEXTS


def read_on() -> None:
    """Read a form with files to its end even then, but without the files that are too much."""
    if request.mimetype == _WITH_FILES:
        request.max_content_length = None
