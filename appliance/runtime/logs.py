"""The three logs of a service, and the journal, from one source of events.

An `Exchange` (a command and its answer) becomes a line of the Activity log and one of the W3C log;
a note (a decision in a sentence) becomes a line of the Debug log and a JSON line for the journal.
Both are counted. While a service is verbose, its Debug log also has every exchange, what decisions
were made of, and the details that are told for it; the clock ends that, nobody has to be there for
it. Lines gather in memory and are written by the block, a quarter of a second later at the latest,
each block in one append, so that several processes can share a file.

Standards: W3C WD-logfile-960221; the manual §9.8 (Activity: ten columns by tabs; file names).
Owns: the open log files. Never: blocks mail: a disk error is told once on stderr, mail goes on.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from appliance.runtime import metrics

_FLUSH_OCTETS = 64 << 10
_KEPT_OCTETS = 1 << 20  # of lines whose file can't be opened; later ones are lost
_FLUSH_S = 0.25
_LINES_AT_ONCE = 50
_MAX_FIELD = 1000
_MAX_DETAIL = 8000
LONGEST_VERBOSE_S = 86_400
_COUNTED = attrgetter("kind", "command", "response")


class Exchange(NamedTuple):
    """A command and its answer: columns B to J of the Activity log.

    Attributes:
        kind: SMTP-IN, SMTP-OU, POP3-IN, MTA.
        message_id: the queue's id, once there is one.
        port: the server's TCP port.
        remote: the other side's IP address.
        command: the command's name.
        details: its arguments; secrets are hidden by whoever makes this.
        response: the answer.
        sent: octets sent.
        received: octets received.
        login: who is logged in, or empty.
    """

    kind: str
    message_id: str = ""
    port: int = 0
    remote: str = ""
    command: str = ""
    details: str = ""
    response: str = ""
    sent: int = 0
    received: int = 0
    login: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What is logged; live.

    Attributes:
        activity: write the Activity log.
        debug: write the Debug log.
        w3c: write the W3C log.
        w3c_fields: its columns.
        w3c_rollover: hourly, daily, monthly or never.
        verbose_until: when being verbose ends, in seconds since 1970; 0 for not at all. What is
            more than a day ahead is a mistake, and counts as not at all.
    """

    activity: bool = True
    debug: bool = True
    w3c: bool = False
    w3c_fields: tuple[str, ...] = ()
    w3c_rollover: str = "daily"
    verbose_until: float = 0.0


class _File:
    """A log file that is renewed by the clock; lines are appended whole."""

    def __init__(
        self, folder: Path, name_at: Callable[[datetime], str], header: Callable[[], str]
    ) -> None:
        self._folder = folder
        self._name_at = name_at
        self._header = header
        self._name = ""
        self._descriptor = -1
        self._lines: list[str] = []
        self._octets = 0
        self.is_failing = False

    def add(self, lines: Sequence[str]) -> bool:
        """Take lines; returns whether a block's worth has gathered."""
        if self.is_failing and self._octets >= _KEPT_OCTETS:
            return False
        self._lines += lines
        self._octets += sum(map(len, lines))
        return self._octets >= _FLUSH_OCTETS and not self.is_failing

    def write(self, at: datetime) -> None:
        """Append what has gathered; where the file can't be opened it is kept for the next time."""
        if not self._lines:
            return
        name, text = self._name_at(at), ""
        if name != self._name:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
            self._descriptor = os.open(self._folder / name, flags, 0o640)
            self._name = name
            text = self._header()  # another process may have begun it with other columns
        text, self._lines, self._octets = text + "".join(self._lines), [], 0
        os.write(self._descriptor, text.encode("utf-8", "replace"))
        self.is_failing = False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._name = -1, ""


class Logs:
    """The logs of one service in this process."""

    def __init__(self, home: Path, service: str) -> None:
        """Log below `home/logs/SERVICE/`.

        Args:
            home: `$POSTHOUSE_HOME`.
            service: such as SMTP or WEB: the folder's and files' name.
        """
        folder = home / "logs" / service
        self.service = service
        self.options = LogOptions()
        self._activity = _File(folder, lambda at: f"{service}-Activity-{at:%y%m%d}.log", str)
        self._debug = _File(folder, lambda at: f"{service}-Debug-{at:%y%m%d}.log", str)
        self._w3c = _File(folder, self._w3c_name, self._w3c_header)
        self._guard = threading.Lock()
        self._pending = False
        self._closed = False
        self._wake = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None
        self._to_journal = "JOURNAL_STREAM" in os.environ
        self._second = 0
        self._stamp = ""
        self._told: deque[Exchange] = deque()  # of which no lines have been made
        self._told_at = ""  # as the Activity log writes it
        self._told_until = 0.0  # the second's end

    def configure(self, options: LogOptions) -> None:
        """Change what is logged."""
        with self._guard:
            self._make_lines()
            if options.w3c_fields != self.options.w3c_fields:
                self._write()
                self._w3c.close()  # the next line begins with a new #Fields
            self.options = options

    @property
    def is_verbose(self) -> bool:
        """Whether details are written at present; ask before making one up."""
        until = self.options.verbose_until
        return until != 0.0 and 0.0 < until - time.time() <= LONGEST_VERBOSE_S

    def exchange(self, found: Exchange) -> None:
        """Log a command and its answer."""
        self.exchanges((found,))

    def exchanges(self, found: Sequence[Exchange]) -> None:
        """Log commands with their answers."""
        told = self._told
        if len(told) >= _LINES_AT_ONCE or time.time() >= self._told_until:
            with self._guard:
                self._gathered(full=self._make_lines())
        told.extend(found)  # of a deque, which needs no lock
        if not self._pending or self.options.verbose_until:
            with self._guard:
                self._gathered(full=bool(self.options.verbose_until) and self._make_lines())

    def alike(self, pattern: Exchange, varying: Sequence[tuple[int, int, int]]) -> None:
        """Log commands that differ in a number and octets only, which costs less than one by one.

        Args:
            pattern: what they have in common.
            varying: of each, the number that is its details, the octets sent and those received.
        """
        options = self.options
        if options.w3c or options.verbose_until or not options.activity:
            self.exchanges(
                [
                    pattern._replace(details=str(number), sent=sent, received=received)
                    for number, sent, received in varying
                ]
            )
            return
        with self._guard:
            is_full = self._make_lines()  # of those that were told before
            metrics.EXCHANGES.add(*_COUNTED(pattern), times=len(varying))
            lines = _activity_lines(pattern, varying, self._told_at)
            is_full = self._activity.add(lines) or is_full
            self._gathered(full=is_full)

    def _make_lines(self) -> bool:
        """Make lines of the exchanges that were told; returns whether a block's worth has gathered.

        Of several at a time a line costs a third of what it costs alone.
        """
        told, now = self._told, self._told_at
        self._told_until = int(time.time()) + 1.0
        self._told_at = self._now()
        found = [told.popleft() for _ in range(len(told))]
        for alike, times in Counter(map(_COUNTED, found)).items():
            metrics.EXCHANGES.add(*alike, times=times)
        options = self.options
        full = False
        if options.activity:
            full = self._activity.add([_activity_line(each, now) for each in found])
        if options.w3c:
            lines = [_w3c_line(each, options.w3c_fields) for each in found]
            full = self._w3c.add(lines) or full
        if options.verbose_until and self.is_verbose:
            lines = [
                self._debug_line("VERBOSE", each.message_id, "", text[:_MAX_DETAIL])
                for each in found
                for text in _both_ways(each)
            ]
            full = self._debug.add(lines) or full
        return full

    def note(
        self,
        level: str,
        text: str,
        *,
        message_id: str = "",
        reason: Mapping[str, object] | None = None,
    ) -> None:
        """Log a decision or an event in a sentence.

        Args:
            level: info, warning or error.
            text: the sentence.
            message_id: the queue's id of the message it is about.
            reason: the rule with its inputs, as `Reason.to_dict` gives it.
        """
        metrics.NOTES.labels(self.service, level).inc()
        rule = str(reason["rule"]) if reason else ""
        is_verbose = self.is_verbose
        if self.options.debug or is_verbose:
            line = self._debug_line(level.upper(), message_id, rule, text)
            if is_verbose and reason:
                line += self._debug_line("VERBOSE", message_id, rule, _facts(reason))
            with self._guard:
                self._gathered(full=self._debug.add((line,)))
        if self._to_journal:
            found: dict[str, Any] = {"service": self.service, "level": level, "text": text}
            if message_id:
                found["message_id"] = message_id
            if reason:
                found["reason"] = dict(reason)
            print(json.dumps(found, ensure_ascii=False), file=sys.stderr, flush=True)  # noqa: T201 - the journal's input

    def detail(
        self,
        text: str,
        *,
        message_id: str = "",
        reason: Mapping[str, object] | None = None,
        started: float | None = None,
    ) -> None:
        """Log what is only worth reading while the service is verbose; otherwise do nothing.

        Args:
            text: a sentence or its beginning.
            message_id: the queue's id of the message it is about.
            reason: the rule with its inputs, as `Reason.to_dict` gives it.
            started: `time.perf_counter()` when the step began that has ended now.
        """
        if not self.is_verbose:
            return
        if started is not None:
            text += f" ({(time.perf_counter() - started) * 1000:.1f} ms)"
        rule = str(reason["rule"]) if reason else ""
        line = self._debug_line("VERBOSE", message_id, rule, text[:_MAX_DETAIL])
        if reason:
            line += self._debug_line("VERBOSE", message_id, rule, _facts(reason))
        with self._guard:
            self._gathered(full=self._debug.add((line,)))

    def flush(self) -> None:
        """Write what has gathered."""
        with self._guard:
            self._write()

    def close(self) -> None:
        """Write what has gathered and close the files."""
        with self._guard:
            self._closed = True
            self._wake.notify()
            self._write()
            for file in (self._activity, self._debug, self._w3c):
                file.close()

    def _gathered(self, *, full: bool) -> None:
        if full:
            self._write()
        elif not self._pending:
            self._pending = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._flusher, name="logs", daemon=True)
                self._thread.start()
            else:
                self._wake.notify()

    def _flusher(self) -> None:
        with self._guard:
            while not self._closed:
                if not self._pending:
                    self._wake.wait()
                    continue
                self._wake.wait(_FLUSH_S)
                self._write()

    def _write(self) -> None:
        self._pending = False
        self._make_lines()
        at = datetime.now(UTC)
        for file in (self._activity, self._debug, self._w3c):
            try:
                file.write(at)
            except OSError as error:
                if not file.is_failing:
                    print(f"posthouse: the logs can't be written: {error}", file=sys.stderr)  # noqa: T201 - the last resort
                file.is_failing = True

    def _now(self) -> str:
        """Return the time as the Activity log writes it, made anew once a second."""
        second = int(time.time())
        if second != self._second:
            self._stamp = time.strftime("%m/%d/%y %H:%M:%S", time.gmtime(second))
            self._second = second
        return self._stamp

    def _debug_line(self, level: str, message_id: str, rule: str, text: str) -> str:
        columns = (level, message_id or "-", rule or "-", text)
        return "\t".join((self._now(), *map(_clean, columns))) + "\n"

    def _w3c_name(self, at: datetime) -> str:
        shape = {"hourly": "%y%m%d%H", "daily": "%y%m%d", "monthly": "%y%m", "never": ""}
        return f"ex{at.strftime(shape[self.options.w3c_rollover])}.log"

    def _w3c_header(self) -> str:
        return (
            "#Version: 1.0\n"
            "#Software: Posthouse\n"
            f"#Date: {datetime.now(UTC):%Y-%m-%d %H:%M:%S}\n"
            f"#Fields: {' '.join(self.options.w3c_fields)}\n"
        )


def _activity_line(found: Exchange, now: str) -> str:
    kind, message_id, port, remote, command, details, response, sent, received, _ = found
    told = f"{message_id}{remote}{command}{details}{response}"
    if len(told) > _MAX_FIELD or not told.isprintable():
        message_id, remote, command = map(_field, (message_id, remote, command))
        details, response = _field(details), _field(response)
    return (
        f"{now}\t{kind}\t{message_id}\t{port}\t{remote}\t{command}\t{details}\t"
        f"{response}\t{sent}\t{received}\n"
    )


def _activity_lines(
    pattern: Exchange, varying: Sequence[tuple[int, int, int]], now: str
) -> list[str]:
    """Make the same lines of exchanges that have their pattern's other columns."""
    kind, message_id, port, remote, command, _, response, *_ = pattern
    message_id, remote, command, response = map(_field, (message_id, remote, command, response))
    before = f"{now}\t{kind}\t{message_id}\t{port}\t{remote}\t{command}\t"
    return [
        f"{before}{number}\t{response}\t{sent}\t{received}\n" for number, sent, received in varying
    ]


def _clean(text: str) -> str:
    """Leave nothing that ends a line or a column, or that a terminal obeys."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else "." for char in text])


def _field(text: str) -> str:
    """Make a text fit one column: clean and bounded."""
    return _clean(text[:_MAX_FIELD])


def _both_ways(found: Exchange) -> tuple[str, ...]:
    """Say an exchange in sentences: what the client said (C:) and the server answered (S:)."""
    said = f"{found.command} {found.details}".rstrip()
    if not found.remote:  # a step, not a conversation
        return (f"{said}: {found.response}",)
    who = f"{found.kind} {found.remote} port {found.port}"
    if found.login:
        who += f" as {found.login}"
    by_client, by_server = found.received, found.sent
    if found.kind.endswith("-OU"):  # we are the client
        by_client, by_server = by_server, by_client
    return (
        f"{who} C: {said} [{by_client} octets]",
        f"{who} S: {found.response} [{by_server} octets]",
    )


def _facts(reason: Mapping[str, object]) -> str:
    """Say what a decision was made of: outcome, setting, reply, inputs."""
    found = {name: reason[name] for name in ("outcome", "setting", "reply") if name in reason}
    inputs = reason.get("inputs")
    if isinstance(inputs, Mapping):
        found.update(inputs)
    return "; ".join(f"{name}: {value}" for name, value in found.items())[:_MAX_DETAIL]


def _w3c_line(found: Exchange, fields: tuple[str, ...]) -> str:
    """Render an exchange in the W3C extended format: `-` for what is empty, no blanks inside."""
    now = datetime.now(UTC)
    values = {
        "date": f"{now:%Y-%m-%d}",
        "time": f"{now:%H:%M:%S}",
        "s-computername": os.uname().nodename,
        "c-ip": found.remote,
        "s-port": str(found.port),
        "cs-method": found.command,
        "cs-uri-stem": found.details,
        "sc-status": found.response.partition(" ")[0],
        "sc-bytes": str(found.sent),
        "cs-bytes": str(found.received),
        "x-message-id": found.message_id,
        "cs-username": found.login,
    }
    return " ".join(_field(values[name]).replace(" ", "+") or "-" for name in fields) + "\n"


class NoteHandler(logging.Handler):
    """Takes what libraries and our own deeper floors log, as notes of a service."""

    def __init__(self, logs: Logs) -> None:
        """Take the service's logs; information below warnings is left out."""
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as a note."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        text = f"{record.name}: {record.getMessage()}"
        if record.exc_info:
            text += f" {''.join(traceback.format_exception(*record.exc_info))}"
        self._logs.note(level, text)
