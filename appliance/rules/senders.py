"""May somebody who has logged in send from this address?

Standards: RFC 6409 §6.1 (a submission server may enforce addresses); RFC 4954 §6, RFC 3463 §3.8
(553 5.7.1). Manual §6.2 (Security).
"""

from __future__ import annotations

from appliance.directory.records import Target
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.mail.reply import Reply
from appliance.settings import smtp


def judge(sender: Address | None, target: Target, *, login: str, must_match: bool) -> Reason:
    """Decide about MAIL FROM.

    Args:
        sender: the reverse-path; None for the null one, which belongs to nobody.
        target: where the address map sends mail for it.
        login: the mailbox that is logged in, or empty: other servers send from anywhere.
        must_match: only the mailbox's own addresses will do.
    """
    inputs = {"sender": str(sender or ""), "login": login}
    if sender is None or not login or not must_match:
        return Reason(
            rule="sender.any",
            outcome=Outcome.ACCEPT,
            text="The sender's address is not checked.",
            setting=smtp.sender_must_match.name,
            inputs=inputs,
        )
    if f"{target.mailbox}@{target.postoffice}".casefold() == login.casefold():
        return Reason(
            rule="sender.own",
            outcome=Outcome.ACCEPT,
            text=f"{sender} is an address of {login}.",
            inputs=inputs,
        )
    return Reason(
        rule="sender.not-own",
        outcome=Outcome.REJECT,
        text=f"{sender} is not an address of {login}; a sender must use one of the own addresses.",
        reply=Reply(553, "5.7.1", f"<{sender}> is not an address of {login}"),
        setting=smtp.sender_must_match.name,
        inputs=inputs,
    )
