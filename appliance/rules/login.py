"""May a login be tried, what does a bare name mean, where may it lead (manual §5.9.1, §6.4.1)?"""

from __future__ import annotations

from appliance.directory.records import Role
from appliance.journey.reason import Outcome, Reason
from appliance.settings import auth
from appliance.settings.snapshot import Snapshot

_OPEN = Reason(rule="login.open", outcome=Outcome.ACCEPT, text="the login is looked at")


def full_login(name: str, *, default_postoffice: str, alternate_at: str = "") -> str:
    """Complete a login as a client sent it.

    Args:
        name: what the client sent.
        default_postoffice: appended to a bare name.
        alternate_at: characters that stand for @ in clients that can't send one.
    """
    name = name.strip()
    if "@" not in name:
        for character in alternate_at:
            if character in name:
                left, _, right = name.rpartition(character)
                return f"{left}@{right}"
        if default_postoffice:
            return f"{name}@{default_postoffice}"
    return name


def may_try(*, login_failures: int, client_failures: int, settings: Snapshot) -> Reason:
    """Decide whether a login is looked at, after failures within `auth.pause`."""
    most = settings[auth.max_failures]
    for what, count in (("this login", login_failures), ("this address", client_failures)):
        if count >= most:
            return Reason(
                rule="login.throttled",
                outcome=Outcome.DEFER,
                text=f"{count} attempts of {what} have failed; wait "
                f"{auth.pause.kind.render(settings[auth.pause])}.",
                setting=auth.max_failures.name,
                inputs={"failures": str(count)},
            )
    return _OPEN


def may_enter(room: str, login: str, role: Role | None) -> Reason:
    """Decide which part of the web somebody may sign in to, once the password was right.

    Args:
        room: webmail, webadmin or console.
        login: whose: a mailbox's login, or an operator's name.
        role: the mailbox's; None for an operator.
    """
    inputs = {"room": room, "login": login, "role": role or "operator"}
    rooms = {Role.USER: ("webmail",), Role.ADMIN: ("webmail", "webadmin"), None: ("console",)}
    if room in rooms[role]:
        return Reason(
            rule="login.room",
            outcome=Outcome.ACCEPT,
            text=f"{login} may use this room.",
            inputs=inputs,
        )
    if room == "webadmin":
        text = f"{login} can't use web administration: that takes a mailbox with the role ADMIN."
    elif room == "console":
        text = f"{login} can't use the console: that takes an operator's account."
    else:
        text = f"{login} has no mailbox; an operator signs in to the console."
    return Reason(rule="login.room", outcome=Outcome.REJECT, text=text, inputs=inputs)
