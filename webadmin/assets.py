"""Stylesheets, scripts, fonts and icons: their addresses, and the one view that serves them.

Every address carries a digest of all files together, as a folder: what a stylesheet or a module
names beside itself is then found under the same digest, and a browser may keep everything for a
year. An address with another digest, of a page from before an upgrade, gets today's file and may
not be kept.

Owns: the compressed copies of text files, in memory; there are as many as files.
Failure: a name that is no file is an error while a page is rendered, with what would be right.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, request, send_from_directory, url_for

FOLDER = Path(__file__).parent / "static"
_YEAR_S = 31_536_000
_DIGEST_LENGTH = 12
_TEXTS = {".css", ".js", ".mjs", ".svg", ".json", ".txt"}


def register(app: Flask) -> None:
    """Serve the files under /static/DIGEST/, and give templates `asset`."""
    app.add_url_rule("/static/<digest>/<path:name>", "static", _serve)
    app.jinja_env.globals.update(asset=asset)


def asset(name: str) -> str:
    """Return the address of a file below static/, such as `css/base.css`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not (FOLDER / name).is_file():
        means = "run `make setup`" if name.startswith("vendor/") else "the name is misspelt"
        raise FileNotFoundError(f"webadmin/static has no {name}: {means}")
    return url_for("static", digest=digest(), name=name)


@lru_cache(maxsize=1)
def digest() -> str:
    """Return the digest of all files, computed once in a process."""
    found = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        found.update(path.relative_to(FOLDER).as_posix().encode() + b"\0")
        found.update(path.read_bytes())
    return found.hexdigest()[:_DIGEST_LENGTH]


def _serve(digest: str, name: str) -> Response:
    response = send_from_directory(FOLDER, name, conditional=True)
    path = FOLDER / name
    if path.suffix in _TEXTS and response.status_code == HTTPStatus.OK:
        if request.accept_encodings["gzip"]:
            response.close()
            packed = _compressed(path, path.stat().st_mtime_ns)
            response = Response(packed, mimetype=response.mimetype)
            response.content_encoding = "gzip"
            response.cache_control.no_cache = True
        response.vary.add("Accept-Encoding")
    if digest == _current():
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = _YEAR_S
        response.cache_control.immutable = True
    return response


def _current() -> str:
    return digest()


@lru_cache(maxsize=512)
def _compressed(path: Path, mtime_ns: int) -> bytes:  # noqa: ARG001 - a changed file is another entry
    return gzip.compress(path.read_bytes(), mtime=0)
