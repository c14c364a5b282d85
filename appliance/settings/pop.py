"""Settings of the POP3 service (manual §6.4)."""

from __future__ import annotations

from appliance.settings.kinds import Duration, Integer, IpAddresses, Marks
from appliance.settings.setting import Effect, Scope, Setting, define

listen = define(
    Setting(
        name="pop.listen",
        kind=IpAddresses(),
        default=("0.0.0.0", "::"),
        title="Addresses to listen on",
        manual="6.4.1",
        checklist="281",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help=(
            "The server's own addresses on which POP3 answers. Where the machine has no IPv6, the "
            "default leaves :: out."
        ),
    )
)
port = define(
    Setting(
        name="pop.port",
        kind=Integer(1, 65535),
        default=110,
        title="POP port",
        manual="6.4.1",
        checklist="276",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="POP3 with STLS.",
    )
)
tls_port = define(
    Setting(
        name="pop.tls_port",
        kind=Integer(1, 65535),
        default=995,
        title="POP port (TLS)",
        manual="6.4.1",
        checklist="276",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="POP3 over TLS from the first byte (RFC 8314).",
    )
)
processes = define(
    Setting(
        name="pop.processes",
        kind=Integer(0, 8),
        default=0,
        title="Processes",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help=(
            "How many processes answer POP3 side by side, from the service's next start. 0: one a "
            "core, 8 at most. Limits of connections hold for all of them together."
        ),
    )
)
max_connections = define(
    Setting(
        name="pop.max_connections",
        kind=Integer(1, 100_000),
        default=2000,
        title="Maximum connections",
        manual="6.4.1",
        checklist="277",
        help="Further clients are refused and come again later.",
    )
)
max_connections_per_client = define(
    Setting(
        name="pop.max_connections_per_client",
        kind=Integer(0, 100_000),
        default=100,
        title="Maximum connections of one client",
        manual="6.4.1",
        checklist="277",
        help=(
            "Connections at the same time from one IP address; limits.exempt_ranges are not "
            "counted. 0: no limit."
        ),
    )
)
idle_timeout = define(
    Setting(
        name="pop.idle_timeout",
        kind=Duration(10, 86_400),
        default=600,
        title="Inactivity time-out",
        manual="6.4.1",
        checklist="278",
        help=(
            "A silent client is disconnected after so long, and nothing it marked is deleted (RFC "
            "1939 asks for 10 minutes at least). The maildrop is free again at once."
        ),
    )
)
alternate_at = define(
    Setting(
        name="pop.alternate_at",
        kind=Marks(),
        default="",
        title="Alternate @ characters",
        manual="6.4.1",
        checklist="279",
        help=(
            "Each of these characters stands for @ in a login, for clients that can't send one: "
            "mailbox#postoffice."
        ),
    )
)
