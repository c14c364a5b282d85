"""The pages' languages: each says everything, with the values that the sentence needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from webadmin.look import LANGUAGES

_FOLDER = Path("webadmin/translations")
_KEYWORDS: dict[str, Any] = {
    "_": None,
    "_l": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
}
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
_VALUE = re.compile(r"%(?:\(\w+\)s|%)")


@pytest.fixture(scope="module")
def texts() -> set[str | tuple[str, ...]]:
    """All texts of the pages."""
    found = extract_from_dir("webadmin", _METHODS, _OPTIONS, keywords=_KEYWORDS)
    return {message for _, _, message, _, _ in found}


@pytest.fixture(params=[name for name in LANGUAGES if name != "en"])
def translated(request: pytest.FixtureRequest) -> dict[Any, Any]:
    """What a language has for each text."""
    path = _FOLDER / request.param / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=request.param)
    return {message.id: message.string for message in catalogue if message.id and not message.fuzzy}


def test_every_text_is_translated(
    texts: set[str | tuple[str, ...]], translated: dict[Any, Any]
) -> None:
    missing = [text for text in texts if not all(_forms(translated.get(text, "")))]
    assert sorted(map(str, missing)) == [], "run tools/translations.sh update, and translate"


def test_nothing_is_kept_that_no_page_says(
    texts: set[str | tuple[str, ...]], translated: dict[Any, Any]
) -> None:
    assert set(translated) - texts == set()


def test_each_translation_holds_the_values_of_its_text(translated: dict[Any, Any]) -> None:
    wrong = [
        (source, form)
        for source, string in translated.items()
        for form in _forms(string)
        if form and _values(form) - _values_of(source)
    ]
    assert wrong == []


def _forms(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (string,)


def _values_of(source: str | tuple[str, str]) -> set[str]:
    return {value for form in _forms(source) for value in _values(form)}


def _values(text: str) -> set[str]:
    return set(_VALUE.findall(text))
