"""Every operation, with texts and numbers in its fields that nobody means well with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest

from appliance.operations.operation import (
    Action,
    Change,
    Invalid,
    Operation,
    OperationError,
    Question,
)
from tests.support.everything import WHO
from tests.support.town import Town

# No database takes the first two; the others are what a path, a pattern or a number may trip over.
TEXTS = {
    "nul": "a\0b",
    "half a surrogate pair": "\udcff",
    "an address with a nul": "a\0b@alpha.test",
    "a pattern": "%_*?[",
    "another folder": "../../config/key",
    "very long": "x" * 65_536,
    "a line break": "a\r\nb",
    "letters that change their length": "ßİŉ" * 20,
}
NUMBERS = {"negative": -1, "beyond 64 bits": 2**70, "huge": 2**62, "none": 0}


def attempt(town: Town, operation: Operation) -> str:
    """Carry an operation out; returns what came of it that should not have."""
    try:
        if isinstance(operation, Question):
            town.ask(operation)
        else:
            assert isinstance(operation, Change | Action)
            town.do(operation)
    except Invalid as error:
        return "" if error.field else f"{operation!r:.200}: {error} does not say which field"
    except OperationError:
        return ""
    except Exception as error:  # noqa: BLE001 - any other is what this looks for
        return f"{operation!r:.200}: {error!r:.300}"
    return ""


def variants(kind: type[Operation], value: str | int) -> Iterator[Operation]:
    """Yield an operation once for each field of the value's type, with the value in it."""
    usual, hints = WHO[kind][0]("alpha"), get_type_hints(kind)
    plain: Any = type(value)
    for each in fields(kind):  # type: ignore[arg-type] # operations are dataclasses
        hint = hints[each.name]
        if hint == tuple[plain, ...]:
            yield replace(usual, **{each.name: (value,)})  # type: ignore[type-var]
        elif hint in (plain, plain | None):
            yield replace(usual, **{each.name: value})  # type: ignore[type-var]


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_text_that_cannot_be_is_refused_and_breaks_nothing(town: Town, value: str) -> None:
    tried = [each for kind in WHO for each in variants(kind, value)]
    assert tried
    assert [told for each in tried if (told := attempt(town, each))] == []


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS)
def test_number_that_cannot_be_is_refused_and_breaks_nothing(town: Town, value: int) -> None:
    tried = [each for kind in WHO for each in variants(kind, value)]
    assert tried
    assert [told for each in tried if (told := attempt(town, each))] == []
