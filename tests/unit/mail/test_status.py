"""Delivery statuses: RFC 3464 §2.3."""

from __future__ import annotations

import pytest

from appliance.mail.reply import Reply
from appliance.mail.status import Action, DeliveryStatus


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (
            Reply(550, "5.1.1", "No such user"),
            DeliveryStatus(Action.failed, "5.1.1", "smtp; 550 5.1.1 No such user", "mx.a.b"),
        ),
        (
            Reply(451, "", "Later"),
            DeliveryStatus(Action.delayed, "4.0.0", "smtp; 451 Later", "mx.a.b"),
        ),
        (Reply(250, "", "Ok"), DeliveryStatus(Action.relayed, "2.0.0", "smtp; 250 Ok", "mx.a.b")),
    ],
)
def test_remote_reply_becomes_a_status(reply: Reply, status: DeliveryStatus) -> None:
    assert DeliveryStatus.from_reply(reply, remote_mta="mx.a.b") == status
