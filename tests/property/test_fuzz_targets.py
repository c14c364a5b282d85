"""Every fuzz target holds for bytes that Hypothesis finds; atheris looks further, on demand."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TARGETS = sorted((Path(__file__).parent.parent / "fuzz").glob("fuzz_*.py"))

# Random bytes seldom look like a protocol; pieces that mean something to one of the parsers do.
PIECES = st.sampled_from(
    [
        *(bytes([byte]) for byte in b'\r\n\t\0 .:@<>"\\=[]()0A\xff'),
        *(b"\r\n", b"250 ", b"250-", b"550 5.1.1 ", b"\xc3\xbc"),
        *(b"a@example.com", b"IPv6:", b"xn--", b"Subject: ", b"From: "),
        *(b"=?utf-8?q?", b"=?gb2312?B?", b"?="),
        *(b"EHLO a", b"MAIL FROM:", b"RCPT TO:", b"DATA", b"AUTH PLAIN "),
        *(b"USER a", b"PASS b", b"RETR 1", b"TOP 1 0"),
        *(b"--b", b"--", b"Content-Type: ", b"multipart/mixed; boundary=b", b"message/rfc822"),
        *(b"; filename*0*=utf-8''", b"; charset=", b"base64", b"%C3%BC", b"=C3=BC="),
        *(b"<p>", b"</p>", b"<table>", b"<td>", b"<b>", b"<svg>", b"<style>", b"<!--", b"-->"),
        *(b"<img src=", b"<a href='", b" style='", b"javascript:", b"cid:a", b"url(", b"&#106;"),
    ]
)
HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=40).map(b"".join),
)


def load(target: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(target.stem, target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_targets_are_found() -> None:
    assert TARGETS


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.stem)
def test_fuzz_target_finds_no_defect(target: Path) -> None:
    fuzz_one = load(target).fuzz_one

    @settings(max_examples=200)
    @given(HOSTILE)
    def hold(data: bytes) -> None:
        fuzz_one(data)

    hold()
