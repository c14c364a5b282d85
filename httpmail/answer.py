"""An answer before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from httpmail.multistatus import CONTENT_TYPE, MultiStatus


@dataclass(slots=True)
class Answer:
    """A status, what the header says, and the body.

    Attributes:
        status: of HTTP.
        phrase: why, in words; the status's usual one where it is empty.
        headers: without Content-Length, which is always sent.
        body: the octets; closed after sending if it can be.
        length: how many they are.
        message_id: the queue's id of what was sent, for the log.
    """

    status: int
    phrase: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Iterable[bytes] = ()
    length: int = 0
    message_id: str = ""

    @property
    def line(self) -> str:
        """The status with its phrase."""
        return f"{self.status} {self.phrase or HTTPStatus(self.status).phrase}"


def multi_status(found: MultiStatus) -> Answer:
    """Answer with a multistatus that is complete."""
    length = found.finish()
    return Answer(207, headers=[("Content-Type", CONTENT_TYPE)], body=found, length=length)


def created(location: str) -> Answer:
    """Answer that something came into being, and where it is."""
    return Answer(201, headers=[("Location", location)])


def plain(status: int, text: str, phrase: str = "") -> Answer:
    """Answer with a sentence for people."""
    body = f"{text}\r\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    return Answer(status, phrase, headers, (body,), len(body))
