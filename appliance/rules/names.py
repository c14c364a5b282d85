"""What post offices, mailboxes, operators and people may be called, and what a password must be.

Failure: `ValueError` that says which value, why, and what would be right.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[^\W_](?:[\w.+-]{0,62}[^\W_])?")


def check_name(name: str, what: str) -> str:
    """Check the name of a post office, mailbox or operator; returns it.

    A name becomes part of logins (`mailbox@postoffice`) and of addresses, so it has letters, digits
    and `. _ + -` inside, 64 characters at most.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} can't be the name of {what}: use 1 to 64 letters, digits, dots, hyphens, "
            "underscores or plus signs, beginning and ending with a letter or digit"
        )
    return name


def check_full_name(name: str) -> str:
    """Check the full name of a mailbox's owner; returns it without spaces around. Empty is right.

    It stands before the address in mail, so it is one line, of 100 characters at most.
    """
    name = name.strip()
    if len(name) > 100:
        raise ValueError(f"the full name has {len(name)} characters; use 100 or fewer")
    if not name.isprintable():
        raise ValueError(f"{name!r} can't be a full name: use visible characters and spaces")
    return name


def check_password(password: str, *, minimum: int) -> str:
    """Check a new password; returns it. The text never repeats it."""
    if len(password) < minimum:
        raise ValueError(f"the password has {len(password)} characters; use {minimum} or more")
    if len(password) > 128:
        raise ValueError("the password has more than 128 characters")
    if any(ord(char) < 32 or ord(char) == 127 for char in password):
        raise ValueError(
            "the password holds a control character; use visible characters and spaces"
        )
    return password
