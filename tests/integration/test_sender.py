"""The SMTP sender against remote servers that say what a test wants (RFC 5321, manual §6.2)."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.connectors.smtp_out import agent, courier, lanes
from appliance.connectors.smtp_out.agent import Sender
from appliance.journey.reason import Reason
from appliance.mail.address import Address
from appliance.mail.envelope import Body, Envelope, Notify, Recipient, Ret
from appliance.net.resolver import FixedResolver, Mx, NxDomain, ResolverError, Temporary
from appliance.net.tls import self_signed, server_context
from appliance.operations.house import Config, House
from appliance.operations.operation import Call, perform
from appliance.operations.settings import ChangeSetting
from appliance.queue import badmail
from appliance.queue.desk import Desk, QueuedMessage
from appliance.queue.entry import Claimed, Connector, Finished, Mark, Origin, Routed, State
from appliance.queue.submission import Submission
from appliance.rules.access import Actor, ActorKind
from appliance.runtime import steps
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import LogOptions, Logs
from tests.support.clock import SetClock
from tests.support.remote_host import RemoteHost

ANNA = Actor(ActorKind.OPERATOR, "anna")
MESSAGE = b"From: alice@alpha.test\r\nSubject: greetings\r\n\r\nHello.\r\n..stuffed\r\n"


class Post:
    """A home whose sender is running, with short ways to what tests do most."""

    def __init__(self, house: House, clock: SetClock) -> None:
        self.house = house
        self.clock = clock
        self.logs = Logs(house.home, "SMTP")
        self.hosts: dict[str, list[str]] = {}
        self.mx: dict[str, list[Mx]] = {}
        self.errors: dict[str, ResolverError] = {}
        self.stop = asyncio.Event()
        self.bell = Doorbell(house.home / "run" / "doorbell", "sender")

    def set(self, **values: str) -> None:
        for name, value in values.items():
            change = ChangeSetting(setting=name.replace("__", "."), value=value)
            perform(self.house, Call(ANNA, "test"), change)
        self.house.live.refresh()

    def know(self, domain: str, *hosts: RemoteHost) -> None:
        """Let the DNS name hosts for a domain, by falling preference."""
        self.mx[domain] = [
            Mx(10 * number, f"mx{number}.{domain}") for number in range(1, len(hosts) + 1)
        ]
        for number, host in enumerate(hosts, 1):
            self.hosts[f"mx{number}.{domain}"] = [host.address]
            self.set(smtp__remote_port=str(host.port))

    def submit(
        self,
        *recipients: str | Recipient,
        sender: str = "alice@alpha.test",
        octets: bytes = MESSAGE,
        body: Body = "7BIT",
        smtputf8: bool = False,
        ret: Ret | None = None,
        envid: str | None = None,
    ) -> str:
        """Queue a message for the sender, as the MTA agent hands it on."""
        queue = self.house.queue
        envelope = Envelope(
            Address.parse(sender) if sender else None,
            tuple(
                each if isinstance(each, Recipient) else Recipient(Address.parse(each))
                for each in recipients
            ),
            body=body,
            smtputf8=smtputf8,
            ret=ret,
            envid=envid,
        )
        content = queue.content()
        content.write(octets)
        entry_id = queue.submit(envelope, content, Origin(kind="SMTP"))
        mine = [each for each in queue.claim(Connector.UNROUTED, 1000) if each.entry_id == entry_id]
        queue.mark(
            [Routed(each, Connector.SMTP, each.recipient.address.domain) for each in mine],
            durable=True,
        )
        self.bell.wake()
        return entry_id

    def queued(self, entry_id: str) -> QueuedMessage | None:
        return Desk(self.house.queue).message(entry_id)

    def states(self, entry_id: str) -> list[str]:
        found = self.queued(entry_id)
        return [] if found is None else [each.state for each in found.recipients]

    def notices(self) -> list[tuple[Claimed, str]]:
        """Reports that lie in the queue."""
        queue = self.house.queue
        return [
            (each, queue.content_of(each).read().decode())
            for each in queue.claim(Connector.UNROUTED, 100)
        ]

    def events(self, entry_id: str) -> list[str]:
        return [event.kind.value for event in self.house.journey.of(entry_id)]

    def reason(self, entry_id: str, kind: str) -> dict[str, Any]:
        for event in self.house.journey.of(entry_id):
            if event.kind.value == kind and event.reason is not None:
                return dict(event.reason)
        raise AssertionError(f"no event {kind} with a reason")

    def log(self) -> str:
        self.logs.flush()
        folder = self.house.home / "logs" / "SMTP"
        return "".join(path.read_text() for path in sorted(folder.iterdir()))

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = asyncio.get_running_loop().time() + 10
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"not within 10 s: {what}"
            await asyncio.sleep(0.005)

    async def gone(self, entry_id: str) -> None:
        await self.until(lambda: self.queued(entry_id) is None, "the message has left the queue")

    async def deferred(self, entry_id: str) -> QueuedMessage:
        await self.until(lambda: "deferred" in self.states(entry_id), "the message is deferred")
        found = self.queued(entry_id)
        assert found is not None
        return found

    def retry(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.bell.wake()


Scenario = Callable[[Post], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Scenario], None]]:
    """Run a scenario while a sender runs; the sender ends with it."""
    clock = SetClock()
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config, clock=clock)

    async def main(scenario: Scenario) -> None:
        post = Post(house, clock)
        post.set(smtp__local_domain="mail.alpha.test", smtp__remote_timeout="5s")
        resolver = FixedResolver(mx=post.mx, addresses=post.hosts, errors=post.errors)
        async with running(post, resolver):
            await scenario(post)

    yield lambda scenario: asyncio.run(main(scenario))
    house.close()


@asynccontextmanager
async def running(post: Post, resolver: FixedResolver) -> AsyncIterator[None]:
    sender = Sender(post.house, post.logs, resolver=resolver, stop=post.stop)
    ready = asyncio.Event()
    task = asyncio.create_task(sender.run(post.bell, ready.set))
    await ready.wait()
    try:
        yield
    finally:
        post.stop.set()
        await task
        post.bell.close()
        post.logs.close()


def scripted(*answers: tuple[str, str]) -> Callable[[str], str | None]:
    """Answer lines that begin so, each time the next of those listed for it; the last one stays."""
    left: dict[str, list[str]] = {}
    for start, answer in answers:
        left.setdefault(start, []).append(answer)

    def script(line: str) -> str | None:
        for start, listed in left.items():
            if (line == start) if start in ("", ".") else line.startswith(start):
                answer = listed.pop(0) if len(listed) > 1 else listed[0]
                return None if answer == "usual" else answer
        return None

    return script


# Delivery


@pytest.mark.parametrize("offers", [("PIPELINING", "8BITMIME"), ("8BITMIME",), ()])
def test_a_message_reaches_the_mail_exchanger_with_or_without_pipelining(
    play: Callable[[Scenario], None], offers: tuple[str, ...]
) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(offers=offers) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test", "carol@beta.test")
            await post.gone(entry)
            await post.until(lambda: host.open == 0, "the session is over")
        (message,) = host.messages
        assert message.content == MESSAGE
        assert message.mail.startswith("<alice@alpha.test>")
        assert message.rcpts == ["<bob@beta.test>", "<carol@beta.test>"]
        assert host.sessions[0][0] == "EHLO mail.alpha.test"
        assert host.sessions[0][-1] == "QUIT"
        assert (host.bursts > 1) == ("PIPELINING" in offers)
        await post.until(
            lambda: post.events(entry).count("relayed") == 2, "the journey knows of both"
        )
        reason = post.reason(entry, "relayed")
        assert reason["inputs"]["address"] == "127.0.0.1"
        assert reason["reply"] == "250 2.0.0 taken"
        assert f"\tSMTP-OU\t{entry}\t{host.port}\t127.0.0.1\tMAIL\t" in post.log()

    play(scenario)


def test_a_host_that_knows_only_helo_gets_its_mail(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted(("EHLO", "502 what?"))) as host:
            post.know("beta.test", host)
            await post.gone(post.submit("bob@beta.test"))
        assert "HELO" in host.commands

    play(scenario)


def test_each_recipient_has_a_result_of_its_own(play: Callable[[Scenario], None]) -> None:
    """RFC 5321 §4.2.5, RFC 3464: one delivered, one deferred, one returned."""
    script = scripted(
        ("RCPT TO:<full@", "452 4.2.2 mailbox full"), ("RCPT TO:<nobody@", "550 5.1.1 no such user")
    )

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=script) as host:
            post.know("beta.test", host)
            post.set(retry__delay_notice="off")
            entry = post.submit("bob@beta.test", "full@beta.test", "nobody@beta.test")
            found = await post.deferred(entry)
        assert [each.state for each in found.recipients] == ["done", "deferred", "failed"]
        assert found.recipients[1].due_at == post.clock.now_us() + 900_000_000
        assert "452 4.2.2 mailbox full" in found.recipients[1].status
        ((notice, text),) = post.notices()
        assert notice.envelope.reverse_path is None
        assert str(notice.recipient.address) == "alice@alpha.test"
        assert "Final-Recipient: rfc822; nobody@beta.test" in text
        assert "Action: failed" in text
        assert "Status: 5.1.1" in text
        assert "Diagnostic-Code: smtp; 550 5.1.1 no such user" in text
        assert "Remote-MTA: dns; mx1.beta.test" in text
        assert "Hello." in text
        assert "full@beta.test" not in text

    play(scenario)


def test_a_message_put_off_is_tried_again_and_delivered(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        script = scripted((".", "451 4.3.0 not now"), (".", "usual"))
        async with RemoteHost(script=script) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test")
            found = await post.deferred(entry)
            assert found.recipients[0].attempts == 1
            post.retry(901)
            await post.gone(entry)
        assert len(host.messages) == 1
        await post.until(lambda: "relayed" in post.events(entry), "the journey is written")
        assert "deferred" in post.events(entry)

    play(scenario)


def test_a_delay_is_told_to_the_sender_once(play: Callable[[Scenario], None]) -> None:
    """Manual §6.2, Delay notifications; RFC 3464 Action: delayed."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted(("MAIL", "451 4.3.0 not now"))) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test")
            await post.deferred(entry)
            ((_, text),) = post.notices()
            assert "Action: delayed" in text
            assert "Will-Retry-Until:" in text
            assert "Hello." not in text
            post.retry(901)
            await post.until(lambda: host.commands.count("MAIL") == 2, "it is tried again")
            await post.until(
                lambda: (found := post.queued(entry)) and found.recipients[0].attempts == 2,
                "the second attempt is written down",
            )
            assert len(post.notices()) == 1

    play(scenario)


def test_a_refused_message_returns_to_its_sender_at_once(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted((".", "554 5.7.1 we do not want it"))) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test", envid="xyz", ret="HDRS")
            await post.gone(entry)
        ((notice, text),) = post.notices()
        assert notice.login == ""
        assert "From: Mail Delivery System <postmaster@mail.alpha.test>" in text
        assert "Original-Envelope-Id: xyz" in text
        assert "Subject: greetings" in text
        assert "Hello." not in text
        assert badmail.find(post.house.badmail) == []
        await post.until(lambda: "notified" in post.events(entry), "the journey is written")
        assert {"failed", "notified"} <= set(post.events(entry))

    play(scenario)


def test_what_is_given_up_after_the_retries_is_returned_and_kept_in_bad_mail(
    play: Callable[[Scenario], None],
) -> None:
    """Manual §6.2, Failed Message Lifetime."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted((".", "451 4.3.0 not now"))) as host:
            post.know("beta.test", host)
            post.set(retry__delay_notice="off", smtp__bad_mail_sender="mailer@alpha.test")
            entry = post.submit("bob@beta.test")
            await post.deferred(entry)
            post.retry(4 * 86_400)
            await post.gone(entry)
        ((_, text),) = post.notices()
        assert "From: Mail Delivery System <mailer@alpha.test>" in text
        assert "could not be delivered within 4d" in text.replace("\r\n", " ").replace("      ", "")
        assert "Status: 4.3.0" in text
        (copy,) = badmail.find(post.house.badmail)
        assert copy.recipient == "bob@beta.test"
        assert "451 4.3.0 not now" in copy.reason
        content = badmail.content_of(post.house.badmail, copy.name)
        assert content is not None
        assert content.read() == MESSAGE

    play(scenario)


@pytest.mark.parametrize(
    ("sender", "options", "headers"),
    [
        ("", {}, b""),
        ("alice@alpha.test", {"smtp__no_ndr": "yes"}, b""),
        ("alice@alpha.test", {}, b"Auto-Submitted: auto-replied\r\n"),
    ],
)
def test_a_message_that_nobody_is_told_about_goes_to_bad_mail(
    play: Callable[[Scenario], None], sender: str, options: dict[str, str], headers: bytes
) -> None:
    """RFC 5321 §6.1: no notice about a notice; nothing is lost all the same."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted(("RCPT", "550 5.1.1 no such user"))) as host:
            post.know("beta.test", host)
            post.set(**options)
            octets = headers + MESSAGE
            entry = post.submit("bob@beta.test", "carol@beta.test", sender=sender, octets=octets)
            await post.gone(entry)
        assert post.notices() == []
        copies = badmail.find(post.house.badmail)
        assert [copy.name for copy in copies] == [f"{entry}.0", f"{entry}.1"]
        assert [copy.reverse_path for copy in copies] == [sender, sender]

    play(scenario)


def test_a_sender_who_asked_not_to_be_told_is_not(play: Callable[[Scenario], None]) -> None:
    """RFC 3461 §4.1."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted(("RCPT", "550 5.1.1 no such user"))) as host:
            post.know("beta.test", host)
            to = Recipient(Address.parse("bob@beta.test"), frozenset({Notify.NEVER}))
            await post.gone(post.submit(to))
        assert post.notices() == []
        assert len(badmail.find(post.house.badmail)) == 1

    play(scenario)


@pytest.mark.parametrize("offers", [("DSN",), ("8BITMIME",)])
def test_a_success_is_told_where_the_next_host_would_not(
    play: Callable[[Scenario], None], offers: tuple[str, ...]
) -> None:
    """RFC 3461 §5.2.1, §5.2.2."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(offers=offers) as host:
            post.know("beta.test", host)
            to = Recipient(
                Address.parse("bob@beta.test"), frozenset({Notify.SUCCESS}), "rfc822;b@c.test"
            )
            await post.gone(post.submit(to))
        (message,) = host.messages
        if offers == ("DSN",):
            assert message.rcpts == ["<bob@beta.test> NOTIFY=SUCCESS ORCPT=rfc822;b@c.test"]
            assert post.notices() == []
        else:
            ((_, text),) = post.notices()
            assert "Action: relayed" in text
            assert "Original-Recipient: rfc822; b@c.test" in text

    play(scenario)


def test_a_content_refused_in_the_middle_is_refused_for_good(
    play: Callable[[Scenario], None],
) -> None:
    """The host answers and hangs up while we still write (RFC 5321 §4.2.5)."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(most_content=2000, offers=("PIPELINING",)) as host:
            post.know("beta.test", host)
            octets = MESSAGE + b"0123456789abcdef" * 62 * 8 + b"\r\n" + b"line\r\n" * 4_000_000
            entry = post.submit("bob@beta.test", octets=octets)
            await post.gone(entry)
        ((_, text),) = post.notices()
        assert "552 5.3.4 too big for me" in text
        assert "line\r\nline" not in text

    play(scenario)


def test_a_large_message_arrives_as_it_was(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        octets = MESSAGE + b".leading dot\r\n" * 40_000
        async with RemoteHost() as host:
            post.know("beta.test", host)
            await post.gone(post.submit("bob@beta.test", octets=octets))
            folder = post.house.home / "queues" / "content"
            await post.until(lambda: not list(folder.glob("*/*")), "the file is unlinked")
        assert host.messages[0].content == octets

    play(scenario)


def test_a_message_too_big_for_the_host_is_not_sent(play: Callable[[Scenario], None]) -> None:
    """RFC 1870 §6.1."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(offers=("SIZE 20",)) as host:
            post.know("beta.test", host)
            await post.gone(post.submit("bob@beta.test"))
        assert "MAIL" not in host.commands
        ((_, text),) = post.notices()
        assert "Status: 5.3.4" in text
        assert "Diagnostic-Code" not in text

    play(scenario)


@pytest.mark.parametrize("offers", [("SMTPUTF8", "8BITMIME"), ("8BITMIME",)])
def test_a_utf8_address_goes_only_where_it_is_understood(
    play: Callable[[Scenario], None], offers: tuple[str, ...]
) -> None:
    """RFC 6531 §3.5, RFC 6152."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(offers=offers) as host:
            post.know("beta.test", host)
            octets = "Subject: Grüße\r\n\r\nSchön.\r\n".encode()
            entry = post.submit("jörg@beta.test", octets=octets, body="8BITMIME", smtputf8=True)
            await post.gone(entry)
        if "SMTPUTF8" in offers:
            (message,) = host.messages
            assert message.mail == "<alice@alpha.test> BODY=8BITMIME SMTPUTF8"
            assert message.rcpts == ["<jörg@beta.test>"]
            assert message.content == octets
        else:
            ((notice, text),) = post.notices()
            assert "Status: 5.6.7" in text
            assert notice.envelope.smtputf8

    play(scenario)


# Hosts


def test_the_next_exchanger_is_called_when_the_first_can_not_be_reached(
    play: Callable[[Scenario], None],
) -> None:
    """RFC 5321 §5.1."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(address="127.0.0.3") as host:
            nobody = RemoteHost(address="127.0.0.2", port=host.port)
            post.know("beta.test", nobody, host)
            await post.gone(post.submit("bob@beta.test"))
        assert len(host.messages) == 1
        assert "mx1.beta.test [127.0.0.2]: connection refused" in post.log()

    play(scenario)


def test_an_exchanger_that_refuses_the_session_is_passed_over(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(post: Post) -> None:
        async with (
            RemoteHost(address="127.0.0.3") as good,
            RemoteHost(
                address="127.0.0.2", port=good.port, script=scripted(("", "554 5.7.1 go away"))
            ) as bad,
        ):
            post.know("beta.test", bad, good)
            await post.gone(post.submit("bob@beta.test"))
        assert len(good.messages) == 1

    play(scenario)


def test_mail_waits_while_no_exchanger_can_be_reached(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost() as host:
            post.know("beta.test", host)
        entry = post.submit("bob@beta.test")
        found = await post.deferred(entry)
        assert "connection refused" in found.recipients[0].status
        assert "mx1.beta.test [127.0.0.1]" in found.recipients[0].status

    play(scenario)


@pytest.mark.parametrize(
    ("error", "status"),
    [(NxDomain("beta.test"), "5.1.2"), (Temporary("beta.test", 9002, "DNS server failure"), "")],
)
def test_a_domain_that_does_not_exist_is_final_and_a_dns_failure_is_not(
    play: Callable[[Scenario], None], error: ResolverError, status: str
) -> None:
    async def scenario(post: Post) -> None:
        post.errors["beta.test"] = error
        entry = post.submit("bob@beta.test")
        if status:
            await post.gone(entry)
            ((_, text),) = post.notices()
            assert f"Status: {status}" in text
            assert "(9003)" in text
        else:
            found = await post.deferred(entry)
            assert "(9002)" in found.recipients[0].status

    play(scenario)


def test_a_smart_host_gets_all_mail_after_a_login(play: Callable[[Scenario], None]) -> None:
    """Manual §6.2, Smart Host; RFC 4954."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(offers=("AUTH PLAIN LOGIN",)) as host:
            post.set(
                smarthost__host=f"127.0.0.1:{host.port}",
                smarthost__username="posthouse",
                smarthost__password="very secret",
                smarthost__enabled="yes",
                smtp__outbound_tls="never",
            )
            entry = post.submit("bob@beta.test", "dora@delta.test")
            await post.gone(entry)
        (message,) = host.messages
        assert message.rcpts == ["<bob@beta.test>", "<dora@delta.test>"]
        (auth,) = [line for line in host.sessions[0] if line.startswith("AUTH")]
        encoded = auth.split()[-1]
        assert auth.startswith("AUTH PLAIN ")
        log = post.log()
        assert "\tAUTH\t(hidden)\t235" in log
        assert encoded not in log
        assert "very secret" not in log

    play(scenario)


def test_a_verbose_log_has_what_the_dns_and_the_host_answered_and_no_password(
    play: Callable[[Scenario], None],
) -> None:  # CHECKLIST 453-455, 459
    async def scenario(post: Post) -> None:
        post.logs.configure(LogOptions(verbose_until=time.time() + 600))
        context = server_context(*self_signed(post.house.home / "remote", ["mx1.beta.test"]))
        async with RemoteHost(tls=context) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test")
            await post.gone(entry)
        async with RemoteHost(offers=("AUTH PLAIN LOGIN",)) as host:
            post.set(
                smarthost__host=f"127.0.0.1:{host.port}",
                smarthost__username="posthouse",
                smarthost__password="very secret",
                smarthost__enabled="yes",
                smtp__outbound_tls="never",
            )
            await post.gone(post.submit("bob@beta.test"))
            (auth,) = [line for line in host.sessions[0] if line.startswith("AUTH")]
        log = post.log()
        assert "the DNS was asked for beta.test MX: 10 mx1.beta.test (" in log
        assert "the DNS was asked for mx1.beta.test A, AAAA: 127.0.0.1 (" in log
        assert "mail for beta.test goes to the first that answers of mx1.beta.test [127.0." in log
        assert re.search(r"TLS with mx1\.beta\.test \[127\.0\.0\.1\]: TLSv1\.\d \w+ \(", log)
        assert re.search(rf"{entry}\t-\tSMTP-OU 127\.0\.0\.1 port \d+ C: MAIL FROM:<alice@", log)
        assert re.search(rf"{entry}\t-\tSMTP-OU 127\.0\.0\.1 port \d+ S: 250 ", log)
        assert "C: AUTH (hidden) [" in log
        assert auth.split()[-1] not in log
        assert "very secret" not in log

    play(scenario)


def test_mail_waits_when_the_smart_host_refuses_the_login(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        script = scripted(("AUTH", "535 5.7.8 wrong"))
        async with RemoteHost(offers=("AUTH PLAIN",), script=script) as host:
            post.set(
                smarthost__host=f"127.0.0.1:{host.port}",
                smarthost__username="posthouse",
                smarthost__password="very secret",
                smarthost__enabled="yes",
                smtp__outbound_tls="never",
            )
            found = await post.deferred(post.submit("bob@beta.test"))
        assert "535 5.7.8 wrong" in found.recipients[0].status

    play(scenario)


def test_a_smart_host_that_is_this_server_is_refused(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        post.set(smarthost__host="127.0.0.1", smarthost__enabled="yes")
        found = await post.deferred(post.submit("bob@beta.test"))
        assert "this server itself" in found.recipients[0].status

    play(scenario)


def test_only_addresses_in_the_allowed_ranges_are_called(play: Callable[[Scenario], None]) -> None:
    """smtp.dial_ranges: such mail waits, uncounted, until its lifetime is over."""

    async def scenario(post: Post) -> None:
        async with RemoteHost() as host:
            post.know("beta.test", host)
            post.set(smtp__dial_ranges="192.0.2.0/24", retry__count="1")
            entry = post.submit("bob@beta.test")
            found = await post.deferred(entry)
            assert "only addresses in 192.0.2.0/24" in found.recipients[0].status
            post.retry(901)
            await post.until(
                lambda: (found := post.queued(entry)) and found.recipients[0].attempts == 2,
                "it was looked at again",
            )
            assert host.sessions == []
            assert post.notices() == []
            post.retry(4 * 86_400)
            await post.gone(entry)
            ((_, text),) = post.notices()
            assert "Action: failed" in text

    play(scenario)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(*self_signed(tmp_path_factory.mktemp("tls"), ["elsewhere.example"]))


@pytest.mark.parametrize("policy", ["opportunistic", "required"])
def test_tls_is_used_where_it_is_offered_whatever_the_certificate(
    play: Callable[[Scenario], None], certificate: ssl.SSLContext, policy: str
) -> None:
    """RFC 3207, RFC 7435."""

    async def scenario(post: Post) -> None:
        async with RemoteHost(tls=certificate) as host:
            post.know("beta.test", host)
            post.set(smtp__outbound_tls=policy)
            entry = post.submit("bob@beta.test")
            await post.gone(entry)
        assert [line.partition(" ")[0] for line in host.sessions[0]][:3] == [
            "EHLO", "STARTTLS", "EHLO",
        ]  # fmt: skip
        assert len(host.messages) == 1
        await post.until(lambda: "relayed" in post.events(entry), "the journey is written")
        assert post.reason(entry, "relayed")["inputs"]["tls"] == host.ciphers[0]
        assert host.ciphers[0].startswith("TLSv1.3")
        assert host.ciphers[0] in post.log()

    play(scenario)


def test_a_handshake_that_fails_is_followed_by_a_session_without_tls(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as host:
            post.know("beta.test", host)
            await post.gone(post.submit("bob@beta.test"))
        assert len(host.sessions) == 2
        assert "STARTTLS" not in host.sessions[1]
        assert "the TLS handshake failed" in post.log()

    play(scenario)


@pytest.mark.parametrize("tls", [None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_mail_waits_when_tls_is_required_and_does_not_come_about(
    play: Callable[[Scenario], None], tls: ssl.SSLContext | None
) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(tls=tls) as host:
            post.know("beta.test", host)
            post.set(smtp__outbound_tls="required")
            entry = post.submit("bob@beta.test")
            found = await post.deferred(entry)
        assert "TLS is required" in found.recipients[0].status
        assert "MAIL" not in host.commands
        await post.until(lambda: "deferred" in post.events(entry), "the journey is written")
        assert post.reason(entry, "deferred")["rule"] == "remote.no-tls"

    play(scenario)


def test_a_password_does_not_go_in_clear_text_to_a_host_whose_tls_fails(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(post: Post) -> None:
        broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        async with RemoteHost(tls=broken, offers=("AUTH PLAIN",)) as host:
            post.set(
                smarthost__host=f"127.0.0.1:{host.port}",
                smarthost__username="posthouse",
                smarthost__password="very secret",
                smarthost__enabled="yes",
            )
            await post.deferred(post.submit("bob@beta.test"))
        assert "AUTH" not in host.commands

    play(scenario)


@pytest.mark.parametrize("starttls", [None, "454 4.7.0 not now"])
def test_a_password_does_not_go_in_clear_text_to_a_host_without_starttls(
    play: Callable[[Scenario], None], starttls: str | None
) -> None:
    async def scenario(post: Post) -> None:
        offers = ("AUTH PLAIN LOGIN",) if starttls is None else ("AUTH PLAIN", "STARTTLS")
        script = scripted(("STARTTLS", starttls or "usual"))
        async with RemoteHost(offers=offers, script=script) as host:
            post.set(
                smarthost__host=f"127.0.0.1:{host.port}",
                smarthost__username="posthouse",
                smarthost__password="very secret",
                smarthost__enabled="yes",
            )
            entry = post.submit("bob@beta.test")
            found = await post.deferred(entry)
        assert "not sent to the smart host without TLS" in found.recipients[0].status
        assert {"AUTH", "MAIL"}.isdisjoint(host.commands)
        await post.until(lambda: "deferred" in post.events(entry), "the journey is written")
        assert post.reason(entry, "deferred")["rule"] == "smarthost.no-tls"

    play(scenario)


# Connections


def test_a_connection_is_used_again_for_what_waits(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost() as host:
            post.know("beta.test", host)
            post.set(smtp__max_send_per_destination="1")
            entries = [post.submit(f"user{number}@beta.test") for number in range(5)]
            for entry in entries:
                await post.gone(entry)
        assert len(host.messages) == 5
        assert host.most_open == 1
        assert len(host.sessions) < 5

    play(scenario)


def test_a_connection_is_kept_for_what_comes_soon(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost() as host:
            post.know("beta.test", host)
            await post.gone(post.submit("bob@beta.test"))
            await post.gone(post.submit("carol@beta.test"))
        assert len(host.messages) == 2
        assert len(host.sessions) == 1

    play(scenario)


def test_a_host_can_not_take_a_message_before_the_last_result_is_durable(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a crash has one message of each connection sent again at most (RFC 1047)."""

    async def scenario(post: Post) -> None:
        real, may_write = post.house.queue.mark, threading.Event()

        def mark(
            marks: Collection[Mark], *, notices: Collection[Submission] = (), durable: bool
        ) -> None:
            if any(isinstance(each, Finished) for each in marks):
                may_write.wait(10)
            real(marks, notices=notices, durable=durable)

        async with RemoteHost() as host:
            post.set(smtp__max_send_per_destination="1")
            post.know("beta.test", host)
            monkeypatch.setattr(post.house.queue, "mark", mark)
            entries = [post.submit(f"user{number}@beta.test") for number in range(2)]
            await post.until(lambda: host.commands.count("DATA") == 2, "the second has begun")
            assert len(host.messages) == 1
            may_write.set()
            for entry in entries:
                await post.gone(entry)
            assert len(host.messages) == 2

    play(scenario)


def test_the_smart_host_gets_as_many_connections_as_are_set(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(before_answer=(go_on := asyncio.Event())) as host:
            post.set(smtp__max_send_per_destination="1", smarthost__max_connections="3")
            post.set(smarthost__host=f"127.0.0.1:{host.port}", smarthost__enabled="yes")
            entries = [post.submit(f"user@dest{number}.test") for number in range(5)]
            await post.until(lambda: host.most_open == 3, "three are open")
            go_on.set()
            for entry in entries:
                await post.gone(entry)
            assert host.most_open == 3

    play(scenario)


def test_a_message_a_used_session_did_not_look_at_goes_by_the_next(
    play: Callable[[Scenario], None],
) -> None:
    """A host that takes but one message a session says 421: no attempt has failed by that."""
    script = scripted(("MAIL", "usual"), ("MAIL", "421 4.7.0 enough"), ("MAIL", "usual"))

    async def scenario(post: Post) -> None:
        async with RemoteHost(script=script) as host:
            post.set(smtp__max_send_per_destination="1")
            post.know("beta.test", host)
            post.errors["beta.test"] = Temporary("beta.test", 9002, "not yet")
            entries = [post.submit(f"user{number}@beta.test") for number in range(2)]
            for entry in entries:
                await post.deferred(entry)
            del post.errors["beta.test"]
            post.retry(901)
            for entry in entries:
                await post.gone(entry)
        assert len(host.sessions) == 2
        assert len(host.messages) == 2
        assert [post.events(entry).count("deferred") for entry in entries] == [1, 1]

    play(scenario)


def test_a_destination_that_says_nothing_holds_up_no_other(
    play: Callable[[Scenario], None],
) -> None:
    """A claim's worth of mail for a silent host; mail for another that came later passes it."""

    async def scenario(post: Post) -> None:
        async with (
            RemoteHost(address="127.0.0.3") as good,
            RemoteHost(address="127.0.0.2", port=good.port, is_silent=True) as silent,
        ):
            post.set(smtp__remote_timeout="1h")
            post.know("silent.test", silent)
            post.know("beta.test", good)
            for number in range(3):
                post.submit(
                    *(f"u{each}@silent.test" for each in range(100 * number, 100 * (number + 1)))
                )
            post.clock.advance(1)
            await post.gone(post.submit("bob@beta.test"))
            assert silent.most_open == 1

    play(scenario)


def test_what_was_due_shares_the_failure_of_one_call(play: Callable[[Scenario], None]) -> None:
    """A dead host with much mail is called a few times, not once for each message."""

    async def scenario(post: Post) -> None:
        async with RemoteHost() as host:
            host.script = scripted(("", "421 4.3.2 down"))
            post.know("beta.test", host)
            post.set(retry__delay_notice="off")
            entries = [
                post.submit(*(f"u{number}-{each}@beta.test" for each in range(50)))
                for number in range(6)
            ]
            post.clock.advance(1)
            await post.until(
                lambda: all(set(post.states(entry)) == {"deferred"} for entry in entries),
                "all are deferred",
            )
            assert len(host.sessions) < 20

    play(scenario)


def test_mail_for_others_passes_what_is_put_off(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Very much may be due for a dead destination; mail that comes then does not wait for it."""
    monkeypatch.setattr(lanes, "MOST_CLAIMED", 4)
    left: list[int] = []

    async def scenario(post: Post) -> None:
        dead: list[str] = []
        good: list[str] = []
        real = courier.Courier.shared_failure

        def shared_failure(self: courier.Courier, key: str, claimed: Claimed) -> Reason | None:
            found = real(self, key, claimed)
            if found is not None and not good:
                good.append(post.submit("bob@beta.test"))
            return found

        def script(line: str) -> str | None:
            if line == ".":
                left.append(sum(post.states(entry).count("pending") for entry in dead))
            return None

        monkeypatch.setattr(courier.Courier, "shared_failure", shared_failure)
        async with RemoteHost(script=script) as host:
            post.know("beta.test", host)
            post.errors["dead.test"] = Temporary("dead.test", 9002, "nobody answers")
            post.set(retry__delay_notice="off")
            dead += [
                post.submit(*(f"u{number}-{each}@dead.test" for each in range(100)))
                for number in range(4)
            ]
            post.clock.advance(1)
            await post.until(lambda: good, "some have shared the failure")
            await post.gone(good[0])
        assert left[0] > 100

    play(scenario)


def test_a_message_held_while_it_waits_for_its_turn_is_not_sent(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "_FRESH_S", 0.0)

    async def scenario(post: Post) -> None:
        entries: list[str] = []
        sent: list[int] = []

        def script(line: str) -> str | None:
            if line.startswith("RCPT"):
                sent.append(int(line.partition("user")[2][0]))
            if line == "." and len(sent) == 1:
                Desk(post.house.queue).hold(entries[1 - sent[0]])
            return None

        async with RemoteHost(script=script) as host:
            post.set(smtp__max_send_per_destination="1")
            post.know("beta.test", host)
            post.errors["beta.test"] = Temporary("beta.test", 9002, "not yet")
            entries += [post.submit(f"user{number}@beta.test") for number in range(2)]
            for entry in entries:
                await post.deferred(entry)
            del post.errors["beta.test"]
            post.retry(901)
            await post.until(lambda: len(host.messages) == 1, "the first is sent")
            await post.gone(entries[sent[0]])
            await post.until(lambda: host.open == 0, "the session is over")
        assert post.states(entries[1 - sent[0]]) == [State.HELD]
        assert len(host.messages) == 1

    play(scenario)


def test_the_labelled_steps_are_passed_in_their_order(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(post: Post) -> None:
        reached: list[str] = []
        async with RemoteHost() as host:
            post.know("beta.test", host)
            monkeypatch.setattr(steps, "gate", reached.append)
            await post.gone(post.submit("bob@beta.test"))
        named = [step for step in reached if step.startswith("sender.")]
        assert named == ["sender.connected", "sender.sent"]
        after = reached[reached.index("sender.sent") :]
        assert after[1:3] == ["queue.commit.before", "queue.commit.after"]

    play(scenario)


def test_a_session_under_way_is_cut_off_when_the_sender_has_to_end(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message stays in the queue as it was, and no attempt has failed."""
    monkeypatch.setattr(agent, "_GRACE_S", 0.05)

    async def scenario(post: Post) -> None:
        async with RemoteHost(before_answer=asyncio.Event()) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test")
            await post.until(lambda: "DATA" in host.commands, "the content is on its way")
            post.stop.set()
            await post.until(lambda: "were cut off" in post.log(), "it is cut off")
        found = post.queued(entry)
        assert found is not None
        assert (found.recipients[0].state, found.recipients[0].attempts) == ("pending", 0)

    play(scenario)


def test_a_result_that_can_not_be_written_down_is_not_forgotten(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a host has taken is not sent again because our disk was full for a moment."""

    async def scenario(post: Post) -> None:
        real, failed = post.house.queue.mark, asyncio.Event()
        loop = asyncio.get_running_loop()

        def mark(
            marks: Collection[Mark], *, notices: Collection[Submission] = (), durable: bool
        ) -> None:
            if not failed.is_set():
                loop.call_soon_threadsafe(failed.set)
                raise OSError(28, "No space left on device")
            real(marks, notices=notices, durable=durable)

        async with RemoteHost() as host:
            post.know("beta.test", host)
            go_on = asyncio.Event()
            host.before_answer = go_on
            entry = post.submit("bob@beta.test")
            monkeypatch.setattr(post.house.queue, "mark", mark)
            go_on.set()
            await post.gone(entry)
        assert failed.is_set()
        assert len(host.messages) == 1

    play(scenario)


def test_the_daemon_says_when_it_is_ready_and_ends_when_told(tmp_path: Path) -> None:
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config)

    async def main() -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        bell = Doorbell(tmp_path / "run" / "doorbell", "sender")
        logs = Logs(tmp_path, "SMTP")
        task = asyncio.create_task(agent.run(house, logs, bell, stop, ready.set))
        await asyncio.wait_for(ready.wait(), 10)
        stop.set()
        await asyncio.wait_for(task, 10)
        bell.close()

    asyncio.run(main())
    house.close()


def test_bad_mail_says_why(play: Callable[[Scenario], None]) -> None:
    async def scenario(post: Post) -> None:
        async with RemoteHost(script=scripted(("RCPT", "550 5.1.1 no such user"))) as host:
            post.know("beta.test", host)
            entry = post.submit("bob@beta.test", sender="")
            await post.gone(entry)
        record = json.loads((post.house.badmail / f"{entry}.0.json").read_text())
        assert record["recipient"] == "bob@beta.test"
        assert "550 5.1.1 no such user" in record["reason"]
        assert record["at_us"] == post.clock.now_us()

    play(scenario)
