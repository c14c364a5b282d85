"""PLAIN and LOGIN, both sides."""

from __future__ import annotations

import pytest

from appliance.protocol.sasl import (
    CLIENT_MECHANISMS,
    SERVER_MECHANISMS,
    Challenge,
    Finished,
    LoginClient,
    LoginServer,
    PlainClient,
    PlainServer,
    SaslError,
)


def test_plain_takes_everything_from_one_response() -> None:
    # RFC 4616 §4
    assert PlainServer().step(b"Ursel\0Kurt\0xipj3plmq") == Finished("Kurt", "Ursel", "xipj3plmq")
    assert PlainServer().step(b"\0tim\0tanstaaftanstaaf") == Finished("tim", "", "tanstaaftanstaaf")


def test_plain_asks_with_an_empty_challenge() -> None:
    # RFC 4616 §2, RFC 4954 §4
    server = PlainServer()
    assert server.step(None) == Challenge(b"")
    assert server.step("\0jürgen\0päss".encode()) == Finished("jürgen", "", "päss")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"alice",
        b"alice\0secret",
        b"\0alice\0secret\0more",
        b"\0\0secret",
        b"\0alice\0",
        b"\0\xff\0secret",
        b"\0alice\0\xff",
        b"\0al\rice\0secret",
        b"a\nb\0alice\0secret",
        b"\0" + b"a" * 256 + b"\0secret",
        b"\0alice\0" + b"s" * 1025,
    ],
)
def test_plain_refuses_what_breaks_its_grammar(response: bytes) -> None:
    # RFC 4616 §2
    with pytest.raises(SaslError) as error:
        PlainServer().step(response)
    assert "secret" not in str(error.value)


def test_plain_takes_names_of_255_octets() -> None:
    # RFC 4616 §2: what an implementation has to be able to take
    name = "a" * 255
    assert PlainServer().step(f"\0{name}\0secret".encode()) == Finished(name, "", "secret")


def test_login_asks_for_login_and_password() -> None:
    server = LoginServer()
    assert server.step(None) == Challenge(b"Username:")
    assert server.step(b"alice@demo") == Challenge(b"Password:")
    assert server.step(b"secret") == Finished("alice@demo", "", "secret")


def test_login_takes_the_login_as_initial_response() -> None:
    server = LoginServer()
    assert server.step(b"alice@demo") == Challenge(b"Password:")


@pytest.mark.parametrize("response", [b"", b"a\0b", b"\xff"])
def test_login_refuses_what_no_value_can_be(response: bytes) -> None:
    server = LoginServer()
    with pytest.raises(SaslError):
        server.step(response)
    server.step(b"alice")
    with pytest.raises(SaslError):
        server.step(response)


def test_a_password_is_not_in_the_representation() -> None:
    assert "secret" not in repr(PlainServer().step(b"\0alice\0secret"))


@pytest.mark.parametrize("name", sorted(SERVER_MECHANISMS))
def test_client_and_server_understand_each_other(name: str) -> None:
    server = SERVER_MECHANISMS[name]()
    client = CLIENT_MECHANISMS[name]("alice@demo", "sécret")
    step = server.step(client.initial_response())
    while isinstance(step, Challenge):
        step = server.step(client.step(step.data))
    assert step == Finished("alice@demo", "", "sécret")


def test_plain_client_answers_an_empty_challenge_only() -> None:
    client = PlainClient("alice", "secret")
    assert client.step(b"") == b"\0alice\0secret"
    with pytest.raises(SaslError):
        client.step(b"realm?")


def test_login_client_has_no_third_answer() -> None:
    client = LoginClient("alice", "secret")
    assert [client.step(b"User Name"), client.step(b"Password")] == [b"alice", b"secret"]
    with pytest.raises(SaslError):
        client.step(b"PIN:")


@pytest.mark.parametrize("client", sorted(CLIENT_MECHANISMS))
@pytest.mark.parametrize("password", ["", "a\0b", "s" * 1025])
def test_client_refuses_what_no_server_would_take(client: str, password: str) -> None:
    with pytest.raises(SaslError):
        CLIENT_MECHANISMS[client]("alice", password)
