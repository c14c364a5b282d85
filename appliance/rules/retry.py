"""When a message is tried again and when it is given up (manual §6.2, Delivery)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.journey.reason import Outcome, Reason
from appliance.runtime.clock import MICROSECONDS, to_iso
from appliance.settings import retry
from appliance.settings.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Again:
    """Try again.

    Attributes:
        due_at: when, µs.
        notify: tell the sender that the message waits.
        reason: why then.
    """

    due_at: int
    notify: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Return it to the sender."""

    reason: Reason


def after_failure(
    *, attempts: int, accepted_at: int, now: int, settings: Snapshot, is_choice: bool = False
) -> Again | GiveUp:
    """Decide after a temporary failure.

    Args:
        attempts: failed attempts, this one included (1 or more).
        accepted_at: µs.
        now: µs.
        settings: in force.
        is_choice: this server did not try, because of how it is set up; such attempts are not
            counted, and the sender hears of it when the lifetime is over.
    """
    inputs = {"attempts": str(attempts), "accepted_at": to_iso(accepted_at)}
    if attempts >= settings[retry.count] and not is_choice:
        text = f"{attempts} attempts failed, {settings[retry.count]} are made."
        return GiveUp(_reason("retry.count", text, retry.count.name, inputs))
    lifetime = settings[retry.lifetime]
    if now - accepted_at >= lifetime * MICROSECONDS:
        text = f"The message could not be delivered within {retry.lifetime.kind.render(lifetime)}."
        return GiveUp(_reason("retry.lifetime", text, retry.lifetime.name, inputs))
    schedule = (retry.first, retry.second, retry.third)
    setting = schedule[attempts - 1] if attempts <= len(schedule) else retry.subsequent
    delay = settings[setting]
    # the last attempt is made when the lifetime ends, not an interval later
    due_at = min(now + delay * MICROSECONDS, accepted_at + lifetime * MICROSECONDS)
    wish = settings[retry.delay_notice]
    notify = not is_choice and (wish == "every" or (wish == "first" and attempts == 1))
    return Again(
        due_at,
        notify,
        Reason(
            rule="retry.again",
            outcome=Outcome.DEFER,
            text=f"Attempt {attempts + 1} follows at {to_iso(due_at)}.",
            setting=setting.name,
            inputs=inputs,
        ),
    )


def _reason(rule: str, text: str, setting: str, inputs: dict[str, str]) -> Reason:
    return Reason(rule=rule, outcome=Outcome.REJECT, text=text, setting=setting, inputs=inputs)
