"""Commands that a client sends without waiting: RFC 2920. Whom they name is looked up together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.mailboxes import EnableMailbox
from appliance.operations.operation import Call, perform
from appliance.rules.access import Actor, ActorKind
from appliance.upkeep import demo
from tests.support.inprocess import Services, services
from tests.support.wire import Answer, Smtp

_KNOWN = "RCPT TO:<alice@demo.test>"
_COMMANDS = (
    "MAIL FROM:<carol@example.org>",
    _KNOWN,
    "rcpt to:<Alice@DEMO.test>",
    "RCPT TO:<nobody@demo.test>",
    'RCPT TO:<"al ice"@demo.test>',
    "RCPT TO:<alice@demo.test> NOTIFY=NEVER",
    "RCPT TO:<alice@demo.test> NOTIFY=NONSENSE",
    "RCPT TO:<alice@elsewhere.example>",
    "RCPT TO:<alice@>",
    "RCPT TO:<" + "x" * 600 + "@demo.test>",
    "RCPT TO:<postmaster>",
    "NOOP",
    "RCPT TO:<bob@demo.test>",
    "RSET",
    _KNOWN,
)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("groups") / "home"
    with services(home) as running:
        demo.furnish(running.house)
        running.refresh()
        yield running


def group(client: Smtp, *commands: str) -> list[Answer]:
    """Send commands at once; returns their answers."""
    client.send("".join(f"{command}\r\n" for command in commands).encode())
    return [client.answer() for _ in commands]


def enable(inside: Services, *, on: bool) -> None:
    call = Call(Actor(ActorKind.OPERATOR, "anna"), "test", "192.0.2.1")
    perform(inside.house, call, EnableMailbox(mailbox="alice@demo", enabled=on))


def test_a_group_is_answered_as_its_commands_are_one_by_one(inside: Services) -> None:
    with Smtp(inside.ports["smtp"]) as one, Smtp(inside.ports["smtp"]) as many:
        one.ehlo()
        many.ehlo()
        expected = [one.do(command) for command in _COMMANDS]
        assert group(many, *_COMMANDS) == expected
    assert {answer.code for answer in expected} >= {250, 501, 503, 550}


def test_a_group_of_many_is_answered_in_order(inside: Services) -> None:
    unknown = {10, 49, 50, 70}  # a turn is fifty lines
    names = [f"{'nobody' if number in unknown else 'alice'}@demo.test" for number in range(95)]
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        answers = group(
            client, "MAIL FROM:<carol@example.org>", *(f"RCPT TO:<{each}>" for each in names)
        )
    codes = [answer.code for answer in answers[1:]]
    assert codes == [550 if number in unknown else 250 for number in range(95)]


def test_each_group_sees_the_directory_as_it_is_then(inside: Services) -> None:
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        assert client.do("MAIL FROM:<carol@example.org>").code == 250
        assert [answer.code for answer in group(client, _KNOWN, _KNOWN)] == [250, 250]
        enable(inside, on=False)
        try:
            assert client.do(_KNOWN).code == 550
            assert [answer.code for answer in group(client, _KNOWN, _KNOWN)] == [550, 550]
        finally:
            enable(inside, on=True)
        assert [answer.code for answer in group(client, _KNOWN, _KNOWN)] == [250, 250]


def test_while_the_directory_cannot_be_read_each_of_a_group_is_told_to_come_again(
    inside: Services,
) -> None:
    file = inside.house.home / "config" / "directory.db"
    away = Path(f"{file}.away")
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        assert client.do("MAIL FROM:<carol@example.org>").code == 250
        inside.house.databases.get("directory").release()
        file.rename(away)
        file.mkdir()
        try:
            answers = group(client, _KNOWN, _KNOWN, _KNOWN)
        finally:
            file.rmdir()
            away.rename(file)
        assert [(answer.code, answer.status) for answer in answers] == [(451, "4.3.0")] * 3
        assert [answer.code for answer in group(client, _KNOWN, _KNOWN)] == [250, 250]
