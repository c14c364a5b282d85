"""When a message is tried again, and when it is given up (manual §6.2, Delivery)."""

from __future__ import annotations

from appliance.settings.kinds import Choice, Duration, Integer
from appliance.settings.setting import Setting, define

first = define(
    Setting(
        name="retry.first",
        kind=Duration(1, 604_800),
        default=900,
        title="First retry",
        manual="6.2",
        checklist="246",
        help="How long after the first failed attempt the second follows.",
    )
)
second = define(
    Setting(
        name="retry.second",
        kind=Duration(1, 604_800),
        default=1800,
        title="Second retry",
        manual="6.2",
        checklist="247",
        help="How long after the second failed attempt the third follows.",
    )
)
third = define(
    Setting(
        name="retry.third",
        kind=Duration(1, 604_800),
        default=3600,
        title="Third retry",
        manual="6.2",
        checklist="248",
        help="How long after the third failed attempt the fourth follows.",
    )
)
subsequent = define(
    Setting(
        name="retry.subsequent",
        kind=Duration(1, 604_800),
        default=14_400,
        title="Subsequent retries",
        manual="6.2",
        checklist="249",
        help="How long after each later failed attempt the next follows.",
    )
)
count = define(
    Setting(
        name="retry.count",
        kind=Integer(1, 1000),
        default=24,
        title="Maximum attempts",
        manual="6.2",
        checklist="225, 251",
        help=(
            "After so many failed attempts a message is given up, even if its lifetime is not over."
        ),
    )
)
lifetime = define(
    Setting(
        name="retry.lifetime",
        kind=Duration(1, 2_592_000),
        default=345_600,
        title="Failed message lifetime",
        manual="6.2",
        checklist="250",
        help=(
            "A message that could not be delivered for so long is given up: returned to its "
            "sender, with a copy in bad mail."
        ),
    )
)
delay_notice = define(
    Setting(
        name="retry.delay_notice",
        kind=Choice(("off", "first", "every")),
        default="first",
        title="Delay notifications",
        manual="6.2",
        checklist="252",
        help=(
            "Whether the sender is told that a message waits: never, at the first failed attempt, "
            "or at each."
        ),
    )
)
