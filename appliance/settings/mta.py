"""Settings of the Mail Transfer Agent (manual §6.7)."""

from __future__ import annotations

from appliance.settings.kinds import Integer
from appliance.settings.setting import Effect, Scope, Setting, define

max_hops = define(
    Setting(
        name="mta.max_hops",
        kind=Integer(5, 1000),
        default=50,
        title="Maximum hops",
        manual="5.4",
        checklist="149",
        help=(
            "A message with more Received lines than this goes round in a loop: it is returned, "
            "with a copy in bad mail."
        ),
    )
)

processes = define(
    Setting(
        name="mta.processes",
        kind=Integer(0, 32),
        default=0,
        title="MTA agents",
        scopes=(Scope.SERVER, Scope.NODE),
        effect=Effect.RESTART,
        help=(
            "How many processes deliver mail at the same time; 0 is one for each four cores, at "
            "least one. Each writes batches of its own, so that more than needed only cost."
        ),
    )
)
