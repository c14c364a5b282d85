"""Settings of the web (manual §5.5 web administration, §7 webmail)."""

from __future__ import annotations

from appliance.settings.kinds import Duration, Integer, IpAddresses, Ranges
from appliance.settings.setting import Effect, Scope, Setting, define

listen = define(
    Setting(
        name="web.listen",
        kind=IpAddresses(),
        default=("127.0.0.1",),
        title="Addresses to listen on",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help=(
            "Where the web answers without TLS. The default leaves the outside to a web server in "
            "front, which brings TLS; name it in web.trusted_proxies."
        ),
    )
)
port = define(
    Setting(
        name="web.port",
        kind=Integer(1, 65535),
        default=8000,
        title="Web port",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="Webmail, web administration, console and API.",
    )
)
workers = define(
    Setting(
        name="web.workers",
        kind=Integer(1, 64),
        default=1,
        title="Processes",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help="How many processes answer web requests; one per core is enough.",
    )
)
threads = define(
    Setting(
        name="web.threads",
        kind=Integer(1, 256),
        default=8,
        title="Threads per process",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help="How many requests a process works on at the same time; further ones wait.",
    )
)
trusted_proxies = define(
    Setting(
        name="web.trusted_proxies",
        kind=Ranges(),
        default=(),
        title="Web servers in front",
        scopes=(Scope.SERVER, Scope.NODE),
        help=(
            "Addresses whose X-Forwarded-For and X-Forwarded-Proto are believed: they name the "
            "client that throttles count and say whether it came by TLS."
        ),
    )
)
session_idle = define(
    Setting(
        name="web.session_idle",
        kind=Duration(300, 86_400),
        default=1800,
        title="Idle time of a session",
        help=(
            "Who has opened no page for so long signs in again. It does not end a session that is "
            "remembered."
        ),
    )
)
session_lifetime = define(
    Setting(
        name="web.session_lifetime",
        kind=Duration(300, 7 * 86_400),
        default=43_200,
        title="Longest session",
        help="After so long one signs in again, however busy the session was.",
    )
)
remember_lifetime = define(
    Setting(
        name="web.remember_lifetime",
        kind=Duration(3600, 366 * 86_400),
        default=30 * 86_400,
        title="Longest remembered session",
        help=(
            "How long a browser stays signed in to webmail where its owner asked for that. Web "
            "administration and the console remember nobody."
        ),
    )
)
