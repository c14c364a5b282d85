"""An operator's hand on a running server: health, messages returned, changes gone back on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from appliance.operations.services import expected
from tests.integration.conftest import NOWHERE, read_inbox
from tests.support.serving import SERVICES, Server
from tests.support.waiting import until
from tests.support.wire import Smtp

_WITHIN_S = 2.5  # a second, and the rest for a busy machine


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own, whose mail for others waits."""
    server = Server(tmp_path_factory.mktemp("operated") / "home", settings=NOWHERE)
    server.start()
    yield server
    server.stop()
    server.check_traces()


def _codes(server: Server, login: str, password: str, *commands: str) -> list[int]:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        assert client.auth(login, password).code == 235
        return [client.do(command).code for command in commands]


def _takes_effect(effect: Callable[[], object], what: str) -> None:
    until(lambda: bool(effect()), what, within_s=_WITHIN_S)


def test_every_service_that_is_expected_runs_and_is_seen(operated: Server) -> None:
    assert sorted(expected()) == sorted(SERVICES)
    found = operated.json("diagnose")
    services = found["services"]
    assert [each["name"] for each in services] == sorted(SERVICES)
    assert all(each["expected"] and each["processes"] and each["since"] for each in services)
    assert not [each for each in found["findings"] if each["cause"].startswith("service.")]
    assert "localhost" in found["certificate"]["names"]
    assert found["certificate"]["days_left"] > 800


def test_message_that_waits_is_seen_by_its_destination_and_returned_to_its_sender(
    operated: Server,
) -> None:
    box = operated.mailbox()
    with Smtp(operated.ports["smtp"]) as client:
        client.ehlo()
        client.auth(box.login, box.password)
        content = b"Subject: waits\r\n\r\nHello.\r\n"
        sent = client.message(content, "somebody@slow.example", sender=box.address)
    until(
        lambda: operated.json("queue", "show", sent.id)["recipients"][0]["attempts"],
        "the first attempt",
    )
    (destination,) = operated.json("queue", "destinations")
    assert (destination["destination"], destination["waiting"]) == ("slow.example", 1)
    assert destination["status"]
    operated.command("queue", "bounce", sent.id, "--yes")
    _, notice = read_inbox(operated, box, at_least=2)  # after the one that says it waits
    text = b" ".join(notice.split())
    assert b"Final-Recipient: rfc822; somebody@slow.example" in text
    assert b"Status: 5.0.0" in text
    assert b"An operator of this server has returned the message" in text
    assert operated.json("queue", "destinations") == []
    kinds = [each["kind"] for each in operated.json("message", "trace", sent.id)["events"]]
    assert kinds[-3:] in (["returned", "failed", "notified"], ["returned", "notified", "failed"])


def test_senders_may_be_bound_to_their_own_addresses(operated: Server) -> None:
    # CHECKLIST 234; live, for connections that begin afterwards and for those that are open
    box, other = operated.mailbox(), operated.mailbox()
    commands = (
        f"MAIL FROM:<{other.address}>", "RSET", "MAIL FROM:<a@elsewhere.example>", "RSET",
        f"MAIL FROM:<{box.address.upper()}>", "RSET", "MAIL FROM:<>",
    )  # fmt: skip
    free, bound = [250] * 7, [553, 250, 553, 250, 250, 250, 250]
    assert _codes(operated, box.login, box.password, *commands) == free
    operated.set(smtp__sender_must_match="yes")
    _takes_effect(
        lambda: _codes(operated, box.login, box.password, *commands) == bound,
        "smtp.sender_must_match",
    )
    with Smtp(operated.ports["smtp"]) as client:  # another server, which nobody has logged in to
        client.ehlo()
        assert client.do(f"MAIL FROM:<{other.address}>").code == 250
    given = ("--to", "x@elsewhere.example", "--client", "192.0.2.1", "--login", box.login)
    found = operated.json("explain", "deliver", "--from", other.address, *given)
    assert [each["rule"] for each in found["decisions"]] == ["sender.not-own"]
    found = operated.json("explain", "deliver", "--from", box.address, *given)
    assert found["accepted"]
    operated.set(smtp__sender_must_match=None)


def test_a_running_server_goes_back_within_a_second(operated: Server) -> None:
    before = operated.json("revision", "list", "--most", "1")[0]["number"]
    operated.command("settings", "set", "smtp.banner", "changed by mistake")

    def greeting() -> str:
        with Smtp(operated.ports["smtp"]) as client:
            return client.greeting.text

    _takes_effect(lambda: greeting() == "changed by mistake", "the banner")
    plan = operated.json("revision", "plan", str(before))
    assert [each["object"] for each in plan["steps"]] == ["setting smtp.banner"]
    operated.command("revision", "return", str(before))
    _takes_effect(lambda: greeting().startswith("demo.test ESMTP"), "the banner as it was")
