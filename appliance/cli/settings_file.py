"""Values of settings as a file has them, TOML or JSON, and as the catalogue takes them: text.

Owns: nothing. Never: repeats a value in an error, for it may be a secret.
Failure: `Failed`, naming the setting or the place in the file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from appliance.cli.failure import Failed
from appliance.settings import catalogue
from appliance.settings.kinds import Choice
from appliance.settings.setting import SettingsError

MAX_OCTETS = 1 << 20
_MOST = 10_000
_SAME = {True: ("yes", "on", "true"), False: ("no", "off", "false")}


def read(octets: bytes) -> dict[str, str | None]:
    """Read a file's values, by the settings' names; None stands for the default.

    A setting is named as a whole (`"smtp.max_recipients"`) or below its section (`[smtp]`).

    Args:
        octets: what stands in the file: a JSON object, or TOML.
    """
    if len(octets) > MAX_OCTETS:
        raise Failed(f"that is longer than {MAX_OCTETS} octets; no file of settings is")
    try:
        text = octets.decode("utf-8-sig")
        if text.lstrip().startswith("{"):
            found = json.loads(text, object_pairs_hook=_once)
        else:
            found = tomllib.loads(text)
    except UnicodeDecodeError:
        raise Failed("that is not UTF-8 text; give TOML or a JSON object") from None
    except (ValueError, RecursionError) as error:
        raise Failed(f"that is neither TOML nor a JSON object: {error}") from None
    values: dict[str, str | None] = {}
    for name, value in _flat(found):
        if name in values:
            raise Failed(f"{name} stands there twice; give it once")
        values[name] = _text(name, value)
    if len(values) > _MOST:
        raise Failed(f"that names {len(values)} settings; there are not as many")
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; JSON allows a name twice, and the last would win silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice; give it once")
    return found


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{below}", each) for below, each in value.items())
        else:
            yield name, value


def _text(name: str, value: object) -> str | None:
    """Return a value as text; yes and no, numbers and lists are what YAML makes of it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _of_boolean(name, value=value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list) and all(
        isinstance(each, str | int) and not isinstance(each, bool) for each in value
    ):
        return " ".join(map(str, value))
    raise Failed(
        f"{name}: a value is a text, a whole number, true, false, or a list of texts; "
        f"that is {_KINDS.get(type(value), 'something else')}"
    )


_KINDS = {float: "a fraction", list: "a list of other things", dict: "a table"}


def _of_boolean(name: str, *, value: bool) -> str:
    """Return yes or no, or the word of a choice that means it: YAML reads `off` as false."""
    try:
        kind = catalogue.named(name).kind
    except SettingsError:  # told with its nearest names by the operation
        return _SAME[value][0]
    words = kind.words if isinstance(kind, Choice) else _SAME[value]
    return next((word for word in _SAME[value] if word in words), _SAME[value][0])
