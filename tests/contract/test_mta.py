"""The MTA agent's deferrals: what can't be delivered waits alone, by the ordinary schedule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from appliance.agents.mta.agent import MtaAgent
from appliance.connectors.postoffice.deliver import deliver
from appliance.database.content import INLINE_MAX, Content
from appliance.database.errors import StoreBusy
from appliance.journey.event import Kind
from appliance.mail.address import Address
from appliance.operations.addresses import CreateAddress
from appliance.operations.domains import EnableDomain
from appliance.operations.house import House
from appliance.operations.mailboxes import EnableMailbox
from appliance.operations.postoffices import EnablePostOffice
from appliance.operations.queue import BounceMessage, HoldMessage, ReleaseMessage
from appliance.queue import badmail, tables
from appliance.queue.desk import Desk, QueuedRecipient
from appliance.queue.entry import Claimed, Connector, Origin, Rescheduled
from appliance.runtime.logs import Logs
from appliance.settings import retry
from appliance.store.message import Delivery
from tests.support.clock import SetClock
from tests.support.letters import mails
from tests.support.town import MESSAGE, Town, claim_all, envelope, submit
from tests.support.waiting import until

LARGE = MESSAGE + b"filler\r\n" * (INLINE_MAX // 8)
ALICE, BOB = "alice@alpha.test", "bob@beta.test"


@pytest.fixture
def agent(town: Town) -> Iterator[MtaAgent]:
    logs = Logs(town.house.home, "MTA")
    yield MtaAgent(town.house, logs)
    logs.close()


def work(agent: MtaAgent) -> None:
    while agent.work():
        pass
    agent.mark()


def inbox(house: House, login: str) -> list[bytes]:
    mailbox = house.directory.mailbox(login)
    assert mailbox is not None
    return list(mails(house, mailbox.postoffice_id, mailbox.id).values())


def recipients(house: House, entry_id: str) -> tuple[QueuedRecipient, ...]:
    message = Desk(house.queue).message(entry_id)
    return () if message is None else message.recipients


def notices(house: House) -> list[str]:
    """Read the notices in the queue, which go to sender@example.org."""
    found = Desk(house.queue).messages()
    ours = {each.id for each in found if each.origin == "DSN"}
    with house.queue.database.reader() as connection:
        bodies = connection.rows(
            tables.contents.select()
            .join(tables.entries, tables.entries.c.content_id == tables.contents.c.id)
            .where(tables.entries.c.id.in_(sorted(ours)))
            .order_by(tables.entries.c.id)
        )
    return [row.body.decode() for row in bodies]


def file_of(house: House, entry_id: str) -> Path:
    query = (
        select(tables.contents.c.file)
        .join(tables.entries, tables.entries.c.content_id == tables.contents.c.id)
        .where(tables.entries.c.id == entry_id)
    )
    with house.queue.database.reader() as connection:
        return house.queue.folder.file(connection.value(query))


def lose_file(house: House, entry_id: str) -> None:
    file_of(house, entry_id).unlink()


def lose_row(house: House, entry_id: str) -> None:
    """As when an operator removes the message after it was claimed."""
    content = select(tables.entries.c.content_id).where(tables.entries.c.id == entry_id)
    gone = delete(tables.contents).where(tables.contents.c.id == content.scalar_subquery())
    house.queue.database.transact(lambda transaction: transaction.run(gone))


@pytest.mark.parametrize(("octets", "lose"), [(LARGE, lose_file), (MESSAGE, lose_row)])
def test_only_the_message_without_a_content_waits(
    town: Town,
    agent: MtaAgent,
    clock: SetClock,
    *,
    octets: bytes,
    lose: Callable[[House, str], None],
) -> None:
    house = town.house
    good = [submit(house, ALICE, octets=each) for each in (MESSAGE, LARGE)]
    guilty = submit(house, ALICE, BOB, octets=octets)
    lose(house, guilty)
    work(agent)
    assert len(inbox(house, "alice@alpha")) == 2
    assert inbox(house, "bob@beta") == []
    assert all(not recipients(house, each) for each in good)
    waiting = recipients(house, guilty)
    assert len(waiting) == 2
    for each in waiting:
        assert (each.state, each.attempts) == ("deferred", 1)
        assert each.status == "The content of this message can't be read at present."
        assert each.due_at == clock.now_us() + retry.first.default * 1_000_000
    (notice,) = notices(house)
    assert "The content of this message can't be read at present." in notice
    assert "Status: 4.3.0" in notice


def test_one_message_to_thousands_is_one_batch_and_each_copy_is_told_of(
    town: Town, agent: MtaAgent
) -> None:
    house = town.house
    for number in range(1500):
        town.do(CreateAddress(address=f"a{number}@alpha.test", mailbox="alice@alpha"))
    entry_id = submit(house, *(f"a{number}@alpha.test" for number in range(1500)))
    assert agent.work()
    assert not agent.work()
    assert Desk(house.queue).message(entry_id) is None
    assert len(inbox(house, "alice@alpha")) == 1500
    house.databases.get("journey").transact(lambda _: None, lazy=True)  # after what was posted
    told = [each.recipient for each in house.journey.of(entry_id) if each.kind is Kind.DELIVERED]
    assert sorted(told) == sorted(f"a{number}@alpha.test" for number in range(1500))


def test_a_message_that_was_delivered_is_not_harmed_by_the_loss_of_the_queues_file(
    town: Town, agent: MtaAgent
) -> None:
    house = town.house
    entry_id = submit(house, ALICE, octets=LARGE)
    alice = house.directory.target(Address.parse(ALICE))
    found = claim_all(house)
    assert deliver(house, [(each, alice) for each in found]) == {}
    house.queue.lease(found, keep=False)  # it ended before it marked
    file_of(house, entry_id).unlink()
    work(agent)
    assert recipients(house, entry_id)[0].state == "deferred"
    (letter,) = inbox(house, "alice@alpha")
    assert letter.endswith(LARGE)


def test_other_post_offices_get_their_mail_while_one_is_busy(
    town: Town, agent: MtaAgent, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house
    alpha = house.directory.postoffice("alpha")
    assert alpha is not None
    real = house.store.deliver

    def busy(postoffice_id: int, deliveries: Sequence[Delivery]) -> list[bool]:
        if postoffice_id == alpha.id:
            raise StoreBusy("database is locked")
        return real(postoffice_id, deliveries)

    monkeypatch.setattr(house.store, "deliver", busy)
    entry_id = submit(house, ALICE, BOB)
    work(agent)
    assert len(inbox(house, "bob@beta")) == 1
    first, second = recipients(house, entry_id)
    assert (first.state, second.state) == ("deferred", "done")
    assert first.status == "The post office can't be written at present."
    delays = [retry.first.default, retry.second.default, retry.third.default]
    for attempts, delay in enumerate(delays, 1):
        waits = recipients(house, entry_id)[0]
        assert waits.attempts == attempts
        assert waits.due_at == clock.now_us() + delay * 1_000_000
        clock.advance(delay)
        work(agent)
    monkeypatch.undo()
    clock.advance(retry.subsequent.default)
    work(agent)
    assert recipients(house, entry_id) == ()
    assert len(inbox(house, "alice@alpha")) == 1
    assert len(inbox(house, "bob@beta")) == 1


def test_post_offices_of_a_batch_are_written_side_by_side(
    town: Town, agent: MtaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the disk; two wait together."""
    house = town.house
    both = threading.Barrier(2, timeout=20)
    real = house.store.deliver

    def meet(postoffice_id: int, deliveries: Sequence[Delivery]) -> list[bool]:
        both.wait()
        return real(postoffice_id, deliveries)

    monkeypatch.setattr(house.store, "deliver", meet)
    submit(house, ALICE, BOB)
    work(agent)
    assert [len(inbox(house, login)) for login in ("alice@alpha", "bob@beta")] == [1, 1]


def test_contents_of_a_batch_are_read_piece_by_piece(
    town: Town, agent: MtaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house
    monkeypatch.setattr("appliance.connectors.postoffice.deliver._MAX_OCTETS", 2 * len(MESSAGE))
    real, read = house.queue.contents, []

    def contents(claimed: Iterable[Claimed]) -> dict[str, Content]:
        found = real(claimed)
        read.append(len(found))
        return found

    monkeypatch.setattr(house.queue, "contents", contents)
    for _ in range(5):
        submit(house, ALICE)
    submit(house, BOB)
    submit(house, ALICE, BOB)
    work(agent)
    assert max(read) <= 2
    assert [len(inbox(house, login)) for login in ("alice@alpha", "bob@beta")] == [6, 2]


def test_mail_for_a_busy_post_office_is_returned_when_its_lifetime_is_over(
    town: Town, agent: MtaAgent, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house

    def busy(postoffice_id: int, deliveries: Sequence[Delivery]) -> list[bool]:
        raise StoreBusy("database is locked")

    monkeypatch.setattr(house.store, "deliver", busy)
    entry_id = submit(house, ALICE)
    work(agent)
    clock.advance(retry.lifetime.default)
    work(agent)
    assert recipients(house, entry_id) == ()
    assert "The post office can't be written at present." in notices(house)[-1]
    assert [each.entry_id for each in badmail.find(house.badmail)] == [entry_id]


def suspend(town: Town, what: str, *, lift: bool = False) -> None:
    match what:
        case "mailbox":
            town.do(EnableMailbox(mailbox="alice@alpha", enabled=lift))
        case "domain":
            town.do(EnableDomain(domain="alpha.test", enabled=lift))
        case "post office":
            town.do(EnablePostOffice(postoffice="alpha", enabled=lift))


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ("mailbox", "routing.mailbox-disabled"),
        ("domain", "routing.domain-disabled"),
        ("post office", "routing.domain-disabled"),
    ],
)
def test_mail_waits_while_its_address_is_suspended(
    town: Town, agent: MtaAgent, clock: SetClock, what: str, rule: str
) -> None:
    # RFC 3463 §2: a persistent transient failure, 4.2.1
    house = town.house
    entry_id = submit(house, ALICE, "nobody@alpha.test")
    suspend(town, what)
    work(agent)
    waits, unknown = recipients(house, entry_id)
    assert (waits.state, waits.attempts) == ("deferred", 1)
    assert "suspended" in waits.status
    assert unknown.state == "failed"
    text = "\n".join(notices(house))
    assert "Status: 5.1.1" in text
    assert "Status: 4.2.1" in text
    until(
        lambda: rule in {(each.reason or {}).get("rule") for each in house.journey.of(entry_id)},
        "the journey tells the rule",
    )
    suspend(town, what, lift=True)
    clock.advance(retry.first.default)
    work(agent)
    assert recipients(house, entry_id) == ()
    assert len(inbox(house, "alice@alpha")) == 1


def test_mail_for_a_suspended_mailbox_is_returned_with_that_reason(
    town: Town, agent: MtaAgent, clock: SetClock
) -> None:
    house = town.house
    entry_id = submit(house, ALICE)
    suspend(town, "mailbox")
    work(agent)
    clock.advance(retry.lifetime.default)
    work(agent)
    assert recipients(house, entry_id) == ()
    notice = notices(house)[-1]
    assert "Action: failed" in notice
    assert "suspended" in notice
    assert "no address" not in notice


def test_a_file_that_cant_be_read_is_told_of_all_the_same(town: Town, agent: MtaAgent) -> None:
    """A disk that gives errors does so for the notice as for the delivery."""
    house = town.house
    entry_id = submit(house, ALICE, octets=LARGE)
    file_of(house, entry_id).unlink()
    file_of(house, entry_id).mkdir()  # it can be neither linked nor read
    work(agent)
    (waits,) = recipients(house, entry_id)
    assert (waits.state, waits.attempts) == ("deferred", 1)
    assert len(notices(house)) == 1


# ── returned by an operator ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the agent look at every turn for what is to be returned, not each second."""
    monkeypatch.setattr("appliance.agents.mta.agent._POLL_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_message_an_operator_returns_goes_back_with_why_it_waited(
    town: Town, agent: MtaAgent
) -> None:
    house = town.house
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    entry_id = submit(house, "somebody@elsewhere.test", "other@elsewhere.test")
    work(agent)
    (first, second) = claim_all(house, Connector.SMTP)
    status = "mx.elsewhere.test: 451 4.7.1 Greylisted"
    house.queue.mark([Rescheduled(first, house.clock.now_us() + 1, status)], durable=True)
    house.queue.lease([second], keep=False)
    assert town.do(BounceMessage(message=entry_id)) == 2
    work(agent)
    assert recipients(house, entry_id) == ()
    (notice,) = notices(house)
    assert notice.count("Action: failed") == 2
    assert notice.count("Status: 5.0.0") == 2
    assert "An operator of this server has returned the message" in notice
    assert f"The last problem: {status}" in " ".join(notice.split())
    house.databases.get("journey").transact(lambda _: None, lazy=True)  # after what was posted
    kinds = [event.kind for event in house.journey.of(entry_id)]
    assert kinds.count(Kind.RETURNED) == 1
    assert kinds.count(Kind.FAILED) == 2


@pytest.mark.usefixtures("at_once")
def test_message_with_nobody_to_return_it_to_lies_in_bad_mail(town: Town, agent: MtaAgent) -> None:
    # RFC 5321 §4.5.5
    house = town.house
    content = house.queue.content()
    content.write(MESSAGE)
    null = envelope("somebody@elsewhere.test", reverse_path="")
    entry_id = house.queue.submit(null, content, Origin(kind="SMTP"))
    work(agent)
    town.do(HoldMessage(message=entry_id))
    assert town.do(BounceMessage(message=entry_id)) == 1
    work(agent)
    assert recipients(house, entry_id) == ()
    assert notices(house) == []
    assert [copy.name for copy in badmail.find(house.badmail)] == [f"{entry_id}.0"]


@pytest.mark.usefixtures("at_once")
def test_message_that_can_not_be_returned_is_held_and_stops_nobody(
    town: Town, agent: MtaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house
    entry_id = submit(house, "somebody@elsewhere.test")
    work(agent)

    def broken(*_: object) -> None:
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr("appliance.agents.mta.giving_back.failures", broken)
    town.do(BounceMessage(message=entry_id))
    other = submit(house, ALICE)
    work(agent)
    assert recipients(house, other) == ()
    assert [each.state for each in recipients(house, entry_id)] == ["held"]
    monkeypatch.undo()
    town.do(ReleaseMessage(message=entry_id))  # what was decided stays decided
    agent._give_back_at = 0.0  # noqa: SLF001 - a second later
    work(agent)
    assert recipients(house, entry_id) == ()
    assert len(notices(house)) == 1
