"""Calling a route's hosts, one after the other, until a session stands.

Standards: RFC 5321 §5.1 (the next host when one fails); RFC 7435 (TLS where it works).
Owns: nothing. Never: decides about recipients.
Failure: a `Reason` (DEFER) that names the hosts and what each of them did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from appliance.connectors.smtp_out.route import Host, Route
from appliance.connectors.smtp_out.session import Manner, Session, Unreachable
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.runtime.logs import Logs
from appliance.settings import smtp

_NAMED = 3  # hosts in a reason's text


async def call(
    route: Route, manner: Manner, logs: Logs, *, entry_id: str, goes_on: Callable[[], bool]
) -> Session | Reason:
    """Open a session with the first host that has one with us.

    Args:
        route: the hosts.
        manner: how sessions are held.
        logs: what happens is told there.
        entry_id: the message that waits first.
        goes_on: asked before each further host.
    """
    problems: list[str] = []
    about_tls = False
    for host in route.hosts:
        if problems and not goes_on():
            break
        try:
            session = await _open(host, manner, logs, entry_id)
        except Unreachable as error:
            problems.append(f"{host}: {error}")
            about_tls = error.tls
            logs.note("warning", f"no session with {host}: {error}", message_id=entry_id)
        else:
            secured = session.tls or "without TLS"
            logs.note("info", f"a session with {host} stands, {secured}", message_id=entry_id)
            return session
    more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    told = f"{'; '.join(problems[:_NAMED])}{more}"
    if about_tls and manner.tls == "required":
        text = f"TLS is required, and did not come about. {told}."
        return _defer("remote.no-tls", text, "4.7.5", setting=smtp.outbound_tls.name)
    if about_tls and manner.needs_tls:
        text = f"The password is not sent to the smart host without TLS. {told}."
        return _defer("smarthost.no-tls", text, "4.7.5", setting=smtp.outbound_tls.name)
    return _defer("remote.unreachable", f"No mail server could be reached. {told}.", "4.4.1")


async def _open(host: Host, manner: Manner, logs: Logs, entry_id: str) -> Session:
    """Open a session; where the handshake is all that fails, once more in clear text.

    A password does not go in clear text.
    """
    try:
        return await Session.open(host, manner, logs, entry_id=entry_id)
    except Unreachable as error:
        if not error.tls or manner.tls == "never" or manner.needs_tls:
            raise
        text = f"{host}: {error}; TLS is opportunistic, so it is tried without"
        logs.note("warning", text, message_id=entry_id)
    return await Session.open(host, replace(manner, tls="never"), logs, entry_id=entry_id)


def _defer(rule: str, text: str, status: str, *, setting: str = "") -> Reason:
    reply = Reply(451, status, text)
    return Reason(rule=rule, outcome=Outcome.DEFER, text=text, reply=reply, setting=setting)
