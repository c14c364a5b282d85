"""Numbers that move, for the console's plots."""

from __future__ import annotations

from appliance.settings.kinds import Integer
from appliance.settings.setting import Setting, define

days = define(
    Setting(
        name="trends.days",
        kind=Integer(1, 366),
        default=30,
        title="Days that numbers are kept",
        help=(
            "How far back plots of mail, refusals, logins, the queue and the disk reach. A day of "
            "a busy server takes about 3 MiB."
        ),
    )
)
