"""Signing in and out, one's sessions, password and look: the same in every room."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from appliance.directory.sessions import Room
from appliance.operations.login import LoginResult, Logins
from appliance.operations.mailboxes import ChangeOwnPassword
from appliance.operations.operation import Invalid, Refused
from appliance.operations.operators import ChangeOwnOperatorPassword
from appliance.operations.sessions import EndSession, EndSessions, ListSessions
from appliance.settings import auth, web
from webadmin import look as looks
from webadmin.context import ask, client, house, parts, perform, session
from webadmin.rooms import PLACES, Place, is_inside, open_to_all, place
from webadmin.skins import SKINS

SESSION_COOKIE = "posthouse"
_DAY_S = 86_400
_YEAR_S = 365 * _DAY_S


def register(blueprint: Blueprint) -> None:
    """Add the pages to a room."""
    blueprint.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    blueprint.add_url_rule("/logout", "logout", logout, methods=["POST"])
    blueprint.add_url_rule("/account", "account", account)
    blueprint.add_url_rule("/account/password", "password", password, methods=["POST"])
    blueprint.add_url_rule("/account/sessions", "sessions", sessions, methods=["POST"])
    blueprint.add_url_rule("/look", "look", open_to_all(look), methods=["POST"])


@open_to_all
def login() -> BaseResponse | str | tuple[str, int]:
    """Sign in to a room."""
    here = _here()
    name = request.form.get("user", "")
    if not (request.is_secure or house().settings[auth.without_tls]):
        text = _("Passwords are only taken over https. Open this page with https://")
        return _door(here, name, wrong=text, closed=True), 403
    if request.method == "GET":
        return _door(here, name)
    result = _check(here.room, name, request.form.get("password", ""))
    remember = here.room is Room.WEBMAIL and bool(request.form.get("remember"))
    try:
        token = parts().sessions.open(
            result,
            room=here.room,
            client=client(),
            agent=request.user_agent.string,
            remember=remember,
        )
    except Refused as error:
        _tell("warning", here, result)
        return _door(here, name, wrong=str(error)), 403
    _tell("info", here, result)
    if SESSION_COOKIE in request.cookies:  # whoever was signed in here before
        parts().sessions.end(request.cookies[SESSION_COOKIE])
    response = redirect(_way_back(here))
    response.set_cookie(
        SESSION_COOKIE,
        token,
        path=here.prefix,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
        max_age=house().settings[web.remember_lifetime] if remember else None,
    )
    return response


def logout() -> BaseResponse:
    """Sign out here."""
    here = _here()
    parts().sessions.end(request.cookies[SESSION_COOKIE])
    response = redirect(url_for(f"{here.room.value}.login"))
    response.delete_cookie(SESSION_COOKIE, path=here.prefix)
    return response


def account() -> str:
    """Show one's sessions, and the forms for password and look."""
    return _account_page()


def password() -> BaseResponse | tuple[str, int]:
    """Change one's password; all sessions end but this one, which begins anew."""
    form = request.form
    found = session()
    old, new = form.get("old", ""), form.get("new", "")
    try:
        if new != form.get("again", ""):
            raise Invalid(
                _("The two new passwords differ. Type the same one twice."), field="again"
            )
        if found.mailbox is None:
            perform(ChangeOwnOperatorPassword(operator=found.login, old=old, new=new))
        else:
            perform(ChangeOwnPassword(mailbox=found.login, old=old, new=new))
    except Invalid as error:
        return _account_page({error.field or "old": str(error)}), 400
    flash(_("Your password is changed. Sign in with the new one; every other session has ended."))
    return logout()


def sessions() -> BaseResponse:
    """End a session, or all others."""
    found = session()
    ended = request.form.get("session", "")
    if ended:
        perform(EndSession(login=found.login, session=ended))
        flash(_("That session has ended."))
    else:
        count = perform(EndSessions(login=found.login, except_id=found.id))
        flash(_("%(count)s other sessions have ended.", count=count))
    return redirect(url_for(".account"))


def look() -> BaseResponse:
    """Keep how pages should look, in a cookie of this browser."""
    chosen = looks.look()
    form = request.form
    changed = looks.checked(
        form.get("theme", chosen.theme),
        form.get("density", chosen.density),
        form.get("skin", chosen.skin),
        form.get("language", chosen.language),
    )
    response = redirect(_same_site(request.referrer) or url_for(".account"))
    response.set_cookie(
        looks.LOOK_COOKIE,
        changed.cookie(),
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
        max_age=_YEAR_S,
    )
    return response


def _tell(level: str, here: Place, result: LoginResult) -> None:
    text = f"login {result.login!r} to {here.room} from {client()}: {result.reason.text}"
    parts().logs.note(level, text, reason=result.reason.to_dict())


def _check(room: Room, name: str, given: str) -> LoginResult:
    logins = Logins(house(), room.value)
    if room is Room.CONSOLE:
        return logins.check_operator_now(name, given, client=client())
    return logins.check_now(name, given, client=client())


def _door(here: Place, name: str, *, wrong: str = "", closed: bool = False) -> str:
    headings = {
        Room.WEBMAIL: _("Sign in to your mail"),
        Room.WEBADMIN: _("Sign in to your post office"),
        Room.CONSOLE: _("Sign in to the console"),
    }
    is_console = here.room is Room.CONSOLE
    days = house().settings[web.remember_lifetime] // _DAY_S
    return render_template(
        "login.html",
        heading=headings[here.room],
        label=_("Operator") if is_console else _("Mailbox"),
        help="" if is_console else _("mailbox@postoffice, or your whole address"),
        remember=ngettext(
            "Stay signed in on this device for a day",
            "Stay signed in on this device for %(num)s days",
            days,
        ),
        languages=looks.LANGUAGES,
        name=name,
        wrong=wrong,
        closed=closed,
    )


def _account_page(errors: dict[str, str] | None = None) -> str:
    found = session()
    return render_template(
        "account.html",
        errors=errors or {},
        sessions=ask(ListSessions(login=found.login)),
        densities={
            "": _("Three lines"),
            "compact": _("One line"),
            "roomy": _("Three lines with air"),
        },
        place_names={
            Room.WEBMAIL: _("Webmail"),
            Room.WEBADMIN: _("Administration"),
            Room.CONSOLE: _("Console"),
        },
        languages=looks.LANGUAGES,
        skins=SKINS,
    )


def _here() -> Place:
    found = place()
    assert found is not None
    return found


def _way_back(here: Place) -> str:
    """Return where somebody wanted to go before signing in: a page of the same room."""
    wanted = request.args.get("next", "")
    return wanted if is_inside(here, wanted) else url_for(PLACES[here.room].home)


def _same_site(address: str | None) -> str:
    """Return the path of an address of ours; empty for others'."""
    parsed = urlsplit(address or "")
    if parsed.netloc != request.host or parsed.path.startswith("//"):
        return ""
    return parsed.path + (f"?{parsed.query}" if parsed.query else "")
