"""A decision about mail with its reason.

The SMTP reply, the logs, the journey, `posthouse explain` and the text a user reads are renderings
of the one value made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from appliance.mail.reply import Reply


class Outcome(StrEnum):
    """What was decided."""

    ACCEPT = "accept"
    REJECT = "reject"  # for good: 5yz
    DEFER = "defer"  # for now: 4yz


class Reason(NamedTuple):
    """Why something was decided.

    Attributes:
        rule: the rule that decided, such as `relay.closed`.
        outcome: what it decided.
        text: one sentence for people; never names another tenant's data or a secret.
        reply: what the client is told, where there is a client.
        setting: the setting that would change the decision, or empty.
        inputs: the facts the rule looked at.
    """

    rule: str
    outcome: Outcome
    text: str
    reply: Reply | None = None
    setting: str = ""
    inputs: Mapping[str, str] = MappingProxyType({})

    @property
    def accepted(self) -> bool:
        """Whether the decision lets the mail go on."""
        return self.outcome is Outcome.ACCEPT

    def to_dict(self) -> dict[str, Any]:
        """Turn into what JSON can hold."""
        found: dict[str, Any] = {
            "rule": self.rule,
            "outcome": self.outcome.value,
            "text": self.text,
        }
        if self.reply is not None:
            found["reply"] = str(self.reply)
        if self.setting:
            found["setting"] = self.setting
        if self.inputs:
            found["inputs"] = dict(self.inputs)
        return found
