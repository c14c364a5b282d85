"""What happens to an envelope on arrival: facts from the directory, decisions from the rules.

The SMTP door, the MTA agent and `posthouse explain` call these, so that a dry run is the same code.
"""

from __future__ import annotations

from appliance.journey.reason import Reason
from appliance.mail.address import Address
from appliance.operations.house import House
from appliance.rules import recipients, routing
from appliance.rules.recipients import Client
from appliance.settings import mta, relay


def judge_recipient(
    house: House, recipient: Address, *, client: str, login: str, reverse_path: Address | None
) -> Reason:
    """Decide about one RCPT: is the recipient known here, or may the client relay?"""
    settings = house.settings
    sender_hosted = (
        settings[relay.local_senders]
        and reverse_path is not None
        and house.directory.target(reverse_path).domain_known
    )
    who = Client(
        address=client, login=login, reverse_path=reverse_path, sender_hosted=sender_hosted
    )
    return recipients.judge(recipient, house.directory.target(recipient), who, settings)


def route(house: House, recipient: Address, *, hops: int) -> routing.Route:
    """Decide where a queued recipient goes, by the address map as it is now."""
    return routing.route(
        recipient,
        house.directory.target(recipient),
        hops=hops,
        max_hops=house.settings[mta.max_hops],
    )
