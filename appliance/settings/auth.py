"""Who gets in (manual §5.9.1)."""

from __future__ import annotations

from appliance.settings.kinds import Boolean, Duration, Integer, Text
from appliance.settings.setting import Setting, define

default_postoffice = define(
    Setting(
        name="auth.default_postoffice",
        kind=Text("the name of a post office"),
        default="",
        title="Default post office",
        manual="5.9.1",
        checklist="119",
        help="A login without @ belongs to this post office. Empty: the full login is needed.",
    )
)
without_tls = define(
    Setting(
        name="auth.without_tls",
        kind=Boolean(),
        default=False,
        title="Password logins without TLS",
        help="Passwords could be read on the way: leave it off on every network.",
    )
)
max_failures = define(
    Setting(
        name="auth.max_failures",
        kind=Integer(1, 1000),
        default=10,
        title="Failed logins before a pause",
        help=(
            "So many failures of one login or one client address within auth.pause stop further "
            "attempts for that long. Mail goes on arriving."
        ),
    )
)
pause = define(
    Setting(
        name="auth.pause",
        kind=Duration(1, 86_400),
        default=900,
        title="Pause after failed logins",
        help="How long failed logins count, and how long no further attempt is looked at.",
    )
)
min_password_length = define(
    Setting(
        name="auth.min_password_length",
        kind=Integer(4, 128),
        default=8,
        title="Shortest password",
        help="Asked of new passwords; existing ones stay.",
    )
)
