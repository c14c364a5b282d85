"""Operators' accounts, and the tokens that programs show to the API."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from appliance.operations.operation import Clash, Invalid, NotFound
from appliance.operations.operators import (
    CreateOperator,
    DeleteOperator,
    ListOperators,
    SetOperatorPassword,
)
from appliance.operations.postoffices import ListPostOffices
from appliance.operations.sessions import EndSessions, ListSessions
from appliance.operations.tokens import CreateToken, ListTokens, RevokeToken
from appliance.rules.access import ADMIN_PERMISSIONS, TOKEN_PERMISSIONS, Permission
from webadmin.context import ask, house, perform, session
from webadmin.forms import WHOLE, attempt
from webadmin.toasts import toast

_USUAL_DAYS = 365
_MEANINGS = {
    Permission.SERVER_READ: _l("See services, settings, numbers, changes."),
    Permission.SERVER_CHANGE: _l("Change settings, go back to earlier ones, send messages."),
    Permission.POSTOFFICE_CHANGE: _l("Create, suspend and delete post offices."),
    Permission.DOMAIN_READ: _l("See domains."),
    Permission.DOMAIN_CHANGE: _l("Create, disable and delete domains."),
    Permission.MAILBOX_READ: _l("See mailboxes, not the mail in them."),
    Permission.MAILBOX_CHANGE: _l("Create, suspend and delete mailboxes, set passwords."),
    Permission.ADDRESS_READ: _l("See addresses."),
    Permission.ADDRESS_CHANGE: _l("Create and delete addresses."),
    Permission.QUEUE_READ: _l("See what waits in the queue and in bad mail."),
    Permission.QUEUE_CHANGE: _l("Hold, release, retry, return and remove messages."),
    Permission.MESSAGE_TRACE: _l("Follow the journeys of messages."),
}

Answer = str | Response | tuple[str, int]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    add = blueprint.add_url_rule
    both = ["GET", "POST"]
    add("/operators", "operators", operators)
    add("/new-operator", "new_operator", new_operator, methods=both)
    add("/operators/<name>", "operator", operator)
    add("/operators/<name>/password", "operator_password", operator_password, methods=["POST"])
    add("/operators/<name>/sessions", "operator_sessions", operator_sessions, methods=["POST"])
    add("/operators/<name>/delete", "delete_operator", delete_operator, methods=both)
    add("/new-token", "new_token", new_token, methods=both)
    add("/tokens/<name>/revoke", "revoke_token", revoke_token, methods=both)


def operators() -> str:
    """List operators and tokens."""
    return render_template(
        "server/operators.html",
        operators=ask(ListOperators()),
        tokens=ask(ListTokens()),
        now=house().clock.now_us(),
    )


def new_operator() -> Answer:
    """Create an operator."""
    form, errors = request.form, dict[str, str]()
    if request.method == "POST":
        name = form.get("operator", "").strip()
        errors = attempt(CreateOperator(operator=name, password=form.get("password", "")))
        if not errors:
            toast(_("%(name)s may sign in to the console.", name=name))
            return redirect(url_for(".operators"), 303)
    page = render_template("server/new_operator.html", form=form, errors=errors)
    return (page, 400) if errors else page


def operator(name: str) -> str:
    """Show an operator: the sessions, and the way to a new password."""
    return _operator_page(name, {})


def operator_password(name: str) -> Answer:
    """Give an operator a new password."""
    password = request.form.get("password", "")
    errors = attempt(SetOperatorPassword(operator=name, password=password))
    if errors:
        return _operator_page(name, errors), 400
    toast(_("%(name)s has a new password; all sessions with the old one have ended.", name=name))
    return redirect(url_for(".operator", name=name), 303)


def operator_sessions(name: str) -> Response:
    """Sign an operator out everywhere but here."""
    perform(EndSessions(login=name, except_id=session().id))
    toast(_("%(name)s is signed out everywhere else.", name=name))
    return redirect(url_for(".operator", name=name), 303)


def delete_operator(name: str) -> Answer:
    """Delete an operator whose name was typed."""
    _known(name)
    typed, errors = request.form.get("confirm", "").strip(), dict[str, str]()
    if request.method == "POST":
        if typed == name:
            perform(DeleteOperator(operator=name))
            toast(_("%(name)s is deleted.", name=name))
            return redirect(url_for(".operators"), 303)
        errors = {"confirm": _("Type %(name)s to delete it.", name=name)}
    page = render_template(
        "server/delete_operator.html",
        name=name,
        is_self=name == session().login,
        is_last=len(ask(ListOperators())) == 1,
        typed=typed,
        errors=errors,
    )
    return (page, 400) if errors else page


def new_token() -> Answer:
    """Make a token; its secret is shown once, in the answer to the form."""
    form, errors = request.form, dict[str, str]()
    if request.method == "POST":
        try:
            made = perform(
                CreateToken(
                    token=form.get("token", "").strip(),
                    permissions=_permissions(),
                    postoffice=form.get("postoffice", ""),
                    days=_days(),
                )
            )
        except (Invalid, Clash) as error:
            errors = {getattr(error, "field", "") or WHOLE: str(error)}
        else:
            return render_template(
                "server/token.html",
                token=made.token,
                secret=made.secret,
                address=request.host_url,
            )
    page = render_template(
        "server/new_token.html",
        form=form,
        errors=errors,
        reach=[
            ("", _("The whole server")),
            *((each.name, _("Only %(name)s", name=each.name)) for each in ask(ListPostOffices())),
        ],
        permissions=[each for each in Permission if each in TOKEN_PERMISSIONS],
        meanings=_MEANINGS,
        bound=ADMIN_PERMISSIONS,
        chosen=set(_permissions()) if form else set(),
        usual_days=_USUAL_DAYS,
    )
    return (page, 400) if errors else page


def revoke_token(name: str) -> Answer:
    """Revoke a token, after a question."""
    found = next((each for each in ask(ListTokens()) if each.name == name), None)
    if found is None:
        raise NotFound(_("There is no token %(name)s any more.", name=name))
    if request.method == "GET":
        return render_template("server/revoke_token.html", token=found)
    perform(RevokeToken(token=name))
    toast(_("%(name)s is revoked; programs that show it are refused.", name=name))
    return redirect(url_for(".operators"), 303)


def _operator_page(name: str, errors: dict[str, str]) -> str:
    _known(name)
    return render_template(
        "server/operator.html",
        name=name,
        sessions=ask(ListSessions(login=name)),
        own_session=session().id,
        is_self=name == session().login,
        errors=errors,
    )


def _known(name: str) -> None:
    if all(each.name != name for each in ask(ListOperators())):
        raise NotFound(_("There is no operator %(name)s.", name=name))


def _permissions() -> tuple[Permission, ...]:
    given = request.form.getlist("permissions")
    return tuple(each for each in Permission if each.value in given)


def _days() -> int:
    text = request.form.get("days", "0").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise Invalid(_("%(text)s is no number of days.", text=text), field="days")
    return int(text)
