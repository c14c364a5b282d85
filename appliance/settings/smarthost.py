"""Sending all outbound mail through one other server (manual §6.2, Smart Host)."""

from __future__ import annotations

from appliance.settings.kinds import Boolean, HostPort, Integer, Text
from appliance.settings.setting import Setting, define

enabled = define(
    Setting(
        name="smarthost.enabled",
        kind=Boolean(),
        default=False,
        title="Smart host enabled",
        manual="6.2",
        checklist="254",
        help="All mail for other servers goes to smarthost.host instead of their mail exchangers.",
    )
)
host = define(
    Setting(
        name="smarthost.host",
        kind=HostPort(),
        default="",
        title="Smart host",
        manual="6.2",
        checklist="254",
        help=(
            "The server that takes all outbound mail, with a port other than 25 after a colon. "
            "Never this server itself."
        ),
    )
)
max_connections = define(
    Setting(
        name="smarthost.max_connections",
        kind=Integer(1, 1000),
        default=20,
        title="Maximum connections to the smart host",
        help="At the same time. It gets all mail, and so more of them than other servers do.",
    )
)
username = define(
    Setting(
        name="smarthost.username",
        kind=Text("a login name"),
        default="",
        title="Smart host user name",
        manual="6.2",
        checklist="255",
        help="The login this server uses at the smart host. Empty: none.",
    )
)
password = define(
    Setting(
        name="smarthost.password",
        kind=Text("a password"),
        default="",
        secret=True,
        title="Smart host password",
        manual="6.2",
        checklist="255",
        help=(
            "The password of that login; kept encrypted with the server's key file. It is sent "
            "over TLS only: mail waits while the smart host offers none, unless smtp.outbound_tls "
            "is never."
        ),
    )
)
