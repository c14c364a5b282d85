"""What a request works with: the house, who asks, and the one way to do and to ask.

Owns: nothing but what Flask keeps for a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

from flask import current_app, g, request

from appliance.operations.house import House
from appliance.operations.operation import Action, Call, Change, Question
from appliance.operations.operation import ask as ask_house
from appliance.operations.operation import perform as perform_in_house
from appliance.operations.sessions import Session, Sessions
from appliance.runtime.logs import Logs

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Parts:
    """What an application has from its service."""

    house: House
    logs: Logs
    sessions: Sessions


def parts() -> Parts:
    """Return the application's parts."""
    return cast("Parts", current_app.extensions["posthouse"])


def house() -> House:
    """Return the house."""
    return parts().house


def session() -> Session:
    """Return the session of the request; a view behind a login always has one."""
    found = session_or_none()
    assert found is not None
    return found


def session_or_none() -> Session | None:
    """Return the session of the request, if somebody is signed in to its room."""
    return cast("Session | None", g.get("session"))


def client() -> str:
    """Return the client's IP address."""
    return request.remote_addr or ""


def call() -> Call:
    """Return who asks, for the audit."""
    return Call(session().actor, "web", client())


def perform(operation: Change[R] | Action[R]) -> R:
    """Carry out a change as the one who is signed in; see `operations.operation.perform`."""
    return perform_in_house(house(), call(), operation)


def ask(question: Question[R]) -> R:
    """Ask as the one who is signed in; see `operations.operation.ask`."""
    return ask_house(house(), call(), question)
