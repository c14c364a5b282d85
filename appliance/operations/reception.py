"""What happens to an envelope on arrival: facts from the directory, decisions from the rules.

The SMTP door, the MTA agent and `posthouse explain` call these, so that a dry run is the same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.operations.house import House
from appliance.rules import recipients, routing, senders, storage
from appliance.rules.recipients import Client
from appliance.settings import mta, relay, smtp


def judge_sender(
    house: House, sender: Address | None, *, login: str, always: bool = False
) -> Reason:
    """Decide about MAIL FROM: may who has logged in use this address?

    Args:
        house: whose directory and settings.
        sender: the reverse-path; None for the null one.
        login: the mailbox that is logged in, or empty.
        always: whatever `smtp.sender_must_match` says, as in our own rooms.
    """
    must_match = bool(login) and (always or house.settings[smtp.sender_must_match])
    target = house.directory.target(sender) if must_match and sender is not None else None
    return senders.judge(
        sender, target or Target(domain_known=False), login=login, must_match=must_match
    )


def judge_room(house: House, *, size: int = 0) -> Reason:
    """Decide before a message comes: is there room for it?

    Args:
        house: whose disk and settings.
        size: octets, as the client announces them; 0 where it doesn't.
    """
    return storage.judge(house.space.free(), size=size, reserve_mb=house.settings[smtp.min_free_mb])


def judge_recipient(
    house: House,
    recipient: Address,
    *,
    client: str,
    login: str,
    reverse_path: Address | None,
    target: Target | None = None,
) -> Reason:
    """Decide about one RCPT: is the recipient known here, or may the client relay?

    Args:
        house: whose directory and settings.
        recipient: the forward-path.
        client: the client's IP address.
        login: the mailbox that is logged in, or empty.
        reverse_path: what MAIL FROM said; None for the null reverse-path.
        target: what the address map says, where the caller has just asked for many.
    """
    settings = house.settings
    target = target or house.directory.target(recipient)
    sender_hosted = (
        not target.domain_known
        and settings[relay.local_senders]
        and reverse_path is not None
        and house.directory.target(reverse_path).domain_known
    )
    who = Client(
        address=client, login=login, reverse_path=reverse_path, sender_hosted=sender_hosted
    )
    usage = 0
    if target.quota_kb:
        _, usage = house.store.usage(target.postoffice_id, target.mailbox_id)
    return recipients.judge(recipient, target, who, settings, usage=usage)


def accepted_because(granted: Sequence[Reason]) -> Reason:
    """Fold the reasons for which the recipients were accepted into one."""
    if len(granted) == 1:
        return granted[0]
    rules = Counter(reason.rule for reason in granted)
    text = ", ".join(f"{count} by {rule}" for rule, count in rules.items())
    return Reason(
        rule="recipients.accepted",
        outcome=Outcome.ACCEPT,
        text=f"{len(granted)} recipients were accepted: {text}.",
    )


def route(
    house: House, recipient: Address, *, hops: int, target: Target | None = None
) -> routing.Route:
    """Decide where a queued recipient goes, by the address map as it is now.

    Args:
        house: whose directory and settings.
        recipient: the forward-path.
        hops: how many Received lines the message has.
        target: what the address map says, where the caller has just asked for many.
    """
    return routing.route(
        recipient,
        target or house.directory.target(recipient),
        hops=hops,
        max_hops=house.settings[mta.max_hops],
    )
