"""What things may be called, and what a password may be (CHECKLIST 026)."""

from __future__ import annotations

import pytest

from appliance.rules.names import check_full_name, check_name, check_password


@pytest.mark.parametrize(
    "name",
    ["a", "0", "alice", "Alice.B", "a-b_c+d", "example.com", "ADMIN", "grüße", "漢字", "x" * 64],
)
def test_name_is_letters_digits_and_a_few_signs_inside(name: str) -> None:
    assert check_name(name, "a mailbox") == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a b", "a@b", "a/b", "a\\b", "a\nb", "a\0b", "a\tb", "a*b", "a'b", 'a"b', "a<b"),
        *(".a", "a.", "-a", "a-", "_a", "a_", "+a", "a+", "a..b", ".", "..", "x" * 65),
        *("a\n", "\ufeffa", "a\u200bb", "\udcff", "e\u0301"),
    ],
)
def test_other_names_are_refused_with_what_would_be_right(name: str) -> None:
    with pytest.raises(ValueError, match="can't be the name of a mailbox: use 1 to 64") as refused:
        check_name(name, "a mailbox")
    assert repr(name) in str(refused.value)


@pytest.mark.parametrize(
    "password", ["12345678", "correct horse", "x" * 128, "пароль-漢字", " " * 8]
)
def test_password_of_eight_to_128_characters(password: str) -> None:
    assert check_password(password, minimum=8) == password


@pytest.mark.parametrize(
    "password", ["", "1234567", "x" * 129, "tab\tinside", "nul\0inside", "del\x7finside"]
)
def test_bad_password_is_refused_and_never_repeated(password: str) -> None:
    with pytest.raises(ValueError, match="password") as refused:
        check_password(password, minimum=8)
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("Alice Arden", "Alice Arden"),
        ("  Grüße, 漢字 ", "Grüße, 漢字"),
        ('"Bob" <b@c>', '"Bob" <b@c>'),
        ("x" * 100, "x" * 100),
    ],
)
def test_full_name_is_one_line_of_anything_visible(given: str, kept: str) -> None:
    assert check_full_name(given) == kept


@pytest.mark.parametrize(
    "name", ["x" * 101, "a\nb", "a\tb", "a\0b", "a\x7fb", "\udcff", "a\u202eb"]
)
def test_other_full_names_are_refused_with_what_would_be_right(name: str) -> None:
    with pytest.raises(ValueError, match=r"use (100 or fewer|visible characters)"):
        check_full_name(name)
