"""Whom limits leave alone."""

from __future__ import annotations

from appliance.settings.kinds import Ranges
from appliance.settings.setting import Setting, define

exempt_ranges = define(
    Setting(
        name="limits.exempt_ranges",
        kind=Ranges(),
        default=(),
        title="Addresses without connection limits",
        help=(
            "Clients whose connections are not counted: a monitoring host, a load balancer. Login "
            "throttles hold for them too."
        ),
    )
)
