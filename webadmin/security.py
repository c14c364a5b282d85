"""What protects every page: headers, and proof that a form is ours.

Standards: CSP Level 3, Fetch Metadata, OWASP on cross-site request forgery.
Owns: nothing. Failure: 403 with a page that says what to do.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Response, abort, g, request
from flask_babel import gettext as _
from markupsafe import Markup

from webadmin.rooms import place

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; manifest-src 'self'"
)
_SAFE = ("GET", "HEAD", "OPTIONS")
DOOR_COOKIE = "posthouse-door"  # before anybody is signed in


def protect(response: Response) -> Response:
    """Add the headers that every answer carries; a view's own policy stays."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", _POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")  # without one, Origin is "null"
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def csrf_token() -> str:
    """Return the proof for forms on this page, bound to the session, or to this browser."""
    return _proof(_secret())


def csrf_field() -> Markup:
    """Return the hidden field of a form."""
    return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf_token())


def check_origin_and_token() -> None:
    """Refuse a request that changes something and was not sent by one of our pages."""
    if request.method not in _SAFE and (is_foreign() or not has_proof()):
        abort(403, _("This page was too old, or was not opened here. Reload it and try again."))


def is_foreign() -> bool:
    """Tell whether a request was sent by a page that is not ours."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    return site != "same-origin" or (origin is not None and urlsplit(origin).netloc != request.host)


def has_proof() -> bool:
    """Tell whether a request brings the proof that its form is of this session."""
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    return hmac.compare_digest(sent.encode(), csrf_token().encode())


def set_door_cookie(response: Response) -> Response:
    """Give a browser that was given a form before signing in its secret."""
    made = g.get("new_door_secret")
    here = place()
    if made and here is not None:
        response.set_cookie(
            DOOR_COOKIE,
            made,
            path=here.prefix,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


def _secret() -> str:
    session_token: str | None = g.get("session_token")
    if session_token:
        return session_token
    known = request.cookies.get(DOOR_COOKIE) or g.get("new_door_secret")
    if not known:
        known = g.new_door_secret = secrets.token_urlsafe(32)
    return known


def _proof(secret: str) -> str:
    return hmac.new(secret.encode(), b"posthouse csrf", hashlib.sha256).hexdigest()
