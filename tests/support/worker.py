"""A second process for tests: does one thing, says when, and waits to be told to go on.

Usage: worker.py VERB JSON. It speaks in lines on standard output; a line on standard input, or its
end, lets it go on.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from appliance.database.listen import listen
from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.operations.house import Config, House
from appliance.queue.entry import Origin
from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell, Ringer
from appliance.runtime.logs import Exchange, Logs
from appliance.store.maildrop_lock import maildrop_locks


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def wait() -> None:
    sys.stdin.readline()


def _house(home: str, url: str) -> House:
    return House(Config(Path(home), url, Path(home) / "config" / "key", "other"))


def submit(home: str, url: str, count: int, size: int) -> None:
    """Submit messages one after the other, and say each id once it is durable."""
    house = _house(home, url)
    say("ready")
    wait()
    for _ in range(count):
        content = house.queue.content()
        content.write(b"Subject: many\r\n\r\n" + b"x" * size)
        recipients = (Recipient(Address.parse("alice@alpha.test")),)
        say(house.queue.submit(Envelope(None, recipients), content, Origin(kind="SMTP")))
    house.close()


def fail_logins(home: str, url: str, count: int) -> None:
    """Count failed logins of one name, lazily."""
    house = _house(home, url)
    say("ready")
    wait()
    for _ in range(count):
        house.throttle.count("login alice@alpha", within_s=10_000)
    house.close()


def lock(home: str, url: str, mailbox: int) -> None:
    """Lock a maildrop, and keep it until told otherwise."""
    house = _house(home, url)
    locks = maildrop_locks(house.databases.store(1), house.home)
    say("locked" if locks.acquire(mailbox) else "taken")
    wait()
    locks.release(mailbox)
    say("released")
    wait()


def log(home: str, name: str, count: int) -> None:
    """Write lines into the Activity log."""
    logs = Logs(Path(home), "SMTP")
    say("ready")
    wait()
    for number in range(count):
        logs.exchange(
            Exchange(kind="SMTP-IN", command="NOOP", details=f"{name} {number} " + "x" * 300)
        )
        if number % 7 == 0:
            logs.flush()
    logs.close()


def bell(directory: str, service: str) -> None:
    """Bind a doorbell and say when it has rung."""
    found = Doorbell(Path(directory), service)
    say(found.path)
    say("rang" if found.wait(30) else "silent")
    found.close()


def ring(directory: str, service: str) -> None:
    """Ring a service."""
    Ringer(Path(directory)).ring(service)


def count(directory: str, service: str) -> None:
    """Count something and answer for it until told otherwise."""
    for command, response in (
        ("RCPT", "250 2.1.5 fine"),
        ("RCPT", "250 2.1.5 fine"),
        ("RCPT", "550 5.1.1 no"),
    ):
        metrics.EXCHANGES.add("SMTP-IN", command, response)
    for response in ("-ERR [AUTH] no", "+OK"):
        metrics.EXCHANGES.add("POP3-IN", "PASS", response)
    metrics.NOTES.labels("SMTP", "warning").inc()
    say(metrics.serve(Path(directory), service))
    wait()


def hear_notifications(url: str, service: str) -> None:
    """Say each time PostgreSQL rings a service."""
    listen(url, service, lambda: say("woken"))
    wait()


def die_with_bell(directory: str, service: str) -> None:
    """Leave a dead socket behind."""
    say(Doorbell(Path(directory), service).path)
    os._exit(0)


VERBS = {
    each.__name__: each
    for each in (
        *(submit, fail_logins, lock, log, bell, ring, count),
        *(hear_notifications, die_with_bell),
    )
}


def main(verb: str, given: str) -> None:
    arguments: dict[str, Any] = json.loads(given)
    VERBS[verb](**arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
