"""What a command prints: tables on a terminal, aligned text elsewhere, or one JSON document.

Text from mail and from other servers is shown without control characters: a subject must not be
able to move the cursor of whoever looks at it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

T = TypeVar("T")

_WIDEST = 48  # a longer cell moves its own row, not the whole table


def print_json(value: object) -> None:
    """Print the one document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_list(
    items: list[T],
    columns: Mapping[str, Callable[[T], object]],
    *,
    to_dict: Callable[[T], dict[str, Any]],
    as_json: bool,
    none: str,
) -> None:
    """Print a list.

    Args:
        items: one a row.
        columns: heading to what stands there.
        to_dict: an item as JSON has it.
        as_json: print JSON.
        none: said on stderr when there are none.
    """
    if as_json:
        print_json([to_dict(item) for item in items])
    elif not items:
        click.echo(none, err=True)
    else:
        rows = [[printable(str(cell(item))) for cell in columns.values()] for item in items]
        print_table(list(columns), rows)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below headings."""
    if sys.stdout is not None and sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    for line in aligned([[heading.upper() for heading in headings], *rows]):
        click.echo(line)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names with their values, one a line; those without a value are left out."""
    rows = [
        [name, printable(str(value))] for name, value in facts.items() if value not in ("", None)
    ]
    for line in aligned(rows):
        click.echo(line)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with their columns below each other."""
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def printable(text: str) -> str:
    """Return a text without control characters: each becomes a replacement character."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def to_iso(at_us: int) -> str | None:
    """Return a time as JSON has it: ISO 8601, UTC; None for no time."""
    return (
        f"{datetime.fromtimestamp(at_us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}" if at_us else None
    )


def local(at_us: int) -> str:
    """Return a time as people read it: local, to the second; empty for no time."""
    if not at_us:
        return ""
    return f"{datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def size(octets: int) -> str:
    """Return a size as people read it."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets} bytes"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 mailbox`, `2 mailboxes`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def enabled(*, value: bool) -> str:
    """Return what a table says of a thing that can be switched off."""
    return "enabled" if value else "disabled"
