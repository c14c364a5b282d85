"""What docstrings say of fields: the API's description is made from them."""

from __future__ import annotations

import inspect
import re
from functools import cache

_ENTRY = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)


@cache
def documented(kind: type) -> dict[str, str]:
    """Return what the docstrings of a dataclass and its bases say of its fields."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        text = inspect.cleandoc(each.__doc__ or "").partition("Attributes:")[2]
        found |= {name: " ".join(said.split()) for name, said in _ENTRY.findall(text)}
    return found


def summary(kind: type) -> tuple[str, str]:
    """Return what a docstring says of the whole: its first sentence, and the rest."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:")[0]
    first, _, rest = text.partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split())
