"""May a login be tried now, and what does a bare name mean (manual §5.9.1, §6.4.1)?"""

from __future__ import annotations

from appliance.journey.reason import Outcome, Reason
from appliance.settings import auth
from appliance.settings.snapshot import Snapshot


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
    return Reason(rule="login.open", outcome=Outcome.ACCEPT, text="the login is looked at")
