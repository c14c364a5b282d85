"""The first page: what needs the administrator, and what there is."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import gettext as _
from flask_babel import ngettext

from appliance.operations.census import Overview
from appliance.operations.domains import ListDomains
from webadmin.context import ask
from webadmin.formats import number
from webadmin.postoffice.room import overview, postoffice


def register(blueprint: Blueprint) -> None:
    """Add the page to the room."""
    blueprint.add_url_rule("/", "home", home)


def home() -> str:
    """Show the post office at a glance."""
    found = overview()
    return render_template(
        "postoffice/home.html",
        name=postoffice(),
        heading=_heading(found),
        overview=found,
        domains=ask(ListDomains(postoffice=postoffice())),
    )


def _heading(found: Overview) -> str:
    """Say in a sentence what needs the administrator."""
    full = len(found.nearly_full)
    if not found.counts.domains:
        return _("No mail can arrive yet: there is no domain.")
    if full:
        return ngettext(
            "One mailbox is nearly full.",
            "%(count)s mailboxes are nearly full.",
            full,
            count=number(full),
        )
    return _("Nothing needs you.")
