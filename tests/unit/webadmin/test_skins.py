"""Skins: complete, nothing but colours, and readable (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from webadmin.skins import DEFAULT, SKINS

_FOLDER = Path(__file__).parents[3] / "webadmin" / "static" / "skins"
_TOKEN = re.compile(r"--([a-z0-9-]+):\s*([^;]+);")
_HEX = r"#[0-9a-f]{6}"
_VALUE = re.compile(rf"light-dark\(({_HEX}), ({_HEX})\)|({_HEX})")
_TEXT, _SIGN = 4.5, 3.0

_WORK = ("paper", "surface", "sunken", "raised", "hover")
_TINTS = ("selected", "accent-tint")

# what is read or seen, on which surfaces, and how far they must stand apart
_PAIRS = [
    *((ink, surface, _TEXT) for ink in ("ink", "ink-2") for surface in (*_WORK, *_TINTS)),
    *(("ink-3", surface, _TEXT) for surface in _WORK),
    *(("accent", surface, _TEXT) for surface in (*_WORK, "selected")),
    *(("accent-ink", surface, _TEXT) for surface in (*_TINTS, "surface")),
    ("on-fill", "fill", _TEXT),
    ("on-fill", "fill-hover", _TEXT),
    ("on-fill", "bad-fill", _TEXT),
    ("on-toast", "toast", _TEXT),
    *(
        (state, surface, _TEXT)
        for state in ("ok", "warn", "bad")
        for surface in (f"{state}-tint", *_WORK, "selected")
    ),
    *(
        (ink, f"{state}-tint", _TEXT)
        for ink in ("ink", "accent")
        for state in ("ok", "warn", "bad")
    ),
    *(("edge", surface, _SIGN) for surface in ("surface", "paper", "raised")),
    *(("fill", surface, _SIGN) for surface in ("surface", "paper")),
    ("plot-1", "surface", _SIGN),
    ("plot-warn", "surface", _SIGN),
    ("plot-warn", "selected", _SIGN),
    ("ink-3", "surface", _SIGN),
]


def _tokens(skin: str) -> dict[str, tuple[str, str]]:
    """Return each token's colour in light and in dark."""
    found = {}
    for name, value in _TOKEN.findall((_FOLDER / f"{skin}.css").read_text(encoding="utf-8")):
        match = _VALUE.fullmatch(value.strip())
        assert match, f"--{name}: {value} is neither #rrggbb nor light-dark(#rrggbb, #rrggbb)"
        light, dark, both = match.groups()
        assert name not in found, f"--{name} is there twice"
        found[name] = (both or light, both or dark)
    return found


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_defines_it() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_default_skin_comes_first_and_each_has_a_title() -> None:
    assert next(iter(SKINS)) == DEFAULT
    assert set(SKINS) == {path.stem for path in _FOLDER.glob("*.css")}
    assert SKINS["harbour"] == "Harbour"


@pytest.mark.parametrize("skin", SKINS)
def test_a_skin_sets_every_colour_and_nothing_else(skin: str) -> None:
    assert _tokens(skin).keys() == _tokens(DEFAULT).keys()
    sheet = (_FOLDER / f"{skin}.css").read_text(encoding="utf-8")
    rest = _TOKEN.sub("", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))
    assert re.sub(r"\s", "", rest) == ":root{}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("skin", SKINS)
def test_what_is_read_stands_out_from_what_is_behind_it(skin: str, theme: str) -> None:
    colours = {name: pair[theme == "dark"] for name, pair in _tokens(skin).items()}
    weak = [
        f"{front} on {back}: {ratio:.2f}, {least} is needed"
        for front, back, least in _PAIRS
        if (ratio := _contrast(colours[front], colours[back])) < least
    ]
    assert not weak


@pytest.mark.parametrize("sheet", ["base", "parts", "layout", "mail", "desk", "patterns"])
def test_no_sheet_names_a_colour_of_its_own(sheet: str) -> None:
    text = (_FOLDER.parent / "css" / f"{sheet}.css").read_text(encoding="utf-8")
    screen = re.sub(r"@media print \{.*?\n  \}\n", "", text, flags=re.DOTALL)
    screen = re.sub(r"\.frame\.paper \{[^}]*\}", "", screen)  # mail that brings its own colours
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*;)", screen) == []
