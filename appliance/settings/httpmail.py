"""Settings of the HTTPMail service (manual §6.8, §9.3)."""

from __future__ import annotations

from appliance.settings.kinds import Boolean, Integer, IpAddresses, WebUrl
from appliance.settings.setting import Effect, Scope, Setting, define

listen = define(
    Setting(
        name="httpmail.listen",
        kind=IpAddresses(),
        default=("0.0.0.0", "::"),
        title="Addresses to listen on",
        manual="6.9",
        checklist="318",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help=(
            "The server's own addresses on which HTTPMail answers, without TLS: a web server in "
            "front brings it (see web.trusted_proxies), and until then auth.without_tls decides "
            "whether anybody can log in. Where the machine has no IPv6, the default leaves :: out."
        ),
    )
)
port = define(
    Setting(
        name="httpmail.port",
        kind=Integer(1, 65535),
        default=8080,
        title="HTTPMail port",
        manual="6.8",
        checklist="315-316",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="Clients are given http://SERVER:PORT/MEHTTPMail.",
    )
)
threads = define(
    Setting(
        name="httpmail.threads",
        kind=Integer(1, 256),
        default=8,
        title="Threads",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help="How many requests are worked on at the same time; further ones wait.",
    )
)
public_url = define(
    Setting(
        name="httpmail.public_url",
        kind=WebUrl(),
        default="",
        title="Public address",
        checklist="319",
        scopes=(Scope.SERVER, Scope.NODE),
        help=(
            "What stands before /MEHTTPMail in the addresses that clients are given, such as "
            "https://mail.example.com. Empty: the name and port by which the client has asked. A "
            "web server in front that changes the name, the port or the scheme makes it needed."
        ),
    )
)
special_names = define(
    Setting(
        name="httpmail.special_names",
        kind=Boolean(),
        default=False,
        title="Names of special folders in folder lists",
        help=(
            "Whether Inbox, Drafts, Sent Items and the like come with their displayname, or with "
            "their role only, as Hotmail sent them. Apple Mail's plugin shows folders with a name "
            "twice; switch it on for clients that show folders without one as nameless."
        ),
    )
)
max_poll = define(
    Setting(
        name="httpmail.max_poll",
        kind=Integer(1, 1440),
        default=30,
        title="Longest time between polls",
        help="In minutes; clients are told at discovery and may look for mail more often.",
    )
)
