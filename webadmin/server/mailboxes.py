"""A post office's mailboxes as the operator sees them: list, create, password, suspend, delete."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from appliance.directory.census import Kind
from appliance.directory.records import Role
from appliance.operations.census import FindMailboxes, SurveyPostOffice
from appliance.operations.mailboxes import (
    CreateMailbox,
    DeleteMailbox,
    EnableMailbox,
    SetMailboxPassword,
    ShowMailbox,
)
from appliance.operations.postoffices import ShowPostOffice
from webadmin.context import ask, perform
from webadmin.formats import number
from webadmin.forms import attempt, way_back
from webadmin.toasts import toast

Answer = str | Response | tuple[str, int]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    add = blueprint.add_url_rule
    both = ["GET", "POST"]
    add("/postoffices/<name>/mailboxes", "mailboxes", mailboxes)
    add("/postoffices/<name>/mailboxes/new", "new_mailbox", new_mailbox, methods=both)
    add("/mailbox-enabled", "mailbox_enabled", mailbox_enabled, methods=["POST"])
    add("/mailboxes/<login>", "mailbox", mailbox)
    add("/mailboxes/<login>/password", "mailbox_password", mailbox_password, methods=["POST"])
    add("/mailboxes/<login>/delete", "delete_mailbox", delete_mailbox, methods=both)


def mailboxes(name: str) -> str:
    """List the mailboxes of a post office."""
    kind = request.args.get("kind", Kind.ALL, type=Kind)
    containing, after = request.args.get("q", "").strip(), request.args.get("after", "")
    overview = ask(SurveyPostOffice(postoffice=name))
    words = {
        Kind.ALL: (_("All"), overview.counts.mailboxes),
        Kind.ADMIN: (_("Admins"), overview.counts.admin),
        Kind.SUSPENDED: (_("Suspended"), overview.counts.suspended),
        Kind.NEVER: (_("Never signed in"), overview.counts.never),
    }
    return render_template(
        "server/mailboxes.html",
        postoffice=ask(ShowPostOffice(postoffice=name)),
        overview=overview,
        chips=[
            (
                label,
                url_for(".mailboxes", name=name, kind=each.value, q=containing or None),
                each is kind,
                number(count),
            )
            for each, (label, count) in words.items()
        ],
        page=ask(FindMailboxes(postoffice=name, containing=containing, kind=kind, after=after)),
        kind=kind,
        containing=containing,
        after=after,
    )


def new_mailbox(name: str) -> Answer:
    """Create a mailbox."""
    found = ask(ShowPostOffice(postoffice=name))
    errors: dict[str, str] = {}
    if request.method == "POST":
        form = request.form
        login = f"{form.get('mailbox', '').strip()}@{found.name}"
        role = Role.ADMIN if form.get("role") == Role.ADMIN else Role.USER
        errors = attempt(
            CreateMailbox(
                mailbox=login,
                password=form.get("password", ""),
                role=role,
                full_name=form.get("full_name", ""),
            )
        )
        if not errors:
            toast(_("%(login)s is there.", login=login))
            return redirect(url_for(".mailbox", login=login), 303)
    page = render_template(
        "server/new_mailbox.html", postoffice=found, errors=errors, form=request.form
    )
    return (page, 400) if errors else page


def mailbox(login: str) -> str:
    """Show a mailbox."""
    return _page(login, {})


def mailbox_enabled() -> Response:
    """Suspend a mailbox, or let it work again."""
    login, enabled = request.form.get("mailbox", ""), request.form.get("enabled") == "yes"
    perform(EnableMailbox(mailbox=login, enabled=enabled))
    text = _("%(login)s works again.") if enabled else _("%(login)s is suspended.")
    undo = (".mailbox_enabled", {"mailbox": login, "enabled": "no" if enabled else "yes"})
    toast(text % {"login": login}, undo=undo)
    return redirect(way_back(url_for(".mailbox", login=login)), 303)


def mailbox_password(login: str) -> Answer:
    """Give a mailbox a new password."""
    password = request.form.get("password", "")
    errors = attempt(SetMailboxPassword(mailbox=login, password=password))
    if errors:
        return _page(login, errors), 400
    toast(_("%(login)s has a new password; its sessions have ended.", login=login))
    return redirect(url_for(".mailbox", login=login), 303)


def delete_mailbox(login: str) -> Answer:
    """Delete a mailbox whose name was typed."""
    found = ask(ShowMailbox(mailbox=login))
    box = found.mailbox
    typed = request.form.get("confirm", "").strip()
    errors: dict[str, str] = {}
    if request.method == "POST":
        if typed in (box.name, box.login):
            errors = attempt(DeleteMailbox(mailbox=login))
            if not errors:
                toast(_("%(login)s is deleted.", login=box.login))
                return redirect(url_for(".mailboxes", name=box.postoffice), 303)
        else:
            errors = {"confirm": _("Type %(name)s to delete it.", name=box.name)}
    page = render_template(
        "server/delete_mailbox.html", found=found, mailbox=box, errors=errors, typed=typed
    )
    return (page, 400) if errors else page


def _page(login: str, errors: dict[str, str]) -> str:
    found = ask(ShowMailbox(mailbox=login))
    return render_template("server/mailbox.html", found=found, mailbox=found.mailbox, errors=errors)
