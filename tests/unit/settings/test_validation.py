"""Values that look right and are not: refused, with what would be right."""

from __future__ import annotations

import pytest

from appliance.settings import catalogue, smtp
from appliance.settings.kinds import with_port
from appliance.settings.setting import SettingsError
from appliance.settings.snapshot import build


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("smtp.dns_address", "192.0.2.53:99999", "'99999' is not a port from 1 to 65535"),
        ("smtp.dns_address", "192.0.2.53 a_b", "'a_b' is not a host with an optional port"),
        ("smtp.local_domain", "foo bar", "'foo bar' is not a host name; a host name such as"),
        ("smtp.local_domain", "-a.example", "'-a.example' is not a host name"),
        ("smtp.local_domain", "a..example", "'a..example' is not a host name"),
        ("smtp.local_domain", "192.0.2.1", "'192.0.2.1' is not a host name"),
        ("smtp.local_domain", ".".join(["a" * 63] * 4), "is not a host name"),
        ("smtp.listen", "banana", "'banana' is not an IP address; IP addresses separated"),
        ("smtp.listen", " ", "names no address; IP addresses separated by spaces, one at least"),
        ("pop.listen", "127.0.0.1 localhost", "'localhost' is not an IP address"),
        ("pop.listen", "", "names no address"),
        ("pop.alternate_at", "#a", "'a' in '#a' can't stand for @; characters such as #$%"),
        ("pop.alternate_at", "7", "'7' in '7' can't stand for @"),
        ("pop.alternate_at", "# %", "' ' in '# %' can't stand for @"),
        ("smtp.banner", "", "'' is empty; one line"),
        ("smtp.banner", "  ", "is empty; one line"),
    ],
)
def test_nonsense_is_refused_with_what_would_be_right(name: str, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        catalogue.named(name).parse(text)
    assert str(refused.value).startswith(f"{name}: ")
    assert told in str(refused.value)


@pytest.mark.parametrize("mark", "@._+-")
def test_what_logins_are_made_of_never_stands_for_at(mark: str) -> None:
    with pytest.raises(SettingsError, match=r"can't stand for @"):
        catalogue.named("pop.alternate_at").parse(mark)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("smtp.dns_address", "ns.example, 192.0.2.53:53 [2001:db8::1]:5353", None),
        ("smtp.local_domain", " mail.example.com ", "mail.example.com"),
        ("smtp.local_domain", "localhost", "localhost"),
        ("smtp.local_domain", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("smtp.local_domain", "", ""),
        ("smtp.listen", "0.0.0.0,::  2001:DB8:0::1 ::", "0.0.0.0 :: 2001:db8::1"),
        ("pop.alternate_at", "#$%#", "#$%"),
    ],
)
def test_right_values_are_kept_in_their_one_form(name: str, text: str, shown: str | None) -> None:
    setting = catalogue.named(name)
    expected = "ns.example 192.0.2.53 [2001:db8::1]:5353" if shown is None else shown
    assert setting.kind.render(setting.parse(text)) == expected


def test_a_stored_name_server_that_cannot_be_asked_is_not_in_force() -> None:
    """Whoever reads the setting gets servers that are asked, or none: never mere text."""
    row = ("smtp.dns_address", "server", "", "192.0.2.53:99999")
    snapshot, passed_over = build([row], node="one", version=1)
    assert snapshot[smtp.dns_address] == ()
    assert "99999" in passed_over[0]


@pytest.mark.parametrize(
    ("host", "told"), [("::", "[::]:25"), ("0.0.0.0", "0.0.0.0:25"), ("a.test", "a.test:25")]
)
def test_an_ipv6_address_stands_in_brackets_before_its_port(host: str, told: str) -> None:
    """RFC 3986 §3.2.2."""
    assert with_port(host, 25) == told
