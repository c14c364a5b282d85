"""One message as an SMTP client sends it: whether the peer takes it, its commands, its results.

Standards: RFC 5321 §3.3, §4.5.3.1.10; RFC 1870 §6.1 (SIZE); RFC 3461 §5.2.1 (DSN parameters);
    RFC 6152 (BODY); RFC 6531 §3.5 (SMTPUTF8).
Owns: the results of a transaction while it runs.
Never: the order of the session; SmtpClient has that.
Failure: a message beyond what the peer takes is a refusal, a Reply of our own.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.mail.reply import Reply
from appliance.protocol.smtp_client_events import RecipientResult, Stage
from appliance.protocol.xtext import encode_orcpt, encode_xtext

__all__ = ["Transaction", "mail_argument", "rcpt_argument", "refusal"]


class Transaction:
    """The replies to one message so far, and the result of each recipient.

    Attributes:
        mail: The reply to MAIL; None before it and after the content.
        answered: How many replies to RCPT have come.
        accepted: How many of them were positive.
        is_content_due: The peer waits for the content.
        results: By the recipient's index; the first decision about each stays.
    """

    __slots__ = ("_count", "accepted", "answered", "is_content_due", "mail", "results")

    def __init__(self, count: int) -> None:
        """Begin for so many recipients."""
        self._count = count
        self.mail: Reply | None = None
        self.answered = 0
        self.accepted = 0
        self.is_content_due = False
        self.results: dict[int, RecipientResult] = {}

    @property
    def is_open(self) -> bool:
        """Whether the peer has begun the transaction."""
        return self.mail is not None and self.mail.is_positive

    @property
    def stage(self) -> Stage:
        """What is being asked now."""
        if not self.is_open:
            return "mail"
        return "rcpt" if self.answered < self._count else "data"

    def decide(self, reply: Reply, stage: Stage) -> None:
        """Give this result to every recipient that has none."""
        for index in range(self._count):
            self.results.setdefault(index, RecipientResult(index, reply, stage))

    def take_rcpt(self, reply: Reply) -> None:
        """Note the reply to the next RCPT."""
        index = self.answered
        self.answered += 1
        if reply.is_positive:
            self.accepted += self.is_open
            return
        if reply.code == 552 and reply.status in ("", "5.5.3"):
            # RFC 5321 §4.5.3.1.10: an old way to say that there are too many recipients
            reply = Reply(452, "4.5.3", reply.text)
        self.results.setdefault(index, RecipientResult(index, reply, "rcpt"))


def refusal(envelope: Envelope, *, size: int, extensions: Mapping[str, str]) -> Reply | None:
    """Why a message can't be sent to a peer with these extensions; None if it can."""
    limit = extensions.get("SIZE", "")
    if limit.isascii() and limit.isdecimal() and 0 < int(limit) < size:  # RFC 1870 §6.1
        text = f"the message has {size} octets and the peer takes no more than {int(limit)}"
        return Reply(552, "5.3.4", text)
    if _needs_utf8(envelope) and "SMTPUTF8" not in extensions:  # RFC 6531 §3.5
        text = "the message needs SMTPUTF8 and the peer does not offer it"
        return Reply(553, "5.6.7", text)
    return None


def mail_argument(envelope: Envelope, *, size: int, extensions: Mapping[str, str]) -> str:
    """What follows MAIL: the reverse-path and those parameters that the peer knows."""
    words = [f"FROM:<{envelope.reverse_path or ''}>"]
    if "SIZE" in extensions:
        words.append(f"SIZE={size}")
    if envelope.body == "8BITMIME" and "8BITMIME" in extensions:
        words.append("BODY=8BITMIME")
    if _needs_utf8(envelope):
        words.append("SMTPUTF8")
    if "DSN" in extensions:  # RFC 3461 §5.2.1
        if envelope.ret is not None:
            words.append(f"RET={envelope.ret}")
        if envelope.envid is not None:
            words.append(f"ENVID={encode_xtext(envelope.envid)}")
    return " ".join(words)


def rcpt_argument(recipient: Recipient, *, extensions: Mapping[str, str]) -> str:
    """What follows RCPT: the forward-path and those parameters that the peer knows."""
    words = [f"TO:<{recipient.address}>"]
    if "DSN" in extensions:  # RFC 3461 §5.2.1
        if recipient.notify:
            words.append("NOTIFY=" + ",".join(word for word in Notify if word in recipient.notify))
        if recipient.orcpt is not None:
            words.append(f"ORCPT={encode_orcpt(recipient.orcpt, utf8=False)}")
    return " ".join(words)


def _needs_utf8(envelope: Envelope) -> bool:
    return (
        envelope.smtputf8
        or not (envelope.reverse_path is None or envelope.reverse_path.is_ascii)
        or not all(recipient.address.is_ascii for recipient in envelope.recipients)
    )
