"""Where a queued recipient goes: the MTA agent's decision (manual §6.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.mail.reply import Reply


class ToMailbox(NamedTuple):
    """Deliver into a mailbox of this server: connector SF.

    Attributes:
        target: where the address map leads.
        recipient: the address.
        hops: how many Received lines the message has.
    """

    target: Target
    recipient: Address
    hops: int

    @property
    def reason(self) -> Reason:
        """Why: made when it is asked for, since a message may have thousands of recipients."""
        address, target = str(self.recipient), self.target
        return Reason(
            rule="routing.mailbox",
            outcome=Outcome.ACCEPT,
            text=f"The address map sends [SMTP:{address}] to "
            f"[SF:{target.postoffice}/{target.mailbox}].",
            inputs=_inputs(address, self.hops),
        )


@dataclass(frozen=True, slots=True)
class ToRemote:
    """Send to another server: connector SMTP."""

    domain: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Give up: nobody is there."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class NotNow:
    """Wait: the address is suspended, which can be lifted."""

    reason: Reason


Route = ToMailbox | ToRemote | Nowhere | NotNow


def route(recipient: Address, target: Target, *, hops: int, max_hops: int) -> Route:
    """Decide where a recipient's copy goes.

    Args:
        recipient: the forward-path.
        target: where the address map sends it at this moment.
        hops: how many Received lines the message has.
        max_hops: how many it may have.
    """
    if (
        hops <= max_hops
        and target.domain_known
        and target.mailbox_id
        and target.enabled
        and target.mailbox_enabled
    ):
        return ToMailbox(target, recipient, hops)
    address = str(recipient)
    inputs = _inputs(address, hops)
    if hops > max_hops:
        return Nowhere(
            Reason(
                rule="routing.loop",
                outcome=Outcome.REJECT,
                text=f"The message has passed {hops} servers, more than {max_hops}: it loops.",
                reply=Reply(554, "5.4.6", f"Too many hops: {hops}"),
                setting="mta.max_hops",
                inputs=inputs,
            )
        )
    if not target.domain_known:
        return ToRemote(
            recipient.domain,
            Reason(
                rule="routing.remote",
                outcome=Outcome.ACCEPT,
                text=f"{recipient.domain} is not hosted here: [SMTP:{address}] goes out.",
                inputs=inputs,
            ),
        )
    if not target.mailbox_id:
        return Nowhere(
            Reason(
                rule="routing.unknown",
                outcome=Outcome.REJECT,
                text=f"There is no address {address} here any more.",
                reply=Reply(550, "5.1.1", f"There is no address <{address}> here"),
                inputs=inputs,
            )
        )
    if not target.enabled:
        text = f"Mail for {recipient.domain} is suspended."
        return NotNow(_suspended("routing.domain-disabled", text, inputs))
    text = f"The mailbox of {address} is suspended."
    return NotNow(_suspended("routing.mailbox-disabled", text, inputs))


def _inputs(address: str, hops: int) -> dict[str, str]:
    return {"recipient": address, "hops": str(hops)}


def _suspended(rule: str, text: str, inputs: dict[str, str]) -> Reason:
    # RFC 3463 §3.3: X.2.1 is a mailbox that takes no mail; it persists only until it is enabled
    return Reason(
        rule=rule,
        outcome=Outcome.DEFER,
        text=text,
        reply=Reply(450, "4.2.1", text.removesuffix(".")),
        inputs=inputs,
    )
