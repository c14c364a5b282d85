"""The three logs of each service (manual §8.3)."""

from __future__ import annotations

from datetime import datetime

from appliance.settings.kinds import Boolean, Choice, Instant, Integer, Words
from appliance.settings.setting import Setting, define


def _switches(
    prefix: str, service: str, *, manual: str, checklist: str
) -> tuple[Setting[bool], Setting[bool], Setting[bool]]:
    """Define the three switches of a service: Activity, Debug and W3C."""
    where = f"logs/{service}/{service}"
    kinds = (
        (
            "Activity",
            True,
            f"Commands and answers, a line of ten columns each, in {where}-Activity-YYMMDD.log.",
        ),
        (
            "Debug",
            True,
            f"What the service decided and why, in sentences, in {where}-Debug-YYMMDD.log.",
        ),
        (
            "W3C",
            False,
            f"The same as Activity in the W3C extended format, in logs/{service}/ex*.log.",
        ),
    )
    activity, debug, w3c = (
        define(
            Setting(
                name=f"{prefix}.log_{kind.lower()}",
                kind=Boolean(),
                default=default,
                title=f"{service} {kind} log",
                help=text,
                manual=manual,
                checklist=checklist,
            )
        )
        for kind, default, text in kinds
    )
    return activity, debug, w3c


def _verbose(prefix: str, service: str) -> Setting[datetime | None]:
    """Define until when a service's Debug log is verbose."""
    return define(
        Setting(
            name=f"{prefix}.verbose_until",
            kind=Instant(),
            default=None,
            title=f"{service} Debug log verbose until",
            help=(
                f"Until then the {service} Debug log also has each command and answer, without "
                "passwords, what each decision was made of, and how long steps took, even where it "
                "is switched off. It ends by itself, and is at most a day ahead; `posthouse debug` "
                "sets it."
            ),
            manual="8.2",
            checklist="453-455",
        )
    )


smtp_activity, smtp_debug, smtp_w3c = _switches("smtp", "SMTP", manual="6.2", checklist="257-260")
pop_activity, pop_debug, pop_w3c = _switches("pop", "POP", manual="6.4.1", checklist="282-283")
mta_activity, mta_debug, mta_w3c = _switches("mta", "MTA", manual="6.7", checklist="307")
httpmail_activity, httpmail_debug, httpmail_w3c = _switches(
    "httpmail", "HTTPMAIL", manual="8.3", checklist="322"
)
web_activity, web_debug, web_w3c = _switches("web", "WEB", manual="8.3", checklist="")
smtp_verbose = _verbose("smtp", "SMTP")
pop_verbose = _verbose("pop", "POP")
mta_verbose = _verbose("mta", "MTA")
httpmail_verbose = _verbose("httpmail", "HTTPMAIL")
web_verbose = _verbose("web", "WEB")
w3c_fields = define(
    Setting(
        name="log.w3c_fields",
        kind=Words(
            allowed=(
                "date",
                "time",
                "s-computername",
                "c-ip",
                "s-port",
                "cs-method",
                "cs-uri-stem",
                "sc-status",
                "sc-bytes",
                "cs-bytes",
                "x-message-id",
                "cs-username",
            )
        ),
        default=(
            "date",
            "time",
            "c-ip",
            "s-port",
            "cs-method",
            "cs-uri-stem",
            "sc-status",
            "sc-bytes",
            "cs-bytes",
            "x-message-id",
        ),
        title="Fields of the W3C logs",
        manual="6.2",
        checklist="258",
        help="Which columns a W3C log has, in this order.",
    )
)
w3c_rollover = define(
    Setting(
        name="log.w3c_rollover",
        kind=Choice(("hourly", "daily", "monthly", "never")),
        default="daily",
        title="Rollover of the W3C logs",
        manual="6.2",
        checklist="258",
        help="When a new W3C log file is begun.",
    )
)
keep_days = define(
    Setting(
        name="log.keep_days",
        kind=Integer(1, 3650),
        default=30,
        title="Days that log files are kept",
        help="Older log files are removed by housekeeping.",
    )
)
