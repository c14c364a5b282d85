"""What is read from a request: addresses, fields, the body (RFC 4918 §8.3, §10)."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import pytest

from httpmail.refusal import Refused
from httpmail.request import Request


def request(
    *, body: bytes = b"", public_url: str = "", more: Mapping[str, object] | None = None
) -> Request:
    environ = {
        "REQUEST_METHOD": "MOVE",
        "PATH_INFO": "/MEHTTPMail/folders/Inbox/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "mail.example.test:8080",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **(more or {}),
    }
    return Request(environ, public_url=public_url)


@pytest.mark.parametrize(
    ("host", "scheme", "port", "base"),
    [
        ("mail.example.test:8080", "http", "8080", "http://mail.example.test:8080"),
        ("mail.example.test", "http", "8080", "http://mail.example.test:8080"),
        ("mail.example.test", "http", "80", "http://mail.example.test"),
        ("mail.example.test", "https", "8080", "https://mail.example.test"),
        ("[2001:db8::1]", "http", "8080", "http://[2001:db8::1]:8080"),
        ("", "http", "8080", "http://127.0.0.1:8080"),
    ],
)
def test_addresses_begin_with_what_the_client_asked_by(
    host: str, scheme: str, port: str, base: str
) -> None:
    more = {"HTTP_HOST": host, "wsgi.url_scheme": scheme, "SERVER_PORT": port}
    assert request(more=more).url("/a b/é") == f"{base}/MEHTTPMail/a%20b/%C3%A9"


@pytest.mark.parametrize("host", ["a b", 'a"b', "a/b", "a:b", "a@b", "[::1", "<x>"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        request(more={"HTTP_HOST": host}).url("/")


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("MSG1.2", "/folders/Inbox/MSG1.2"),
        ("/MEHTTPMail/folders/x", "/folders/x"),
        ("/mehttpmail/folders/x", "/folders/x"),
        ("http://mail.example.test:8080/MEHTTPMail/folders/x/", "/folders/x/"),
        ("http://mail.example.test/MEHTTPMail/folders/x", "/folders/x"),
        ("HTTP://MAIL.Example.test/MEHTTPMail/folders/x", "/folders/x"),
        ("https://mail.example.test/MEHTTPMail/folders/x", "/folders/x"),
        ("http://mail.example.test:8080/MEHTTPMail", "/"),
        ("/MEHTTPMail/a%20b", "/a b"),
        ("/MEHTTPMail/a b", "/a b"),
        ("/MEHTTPMail/%C3%A9", "/é"),
        ("/MEHTTPMail/%E9", "/é"),
        ("/MEHTTPMail/日本", "/日本"),
    ],
)
def test_an_address_is_understood_in_any_form(href: str, path: str) -> None:
    assert request().path_of(href) == path


@pytest.mark.parametrize(
    ("href", "status"),
    [
        ("http://elsewhere.test/MEHTTPMail/x", 502),
        ("http://mail.example.test/other/x", 502),
        ("/other", 502),
        ("/MEHTTPMailx", 502),
        ("http://[::1/x", 400),
    ],
)
def test_an_address_elsewhere_is_refused(href: str, status: int) -> None:
    with pytest.raises(Refused) as error:
        request().path_of(href)
    assert error.value.value == status


def test_the_public_addresss_host_is_this_server_too() -> None:
    found = request(public_url="https://mail.example.org")
    for host in ("https://mail.example.org", "http://mail.example.test:8080"):
        assert found.path_of(f"{host}/MEHTTPMail/x") == "/x"


def test_a_destination_may_be_raw_utf_8() -> None:
    raw = "http://mail.example.test:8080/MEHTTPMail/folders/été".encode().decode("latin-1")
    assert request(more={"HTTP_DESTINATION": raw}).destination() == "/folders/été"


@pytest.mark.parametrize(
    ("field", "depth", "no_root"),
    [
        ("", None, False),
        ("0", "0", False),
        ("1,noroot", "1", True),
        ("1, NoRoot", "1", True),
        ("Infinity", "infinity", False),
    ],
)
def test_depth_and_its_token(field: str, depth: str | None, no_root: bool) -> None:
    found = request(more={"HTTP_DEPTH": field})
    assert (found.depth, found.no_root) == (depth, no_root)


@pytest.mark.parametrize("length", ["-1", "x", "1.5", "٣"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(Refused) as error:
        request(body=b"abc", more={"CONTENT_LENGTH": length}).octets(10)
    assert error.value.value == 400


def test_a_body_is_read_to_its_announced_end() -> None:
    assert request(body=b"abcdef", more={"CONTENT_LENGTH": "3"}).octets(10) == b"abc"
    assert request(body=b"abc", more={"CONTENT_LENGTH": ""}).octets(10) == b""


def test_a_body_without_length_is_read_where_the_server_ends_it() -> None:
    found = request(body=b"abc", more={"CONTENT_LENGTH": "", "wsgi.input_terminated": True})
    assert found.octets(10) == b"abc"
    assert found.received == 3


@pytest.mark.parametrize("more", [{}, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}])
def test_a_body_beyond_its_limit_is_413(more: dict[str, object]) -> None:
    with pytest.raises(Refused) as error:
        request(body=b"x" * 5000, more=more).octets(1024)
    assert (error.value.value, error.value.text) == (413, "The body is larger than 1 KiB")


def test_a_body_that_breaks_off_is_400() -> None:
    with pytest.raises(Refused) as error:
        request(body=b"abc", more={"CONTENT_LENGTH": "4"}).octets(10)
    assert error.value.value == 400
