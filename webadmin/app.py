"""The Flask application: rooms, what every request goes through, and what templates know.

Order of a request: settings refreshed, session found, room's door checked, form's proof checked,
view, headers, log. Owns: the application's parts. Failure: see `errors`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask, Response, g, make_response, redirect, request, url_for
from flask_babel import Babel
from werkzeug.wrappers import Response as BaseResponse

from appliance.operations.house import House
from appliance.operations.sessions import Sessions
from appliance.runtime.logs import Exchange, Logs
from appliance.settings import smtp
from webadmin import account, assets, errors, formats, look, security, uploads
from webadmin.api import blueprint as api
from webadmin.context import Parts, client, parts, session_or_none
from webadmin.mail import blueprint as webmail
from webadmin.patterns import blueprint as patterns
from webadmin.postoffice import blueprint as webadmin
from webadmin.rooms import PLACES, giving_back, is_by_itself, is_open, place
from webadmin.server import blueprint as console
from webadmin.toasts import ToastCookie, waiting

_ROOMS = (webmail, webadmin, console)
_KIB = 1024
_MAX_TEXTS = 8 << 20  # octets of a form's fields together, files apart: a long quotation, many uids

for _each in _ROOMS:
    account.register(_each)


def create_app(house: House, logs: Logs) -> Flask:
    """Make the application for a house."""
    app = Flask(__name__, static_folder=None)
    app.request_class = uploads.HoldingRequest
    app.extensions["posthouse"] = Parts(house, logs, Sessions(house))
    app.secret_key = house.sealer.derive("cookies of the web")  # toasts for the next page
    app.config.update(
        MAX_FORM_MEMORY_SIZE=_MAX_TEXTS,
        MAX_FORM_PARTS=2000,
        SESSION_COOKIE_NAME="posthouse-toasts",
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = ToastCookie()
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    with app.app_context():
        look.set_up(Babel())
    assets.register(app)
    formats.register(app)
    errors.register(app)
    app.jinja_env.globals.update(
        csrf_field=security.csrf_field, csrf_token=security.csrf_token, toasts=waiting
    )
    app.context_processor(_page)
    app.before_request(_enter)
    for each in _ROOMS:
        app.register_blueprint(each)
    app.register_blueprint(api)
    app.register_blueprint(patterns)
    _add_short_ways(app)
    app.after_request(security.set_door_cookie)
    app.after_request(security.protect)
    app.after_request(_log)
    return app


def _enter() -> BaseResponse | None:
    """Find who is there, and send who is not to the door of the room."""
    g.started = time.perf_counter()
    house = parts().house
    house.live.refresh()
    most = house.settings[smtp.max_message_kb] * _KIB
    here = place()
    if here is None:
        uploads.limit(most, is_known=False)
        return None
    token = request.cookies.get(account.SESSION_COOKIE, "")
    found = parts().sessions.find(token, here.room, is_use=not is_by_itself()) if token else None
    g.session, g.session_token = found, token if found else ""
    uploads.limit(most, is_known=found is not None)
    give_back = giving_back()
    if give_back and found:
        uploads.read_on()
    if give_back and not security.is_foreign() and not (found and security.has_proof()):
        return make_response(give_back())
    if found is None and not is_open():
        return _to_the_door(here.room.value)
    security.check_origin_and_token()
    return None


def _to_the_door(room: str) -> BaseResponse:
    """Lead to signing in, and back afterwards; a part of a page can only say 401."""
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": url_for(f"{room}.login")})
    back = request.full_path.rstrip("?") if request.method == "GET" else ""
    return redirect(url_for(f"{room}.login", next=back or None))


def _page() -> dict[str, object]:
    """Return what every template knows."""
    return {"place": place(), "session": session_or_none(), "look": look.look()}


def _add_short_ways(app: Flask) -> None:
    """Answer at the root and at the manual's own paths."""
    ways = {"/": "webmail", "/mewebmail": "webmail", "/meadmin": "webadmin"}
    for path, room in ways.items():
        home = next(each.home for each in PLACES.values() if each.room.value == room)
        app.add_url_rule(
            path, f"way{path.replace('/', '_')}", lambda home=home: redirect(url_for(home))
        )


def _log(response: Response) -> Response:
    """Log a request: what was asked for, never what was sent with it."""
    if request.endpoint == "static":
        return response
    found, logs = session_or_none(), parts().logs
    exchange = Exchange(
        kind="WEB",
        port=int(request.environ.get("SERVER_PORT", 0)),
        remote=client(),
        command=request.method,
        details=request.path,
        response=str(response.status_code),
        received=request.content_length or 0,
        login=found.login if found else g.get("caller", ""),
    )
    if response.is_streamed and response.content_length is None:
        _log_at_its_end(response, exchange, logs)
    else:
        sent = response.content_length
        if sent is None:
            sent = response.calculate_content_length() or 0
        logs.exchange(exchange._replace(sent=sent))
    if logs.is_verbose:
        agent, how = request.user_agent.string, "htmx" if request.headers.get("HX-Request") else ""
        text = f"{request.method} {request.path} by {request.endpoint} for {agent or '-'} {how}"
        logs.detail(text.rstrip(), started=g.get("started"))
    return response


def _log_at_its_end(response: Response, exchange: Exchange, logs: Logs) -> None:
    """Log what is made while it is sent: its length is known then, and it is never held whole."""
    octets, sent = response.iter_encoded(), 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for piece in octets:
            sent += len(piece)
            yield piece

    response.response = counted()
    response.call_on_close(lambda: logs.exchange(exchange._replace(sent=sent)))
