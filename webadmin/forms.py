"""Forms: what was typed is kept, and what is wrong stands beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request

from appliance.operations.operation import Action, Change, Clash, Invalid
from webadmin.context import perform
from webadmin.rooms import is_inside, place

WHOLE = ""  # the key of what is wrong with no field in particular


def attempt(operation: Change[Any] | Action[Any]) -> dict[str, str]:
    """Carry out a change; returns what is wrong by field, nothing when it is done.

    Raises:
        OperationError: it is not for the form to mend: refused, or its object has gone.
    """
    try:
        perform(operation)
    except Invalid as error:
        return {error.field: str(error)}
    except Clash as error:
        return {WHOLE: str(error)}
    return {}


def way_back(otherwise: str) -> str:
    """Return the page a form names as `back`, if it is one of this room; else another one."""
    back, here = request.form.get("back", ""), place()
    return back if here is not None and is_inside(here, back) else otherwise


def summary(
    errors: dict[str, str], labels: Mapping[str, tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Return what the summary above a form links to: id of the field, its label, what is wrong.

    Args:
        errors: what is wrong by field.
        labels: id and label of each field of the form.
    """
    return [(*labels[name], text) for name, text in errors.items() if name in labels]
