"""Where a queued recipient goes, by the address map as it is then (manual §6.7; CHECKLIST 149)."""

from __future__ import annotations

import pytest

from appliance.directory.records import Target
from appliance.mail.address import Address
from appliance.rules.routing import Nowhere, ToMailbox, ToRemote, route

ALICE = Address.parse("alice@alpha.test")
HERE = Target(
    domain_known=True,
    enabled=True,
    postoffice_id=1,
    postoffice="alpha",
    mailbox_id=2,
    mailbox="alice",
    mailbox_enabled=True,
)


def test_known_address_goes_to_its_mailbox() -> None:
    way = route(ALICE, HERE, hops=1, max_hops=50)
    assert isinstance(way, ToMailbox)
    assert way.target == HERE
    assert "[SMTP:alice@alpha.test] to [SF:alpha/alice]" in way.reason.text


def test_domain_that_is_not_hosted_goes_out() -> None:
    way = route(ALICE, Target(domain_known=False), hops=1, max_hops=50)
    assert isinstance(way, ToRemote)
    assert way.domain == "alpha.test"


def test_address_that_has_gone_since_is_given_up() -> None:
    target = Target(domain_known=True, enabled=True, postoffice_id=1, postoffice="alpha")
    way = route(ALICE, target, hops=1, max_hops=50)
    assert isinstance(way, Nowhere)
    assert str(way.reason.reply).startswith("550 5.1.1")


@pytest.mark.parametrize("target", [HERE, Target(domain_known=False)])
def test_message_that_loops_is_given_up_wherever_it_would_go(target: Target) -> None:
    # RFC 5321 §6.3; RFC 3463: 5.4.6 routing loop detected
    assert not isinstance(route(ALICE, target, hops=50, max_hops=50), Nowhere)
    way = route(ALICE, target, hops=51, max_hops=50)
    assert isinstance(way, Nowhere)
    assert (way.reason.rule, way.reason.setting) == ("routing.loop", "mta.max_hops")
    assert str(way.reason.reply).startswith("554 5.4.6")
