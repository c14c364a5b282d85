"""The three logs of each service (manual §8.3)."""

from __future__ import annotations

from appliance.settings.kinds import Boolean, Choice, Integer, Words
from appliance.settings.setting import Setting, define

smtp_activity = define(
    Setting(
        name="smtp.log_activity",
        kind=Boolean(),
        default=True,
        title="SMTP Activity log",
        manual="6.2",
        checklist="257-260",
        help=(
            "Every command and answer, one line each with ten columns, in logs/SMTP/SMTP-Activity-"
            "YYMMDD.log."
        ),
    )
)
smtp_debug = define(
    Setting(
        name="smtp.log_debug",
        kind=Boolean(),
        default=True,
        title="SMTP Debug log",
        manual="6.2",
        checklist="257-260",
        help="What the service decided and why, in sentences, in logs/SMTP/SMTP-Debug-YYMMDD.log.",
    )
)
smtp_w3c = define(
    Setting(
        name="smtp.log_w3c",
        kind=Boolean(),
        default=False,
        title="SMTP W3C log",
        manual="6.2",
        checklist="257-260",
        help="The same as Activity in the W3C extended format, in logs/SMTP/ex*.log.",
    )
)
pop_activity = define(
    Setting(
        name="pop.log_activity",
        kind=Boolean(),
        default=True,
        title="POP Activity log",
        manual="6.4.1",
        checklist="282-283",
        help=(
            "Every command and answer, one line each with ten columns, in logs/POP/POP-Activity-"
            "YYMMDD.log."
        ),
    )
)
pop_debug = define(
    Setting(
        name="pop.log_debug",
        kind=Boolean(),
        default=True,
        title="POP Debug log",
        manual="6.4.1",
        checklist="282-283",
        help="What the service decided and why, in sentences, in logs/POP/POP-Debug-YYMMDD.log.",
    )
)
pop_w3c = define(
    Setting(
        name="pop.log_w3c",
        kind=Boolean(),
        default=False,
        title="POP W3C log",
        manual="6.4.1",
        checklist="282-283",
        help="The same as Activity in the W3C extended format, in logs/POP/ex*.log.",
    )
)
mta_activity = define(
    Setting(
        name="mta.log_activity",
        kind=Boolean(),
        default=True,
        title="MTA Activity log",
        manual="6.7",
        checklist="307",
        help=(
            "Every command and answer, one line each with ten columns, in logs/MTA/MTA-Activity-"
            "YYMMDD.log."
        ),
    )
)
mta_debug = define(
    Setting(
        name="mta.log_debug",
        kind=Boolean(),
        default=True,
        title="MTA Debug log",
        manual="6.7",
        checklist="307",
        help="What the service decided and why, in sentences, in logs/MTA/MTA-Debug-YYMMDD.log.",
    )
)
mta_w3c = define(
    Setting(
        name="mta.log_w3c",
        kind=Boolean(),
        default=False,
        title="MTA W3C log",
        manual="6.7",
        checklist="307",
        help="The same as Activity in the W3C extended format, in logs/MTA/ex*.log.",
    )
)
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
