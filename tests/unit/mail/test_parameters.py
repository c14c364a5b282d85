"""Parameters and file names: RFC 2045 §5.1, RFC 2231, and what is seen in the wild."""

from __future__ import annotations

import pytest

from appliance.mail import parameters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("; a=b; C=d", {"a": "b", "c": "d"}),
        ('; a="b; c\\"d"', {"a": 'b; c"d'}),
        ('; a="unclosed; b=c', {"a": "unclosed; b=c"}),
        ("; name=my file.pdf ; x=y", {"name": "my file.pdf", "x": "y"}),
        ("a=b", {"a": "b"}),
        ("; nonsense; a=b;;;", {"a": "b"}),
        ("; a=1; a=2", {"a": "1"}),
        ('; name="C:\\new\\a.txt"', {"name": "C:\\new\\a.txt"}),
        ("; a = b", {"a": "b"}),
        ("", {}),
        # RFC 2231 §4: a charset
        ("; name*=utf-8'de'Gr%C3%BC%C3%9Fe.pdf", {"name": "Grüße.pdf"}),
        ("; name*=iso-8859-1''Gr%FC%DFe.pdf", {"name": "Grüße.pdf"}),
        ("; name=plain; name*=utf-8''%C3%BC", {"name": "ü"}),
        ("; name*=Gr%C3%BC%C3%9Fe.pdf", {"name": "Grüße.pdf"}),
        ("; name*=nonsense''%C3%BC%zz", {"name": "ü%zz"}),
        # RFC 2231 §3: continuations, in any order, an octet of a character in each
        ("; name*1=ld.pdf; name*0=o", {"name": "old.pdf"}),
        ("; name*0*=utf-8''%C3; name*1*=%BC; name*2=x", {"name": "üx"}),
        ("; name*0=a; name*2=c", {"name": "a"}),
        # RFC 2047 §5 forbids it, everybody does it
        ('; name="=?utf-8?B?R3LDvMOfZS5wZGY=?="', {"name": "Grüße.pdf"}),
        ("; name==?iso-8859-1?q?=FC?=", {"name": "ü"}),
        ('; name="=?utf-8?q?a_?= =?utf-8?q?b?="', {"name": "a b"}),
    ],
)
def test_parameters_are_read_in_every_form(text: str, expected: dict[str, str]) -> None:
    assert parameters.parse(text) == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a.txt", "; name=a.txt"),
        ("my file.txt", '; name="my file.txt"'),
        ('a"b\\c', '; name="a\\"b\\\\c"'),
        ("ü.txt", "; name*=utf-8''%C3%BC.txt"),
        ("=?utf-8?q?a?=", "; name*=utf-8''%3D%3Futf-8%3Fq%3Fa%3F%3D"),
    ],
)
def test_parameter_is_written_in_the_simplest_form(value: str, written: str) -> None:
    assert parameters.written("name", value) == written
    assert parameters.parse(written) == {"name": value}


def test_long_value_is_continued_in_pieces() -> None:
    """RFC 2231 §3, §4.1."""
    value = "Übergrößenträger " * 8 + ".pdf"
    written = parameters.written("name", value)
    assert written.isascii()
    assert max(map(len, written.split(" "))) <= 76
    assert parameters.parse(written) == {"name": value}


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a b.doc", "a b.doc"),
        ("/", ""),
        ("..", ""),
        (".profile", "profile"),
        ("a.txt. . ", "a.txt"),
        ("a\r\nb\0c\x1b.txt", "a b c .txt"),
        ("invoice\u202efdp.exe", "invoice fdp.exe"),
        ("  a   b  ", "a b"),
        ("x" * 300 + ".tar.pdf", "x" * 146 + ".pdf"),
        ("x" * 300, "x" * 150),
        ("日本語.txt", "日本語.txt"),
    ],
)
def test_file_name_leads_nowhere_and_hides_nothing(declared: str, name: str) -> None:
    assert parameters.file_name(declared) == name
