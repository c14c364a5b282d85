"""What each kind of setting takes, and what it says of what it does not take."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime

import pytest

from appliance.settings.kinds import (
    AnyKind,
    Boolean,
    Choice,
    Duration,
    HostPort,
    Instant,
    Integer,
    Ranges,
    Text,
    WebUrl,
    Words,
    split_host_port,
)

HOURS = Duration(60, 86_400)
COMMANDS = Words(allowed=("EXPN", "VRFY", "HELP"))


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *((Boolean(), word, True) for word in ("yes", "True", "ON", " 1 ")),
        *((Boolean(), word, False) for word in ("no", "FALSE", "off", "0")),
        (Integer(1, 10), " 7 ", 7),
        (Integer(-5, 10), "-5", -5),
        (HOURS, "90", 90),
        (HOURS, "90s", 90),
        (HOURS, "15m", 900),
        (HOURS, "4 H", 14_400),
        (HOURS, "1d", 86_400),
        (Instant(), "", None),
        (Instant(), " 2026-11-23T14:30:05Z ", datetime(2026, 11, 23, 14, 30, 5, tzinfo=UTC)),
        (Instant(), "2026-11-23 15:30+01:00", datetime(2026, 11, 23, 14, 30, tzinfo=UTC)),
        (Text(), "  a line  ", "a line"),
        (Text(), "", ""),
        (Choice(("off", "first")), " FIRST", "first"),
        (Words(), "a  b,c a", ("a", "b", "c")),
        (Words(), "", ()),
        (COMMANDS, "vrfy Expn", ("VRFY", "EXPN")),
        (COMMANDS, "expn EXPN expn", ("EXPN",)),
        (Ranges(), "", ()),
        (Ranges(), "192.0.2.7", (network("192.0.2.7/32"),)),
        (Ranges(), "10.1.2.3/8, ::1", (network("10.0.0.0/8"), network("::1/128"))),
        (Ranges(), "192.168.*.*", (network("192.168.0.0/16"),)),
        (Ranges(), "10.*.*.*", (network("10.0.0.0/8"),)),
        (HostPort(), "", ""),
        (HostPort(), " mail.example.com:25 ", "mail.example.com:25"),
        (HostPort(), "[2001:db8::1]:25", "[2001:db8::1]:25"),
        (WebUrl(), "", ""),
        (WebUrl(), " https://mail.example.com/ ", "https://mail.example.com"),
        (WebUrl(), "http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
def test_right_text_becomes_a_value(kind: AnyKind, text: str, value: object) -> None:
    assert kind.parse(text) == value


# For each wrong text: the part of it that the error has to name.
WRONG: list[tuple[AnyKind, str, str]] = [
    (Boolean(), "perhaps", "'perhaps'"),
    (Boolean(), "", "''"),
    (Integer(1, 10), "many", "'many'"),
    (Integer(1, 10), "1.5", "'1.5'"),
    (Integer(1, 10), "0", "0 "),
    (Integer(1, 10), "11", "11 "),
    (HOURS, "soon", "'soon'"),
    (HOURS, "1w", "'1w'"),
    (HOURS, "-5m", "'-5m'"),
    (HOURS, "1s", "'1s'"),
    (HOURS, "2d", "'2d'"),
    (Instant(), "tomorrow", "'tomorrow'"),
    (Instant(), "2026-11-23T14:30:05", "'2026-11-23T14:30:05'"),  # where would that be?
    (Instant(), "2026-13-23T14:30Z", "'2026-13-23T14:30Z'"),
    (Instant(), "0001-01-01T00:00+14:00", "'0001-01-01T00:00+14:00'"),
    (Text("a name"), "a\nb", r"'a\nb'"),
    (Text("a name"), "a\x7fb", r"'a\x7fb'"),
    (Choice(("off", "first")), "never", "'never'"),
    (COMMANDS, "EXPN QUIT", "'QUIT'"),
    (Ranges(), "10.0.0.0/8 nowhere", "'nowhere'"),
    (Ranges(), "10.0.0.0/33", "'10.0.0.0/33'"),
    (Ranges(), "10.*.1.*", "'10.*.1.*'"),
    (Ranges(), "10.*", "'10.*'"),
    (Ranges(), "1*.2.3.4", "'1*.2.3.4'"),
    (Ranges(), "*", "'*'"),
    (HostPort(), "a b", "'a b'"),
    (HostPort(), "-a.test", "'-a.test'"),
    (HostPort(), "mail.test:port", "'port'"),
    (HostPort(), "mail.test:0", "'0'"),
    (HostPort(), "mail.test:65536", "'65536'"),
    (HostPort(), "[2001:db8::1]25", "'[2001:db8::1]25'"),
    (HostPort(), "[2001:db8::1", "'[2001:db8::1'"),
    (HostPort(), "[nothing]:25", "'[nothing]:25'"),
    (HostPort(), "2001:db8:::1", "'2001:db8:::1'"),
    (HostPort(), ":25", "':25'"),
    (WebUrl(), "mail.example.com", "'mail.example.com'"),
    (WebUrl(), "ftp://mail.example.com", "'ftp://mail.example.com'"),
    (WebUrl(), "https://", "'https:'"),
    (WebUrl(), "http://2001:db8::1", "'http://2001:db8::1'"),
    (WebUrl(), "https://mail.example.com/mail", "'mail.example.com/mail'"),
]


@pytest.mark.parametrize(("kind", "text", "named"), WRONG)
def test_wrong_text_is_refused_with_the_value_and_what_would_be_right(
    kind: AnyKind, text: str, named: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(named)) as refused:
        kind.parse(text)
    told = str(refused.value)
    hints = (kind.describe(), "yes nor no", "such as mail.example.com:25", "from 1 to 65535")
    assert any(hint in told for hint in hints), told


@pytest.mark.parametrize("text", ["x" * 4097, "9" * 5000, "9" * 5000 + "m"])
@pytest.mark.parametrize("kind", [Integer(1, 10), HOURS, Text("a name")])
def test_endless_text_is_refused_in_our_words(kind: AnyKind, text: str) -> None:
    with pytest.raises(ValueError, match=r"longer than|whole number|length of time|out of range"):
        kind.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (3600, "1h"), (86_400, "1d")],
)
def test_length_of_time_is_rendered_in_the_largest_whole_unit(seconds: int, text: str) -> None:
    assert Duration(0, 10**9).render(seconds) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.example.com", ("mail.example.com", 25)),
        ("192.0.2.1:2525", ("192.0.2.1", 2525)),
        ("[2001:db8::1]:2525", ("2001:db8::1", 2525)),
        ("[2001:db8::1]", ("2001:db8::1", 25)),
        ("2001:db8::1", ("2001:db8::1", 25)),
    ],
)
def test_host_and_port_are_split(text: str, expected: tuple[str, int]) -> None:
    assert split_host_port(text, 25) == expected


def test_every_kind_describes_what_it_takes() -> None:
    for kind in (Boolean(), Integer(1, 2), HOURS, Text(), Choice(("a",)), Words(), COMMANDS):
        assert kind.describe()
    assert Integer(1, 10).describe() == "a whole number from 1 to 10"
    assert HOURS.describe().endswith("from 1m to 1d")
