"""What was changed, by whom, and the ways back: the change log and the audit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from appliance.directory.records import Revision
from appliance.operations.operation import Clash
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.revisions import (
    PlanReturn,
    PlanUndo,
    ReturnPlan,
    ReturnTo,
    UndoRevision,
)
from webadmin.context import ask, perform
from webadmin.toasts import toast

_PAGE = 50
_AUDIT_LENGTHS = (100, 500)

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that a revision changed; None where it was not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A revision as the list shows it.

    Attributes:
        revision: itself.
        verb: `made`, `deleted` or `changed`.
        details: what was changed.
    """

    revision: Revision
    verb: str
    details: tuple[Detail, ...]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    add = blueprint.add_url_rule
    both = ["GET", "POST"]
    add("/changes", "changes", changes)
    add("/changes/audit", "audit", audit)
    add("/changes/<int:number>/return", "return_to", return_to, methods=both)
    add("/changes/<int:number>/undo", "undo_change", undo_change, methods=both)


def changes() -> str:
    """List what was changed."""
    about, actor = request.args.get("about", "").strip(), request.args.get("actor", "").strip()
    before = max(0, request.args.get("before", 0, type=int))
    found = ask(ListRevisions(about=about, actor=actor, before=before, most=_PAGE + 1))
    return render_template(
        "server/changes.html",
        heading=_heading(about, actor, is_empty=not found),
        lines=[to_line(each) for each in found[:_PAGE]],
        before=found[_PAGE - 1].number if len(found) > _PAGE else 0,
        is_later=bool(before),
        about=about,
        actor=actor,
        verbs={"made": _("made"), "deleted": _("deleted"), "changed": _("changed")},
    )


def audit() -> str:
    """List what was asked for: done, refused or failed."""
    most = request.args.get("most", _AUDIT_LENGTHS[0], type=int)
    most = most if most in _AUDIT_LENGTHS else _AUDIT_LENGTHS[0]
    outcome = request.args.get("outcome", "")
    found = ask(ListAudit(most=most))
    outcomes = {
        "done": (_("Done"), "ok"),
        "refused": (_("Refused"), "warn"),
        "failed": (_("Failed"), "warn"),
    }
    chips = [(_("All"), url_for(".audit", most=most), not outcome, len(found))]
    for name, (word, _tone) in outcomes.items():
        count = sum(each.outcome == name for each in found)
        href = url_for(".audit", most=most, outcome=name)
        chips.append((word, href, outcome == name, count))
    return render_template(
        "server/audit.html",
        found=[each for each in found if outcome in ("", each.outcome)],
        outcomes=outcomes,
        outcome=outcome,
        chips=chips,
        is_cut=len(found) == most,
        longer=next((each for each in _AUDIT_LENGTHS if each > most), 0),
    )


def return_to(number: int) -> Answer:
    """Go back to the state right after a revision, by a plan that was looked at."""
    if request.method == "POST":
        operation = ReturnTo(revision=number, expected=request.form.get("expected", ""))
        try:
            done = perform(operation)
        except Clash as error:
            return _plan_page("return", ask(PlanReturn(revision=number)), str(error)), 409
        toast(_done_text(done))
        return redirect(url_for(".changes"), 303)
    return _plan_page("return", ask(PlanReturn(revision=number)), "")


def undo_change(number: int) -> Answer:
    """Undo one change, by a plan that was looked at."""
    if request.method == "POST":
        operation = UndoRevision(revision=number, expected=request.form.get("expected", ""))
        try:
            done = perform(operation)
        except Clash as error:
            return _plan_page("undo", ask(PlanUndo(revision=number)), str(error)), 409
        toast(_done_text(done))
        return redirect(url_for(".changes"), 303)
    return _plan_page("undo", ask(PlanUndo(revision=number)), "")


def to_line(revision: Revision) -> Line:
    """Return a revision as people read it."""
    before, after = _parsed(revision.before), _parsed(revision.after)
    verb = "made" if before is None else "deleted" if after is None else "changed"
    old, new = before or {}, after or {}
    details = tuple(
        Detail(name, _shown(old, name), _shown(new, name))
        for name in dict.fromkeys([*old, *new])
        if verb != "changed" or old.get(name) != new.get(name)
    )
    return Line(revision, verb, details)


def _parsed(text: str) -> dict[str, Any] | None:
    found = json.loads(text) if text else None
    return found if isinstance(found, dict) or found is None else {"": found}


def _shown(of: dict[str, Any], name: str) -> str | None:
    if name not in of:
        return None
    value = of[name]
    if value is None:
        return _("the default")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("nothing")
    return str(value) or _("nothing")


def _plan_page(way: str, plan: ReturnPlan, error: str) -> str:
    return render_template("server/plan.html", way=way, plan=plan, error=error)


def _done_text(done: ReturnPlan) -> str:
    count = len(done.steps)
    return ngettext("One thing is as it was.", "%(num)s things are as they were.", count)


def _heading(about: str, actor: str, *, is_empty: bool) -> str:
    if is_empty and not about and not actor:
        return _("Nothing has been changed yet")
    if is_empty:
        return _("No such change is known")
    if about:
        return _("What changed about %(about)s", about=about)
    if actor:
        return _("What %(actor)s has changed", actor=actor)
    return _("What was changed, and by whom")
