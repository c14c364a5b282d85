"""What `posthouse explain` says would happen is what then happens, and `message trace` tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from appliance.operations.domains import CreateDomain, EnableDomain
from appliance.operations.mailboxes import EditMailbox, EnableMailbox
from appliance.operations.messages import ExplainDelivery
from appliance.operations.postoffices import CreatePostOffice, EnablePostOffice
from tests.integration.conftest import read_inbox
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Answer, Pop3, Smtp

Inbox = Callable[..., list[bytes]]

LINE = b"x" * 70 + b"\r\n"


@dataclass(frozen=True, slots=True)
class _World:
    """Who there is to write to."""

    server: Server
    sender: Box
    box: Box
    suspended: Box
    elsewhere: Box
    paused: Box
    full: Box


@pytest.fixture(scope="module")
def world(server: Server) -> _World:
    for name in ("closed", "rest"):
        server.perform(CreatePostOffice(postoffice=name, password="admin of that one"))
        server.perform(CreateDomain(domain=f"{name}.test", postoffice=name))
    found = _World(
        server,
        sender=server.mailbox(),
        box=server.mailbox(),
        suspended=server.mailbox(),
        elsewhere=server.mailbox(postoffice="closed", domain="closed.test"),
        paused=server.mailbox(postoffice="rest", domain="rest.test"),
        full=server.mailbox(),
    )
    with Smtp(server.ports["smtp"]) as smtp:
        smtp.ehlo()
        assert smtp.message(b"Subject: big\r\n\r\n" + LINE * 30, found.full.address).code == 250
    read_inbox(server, found.full)
    server.perform(EditMailbox(mailbox=found.full.login, quota_kb=1))
    server.perform(EnableMailbox(mailbox=found.suspended.login, enabled=False))
    server.perform(EnableDomain(domain="closed.test", enabled=False))
    server.perform(EnablePostOffice(postoffice="rest", enabled=False))
    return found


def _try(world: _World, sender: str, recipient: str, client: str, login: Box | None) -> Answer:
    with Smtp(world.server.ports["smtp"], source=client) as smtp:
        smtp.ehlo()
        if login is not None:
            assert smtp.auth(login.login, login.password).code == 235
        assert smtp.do(f"MAIL FROM:<{sender}>").code == 250
        return smtp.do(f"RCPT TO:<{recipient}>")


_CASES = {
    # name: (reverse-path, recipient, with a login, the rule that decides)
    "a stranger writes to a mailbox": ("carol@example.org", "{box}", False, "recipient.local"),
    "a notice for a mailbox": ("", "{box}", False, "recipient.local"),
    "to nobody": ("carol@example.org", "nobody@demo.test", False, "recipient.unknown"),
    "to nobody, with a login": ("{sender}", "nobody@demo.test", True, "recipient.unknown"),
    "to postmaster": ("carol@example.org", "postmaster@demo.test", False, "recipient.local"),
    "to a suspended mailbox": ("carol@example.org", "{suspended}", False, "recipient.disabled"),
    "to a disabled domain": ("a@b.org", "{elsewhere}", False, "recipient.domain-disabled"),
    "to a suspended post office": ("a@b.org", "{paused}", True, "recipient.domain-disabled"),
    "to a full mailbox": ("carol@example.org", "{full}", False, "quota.full"),
    "to a full mailbox, with a login": ("{sender}", "{full}", True, "quota.full"),
    "a stranger relays": ("carol@example.org", "dave@example.com", False, "relay.closed"),
    "a notice is relayed": ("", "dave@example.com", False, "relay.closed"),
    "claiming a hosted sender": ("{sender}", "dave@example.com", False, "relay.closed"),
    "with a login": ("{sender}", "dave@example.com", True, "relay.authenticated"),
    "with a login, as anybody": ("x@example.org", "dave@example.com", True, "relay.authenticated"),
    "to an address literal": ("carol@example.org", "dave@[192.0.2.1]", False, "relay.closed"),
}


@pytest.mark.parametrize("name", _CASES)
def test_explain_agrees_with_what_the_server_then_does(
    world: _World, source: str, name: str
) -> None:
    sender, recipient, with_login, rule = _CASES[name]
    names = {
        each: getattr(world, each).address
        for each in ("sender", "box", "suspended", "elsewhere", "paused", "full")
    }
    sender, recipient = sender.format(**names), recipient.format(**names)
    login = world.sender if with_login else None
    decisions = world.server.ask(
        ExplainDelivery(
            reverse_path=sender,
            recipient=recipient,
            client=source,
            login=login.login if login else "",
        )
    )
    assert decisions[0].rule == rule
    answer = _try(world, sender, recipient, source, login)
    assert str(decisions[0].reply) == f"{answer.code} {answer.status} {answer.text}"
    assert decisions[0].accepted == (answer.code == 250)


@pytest.mark.parametrize(
    ("setting", "value", "client", "sender", "rule"),
    [
        (
            "relay__privileged_ranges",
            "127.6.0.0/16",
            "127.6.1.1",
            "x@example.org",
            "relay.privileged",
        ),
        ("relay__local_senders", "yes", "127.6.1.2", "{sender}", "relay.local-sender"),
        ("relay__enabled", "no", "127.6.1.3", "x@example.org", "relay.off"),
    ],
)
def test_explain_follows_the_settings_as_the_server_does(
    world: _World, setting: str, value: str, *, client: str, sender: str, rule: str
) -> None:
    server, sender = world.server, sender.format(sender=world.sender.address)
    question = ExplainDelivery(reverse_path=sender, recipient="dave@example.com", client=client)
    before = _try(world, sender, "dave@example.com", client, None)
    assert str(server.ask(question)[0].reply) == f"{before.code} {before.status} {before.text}"
    server.set(**{setting: value})
    try:
        [decided, *_] = server.ask(question)
        assert decided.rule == rule
        until(
            lambda: str(decided.reply).endswith(
                _try(world, sender, "dave@example.com", client, None).text
            ),
            "the server decides by it too",
        )
    finally:
        server.set(**{setting: None})
    until(
        lambda: _try(world, sender, "dave@example.com", client, None) == before,
        "the server decides as before",
    )


def test_the_command_prints_each_decision_with_its_rule(world: _World) -> None:
    deliver = ("explain", "deliver", "--client", "192.0.2.1")
    refused = world.server.json(*deliver, "--from", "a@b.org", "--to", "dave@example.com")
    assert refused["accepted"] is False
    [decision] = refused["decisions"]
    assert (decision["rule"], decision["setting"]) == ("relay.closed", "relay.authenticated")
    assert decision["inputs"]["client"] == "192.0.2.1"
    accepted = world.server.json(*deliver, "--from", "", "--to", world.box.address)
    assert accepted["accepted"] is True
    assert [each["rule"] for each in accepted["decisions"]] == [
        "recipient.local",
        "routing.mailbox",
    ]


def _kinds(trace: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in trace["events"]]


def test_a_journey_is_told_from_acceptance_to_deletion(
    server: Server, box: Box, inbox: Inbox
) -> None:  # CHECKLIST 476
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        message_id = client.message(
            b"Subject: a journey\r\nMessage-ID: <j@x>\r\n\r\n", box.address
        ).id
    inbox(box)
    with Pop3(server.ports["pop3"]) as pop3:
        pop3.login(box.login, box.password)
        pop3.do("DELE 1")
        pop3.do("QUIT")

    trace = until(
        lambda: (found := _trace(server, message_id)) and _kinds(found)[-1] == "deleted" and found,
        "the deletion is recorded",
    )
    assert trace
    assert trace["id"] == message_id
    assert trace["queued"] is None
    assert _kinds(trace) == ["accepted", "delivered", "downloaded", "deleted"]
    accepted, delivered, downloaded, _ = trace["events"]
    assert accepted["reverse_path"] == "carol@example.org"
    assert accepted["detail"]["subject"] == "a journey"
    assert accepted["detail"]["client"] == "127.0.0.1"
    assert delivered["recipient"] == box.address
    assert delivered["reason"]["rule"] == "routing.mailbox"
    assert box.login in downloaded["text"]
    times = [event["at"] for event in trace["events"]]
    assert times == sorted(times)


def _trace(server: Server, message_id: str) -> dict[str, Any]:
    done = server.command("message", "trace", message_id, "--json", check=False)
    if done.returncode:
        return {}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_journey_of_several_recipients_tells_of_each(server: Server, inbox: Inbox) -> None:
    boxes = [server.mailbox() for _ in range(3)]
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        message_id = client.message(b"\r\n", *(each.address for each in boxes)).id
    for each in boxes:
        inbox(each)
    trace = until(
        lambda: (found := _trace(server, message_id)) and len(found["events"]) >= 7 and found,
        "three deliveries and three downloads",
    )
    assert trace
    assert sorted(_kinds(trace)) == ["accepted"] + ["delivered"] * 3 + ["downloaded"] * 3
    delivered = [each["recipient"] for each in trace["events"] if each["kind"] == "delivered"]
    assert sorted(delivered) == sorted(each.address for each in boxes)


def test_mail_that_waits_says_why_and_is_still_in_the_queue(server: Server, box: Box) -> None:
    with Smtp(server.ports["submissions"], tls=server.tls) as client:
        client.ehlo()
        client.auth(box.login, box.password)
        message_id = client.message(
            b"Subject: out\r\n\r\n", "dave@[127.0.0.1]", sender=box.address
        ).id
    trace = until(
        lambda: (found := _trace(server, message_id)) and "deferred" in _kinds(found) and found,
        "an attempt has failed for now",
    )
    assert trace
    assert _kinds(trace)[:2] == ["accepted", "routed"]
    [recipient] = trace["queued"]["recipients"]
    assert (recipient["address"], recipient["state"]) == ("dave@[127.0.0.1]", "deferred")
    assert recipient["attempts"] == 1
    assert "refused" in recipient["status"]
    server.command("queue", "remove", message_id, "--yes")
    assert _kinds(_trace(server, message_id))[-1] == "removed"


def test_refused_attempts_are_found_by_message_search(server: Server) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<unlucky@example.org>")
        client.do("RCPT TO:<dave@example.com>")
    until(
        lambda: server.json("message", "search", "unlucky@example.org"), "the refusal is recorded"
    )
    [event] = server.json("message", "search", "unlucky@example.org")
    assert (event["kind"], event["recipient"]) == ("refused", "dave@example.com")
    assert event["reason"]["rule"] == "relay.closed"
    assert event["reason"]["reply"].startswith("550 5.7.1")
    assert event["detail"]["client"] == "127.0.0.1"


def test_an_unknown_message_is_one_clear_line(server: Server) -> None:
    done = server.command("message", "trace", "0000000000000000", check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "0000000000000000" in done.stderr
