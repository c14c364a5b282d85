"""Which SMTP command may come when: the order of a session as a table.

Standards: RFC 5321 §3.3, §4.1.4; RFC 3207 §4; RFC 4954 §4, §6; RFC 6409 §4.3.
Owns: nothing; the session's state is the engine's.
Never: a command's arguments.
Failure: the reply for the first rule that a command breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from appliance.mail.envelope import Recipient
from appliance.mail.reply import Reply
from appliance.protocol.smtp_command import Mail

__all__ = ["Session", "out_of_order"]


class Session(Protocol):
    """What the order depends on; see `SmtpServer` for the meaning of each."""

    helo: str | None
    tls_active: bool
    login: str | None
    mail: Mail | None
    recipients: list[Recipient]

    @property
    def offers_tls(self) -> bool:
        """STARTTLS is possible on this port."""

    @property
    def offers_auth(self) -> bool:
        """There are mechanisms, allowed right now or not."""

    @property
    def takes_passwords(self) -> bool:
        """AUTH is allowed right now."""

    @property
    def needs_login(self) -> bool:
        """No MAIL before AUTH."""


_Rule: TypeAlias = tuple[Callable[[Session], bool], Reply]

_EHLO_FIRST: Final[_Rule] = (lambda s: s.helo is None, Reply(503, "5.5.1", "Send EHLO first"))
_OUTSIDE_TRANSACTION: Final[_Rule] = (
    lambda s: s.mail is not None,
    Reply(503, "5.5.1", "A mail transaction is open; finish it or send RSET first"),
)

_RULES: Final[Mapping[str, tuple[_Rule, ...]]] = MappingProxyType(
    {
        "MAIL": (
            _EHLO_FIRST,
            _OUTSIDE_TRANSACTION,
            (
                lambda s: s.needs_login and s.offers_auth and not s.takes_passwords,
                Reply(530, "5.7.0", "Send STARTTLS first, then authenticate"),
            ),
            (
                lambda s: s.needs_login,
                Reply(
                    530,
                    "5.7.0",
                    "This mail server requires authentication."
                    " Please check your mail client settings.",
                ),
            ),
        ),
        "RCPT": ((lambda s: s.mail is None, Reply(503, "5.5.1", "Send MAIL first")),),
        "DATA": (
            (lambda s: s.mail is None, Reply(503, "5.5.1", "Send MAIL and RCPT first")),
            (lambda s: not s.recipients, Reply(554, "5.5.1", "No valid recipients")),
        ),
        "STARTTLS": (
            (lambda s: s.tls_active, Reply(503, "5.5.1", "TLS is active already")),
            (lambda s: not s.offers_tls, Reply(502, "5.5.1", "TLS is not offered here")),
            _EHLO_FIRST,
            _OUTSIDE_TRANSACTION,
        ),
        "AUTH": (
            (
                lambda s: not s.offers_auth,
                Reply(502, "5.5.1", "Authentication is not offered here"),
            ),
            (lambda s: s.login is not None, Reply(503, "5.5.1", "Already authenticated")),
            _EHLO_FIRST,
            _OUTSIDE_TRANSACTION,
            (
                lambda s: not s.takes_passwords,
                Reply(538, "5.7.11", "Authentication needs encryption; send STARTTLS first"),
            ),
        ),
    }
)


def out_of_order(verb: str, session: Session) -> Reply | None:
    """The refusal for a command that cannot come now; None if it can."""
    for breaks, reply in _RULES.get(verb, ()):
        if breaks(session):
            return reply
    return None
