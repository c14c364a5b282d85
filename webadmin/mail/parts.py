"""What can be saved of a message: one part, or all as one archive; pictures and text also shown.

Nothing that could run is ever given its own type: a browser has to save it. Standards: RFC 6266.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from unicodedata import normalize
from urllib.parse import quote

from flask import Response, abort, request
from werkzeug.wsgi import FileWrapper

from appliance.mail import mime
from appliance.mail.part import Part
from appliance.mail.transfer import decode_chunks
from appliance.mail.view import view
from appliance.store.message import Message
from webadmin.mail.content import message_or_404, opened, part_or_404
from webadmin.mail.letter import PICTURES

_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
_SAFE = PICTURES | {
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/msword",
    "application/rtf",
    "message/rfc822",
    "text/csv",
    "text/calendar",
    "text/plain",
    "text/vcard",
}
_SAFE_MAIN = ("audio/", "video/", "application/vnd.openxmlformats-", "application/vnd.oasis.")
_CHARSET = re.compile(r"[\w.:+-]{1,40}", re.ASCII)
_UNKNOWN = "application/octet-stream"
_IN_MEMORY = 8 << 20
_CHUNK = 64 << 10


def part(folder_id: int, uid: int, number: str) -> Response:
    """Return a part: to be saved, or, with `show`, a picture or a text to be looked at."""
    found = message_or_404(folder_id, uid)
    with opened(found) as octets:
        wanted = part_or_404(mime.parse(octets), number)
    response = Response(_decoded(found, wanted))
    shows = "show" in request.args and (wanted.type in PICTURES or wanted.type == "text/plain")
    response.content_type = _content_type(wanted)
    kind = "inline" if shows else "attachment"
    response.headers.set("Content-Disposition", kind, **_name(wanted.filename or "part"))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def archive(folder_id: int, uid: int) -> Response:
    """Return all that can be saved of a message in one ZIP file."""
    found = message_or_404(folder_id, uid)
    with opened(found) as octets:
        wanted = view(mime.parse(octets), octets).attachments
        if not wanted:
            abort(404)
        made = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with the response
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as files:
            for name, each in _named(wanted):
                with files.open(name, "w", force_zip64=True) as file:
                    for chunk in decode_chunks(each, octets):
                        file.write(chunk)
    size = made.tell()
    made.seek(0)
    response = Response(FileWrapper(made, _CHUNK), content_type="application/zip")
    response.call_on_close(made.close)
    response.content_length = size
    response.headers.set("Content-Disposition", "attachment", filename=f"message-{uid}.zip")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _decoded(found: Message, wanted: Part) -> Iterator[bytes]:
    with opened(found) as octets:
        yield from decode_chunks(wanted, octets)


def _content_type(wanted: Part) -> str:
    if wanted.type == "text/plain":
        charset = wanted.charset if _CHARSET.fullmatch(wanted.charset) else "utf-8"
        return f"text/plain; charset={charset}"
    is_safe = wanted.type in _SAFE or wanted.type.startswith(_SAFE_MAIN)
    return wanted.type if is_safe else _UNKNOWN


def _name(filename: str) -> dict[str, str]:
    """Return a file's name as parameters of a header, in ASCII and as it is (RFC 6266 §4.3)."""
    if filename.isascii():
        return {"filename": filename}
    nearest = normalize("NFKD", filename).encode("ascii", "ignore").decode()
    return {"filename": nearest, "filename*": f"UTF-8''{quote(filename, safe='')}"}


def _named(wanted: tuple[Part, ...]) -> Iterator[tuple[str, Part]]:
    """Give each part a name of its own."""
    taken: set[str] = set()
    for each in wanted:
        stem, dot, suffix = each.filename.rpartition(".")
        stem, suffix = (stem, dot + suffix) if stem else (each.filename, "")
        name, count = each.filename, 1
        while name.lower() in taken:
            count += 1
            name = f"{stem} ({count}){suffix}"
        taken.add(name.lower())
        yield name, each
