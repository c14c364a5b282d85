"""Settings of the SMTP connector: receiving and sending (manual §6.2)."""

from __future__ import annotations

from appliance.settings.kinds import (
    Boolean,
    Choice,
    Duration,
    HostName,
    HostPorts,
    Integer,
    IpAddresses,
    Ranges,
    Text,
    Words,
)
from appliance.settings.setting import Effect, Scope, Setting, define

local_domain = define(
    Setting(
        name="smtp.local_domain",
        kind=HostName(),
        default="",
        title="Local domain name",
        manual="6.2",
        checklist="213",
        scopes=(Scope.SERVER, Scope.NODE),
        help=(
            "The name by which this server announces itself to other servers and signs its own "
            "messages. Empty: the machine's host name."
        ),
    )
)
dns_address = define(
    Setting(
        name="smtp.dns_address",
        kind=HostPorts(53),
        default=(),
        title="DNS addresses",
        manual="6.2",
        checklist="214",
        scopes=(Scope.SERVER, Scope.NODE),
        help=(
            "The DNS servers asked for mail exchangers, the next when one fails. Empty: the "
            "machine's resolvers."
        ),
    )
)
bad_mail_sender = define(
    Setting(
        name="smtp.bad_mail_sender",
        kind=Text("an address such as postmaster@example.com"),
        default="",
        title="Bad mail sender address",
        manual="6.2",
        checklist="215",
        help=(
            "Who delay and failure notices say they are from. Empty: postmaster at the local "
            "domain name."
        ),
    )
)
max_message_kb = define(
    Setting(
        name="smtp.max_message_kb",
        kind=Integer(0, 2_097_152),
        default=51_200,
        title="Maximum message size (KiB)",
        manual="6.2",
        checklist="216",
        help="Larger messages are refused with 552, announced by SIZE. 0: no limit.",
    )
)
min_free_mb = define(
    Setting(
        name="smtp.min_free_mb",
        kind=Integer(0, 1_048_576),
        default=100,
        title="Disk space that mail must leave (MiB)",
        scopes=(Scope.SERVER, Scope.NODE),
        help=(
            "With less than that free on the home's file system, MAIL gets 452, so that senders "
            "try again later and there is room to read, to delete and to administer. 0: mail is "
            "accepted until the disk is full."
        ),
    )
)
max_recipients = define(
    Setting(
        name="smtp.max_recipients",
        kind=Integer(1, 100_000),
        default=300,
        title="Maximum recipients of a message",
        manual="6.2",
        checklist="243",
        help=(
            "Further RCPT commands get 452, so that the client sends the rest in another message. "
            "Lists and groups are not bound by it."
        ),
    )
)
sender_must_match = define(
    Setting(
        name="smtp.sender_must_match",
        kind=Boolean(),
        default=False,
        title="Authenticated senders must use an own address",
        manual="6.2",
        checklist="234",
        help=(
            "Who has logged in may send from the addresses of the own mailbox only; others get "
            "553. Webmail and HTTPMail always ask for that. Better on, unless people send in each "
            "other's name."
        ),
    )
)
max_errors = define(
    Setting(
        name="smtp.max_errors",
        kind=Integer(0, 1000),
        default=20,
        title="Failed commands before a connection is dropped",
        manual="6.2",
        checklist="244",
        help=(
            "Counts refused commands and recipients. Values under 6 cut off web forms that write "
            "to several people. 0: no limit."
        ),
    )
)
max_idle_commands = define(
    Setting(
        name="smtp.max_idle_commands",
        kind=Integer(0, 100_000),
        default=100,
        title="Commands without a message before a connection is dropped",
        help=(
            "NOOP, RSET, EHLO and the like since the last accepted message; a client that sends "
            "only these keeps the server busy for nothing. 0: no limit."
        ),
    )
)
banner = define(
    Setting(
        name="smtp.banner",
        kind=Text("one line; %LOCALDOMAIN% and %TIME% are replaced", may_be_empty=False),
        default="%LOCALDOMAIN% ESMTP Posthouse ready",
        title="Welcome message",
        manual="6.2",
        checklist="239-242",
        help=(
            "What follows 220 in the greeting. %LOCALDOMAIN% becomes the local domain name, %TIME%"
            " the server's time."
        ),
    )
)
disabled_commands = define(
    Setting(
        name="smtp.disabled_commands",
        kind=Words(allowed=("EXPN", "VRFY", "HELP", "AUTH", "STARTTLS")),
        default=("EXPN", "VRFY"),
        title="Disabled commands",
        manual="6.2",
        checklist="231",
        help=(
            "Commands answered with 502 and left out of EHLO. EXPN and VRFY would tell who exists."
        ),
    )
)
listen = define(
    Setting(
        name="smtp.listen",
        kind=IpAddresses(),
        default=("0.0.0.0", "::"),
        title="Addresses to listen on",
        manual="6.2",
        checklist="222",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help=(
            "The server's own addresses on which mail is received. Where the machine has no IPv6, "
            "the default leaves :: out."
        ),
    )
)
port = define(
    Setting(
        name="smtp.port",
        kind=Integer(1, 65535),
        default=25,
        title="SMTP port",
        manual="6.2",
        checklist="217",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="Where other servers deliver mail. Others look for it at 25 only.",
    )
)
submission_port = define(
    Setting(
        name="smtp.submission_port",
        kind=Integer(1, 65535),
        default=587,
        title="Submission port (STARTTLS)",
        manual="6.2",
        checklist="218",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="Where mail clients send, after a login (RFC 6409).",
    )
)
submissions_port = define(
    Setting(
        name="smtp.submissions_port",
        kind=Integer(1, 65535),
        default=465,
        title="Submission port (TLS)",
        manual="6.2",
        checklist="218",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.ROOT,
        help="Where mail clients send over TLS from the first byte (RFC 8314).",
    )
)
processes = define(
    Setting(
        name="smtp.processes",
        kind=Integer(0, 8),
        default=0,
        title="Processes",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help=(
            "How many processes receive mail side by side, from the service's next start. 0: one "
            "for each two cores, 8 at most, since mail is written and delivered beside them. "
            "Limits of connections hold for all of them together."
        ),
    )
)
max_connections = define(
    Setting(
        name="smtp.max_connections",
        kind=Integer(1, 100_000),
        default=1000,
        title="Maximum connections",
        manual="6.2",
        checklist="224",
        help="Further clients are told 421 and come again later.",
    )
)
max_connections_per_client = define(
    Setting(
        name="smtp.max_connections_per_client",
        kind=Integer(0, 100_000),
        default=50,
        title="Maximum connections of one client",
        manual="6.2",
        checklist="224",
        help=(
            "Connections at the same time from one IP address; limits.exempt_ranges are not "
            "counted. 0: no limit."
        ),
    )
)
idle_timeout = define(
    Setting(
        name="smtp.idle_timeout",
        kind=Duration(10, 86_400),
        default=300,
        title="Time-out of silent clients",
        help=(
            "A client that sends nothing for so long is told 421 and disconnected (RFC 5321 asks "
            "for 5 minutes at least)."
        ),
    )
)
max_send = define(
    Setting(
        name="smtp.max_send",
        kind=Integer(1, 10_000),
        default=100,
        title="Maximum outbound connections",
        manual="6.2",
        checklist="223",
        help="Connections to other servers at the same time.",
    )
)
max_send_per_destination = define(
    Setting(
        name="smtp.max_send_per_destination",
        kind=Integer(1, 1000),
        default=5,
        title="Maximum outbound connections to one destination",
        manual="6.2",
        checklist="223",
        help="Many providers refuse more than a few at the same time.",
    )
)
remote_timeout = define(
    Setting(
        name="smtp.remote_timeout",
        kind=Duration(1, 3600),
        default=300,
        title="Time-out of remote servers",
        manual="6.2",
        checklist="226",
        help="How long an answer of another server is waited for, each time.",
    )
)
remote_port = define(
    Setting(
        name="smtp.remote_port",
        kind=Integer(1, 65535),
        default=25,
        title="Port of remote servers",
        help="Where mail exchangers are called. Other than 25 only in test networks.",
    )
)
outbound_tls = define(
    Setting(
        name="smtp.outbound_tls",
        kind=Choice(("opportunistic", "required", "never")),
        default="opportunistic",
        title="TLS to remote servers",
        help=(
            "opportunistic: TLS where the other side offers it, and always for a smart host's "
            "password; required: defer mail for servers without it; never: clear text, that "
            "password as well."
        ),
    )
)
dial_ranges = define(
    Setting(
        name="smtp.dial_ranges",
        kind=Ranges(),
        default=(),
        title="Only call these addresses",
        help=(
            "Addresses that mail may be sent to; mail for others stays in the queue with that "
            "reason. Empty: all. For demonstrations and staging servers."
        ),
    )
)
no_ndr = define(
    Setting(
        name="smtp.no_ndr",
        kind=Boolean(),
        default=False,
        title="Don't send non-delivery receipts",
        manual="6.2",
        checklist="253",
        help="Messages that can't be delivered go to bad mail, and nobody is told.",
    )
)
