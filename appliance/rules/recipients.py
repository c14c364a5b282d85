"""May this client send to this recipient? The closed relay and the known recipients.

Standards: RFC 5321 §3.3, §3.6 (relaying); RFC 3463 (status codes). Manual §4.4, §6.2.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.mail.reply import Reply
from appliance.settings import relay
from appliance.settings.kinds import Network
from appliance.settings.snapshot import Snapshot

_OK = Reply(250, "2.1.5", "Requested mail action okay, completed")
_LOGIN_NOT_ENOUGH = "This mail server does not relay mail for those who have logged in"
_ASK_LOGIN = "This mail server requires authentication. Please check your mail client settings."


class Client(NamedTuple):
    """Who is sending.

    Attributes:
        address: the IP address.
        login: the mailbox logged in as, or empty.
        reverse_path: what MAIL FROM said; None for the null reverse-path.
        sender_hosted: the reverse-path's domain is hosted here.
    """

    address: str
    login: str = ""
    reverse_path: Address | None = None
    sender_hosted: bool = False


def judge(
    recipient: Address, target: Target, client: Client, settings: Snapshot, *, usage: int = 0
) -> Reason:
    """Decide about one RCPT.

    Args:
        recipient: the forward-path.
        target: where the address map sends it.
        client: who is sending.
        settings: in force.
        usage: octets of mail that the mailbox holds; looked at where it has a quota.
    """
    if target.domain_known:
        return _judge_local(recipient, target, usage)
    return _judge_relay(recipient, client, settings)


def _judge_local(recipient: Address, target: Target, usage: int) -> Reason:
    if not target.enabled:
        return _reject(
            "recipient.domain-disabled",
            f"Mail for {recipient.domain} is not accepted at present.",
            Reply(550, "5.2.1", f"Mail for {recipient.domain} is not accepted at present"),
            recipient,
        )
    if not target.mailbox_id:
        return _reject(
            "recipient.unknown",
            f"There is no address {recipient} here.",
            Reply(550, "5.1.1", f"There is no address <{recipient}> here"),
            recipient,
        )
    if not target.mailbox_enabled:
        return _reject(
            "recipient.disabled",
            f"The mailbox of {recipient} is disabled.",
            Reply(550, "5.2.1", f"The mailbox of <{recipient}> is disabled"),
            recipient,
        )
    if target.quota_kb and usage >= target.quota_kb * 1024:
        return Reason(
            rule="quota.full",
            outcome=Outcome.DEFER,
            text=f"The mailbox of {recipient} is full. It takes mail again once there is room.",
            reply=Reply(452, "4.2.2", f"The mailbox of <{recipient}> is full; try again later"),
            inputs={
                "recipient": str(recipient),
                "usage_kb": str(usage // 1024),
                "quota_kb": str(target.quota_kb),
            },
        )
    address, destination = str(recipient), f"[SF:{target.postoffice}/{target.mailbox}]"
    return Reason(
        rule="recipient.local",
        outcome=Outcome.ACCEPT,
        text=f"The address map sends [SMTP:{address}] to {destination}.",
        reply=_OK,
        inputs={"recipient": address, "destination": destination},
    )


def _judge_relay(recipient: Address, client: Client, settings: Snapshot) -> Reason:
    inputs = {
        "recipient": str(recipient),
        "client": client.address,
        "login": client.login,
        "reverse_path": str(client.reverse_path or ""),
    }
    if not settings[relay.enabled]:
        return Reason(
            rule="relay.off",
            outcome=Outcome.REJECT,
            text=f"This server only receives; it does not send to {recipient.domain}.",
            reply=Reply(550, "5.7.1", "This server does not relay mail"),
            setting=relay.enabled.name,
            inputs=inputs,
        )
    allowed = ""
    if client.login and settings[relay.authenticated]:
        allowed, why = "relay.authenticated", f"{client.login} has logged in"
    elif is_in(client.address, settings[relay.privileged_ranges]):
        allowed, why = "relay.privileged", f"{client.address} is in a privileged range"
    elif settings[relay.local_senders] and client.sender_hosted:
        allowed, why = "relay.local-sender", f"{client.reverse_path} is a hosted sender"
    if allowed:
        return Reason(
            rule=allowed,
            outcome=Outcome.ACCEPT,
            text=f"{why}, so mail for {recipient.domain} is relayed.",
            reply=_OK,
            inputs=inputs,
        )
    if client.login:
        return Reason(
            rule="relay.login-not-enough",
            outcome=Outcome.REJECT,
            text=f"{recipient.domain} is not hosted here, and {client.login} may not relay: "
            "on this server a login alone does not allow it.",
            reply=Reply(550, "5.7.1", _LOGIN_NOT_ENOUGH),
            setting=relay.authenticated.name,
            inputs=inputs,
        )
    return Reason(
        rule="relay.closed",
        outcome=Outcome.REJECT,
        text=f"{recipient.domain} is not hosted here, and {client.address} may not relay: "
        "it has not logged in.",
        reply=Reply(550, "5.7.1", _ASK_LOGIN),
        setting=relay.authenticated.name,
        inputs=inputs,
    )


def _reject(rule: str, text: str, reply: Reply, recipient: Address) -> Reason:
    return Reason(
        rule=rule,
        outcome=Outcome.REJECT,
        text=text,
        reply=reply,
        inputs={"recipient": str(recipient)},
    )


def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Tell whether an IP address is in one of some networks; an empty list holds nobody."""
    if not networks:
        return False
    parsed = _parsed(address)
    return any(parsed.version == network.version and parsed in network for network in networks)


@lru_cache(maxsize=1024)  # clients come again
def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
