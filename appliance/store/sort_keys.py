"""What messages and folders are sorted by: texts as people look them up, as octets.

Never: asks a database. Failure: none, whatever strangers wrote.
"""

from __future__ import annotations

import re
from unicodedata import combining, normalize

from appliance.mail.headers import Summary
from appliance.store.message import Use

MAX_KEY = 80  # characters
_OWN_MAIL = (Use.DRAFTS, Use.SENT)
# Re: and Fwd: as mail programs of other languages write them, also numbered: Re[2]:, Re(2):
_PREFIX = re.compile(
    r"(?:(?:re|fwd?|aw|wg|antw|sv|vs|vb|tr|rv|ref|enc|res|odp)(?:\[\d+\]|\(\d+\))?\s*:\s*)+",
    re.IGNORECASE,
)


def fold(text: str) -> str:
    """Return what people compare texts by: without capitals and accents."""
    if text.isascii():
        return text.lower()
    return "".join(each for each in normalize("NFKD", text) if not combining(each)).casefold()


def correspondent_key(summary: Summary, use: str) -> bytes:
    """Return what a message is sorted by under `Order.SENDER`: a display name, or an address.

    Args:
        summary: the message's.
        use: of the folder; where it holds one's own mail, the first recipient counts.
    """
    value = summary.to_header if use in _OWN_MAIL else summary.from_header
    name, bracket, rest = value.partition("<")
    shown = name.strip(" \t\"'") if bracket else name.partition(",")[0]
    return _key(shown or rest.partition(">")[0])


def subject_key(summary: Summary) -> bytes:
    """Return what a message is sorted by under `Order.SUBJECT`: without Re: and Fwd:."""
    prefix = _PREFIX.match(summary.subject)
    return _key(summary.subject[prefix.end() :] if prefix else summary.subject)


def _key(text: str) -> bytes:
    cut = text[: 2 * MAX_KEY].strip(" \t\"'")
    return fold(cut)[:MAX_KEY].encode(errors="replace")
