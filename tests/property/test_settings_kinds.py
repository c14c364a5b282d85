"""Every kind of setting: what is rendered is parsed back, what is refused says what is right."""

from __future__ import annotations

import ipaddress
import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.settings import catalogue
from appliance.settings.kinds import (
    Boolean,
    Choice,
    Duration,
    HostName,
    HostPort,
    HostPorts,
    Instant,
    Integer,
    IpAddresses,
    Kind,
    Marks,
    Ranges,
    Text,
    WebUrl,
    Words,
    split_host_port,
)
from appliance.settings.setting import Setting, SettingsError

lines = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]),
    max_size=60,
).map(str.strip)
words = st.text(string.ascii_letters + string.digits + ".:-", min_size=1, max_size=12)
networks = st.builds(
    lambda address, length: ipaddress.ip_network(
        f"{address}/{length % (address.max_prefixlen + 1)}", strict=False
    ),
    st.ip_addresses(),
    st.integers(0, 128),
)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True)
hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
)
ports = st.integers(1, 65535)


def values_of(kind: Kind[Any]) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911 - one per kind
    """Make right values of a kind."""
    match kind:
        case Boolean():
            return st.booleans()
        case Integer(minimum, maximum) | Duration(minimum, maximum):
            return st.integers(minimum, maximum)
        case Instant():
            moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1))  # noqa: DTZ001 - Hypothesis wants it so
            return st.none() | moments.map(lambda each: each.replace(microsecond=0))
        case Text(may_be_empty=may_be_empty):
            return lines if may_be_empty else lines.filter(bool)
        case Marks():
            return st.lists(st.sampled_from("#$%&!:/*"), unique=True).map("".join)
        case HostName():
            return st.one_of(st.just(""), names)
        case HostPorts():
            pairs = st.tuples(st.one_of(names, st.ip_addresses().map(str)), st.integers(1, 65535))
            return st.lists(pairs, unique=True, max_size=4).map(tuple)
        case IpAddresses():
            addresses = st.ip_addresses().map(str)
            return st.lists(addresses, unique=True, min_size=1, max_size=4).map(tuple)
        case Choice(choices):
            return st.sampled_from(choices)
        case Words(allowed=allowed) if allowed:
            return st.lists(st.sampled_from(allowed), unique=True).map(tuple)
        case Words():
            return st.lists(words, unique=True, max_size=4).map(tuple)
        case Ranges():
            return st.lists(networks, max_size=4).map(tuple)
        case HostPort():
            return st.one_of(
                st.just(""),
                hosts,
                st.builds("{}:{}".format, hosts, st.integers(1, 65535)),
                st.builds("[{}]:{}".format, st.ip_addresses(v=6), st.integers(1, 65535)),
                st.ip_addresses(v=6).map(str),
            )
        case WebUrl():
            places = st.one_of(hosts, st.builds("[{}]:{}".format, st.ip_addresses(v=6), ports))
            schemes = st.sampled_from(("http", "https"))
            return st.one_of(st.just(""), st.builds("{}://{}".format, schemes, places))
        case _:
            raise AssertionError(f"how are values of {kind} made?")


@pytest.mark.parametrize("setting", catalogue.every(), ids=lambda setting: setting.name)
def test_rendered_value_is_parsed_back_for_every_setting(setting: Setting[Any]) -> None:
    @given(values_of(setting.kind))
    @example(setting.default)
    def hold(value: object) -> None:
        assert setting.parse(setting.kind.render(value)) == value

    hold()


@pytest.mark.parametrize("setting", catalogue.every(), ids=lambda setting: setting.name)
def test_any_text_is_a_value_or_a_settings_error_that_names_the_setting(
    setting: Setting[Any],
) -> None:
    @given(st.one_of(st.text(max_size=40), words, st.integers().map(str)))
    @example("9" * 5000)
    @example("9" * 5000 + "d")
    @example("\udcff")
    def hold(text: str) -> None:
        told, value = "", None
        try:
            value = setting.parse(text)
        except SettingsError as error:
            told = str(error)
        if told:
            assert told.startswith(f"{setting.name}: ")
        else:
            assert setting.parse(setting.kind.render(value)) == value

    hold()


@given(hosts, st.integers(1, 65535), st.integers(1, 65535))
def test_host_and_port_are_split_as_they_were_joined(host: str, port: int, other: int) -> None:
    assert split_host_port(f"{host}:{port}", other) == (host, port)
    assert split_host_port(host, other) == (host, other)


@given(st.ip_addresses(v=6), st.integers(1, 65535), st.integers(1, 65535))
def test_ipv6_address_and_port_are_split_as_they_were_joined(
    address: ipaddress.IPv6Address, port: int, other: int
) -> None:
    assert split_host_port(f"[{address}]:{port}", other) == (str(address), port)
    assert split_host_port(f"[{address}]", other) == (str(address), other)
    assert split_host_port(str(address), other) == (str(address), other)
