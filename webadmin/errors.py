"""What goes wrong, as a page: which value, why, what would be right; never a traceback.

Failure: an unforeseen error is logged with an id, which the page shows.
"""

from __future__ import annotations

import secrets
import traceback

from flask import Flask, Response, make_response, render_template, request
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from appliance.database.errors import DatabaseError
from appliance.operations.operation import Clash, Invalid, NotFound, OperationError, Refused
from appliance.store.errors import FolderExists, FolderNotFound, StoreError
from webadmin.context import parts
from webadmin.problems import API, of_http

_STATUS: tuple[tuple[type[OperationError], int], ...] = (
    (Refused, 403),
    (NotFound, 404),
    (Clash, 409),
    (Invalid, 400),
)

Answer = tuple[str | Response, int]


def status_of(error: OperationError) -> int:
    """Return the status that fits an operation's error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 400)


def register(app: Flask) -> None:
    """Have errors answered by pages."""
    app.register_error_handler(OperationError, _operation_failed)
    app.register_error_handler(StoreError, _store_refused)
    app.register_error_handler(DatabaseError, _busy)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _operation_failed(error: OperationError) -> Answer:
    return _answer(status_of(error), str(error))


def _store_refused(error: StoreError) -> Answer:
    if isinstance(error, FolderNotFound):
        return _answer(404, _("There is no such folder in this mailbox; it may have been deleted."))
    return _answer(409 if isinstance(error, FolderExists) else 400, str(error))


def tell_busy(error: DatabaseError) -> str:
    """Log that a database was busy or failed; returns what the client is told."""
    parts().logs.note("error", f"{request.path} could not be answered: {error}")
    return _("The server is busy. Nothing was changed; try again in a moment.")


def _busy(error: DatabaseError) -> Answer:
    return _answer(503, tell_busy(error))


def _http(error: HTTPException) -> Response:
    if request.path.startswith(API):  # no view of the API: it answers its own
        return of_http(error)
    texts = {
        404: _("There is no such page here."),
        405: _("This page can't be used that way."),
        413: _("That is more than the server takes."),
    }
    code = error.code or 500
    text, status = _answer(code, texts.get(code, error.description or error.name))
    response = make_response(text, status)
    if isinstance(error, MethodNotAllowed):
        response.allow.update(error.valid_methods or ())
    return response


def tell_unforeseen(error: Exception) -> str:
    """Log an unforeseen error; returns what the client is told."""
    mark = secrets.token_hex(4)
    told = "".join(traceback.format_exception(error))
    parts().logs.note("error", f"{request.method} {request.path} failed ({mark}): {told}")
    return _("Something failed on the server. It is logged as %(mark)s.", mark=mark)


def _unforeseen(error: Exception) -> Answer:
    return _answer(500, tell_unforeseen(error))


def _answer(status: int, text: str) -> Answer:
    if request.headers.get("HX-Request"):  # shown as a toast; it may repeat what was typed
        return Response(text, content_type="text/plain; charset=utf-8"), status
    return render_template("error.html", status=status, text=text), status
