"""The rows of the benchmark as data: what is done, against whom, with which goal.

Goals and floors are those of PERFORMANCE.md. They are ratios Posthouse : peer of a rate, so more is
better; `cpu_goal` and `cpu_floor` are ratios of the server's CPU per message, so less is better.
"""

from __future__ import annotations

import dataclasses
import enum

__all__ = ["ROWS", "Peer", "Row", "Work"]


class Work(enum.StrEnum):
    """What the client does in the measured phase."""

    ACCEPT = "accept"
    LOGIN = "login"
    RETR = "retr"
    RETR_DELE = "retr+dele"


class Peer(enum.StrEnum):
    """The server that Posthouse is measured against."""

    POSTFIX = "postfix"
    POSTFIX_LMTP = "postfix+dovecot-lmtp"
    POSTFIX_RELAY = "postfix-relay"
    DOVECOT = "dovecot"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: what `--row` takes.
        title: one line for people.
        work: what is measured.
        peer: against whom.
        floor: the ratio below which the row counts as missed.
        goal: the ratio aimed at.
        connections: how many connections are open at a time.
        mailboxes: over how many mailboxes the work is spread; divides `connections` and `count`.
        count: messages, or sessions for `Work.LOGIN`, in one run.
        size: bytes of a message's body.
        held: messages in each mailbox before a login run; for RETR it is a share of `count`, so
            that no message is fetched twice.
        reuse: whether an SMTP connection carries many messages, or one.
        window: POP3 commands in flight on a connection; 1 means one by one.
        unit: what `count` counts.
        cpu_floor: as `floor`, for the CPU per unit; None where PERFORMANCE.md sets none.
        cpu_goal: as `goal`, for the CPU per unit.
    """

    name: str
    title: str
    work: Work
    peer: Peer
    floor: float
    goal: float
    connections: int
    mailboxes: int
    count: int
    size: int = 4096
    held: int = 0
    reuse: bool = True
    window: int = 1
    unit: str = "message"
    cpu_floor: float | None = None
    cpu_goal: float | None = None

    def scaled(self, factor: float) -> Row:
        """Returns the same row with `factor` times the count, at least one unit a connection."""
        step = self.connections
        return dataclasses.replace(self, count=max(round(self.count * factor / step), 1) * step)


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
        floor=3,
        goal=6,
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
        count=12000,
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
        count=12000,
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
)

ROWS = {row.name: row for row in _ROWS}
