"""The relay's three permissions are joined by OR, below one switch: CHECKLIST 094–102."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from appliance.directory.records import Target
from appliance.mail.address import Address
from appliance.rules.recipients import Client, is_in, judge
from appliance.settings.kinds import Network
from appliance.settings.snapshot import Snapshot

NOT_HERE = Target(domain_known=False)
REMOTE = Address.parse("somebody@elsewhere.test")
SENDER = Address.parse("alice@alpha.test")

addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.ip_addresses(v=4).map(lambda each: ipaddress.IPv6Address(f"::ffff:{each}")),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(st.ip_addresses())
    length = draw(st.integers(0, address.max_prefixlen))
    return ipaddress.ip_network(f"{address}/{length}", strict=False)


ranges = st.lists(networks(), max_size=4).map(tuple)


@st.composite
def clients(draw: st.DrawFn) -> Client:
    reverse_path = draw(st.sampled_from([None, SENDER, REMOTE]))
    return Client(
        address=str(draw(addresses)),
        login=draw(st.sampled_from(["", "alice@alpha"])),
        reverse_path=reverse_path,
        sender_hosted=reverse_path is not None and draw(st.booleans()),
    )


settings = st.fixed_dictionaries(
    {
        "relay.enabled": st.booleans(),
        "relay.authenticated": st.booleans(),
        "relay.privileged_ranges": ranges,
        "relay.local_senders": st.booleans(),
    }
)


def holds(address: str, some: tuple[Network, ...]) -> bool:
    """Say the same in another way: by comparing numbers, with a mapped address as what it maps."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(
        network.version == parsed.version
        and int(network.network_address) <= int(parsed) <= int(network.broadcast_address)
        for network in some
    )


@given(clients(), settings)
def test_relay_is_allowed_exactly_when_one_of_the_three_matches(
    client: Client, values: dict[str, object]
) -> None:
    some = values["relay.privileged_ranges"]
    assert isinstance(some, tuple)
    permitted = {
        "relay.authenticated": bool(client.login) and bool(values["relay.authenticated"]),
        "relay.privileged": holds(client.address, some),
        "relay.local-sender": client.sender_hosted and bool(values["relay.local_senders"]),
    }
    reason = judge(REMOTE, NOT_HERE, client, Snapshot(values))
    assert reason.accepted == (bool(values["relay.enabled"]) and any(permitted.values()))
    if reason.accepted:
        assert permitted[reason.rule]
        assert reason.reply is not None
        assert reason.reply.code == 250
    else:
        assert reason.reply is not None
        assert str(reason.reply).startswith("550 5.7.1")
        assert reason.setting in ("relay.enabled", "relay.authenticated")


@given(clients())
def test_relay_is_closed_by_default_to_all_who_have_not_logged_in(client: Client) -> None:
    assert judge(REMOTE, NOT_HERE, client, Snapshot({})).accepted == bool(client.login)


@given(clients(), settings)
def test_what_a_setting_adds_takes_nothing_away(client: Client, values: dict[str, object]) -> None:
    before = judge(REMOTE, NOT_HERE, client, Snapshot(values)).accepted
    for name in ("relay.authenticated", "relay.local_senders"):
        assert judge(REMOTE, NOT_HERE, client, Snapshot({**values, name: True})).accepted >= before


@given(addresses, ranges)
def test_address_is_in_a_range_by_its_number(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, some: tuple[Network, ...]
) -> None:
    assert is_in(str(address), some) == holds(str(address), some)
    assert not is_in(str(address), ())
