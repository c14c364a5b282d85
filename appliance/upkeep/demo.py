"""A demonstration server: a post office with people and some mail, safe to start anywhere.

It differs from production in settings only, all of which are set here through operations.

Once it is furnished it is its owner's: a later start changes nothing in it, whatever was deleted.

Owns: `demo.json` and `ca.pem` in the home. Failure: OperationError, as any change; `Clash` for a
    home that is no demonstration.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.mail.letter import Attachment, Letter, write_letter
from appliance.mail.priority import Priority
from appliance.operations.domains import CreateDomain
from appliance.operations.house import House
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.messages import SendMessage
from appliance.operations.operation import Call, Change, Clash, perform
from appliance.operations.operators import CreateOperator
from appliance.operations.outgoing import send_letter
from appliance.operations.postoffices import CreatePostOffice
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from appliance.runtime.clock import to_datetime
from appliance.runtime.files import write_whole

_CALL = Call(Actor(ActorKind.SERVICE, "demo"), "serve")
_SETTINGS = {
    "smtp.local_domain": "demo.test",
    "smtp.listen": "127.0.0.1",
    "pop.listen": "127.0.0.1",
    "httpmail.listen": "127.0.0.1",
    "web.listen": "127.0.0.1",
    "auth.without_tls": "yes",
    "auth.default_postoffice": "demo",
    "smtp.dial_ranges": "127.0.0.0/8 ::1",
    "limits.exempt_ranges": "127.0.0.1",
}
_MAIL = (
    (
        "bob@demo.test",
        "alice@demo.test",
        "Lunch on Thursday?",
        "Hi Alice,\n\nthe place at the old post house has a new menu. Thursday at noon?\n\nBob\n",
    ),
    (
        "alice@demo.test",
        "bob@demo.test",
        "Re: Lunch on Thursday?",
        "Hi Bob,\n\nThursday at noon is fine. I'll bring the maps.\n\nAlice\n",
    ),
    (
        "postmaster@demo.test",
        "alice@demo.test",
        "Welcome to Posthouse",
        "This mailbox is yours. Your login for POP3 and for sending is alice@demo.\n",
    ),
)

_PROOFS = """\
<p>Hello Alice,</p>
<p>the wet proofs came this morning. The <b>blue is right now</b>: deep enough for the harbour
at night.</p>
<ul><li>Plate 14 is cropped two millimetres too tight at the left.</li>
<li>The caption of plate 9 needs its inventory number.</li></ul>
<p>How the wall looks:
<img src="https://press.example/wall.jpg" alt="the wall" width="320"></p>
<p>If you agree today,
<a href="https://press.example/slots">the printer can still take it</a>.</p>
<p>Bob</p>
"""
_CAPTIONS = "Plate 9: Night boats, L-0417\nPlate 14: The harbour, before the storm\n"
_PLATE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 40"><rect width="60" height="40" '
    'fill="#1d2f6f"/><path d="M12 26h36l-6 8H18z" fill="#f2c14e"/></svg>\n'
)


def furnish(house: House) -> list[dict[str, str]]:
    """Make the demonstration's post office, people, mail and settings, unless that was done.

    Returns:
        The accounts: login, address, password, role.

    Raises:
        Clash: the home has post offices and is no demonstration.
    """
    path = house.home / "demo.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
    elif house.directory.postoffices():
        raise Clash(
            f"the home {house.home} is in use and no demonstration, whose settings would replace "
            "its own: start it without --demo, or give a new home with --home"
        )
    else:
        found = {
            "ports": {},
            "accounts": [
                _account("ADMIN@demo", "ADMIN@demo.test", "admin"),
                _account("alice@demo", "alice@demo.test", "mailbox"),
                _account("bob@demo", "bob@demo.test", "mailbox"),
                _account("operator", "", "operator"),
            ],
        }
        _write(path, found)
    accounts: list[dict[str, str]] = found["accounts"]
    if not found.get("furnished"):  # also when a first start was cut off
        _furnish(house, accounts)
        _write(path, {**found, "furnished": True})
    return accounts


def _furnish(house: House, accounts: list[dict[str, str]]) -> None:
    admin, alice, bob, operator = accounts
    made: list[Change[Any]] = [
        CreatePostOffice(postoffice="demo", password=admin["password"]),
        CreateMailbox(mailbox=alice["login"], password=alice["password"], full_name="Alice Oakes"),
        CreateMailbox(mailbox=bob["login"], password=bob["password"], full_name="Bob Reed"),
        CreateOperator(operator="operator", password=operator["password"]),
        *(ChangeSetting(setting=name, value=value) for name, value in _SETTINGS.items()),
        CreateDomain(domain="demo.test", postoffice="demo"),  # the last: all is there
    ]
    for change in made:
        with contextlib.suppress(Clash):
            perform(house, _CALL, change)
    house.live.refresh()
    for sender, recipient, subject, text in _MAIL:
        message = SendMessage(sender=sender, recipients=(recipient,), subject=subject, text=text)
        perform(house, _CALL, message)
    for number, letter in enumerate(_letters(house)):
        _send(house, bob["login"], letter, key=f"demo {number}")


def _letters(house: House) -> list[Letter]:
    """Return what only webmail can show in full: rich text, files, another script, urgency."""
    bare = Letter(
        from_=("Bob Reed", "bob@demo.test"),
        to=("Alice Oakes <alice@demo.test>",),
        date=to_datetime(house.clock.now_us()),
        message_id="<demo@demo.test>",
    )
    captions = Attachment("captions.txt", "text/plain; charset=utf-8", lambda: [_CAPTIONS.encode()])
    plate = Attachment("plate-14.svg", "image/svg+xml", lambda: [_PLATE.encode()])
    return [
        replace(
            bare,
            subject="Night boats: proofs for the printer",
            html=_PROOFS,
            attachments=(captions, plate),
            message_id=f"<{house.queue.new_id()}@demo.test>",
        ),
        replace(
            bare,
            subject="موعد القارب الليلي",
            text="مرحبا أليس،\n\nيغادر القارب الساعة السابعة مساء يوم الخميس.\n\nبوب\n",  # noqa: RUF001 - Arabic
            priority=Priority.HIGH,
            message_id=f"<{house.queue.new_id()}@demo.test>",
        ),
    ]


def _send(house: House, login: str, letter: Letter, *, key: str) -> None:
    mailbox = house.directory.mailbox(login)
    assert mailbox is not None
    send_letter(
        house,
        mailbox=mailbox,
        client="127.0.0.1",
        envelope_from=letter.from_[1],
        recipients=[str(each) for each in letter.recipients()],
        octets=write_letter(letter, with_bcc=False),
        origin="WEBMAIL",
        key=key,
    )


def announce(home: Path, ports: Mapping[str, int], accounts: list[dict[str, str]]) -> None:
    """Write `demo.json` and `ca.pem`, for programs that want to try the server."""
    ca = home / "config" / "tls" / "ca.pem"
    if ca.exists():  # the services made it when they started
        shutil.copyfile(ca, home / "ca.pem")
        (home / "ca.pem").chmod(0o644)  # for clients of any user
    _write(home / "demo.json", {"furnished": True, "ports": dict(ports), "accounts": accounts})


def _account(login: str, address: str, role: str) -> dict[str, str]:
    password = secrets.token_urlsafe(9)
    return {"login": login, "address": address, "password": password, "role": role}


def _write(path: Path, found: Mapping[str, Any]) -> None:
    write_whole(path, [json.dumps(found, indent=2).encode(), b"\n"])
