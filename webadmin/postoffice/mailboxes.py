"""Mailboxes: list, create, edit, password, suspend, delete (manual §5.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from appliance.directory.census import Kind
from appliance.directory.records import Role
from appliance.operations.census import FindMailboxes
from appliance.operations.mailboxes import (
    CreateMailbox,
    DeleteMailbox,
    EditMailbox,
    EnableMailbox,
    MailboxDetails,
    SetMailboxPassword,
    ShowMailbox,
)
from appliance.operations.operation import Change, NotFound
from appliance.operations.sessions import EndSessions, ListSessions
from webadmin.context import ask, perform
from webadmin.forms import attempt, summary, way_back
from webadmin.postoffice.room import overview, postoffice
from webadmin.toasts import toast

_KIB, _MIB = 1024, 1024 * 1024
_MOST_AT_ONCE = 500
_NO_QUOTA = 0

Answer = str | Response | tuple[str, int]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    both = ["GET", "POST"]
    add = blueprint.add_url_rule
    add("/mailboxes", "mailboxes", mailboxes)
    add("/new-mailbox", "new_mailbox", new_mailbox, methods=both)
    add("/some-mailboxes", "some_mailboxes", some_mailboxes, methods=["POST"])
    add("/mailboxes/<name>", "mailbox", mailbox, methods=both)
    add("/mailboxes/<name>/password", "mailbox_password", mailbox_password, methods=["POST"])
    add("/mailbox-enabled", "mailbox_enabled", mailbox_enabled, methods=["POST"])
    add("/mailboxes/<name>/sessions", "mailbox_sessions", mailbox_sessions, methods=["POST"])
    add("/mailboxes/<name>/delete", "delete_mailbox", delete_mailbox, methods=["POST"])


def mailboxes() -> str:
    """List the mailboxes."""
    kind = request.args.get("kind", Kind.ALL, type=Kind)
    containing, after = request.args.get("q", ""), request.args.get("after", "")
    page = ask(
        FindMailboxes(postoffice=postoffice(), containing=containing, kind=kind, after=after)
    )
    return render_template(
        "postoffice/mailboxes.html",
        page=page,
        kind=kind,
        containing=containing,
        after=after,
        overview=overview(),
    )


def new_mailbox() -> Answer:
    """Add a mailbox."""
    if request.method == "GET":
        return _new_page({})
    form = request.form
    login, errors = _login(form.get("name", "").strip()), _quota_errors()
    if not errors:
        errors = attempt(
            CreateMailbox(
                mailbox=login,
                password=form.get("password", ""),
                role=_role(),
                full_name=form.get("full_name", ""),
                quota_kb=_quota_kb(),
            )
        )
    if errors:
        return _new_page(errors), 400
    flash(_("%(login)s is there.", login=login))
    return redirect(url_for(".mailbox", name=form["name"].strip()), 303)


def mailbox(name: str) -> Answer:
    """Show a mailbox, and change what it is."""
    if request.method == "GET":
        return _page(name, {})
    errors = _quota_errors() or attempt(
        EditMailbox(
            mailbox=_login(name),
            full_name=request.form.get("full_name", ""),
            role=_role(),
            quota_kb=_quota_kb(),
        )
    )
    if errors:
        return _page(name, errors), 400
    flash(_("Saved."))
    return redirect(url_for(".mailbox", name=name), 303)


def mailbox_password(name: str) -> Answer:
    """Give a mailbox a new password."""
    errors = attempt(
        SetMailboxPassword(mailbox=_login(name), password=request.form.get("password", ""))
    )
    if errors:
        return _page(name, errors), 400
    flash(_("%(login)s has a new password; its sessions have ended.", login=_login(name)))
    return redirect(url_for(".mailbox", name=name), 303)


def mailbox_enabled() -> Response:
    """Suspend a mailbox, or let it work again."""
    name = request.form.get("name", "")
    enabled = request.form.get("enabled") == "yes"
    perform(EnableMailbox(mailbox=_login(name), enabled=enabled))
    back = (".mailbox_enabled", {"name": name, "enabled": "no" if enabled else "yes"})
    text = _("%(login)s works again.") if enabled else _("%(login)s is suspended.")
    toast(text % {"login": _login(name)}, undo=back)
    return redirect(way_back(url_for(".mailbox", name=name)), 303)


def mailbox_sessions(name: str) -> Response:
    """Sign a mailbox's owner out everywhere."""
    count = perform(EndSessions(login=_login(name)))
    flash(ngettext("One session has ended.", "%(num)s sessions have ended.", count))
    return redirect(url_for(".mailbox", name=name), 303)


def delete_mailbox(name: str) -> Answer:
    """Delete a mailbox whose name was typed."""
    if request.form.get("confirm", "").strip() != name:
        return _page(name, {"confirm": _("Type %(name)s to delete it.", name=name)}), 400
    perform(DeleteMailbox(mailbox=_login(name)))
    flash(_("%(login)s is deleted.", login=_login(name)))
    return redirect(url_for(".mailboxes"), 303)


def some_mailboxes() -> Response:
    """Do something to several mailboxes; says of how many, and why not of others."""
    names = request.form.getlist("name")[:_MOST_AT_ONCE]
    action = request.form.get("action", "")
    make: dict[str, Callable[[str], Change[Any]]] = {
        "suspend": lambda login: EnableMailbox(mailbox=login, enabled=False),
        "enable": lambda login: EnableMailbox(mailbox=login, enabled=True),
    }
    if action in make and names:
        failed: list[str] = []
        for name in names:
            try:
                failed += attempt(make[action](_login(name))).values()
            except NotFound as error:
                failed.append(str(error))
        _tell(action, len(names) - len(failed), failed)
    return redirect(way_back(url_for(".mailboxes")), 303)


def _tell(action: str, done: int, failed: list[str]) -> None:
    texts = {
        "suspend": ("One mailbox is suspended.", "%(num)s mailboxes are suspended."),
        "enable": ("One mailbox works again.", "%(num)s mailboxes work again."),
    }
    if done:
        flash(ngettext(*texts[action], done))
    for text in failed:
        flash(text)


def _page(name: str, errors: dict[str, str]) -> str:
    found: MailboxDetails = ask(ShowMailbox(mailbox=_login(name)))
    return render_template(
        "postoffice/mailbox.html",
        found=found,
        mailbox=found.mailbox,
        errors=errors,
        summary=summary(errors, _labels()),
        form=request.form,
        sessions=ask(ListSessions(login=found.mailbox.login)),
    )


def _new_page(errors: dict[str, str]) -> str:
    return render_template(
        "postoffice/new_mailbox.html",
        errors=errors,
        summary=summary(errors, _labels()),
        form=request.form,
        postoffice=postoffice(),
    )


def _labels() -> dict[str, tuple[str, str]]:
    return {
        "mailbox": ("f-name", _("Mailbox")),
        "full_name": ("f-full_name", _("Full name")),
        "quota_kb": ("f-quota_mb", _("Quota")),
        "password": ("f-password", _("Password")),
    }


def _login(name: str) -> str:
    return f"{name}@{postoffice()}"


def _role() -> Role:
    return Role.ADMIN if request.form.get("role") == Role.ADMIN else Role.USER


def _quota_errors() -> dict[str, str]:
    typed = request.form.get("quota_mb", "").strip().replace(",", ".")
    try:
        right = not typed or 0 <= float(typed) <= 10_000_000
    except ValueError:
        right = False
    if right:
        return {}
    return {
        "quota_kb": _(
            "%(typed)s is no size. Write a number of MB, such as 500, or leave it empty.",
            typed=typed,
        )
    }


def _quota_kb() -> int:
    typed = request.form.get("quota_mb", "").strip().replace(",", ".")
    return round(float(typed) * _MIB / _KIB) if typed else _NO_QUOTA
