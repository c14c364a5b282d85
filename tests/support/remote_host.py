"""A remote mail server that says what a test wants said, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

Answer = str | None


@dataclass
class Message:
    """A message that was taken."""

    mail: str
    rcpts: list[str]
    content: bytes
    session: int


@dataclass
class RemoteHost:
    """A server: the usual answers, unless `script` has another for a line.

    Attributes:
        script: gets the command line (`.` for the content, empty for the greeting); returns what
            to answer, `None` for the usual, or an empty text to hang up without a word.
        offers: EHLO keywords.
        tls: for STARTTLS; a context without a certificate fails every handshake.
        most_content: octets of content after which it refuses and hangs up.
        is_silent: it never says a word.
        before_answer: what it waits for before it answers a content.
        sessions: the command lines of each session.
        messages: what it took.
        bursts: how many command lines came with one packet at most.
    """

    address: str = "127.0.0.1"
    port: int = 0
    script: Callable[[str], Answer] = lambda line: None
    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000")
    tls: ssl.SSLContext | None = None
    most_content: int = 0
    is_silent: bool = False
    before_answer: asyncio.Event | None = None
    sessions: list[list[str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    ciphers: list[str] = field(default_factory=list)
    bursts: int = 0
    open: int = 0
    most_open: int = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def commands(self) -> list[str]:
        """The verbs of all sessions."""
        return [line.partition(" ")[0] for session in self.sessions for line in session]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await _Talk(self, reader, writer).run()
        except asyncio.CancelledError:
            pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()
            self._tasks.discard(task)


class _Talk:
    """One session."""

    def __init__(
        self, host: RemoteHost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.host = host
        self.reader = reader
        self.writer = writer
        self.lines: list[str] = []
        self.mail = ""
        self.rcpts: list[str] = []
        host.sessions.append(self.lines)
        self.number = len(host.sessions) - 1

    async def run(self) -> None:
        if self.host.is_silent:
            await self.reader.read()
            return
        if not await self.say(self.host.script("") or "220 remote.example ready"):
            return
        burst = 0
        while raw := await self.reader.readline():
            line = raw.decode().rstrip("\r\n")
            self.lines.append(line)
            burst = burst + 1 if self.has_more() else 0
            self.host.bursts = max(self.host.bursts, burst + 1)
            if not await self.answer(line):
                return

    def has_more(self) -> bool:
        """Whether further lines came with the last one (the reader's own buffer knows)."""
        return bool(getattr(self.reader, "_buffer", b""))

    async def say(self, text: str) -> bool:
        if not text:
            return False
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
        return not text.startswith("421")

    async def answer(self, line: str) -> bool:
        verb = line.partition(" ")[0].upper()
        scripted = self.host.script(line)
        if verb == "DATA" and scripted is None:
            return await self.take_content()
        text = scripted if scripted is not None else self.usual(verb)
        if text.startswith("2"):
            if verb == "MAIL":
                self.mail, self.rcpts = line[10:], []
            elif verb == "RCPT":
                self.rcpts.append(line[8:])
        if not await self.say(text):
            return False
        if verb == "STARTTLS" and text.startswith("220"):
            assert self.host.tls is not None
            await self.writer.start_tls(self.host.tls)
            cipher = self.writer.get_extra_info("cipher")
            self.host.ciphers.append(f"{cipher[1]} {cipher[0]}")
        return verb != "QUIT"

    def usual(self, verb: str) -> str:
        if verb == "EHLO":
            is_secured = self.writer.get_extra_info("cipher") is not None
            tls = ("STARTTLS",) if self.host.tls and not is_secured else ()
            lines = ["remote.example", *self.host.offers, *tls]
            return "\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"])
        return {
            "QUIT": "221 2.0.0 bye",
            "STARTTLS": "220 2.0.0 go ahead",
            "AUTH": "235 2.7.0 welcome",
        }.get(verb, "250 2.0.0 ok")

    async def take_content(self) -> bool:
        if not self.rcpts:
            return await self.say("554 5.5.1 no valid recipients")
        await self.say("354 go on")
        content = b""
        while not content.endswith(b"\r\n.\r\n") and content != b".\r\n":
            content += await self.reader.readline()
            if 0 < self.host.most_content < len(content):
                await self.say("552 5.3.4 too big for me")
                return False
        if self.host.before_answer is not None:
            await self.host.before_answer.wait()
        scripted = self.host.script(".")
        text = "250 2.0.0 taken" if scripted is None else scripted
        if text.startswith("2"):
            plain = (b"\r\n" + content[:-3]).replace(b"\r\n..", b"\r\n.")[2:]
            self.host.messages.append(Message(self.mail, self.rcpts, plain, self.number))
        return await self.say(text)
