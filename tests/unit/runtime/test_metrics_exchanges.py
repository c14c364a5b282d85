"""By what an exchange's answer is counted: a digit of a reply, a word of the MTA agent's."""

from __future__ import annotations

import pytest

from appliance.runtime import metrics


@pytest.mark.parametrize(
    ("kind", "response", "answer"),
    [
        ("MTA", "delivered", "delivered"),
        ("MTA", "deferred", "deferred"),
        ("MTA", "routed to SMTP", "routed"),
        ("SMTP-IN", "250 2.1.5 fine", "2"),
        ("POP3-IN", "+OK 2 messages", "+OK"),
        ("POP3-IN", "-ERR no", "-ERR"),
    ],
)
def test_answers_are_counted_by_their_class(kind: str, response: str, answer: str) -> None:
    labels = {"kind": kind, "command": "COUNTED", "answer": answer}
    before = metrics.REGISTRY.get_sample_value("posthouse_exchanges_total", labels) or 0
    metrics.EXCHANGES.add(kind, "COUNTED", response)
    assert metrics.REGISTRY.get_sample_value("posthouse_exchanges_total", labels) == before + 1
