"""The record of what happened to each message."""

from __future__ import annotations

from appliance.settings.kinds import Integer
from appliance.settings.setting import Setting, define

days = define(
    Setting(
        name="journey.days",
        kind=Integer(1, 3650),
        default=30,
        title="Days a message's journey is kept",
        help="How long `posthouse message trace` can answer.",
    )
)
