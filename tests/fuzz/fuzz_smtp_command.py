"""Any octets as a command line: a command that makes sense, or a refusal that fits a line."""

from __future__ import annotations

import sys

from appliance.mail.address import Address
from appliance.mail.envelope import Notify
from appliance.protocol.smtp_command import CommandError, Mail, Rcpt, parse_command
from appliance.protocol.xtext import decode_orcpt, encode_orcpt

MAX_REPLY_LINE = 512  # RFC 5321 §4.5.3.1.5


def fuzz_one(data: bytes) -> None:
    """Read `data` as one command line."""
    try:
        command = parse_command(data, local_domain="demo.test")
    except CommandError as error:
        reply = error.reply
        assert reply.is_permanent
        assert reply.status.startswith("5.")
        lines = reply.encode(utf8=True).splitlines(keepends=True)
        assert all(line.endswith(b"\r\n") and len(line) <= MAX_REPLY_LINE for line in lines)
        return
    assert not {0, 10, 13} & set(data)
    if isinstance(command, Mail):
        if command.reverse_path is not None:
            assert Address.parse(str(command.reverse_path)) == command.reverse_path
        assert command.envid is None or command.envid.isascii()
    if isinstance(command, Rcpt):
        recipient = command.recipient
        assert Address.parse(str(recipient.address)) == recipient.address
        assert recipient.notify is None or (Notify.NEVER in recipient.notify) <= (
            len(recipient.notify) == 1
        )
        if recipient.orcpt is not None:
            assert decode_orcpt(encode_orcpt(recipient.orcpt, utf8=False)) == recipient.orcpt


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
