"""Who may send through this server to elsewhere (manual §4.4)."""

from __future__ import annotations

from appliance.settings.kinds import Boolean, Ranges
from appliance.settings.setting import Setting, define

enabled = define(
    Setting(
        name="relay.enabled",
        kind=Boolean(),
        default=True,
        title="Allow mail relay",
        manual="6.2",
        checklist="101",
        help="The master switch: without it the server only receives.",
    )
)
authenticated = define(
    Setting(
        name="relay.authenticated",
        kind=Boolean(),
        default=True,
        title="Allow relay for authenticated senders",
        manual="4.4",
        checklist="097",
        help="Whoever logs in may send anywhere.",
    )
)
privileged_ranges = define(
    Setting(
        name="relay.privileged_ranges",
        kind=Ranges(),
        default=(),
        title="Allow relay for privileged IP ranges",
        manual="4.4",
        checklist="099",
        help="Clients that may send anywhere without a login. An empty list means nobody.",
    )
)
local_senders = define(
    Setting(
        name="relay.local_senders",
        kind=Boolean(),
        default=False,
        title="Allow relay for local sender addresses",
        manual="4.4",
        checklist="100",
        help=(
            "Whoever claims a hosted domain in MAIL FROM may send anywhere. Anybody can claim "
            "that: leave it off."
        ),
    )
)
