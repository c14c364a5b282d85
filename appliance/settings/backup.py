"""Backups that are kept in the home."""

from __future__ import annotations

from appliance.settings.kinds import Duration, Integer
from appliance.settings.setting import Setting, define

keep = define(
    Setting(
        name="backup.keep",
        kind=Integer(0, 1000),
        default=7,
        title="Backups that are kept",
        help=(
            "How many backups `posthouse backup create` leaves in the home: once the new one is "
            "verified, the oldest beyond this number are removed. 0 keeps all."
        ),
    )
)
max_age = define(
    Setting(
        name="backup.max_age",
        kind=Duration(0, 366 * 86_400),
        default=2 * 86_400,
        title="Age of the newest backup",
        help=(
            "When the newest backup in the home is older than this, `posthouse diagnose` and the "
            "console say so. 0 never says so; nor is anything said of a home without backups."
        ),
    )
)
