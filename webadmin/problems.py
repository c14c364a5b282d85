"""What went wrong, for programs: problem documents.

Standards: RFC 9457 (problem details), RFC 9110 §15.5 (what a failure's headers say).
Owns: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec
from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

API = "/api/"  # paths below it are answered so
RETRY_S = 5  # a server that was busy may be so no longer
_TOLD = ("Allow", "Retry-After", "WWW-Authenticate")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def problem(
    status: int, text: str, *, field: str = "", headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """Return a problem document.

    Args:
        status: of the answer.
        text: which value, why, and what would be right.
        field: what is wrong in what was sent; empty for nothing in particular.
        headers: further ones.
    """
    found = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": text,
        **({"field": field} if field else {}),
    }
    return Response(
        msgspec.json.encode(found), status, headers, content_type="application/problem+json"
    )


def of_http(error: HTTPException) -> Response:
    """Return what HTTP itself does not allow."""
    status = error.code or 500
    texts = {
        404: f"there is no {request.path} here; /api/v1/openapi.json says what there is",
        405: f"{request.method} can't be used here; {_methods(error)} can",
        413: "the body is too large; a MiB is the most",
        415: "the body is no JSON: send it with Content-Type: application/json",
    }
    text = texts.get(status, error.description or error.name)
    told = {name: value for name, value in error.get_headers() if name in _TOLD}
    return problem(status, text, headers=told)


def _methods(error: HTTPException) -> str:
    allowed = error.valid_methods if isinstance(error, MethodNotAllowed) else None
    return ", ".join(sorted(allowed or ()))
