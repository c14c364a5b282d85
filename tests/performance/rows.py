"""The rows that are measured against a peer, as data: what is done, against whom, with which goal.

Goals and floors are those of PERFORMANCE.md. They are ratios Posthouse : peer, but for memory,
where they are Posthouse's own KiB.
"""

from __future__ import annotations

import dataclasses
import enum

from result import Judged

__all__ = ["ROWS", "Peer", "Row", "Work"]


class Work(enum.StrEnum):
    """What the client does in the measured phase."""

    ACCEPT = "accept"
    SPREAD = "accept, over all mailboxes in turn"
    LATENCY = "time of each 250"
    FANOUT = "one message to all mailboxes"
    LOGIN = "login"
    RETR = "retr"
    RETR_DELE = "retr+dele"
    LIST = "login, LIST, UIDL"
    IDLE_SMTP = "idle SMTP sessions"
    IDLE_POP3 = "idle POP3 sessions, logged in"


class Peer(enum.StrEnum):
    """The server that Posthouse is measured against."""

    POSTFIX = "postfix"
    POSTFIX_LMTP = "postfix+dovecot-lmtp"
    POSTFIX_RELAY = "postfix-relay"
    FILES = "a file for each message"
    DOVECOT = "dovecot"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: what `--row` takes.
        title: one line for people.
        work: what is measured.
        peer: against whom.
        floor: what counts as missed beyond; None where the plan sets none.
        goal: what is aimed at.
        connections: how many connections are open at a time.
        mailboxes: over how many mailboxes the work is spread; divides `connections` and `count`.
        count: messages, sessions or recipients in one run.
        postoffices: over how many tenants the mailboxes are spread.
        size: bytes of a message's body.
        held: messages in each mailbox before a login run, or one of RETR, which goes round; 0 is a
            share of `count`.
        reuse: whether an SMTP connection carries many messages, or one.
        window: POP3 commands in flight on a connection; 1 means one by one.
        tls: whether sessions are encrypted from the first octet.
        stays: whether all runs of a side are on one server, since filling it takes long.
        unit: what `count` counts.
        measure: which figure floor and goal are about.
        judged: whether they are ratios to the peer's, or about our own value.
        cpu_floor: as `floor`, for the CPU per unit; None where PERFORMANCE.md sets none.
        cpu_goal: as `goal`, for the CPU per unit.
        profiled: as `count`, for a profile, where a run is too short for one.
    """

    name: str
    title: str
    work: Work
    peer: Peer
    floor: float | None
    goal: float | None
    connections: int
    mailboxes: int
    count: int
    postoffices: int = 1
    size: int = 4096
    held: int = 0
    reuse: bool = True
    window: int = 1
    tls: bool = False
    stays: bool = False
    unit: str = "message"
    measure: str = "rate"
    judged: Judged = Judged.RATIO
    cpu_floor: float | None = None
    cpu_goal: float | None = None
    profiled: int = 0

    def scaled(self, factor: float) -> Row:
        """Returns the same row with `factor` times the count, at least one unit a connection."""
        step = self.connections
        count = max(round(self.count * factor / step), 1) * step
        held = max(round(self.held * factor), 1) if self.held > 100 else self.held
        mailboxes = count if self.mailboxes == self.count else self.mailboxes
        return dataclasses.replace(self, count=count, held=held, mailboxes=mailboxes)


_ROWS = (
    Row(
        name="accept-c50",
        title="accept + deliver to mailbox, 4 KiB, 50 connections",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX,
        floor=3,
        goal=6,
        connections=50,
        mailboxes=5,
        count=4000,
        cpu_floor=1 / 2,
        cpu_goal=1 / 6,
    ),
    Row(
        name="accept-c50-reconnect",
        title="accept + deliver to mailbox, 4 KiB, 50 connections at a time, each for one message",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX,
        floor=None,
        goal=None,
        connections=50,
        mailboxes=5,
        count=4000,
        reuse=False,
    ),
    Row(
        name="accept-c10",
        title="accept + deliver to mailbox, 4 KiB, 10 connections",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX,
        floor=2.5,
        goal=4,
        connections=10,
        mailboxes=5,
        count=3000,
    ),
    Row(
        name="accept-c1",
        title="accept + deliver to mailbox, 4 KiB, 1 connection",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX,
        floor=1.1,
        goal=1.7,
        connections=1,
        mailboxes=1,
        count=1500,
    ),
    Row(
        name="accept64k-c50",
        title="accept + deliver to mailbox, 64 KiB, 50 connections",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX,
        floor=2.5,
        goal=4,
        connections=50,
        mailboxes=5,
        count=2000,
        size=65536,
    ),
    Row(
        name="accept-lmtp-c50",
        title="accept + deliver, 4 KiB, 50 connections, peer delivers by Dovecot LMTP",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX_LMTP,
        floor=4,
        goal=8,
        connections=50,
        mailboxes=5,
        count=2000,
    ),
    Row(
        name="accept-500-postoffices",
        title="accept + deliver to mailbox, 4 KiB, 50 connections, over 500 post offices in turn",
        work=Work.SPREAD,
        peer=Peer.POSTFIX,
        floor=3,
        goal=6,
        connections=50,
        mailboxes=500,
        postoffices=500,
        count=4000,
        cpu_floor=1 / 2,
        cpu_goal=1 / 6,
        stays=True,
    ),
    Row(
        name="latency-c50",
        title="time of each final 250, 4 KiB, 50 connections",
        work=Work.LATENCY,
        peer=Peer.FILES,
        floor=1,
        goal=1 / 2,
        measure="p99_ms",
        connections=50,
        mailboxes=5,
        count=4000,
    ),
    Row(
        name="relay-c20",
        title="accept + relay to a sink, 4 KiB, 20 connections",
        work=Work.ACCEPT,
        peer=Peer.POSTFIX_RELAY,
        floor=2,
        goal=4,
        connections=20,
        mailboxes=5,
        count=3000,
    ),
    Row(
        name="fanout-1000",
        title="one message of 4 KiB to 1,000 local mailboxes",
        work=Work.FANOUT,
        peer=Peer.POSTFIX,
        floor=1 / 3,
        goal=1 / 20,
        measure="seconds",
        connections=1,
        mailboxes=1000,
        count=1000,
        unit="recipient",
    ),
    Row(
        name="fanout-10000",
        title="one message of 4 KiB to 10,000 local mailboxes",
        work=Work.FANOUT,
        peer=Peer.POSTFIX,
        floor=1 / 3,
        goal=1 / 20,
        measure="seconds",
        connections=1,
        mailboxes=10000,
        count=10000,
        unit="recipient",
        stays=True,
    ),
    Row(
        name="pop3-login",
        title="POP3 login + STAT + QUIT, warm, 5 connections",
        work=Work.LOGIN,
        peer=Peer.DOVECOT,
        floor=1.5,
        goal=3,
        connections=5,
        mailboxes=5,
        count=4000,
        held=20,
        unit="session",
    ),
    Row(
        name="pop3-retr",
        title="POP3 RETR one by one, 4 KiB, 4 connections",
        work=Work.RETR,
        peer=Peer.DOVECOT,
        floor=1.2,
        goal=1.8,
        connections=4,
        mailboxes=4,
        count=216000,
        held=18000,
    ),
    Row(
        name="pop3-retr-pipelined",
        title="POP3 RETR pipelined (50 in flight), 4 KiB, 4 connections",
        work=Work.RETR,
        peer=Peer.DOVECOT,
        floor=2,
        goal=5,
        connections=4,
        mailboxes=4,
        count=432000,
        held=18000,
        window=50,
    ),
    Row(
        name="pop3-dele",
        title="POP3 RETR + DELE one by one, then QUIT, 10,000 of 4 KiB, 1 connection",
        work=Work.RETR_DELE,
        peer=Peer.DOVECOT,
        floor=2,
        goal=4,
        connections=1,
        mailboxes=1,
        count=10000,
    ),
    Row(
        name="pop3-dele-pipelined",
        title="POP3 RETR + DELE pipelined (50 in flight), then QUIT, 10,000 of 4 KiB, 1 connection",
        work=Work.RETR_DELE,
        peer=Peer.DOVECOT,
        floor=2,
        goal=4,
        connections=1,
        mailboxes=1,
        count=10000,
        window=50,
    ),
    Row(
        name="pop3-list",
        title="POP3 login + STAT + LIST + UIDL + QUIT, warm, 100,000 messages",
        work=Work.LIST,
        peer=Peer.DOVECOT,
        floor=2,
        goal=5,
        connections=1,
        mailboxes=1,
        count=10,
        held=100_000,
        size=160,
        stays=True,
        unit="session",
        profiled=2000,
    ),
    Row(
        name="idle-smtp",
        title="memory of an idle SMTP session",
        work=Work.IDLE_SMTP,
        peer=Peer.POSTFIX,
        floor=32,
        goal=12,
        measure="session_kib",
        judged=Judged.VALUE,
        connections=1,
        mailboxes=1,
        count=1000,
        unit="session",
    ),
    Row(
        name="idle-smtp-tls",
        title="memory of an idle SMTP session with TLS",
        work=Work.IDLE_SMTP,
        peer=Peer.POSTFIX,
        floor=None,
        goal=None,
        measure="session_kib",
        judged=Judged.VALUE,
        connections=1,
        mailboxes=1,
        count=200,
        tls=True,
        unit="session",
    ),
    Row(
        name="idle-pop3",
        title="memory of an idle POP3 session, logged in",
        work=Work.IDLE_POP3,
        peer=Peer.DOVECOT,
        floor=32,
        goal=4,
        measure="session_kib",
        judged=Judged.VALUE,
        connections=1,
        mailboxes=500,
        count=500,
        unit="session",
    ),
    Row(
        name="idle-pop3-tls",
        title="memory of an idle POP3 session with TLS, logged in",
        work=Work.IDLE_POP3,
        peer=Peer.DOVECOT,
        floor=None,
        goal=None,
        measure="session_kib",
        judged=Judged.VALUE,
        connections=1,
        mailboxes=500,
        count=500,
        tls=True,
        unit="session",
    ),
)

ROWS = {row.name: row for row in _ROWS}
