"""What would happen to a message? Answered by the code that decides about real ones."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import gettext as _

from appliance.journey.reason import Outcome, Reason
from appliance.operations.messages import ExplainDelivery
from appliance.operations.operation import Invalid
from webadmin.context import ask, client


def register(blueprint: Blueprint) -> None:
    """Add the page to the room."""
    blueprint.add_url_rule("/explain", "explain", explain)


def explain() -> str | tuple[str, int]:
    """Ask what would happen; the question is in the address, so that it can be shared."""
    form = {
        "reverse_path": request.args.get("from", "").strip(),
        "recipient": request.args.get("to", "").strip(),
        "client": request.args.get("client", client()).strip(),
        "login": request.args.get("login", "").strip(),
    }
    errors: dict[str, str] = {}
    reasons: list[Reason] = []
    is_asked = "to" in request.args
    if is_asked:
        try:
            reasons = ask(ExplainDelivery(**form))
        except Invalid as error:
            errors = {error.field or "recipient": str(error)}
    page = render_template(
        "server/explain.html",
        form=form,
        errors=errors,
        reasons=reasons,
        heading=_heading(reasons),
        outcomes=_OUTCOMES,
    )
    return (page, 400) if errors else page


_OUTCOMES = {
    Outcome.ACCEPT: ("okay", "ok"),
    Outcome.DEFER: ("clock", "warn"),
    Outcome.REJECT: ("block", "bad"),
}


def _heading(reasons: list[Reason]) -> str:
    if not reasons:
        return _("What would happen to a message?")
    return {
        Outcome.ACCEPT: _("It would be accepted"),
        Outcome.DEFER: _("It would have to wait"),
        Outcome.REJECT: _("It would be refused"),
    }[reasons[-1].outcome]
