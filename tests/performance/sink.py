"""Relaying: a sink that takes all mail, and both sides set up to send everything there.

The sink is Postfix' `smtp-sink`, one process for either side, on loopback, outside the servers' CPU
meters. It counts what it has taken, so that a run ends with the last message it took and shows
whether one was lost or sent twice.

Both sides relay by a smart host: Postfix by `relayhost`, Posthouse by `smarthost.host`; the client
is in `mynetworks`, and in `relay.privileged_ranges`. All other settings are the defaults.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from typing import Any

import peers
from clients import Account, Endpoint
from posthouse_server import Posthouse
from server import Server, answers, free_port, wait_until

__all__ = ["PostfixRelay", "PosthouseRelay", "Sink"]

DOMAIN = "elsewhere.test"
_BACKLOG = 256
_LAST = 200  # octets of the counter's file, more than one record


class Sink:
    """`smtp-sink` on a loopback port, until closed.

    Attributes:
        endpoint: where it listens.
    """

    endpoint: Endpoint

    def __init__(self, counter: pathlib.Path) -> None:
        """Starts it; `counter` is the file that it writes its running counters to."""
        self._counter = counter
        self.endpoint = ("127.0.0.1", free_port())
        with counter.open("wb") as out:  # a pipe that nobody reads would stop it
            self._process = subprocess.Popen(
                [
                    *("smtp-sink", "-4", "-c", "-u", "postfix"),  # as root it wants a user
                    *(f"inet:127.0.0.1:{self.endpoint[1]}", str(_BACKLOG)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: answers(self.endpoint, b"220"), "smtp-sink ready", pause=0.02)
        except BaseException:
            self.close()
            raise

    def taken(self) -> int:
        """Returns how many messages it has answered with 250 so far."""
        # Records like `sess=3 quit=2 mesg=1\r`, one after each change.
        with self._counter.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST))
            whole = file.read().rpartition(b"\r")[0]
        return int(whole.rpartition(b"mesg=")[2] or 0)

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


class _Relay(Server):
    """What both sides share: recipients elsewhere, and a sink that they are counted at."""

    def start(self) -> None:
        """Starts the sink, then the server."""
        self.sink = Sink(self.home.parent / f"{self.home.name}.sink")
        super().start()  # type: ignore[safe-super]
        self.accounts = [
            Account(f"m{n}", f"m{n}@{DOMAIN}", "") for n in range(1, self.mailboxes + 1)
        ]

    def delivered(self) -> int:
        """Counts what the sink has taken."""
        return self.sink.taken()

    def stop(self) -> None:
        """Stops the server, then the sink."""
        try:
            super().stop()
        finally:
            with contextlib.suppress(AttributeError):  # it was not started
                self.sink.close()


class PostfixRelay(_Relay, peers.Postfix):
    """Postfix that sends everything to the sink."""

    name = "postfix-relay"

    def more_settings(self) -> dict[str, str]:
        """Names the sink as the relay host."""
        host, port = self.sink.endpoint
        return {"relayhost": f"[{host}]:{port}"}

    def describe(self) -> dict[str, Any]:
        """Returns what Postfix says, and how it sends."""
        return {**super().describe(), "delivery": "smtp(8) to relayhost, smtp-sink of Postfix"}


class PosthouseRelay(_Relay, Posthouse):
    """Posthouse that sends everything to the sink."""

    name = "posthouse"

    def settings(self) -> dict[str, str]:
        """Names the sink as the smart host, and the client as one that may relay."""
        host, port = self.sink.endpoint
        return {
            **super().settings(),
            "smarthost.enabled": "yes",
            "smarthost.host": f"{host}:{port}",
            "relay.privileged_ranges": "127.0.0.1",
        }

    def describe(self) -> dict[str, Any]:
        """Returns what Posthouse says, and how it sends."""
        return {
            **super().describe(),
            "delivery": "the sender to smarthost.host, smtp-sink of Postfix",
            "fsync of results": "one for a group of messages that the sink has taken",
        }
