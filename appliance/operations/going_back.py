"""How going back is planned: what was, from the change log; what is; and the operations between.

Each kind of object knows which of its changes can be reverted. A mailbox or a post office is never
made or deleted: its mail, its password and its tokens could not be brought back, or would be lost.

Owns: nothing. Never: changes anything; `revisions` carries a plan out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, auto
from typing import Any

from sqlalchemy import func, select

from appliance.database.database import Source
from appliance.database.statement import Row, Statement, param
from appliance.directory import tables
from appliance.directory.lookup import Directory
from appliance.directory.records import Domain, Mailbox, Role
from appliance.mail.address import Address
from appliance.operations.addresses import CreateAddress, DeleteAddress
from appliance.operations.domains import CreateDomain, DeleteDomain, EnableDomain
from appliance.operations.house import House
from appliance.operations.mailboxes import EditMailbox, EnableMailbox
from appliance.operations.operation import Change, Invalid
from appliance.operations.postoffices import EnablePostOffice
from appliance.operations.settings import ChangeSetting, checked_value
from appliance.settings import catalogue
from appliance.settings.setting import Scope, Setting, SettingsError

_PAGE = 1000
_r = tables.revisions.c
_COLUMNS = (_r.number, _r.at, _r.operation, _r.object, _r.before, _r.after)
_SINCE = Statement(
    select(*_COLUMNS).where(_r.number > param("past")).order_by(_r.number).limit(param("most"))
)
_ONE = Statement(select(*_COLUMNS).where(_r.number == param("this")))
_LATER = Statement(
    select(_r.number).where(_r.object == param("about"), _r.number > param("past")).limit(1)
)
_IN_DOMAIN = Statement(
    select(func.count()).where(
        tables.addresses.c.domain_id == param("domain"), tables.addresses.c.deleted_at == 0
    )
)
_DESTINATION = re.compile(r"\[SF:([^/]+)/(.+)\]", re.DOTALL)
_CREDENTIALS = ("operator", "token")
_EDITED = [each.name for each in fields(EditMailbox) if each.name != "mailbox"]


class _Turn(IntEnum):
    """In which order steps are taken: names are free before they are given again."""

    SETTING = auto()
    POSTOFFICE = auto()
    ADDRESS_GOES = auto()
    DOMAIN_GOES = auto()
    DOMAIN_COMES = auto()
    DOMAIN = auto()
    ADDRESS_COMES = auto()
    MAILBOX = auto()


@dataclass(frozen=True, slots=True)
class Planned:
    """A step with the operation that takes it.

    Attributes:
        turn: steps are taken in this order.
        object: what it is about, as revisions name it.
        text: from what to what.
        change: the operation.
        prepared: what its `prepare` would have returned.
    """

    turn: int
    object: str
    text: str
    change: Change[Any]
    prepared: str = ""


@dataclass(slots=True)
class Past:
    """What an object was at the time gone back to, as far as later changes tell.

    Attributes:
        existed: it was there.
        values: what was changed later, as it was.
        others: what was changed later and was not told before: a password.
        was_replaced: it was deleted later; what is there now under its name is another.
        latest: names and values of all later states, for what values alone don't tell.
    """

    existed: bool = True
    values: dict[str, Any] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    was_replaced: bool = False
    latest: dict[str, Any] = field(default_factory=dict)
    _is_told: bool = False

    def learn(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Take the next later change."""
        self.latest |= {**(before or {}), **(after or {})}
        if self._is_told:
            return
        if before is None:  # made: not there before, or deleted with something larger
            self.existed = self.was_replaced = bool(self.values or self.others)
            self._is_told = True
            return
        self.values = {**before, **self.values}
        self.others |= (after or {}).keys() - before.keys()
        if after is None:
            self.was_replaced = self._is_told = True


def revision(source: Source, number: int) -> Row | None:
    """Return one line of the change log: number, at, operation, object, before, after."""
    with source.reader() as connection:
        return connection.row(_ONE, {"this": number})


def has_changed_since(source: Source, about: str, number: int) -> bool:
    """Tell whether an object has a later revision."""
    with source.reader() as connection:
        return connection.value(_LATER, {"about": about, "past": number}) is not None


def since(source: Source, number: int) -> Iterator[Row]:
    """Yield the change log after a revision, the oldest first."""
    while True:
        with source.reader() as connection:
            rows = connection.rows(_SINCE, {"past": number, "most": _PAGE})
        yield from rows
        if len(rows) < _PAGE:
            return
        number = rows[-1].number


class Planner:
    """Plans the way from what is to what was."""

    def __init__(self, house: House, source: Source, rows: Iterable[Row]) -> None:
        """Learn from the changes that are to be reverted.

        Args:
            house: whose settings' values are checked.
            source: the directory, or a transaction in it.
            rows: of the change log, the oldest first.
        """
        self.steps: list[Planned] = []
        self.kept: dict[str, str] = {}
        self._house = house
        self._source = source
        self._directory = Directory(source)
        self._past: dict[str, Past] = {}
        self._domains_going: set[str] = set()
        self._domains_coming: dict[str, str] = {}  # name -> post office
        for row in rows:
            self._past.setdefault(row.object, Past()).learn(_read(row.before), _read(row.after))

    def plan(self) -> None:
        """Fill `steps`, in their order, and `kept`, each object's reason."""
        by_noun: dict[str, list[tuple[str, Past]]] = {}
        for about, past in self._past.items():
            noun, _, name = about.partition(" ")
            by_noun.setdefault(noun, []).append((name, past))
        self._settings(by_noun.pop("setting", []))
        kinds = {
            "postoffice": self._postoffice,
            "domain": self._domain,
            "mailbox": self._mailbox,
            "address": self._address,  # after those it depends on
        }
        for noun, method in kinds.items():
            for name, past in by_noun.pop(noun, []):
                method(name, past)
        for noun, found in by_noun.items():
            for name, _ in found:
                self._keep(
                    f"{noun} {name}",
                    "Accounts and tokens of those who run the server are never touched."
                    if noun in _CREDENTIALS
                    else "This can't be brought back.",
                )
        self.steps.sort(key=lambda step: (step.turn, step.object))

    # Settings

    def _settings(self, found: list[tuple[str, Past]]) -> None:
        current = {
            (name, scope, subject): text
            for name, scope, subject, text in self._directory.setting_rows()[1]
        }
        wanted: dict[str, list[tuple[Setting[Any], str | None, str | None]]] = {}  # by node
        for about, past in found:
            name, _, node = about.partition(" on ")
            try:
                setting = catalogue.named(name)
            except SettingsError:
                self._keep(f"setting {about}", "This version has no such setting.")
                continue
            if setting.secret:
                self._keep(f"setting {about}", "It is a secret; the change log has none.")
                continue
            now = current.get((name, Scope.NODE if node else Scope.SERVER, node))
            if now != past.values.get("value"):
                wanted.setdefault(node, []).append((setting, now, past.values.get("value")))
        for node, each in wanted.items():
            self._settings_of(node, each)

    def _settings_of(
        self, node: str, wanted: list[tuple[Setting[Any], str | None, str | None]]
    ) -> None:
        together = {setting.name: text or "" for setting, _, text in wanted}
        for setting, now, was in wanted:
            about = f"setting {setting.name}" + (f" on {node}" if node else "")
            change = ChangeSetting(setting=setting.name, value=was, node=node)
            try:
                prepared = checked_value(self._house, change, together=together)
            except Invalid as error:
                self._keep(about, f"Its value then would be wrong now: {error}.")
                continue
            text = (
                f"{about.removeprefix('setting ')}: {_told(setting, now)} → {_told(setting, was)}"
            )
            self.steps.append(Planned(_Turn.SETTING, about, text, change, prepared))

    # Post offices and mailboxes: what they are may change, that they are stays

    def _postoffice(self, name: str, past: Past) -> None:
        about = f"postoffice {name}"
        found = self._directory.postoffice(name)
        if not self._stays(about, past, is_there=found is not None) or found is None:
            return
        enabled = past.values.get("enabled", found.enabled)
        if enabled != found.enabled:
            change = EnablePostOffice(postoffice=found.name, enabled=enabled)
            self._step(_Turn.POSTOFFICE, about, _switched(enabled), change)

    def _mailbox(self, login: str, past: Past) -> None:
        about = f"mailbox {login}"
        found = self._directory.mailbox(login)
        if not self._stays(about, past, is_there=found is not None) or found is None:
            return
        if "password" in past.others:
            self._keep(about, "Its password was changed; earlier passwords are not kept.")
        enabled = past.values.get("enabled", found.enabled)
        if enabled != found.enabled:
            change = EnableMailbox(mailbox=found.login, enabled=enabled)
            self._step(_Turn.MAILBOX, about, _switched(enabled), change)
        changed: dict[str, Any] = {}
        for name in _EDITED:
            value = past.values.get(name, getattr(found, name))
            if value != getattr(found, name):
                changed[name] = Role(value) if name == "role" else value
        if changed:
            text = ", ".join(_edited(found, name, value) for name, value in changed.items())
            edit = EditMailbox(mailbox=found.login, **changed)
            self._step(_Turn.MAILBOX, about, text, edit)

    def _stays(self, about: str, past: Past, *, is_there: bool) -> bool:
        """Tell whether it is the same as it was then; else say why it is kept as it is."""
        if not past.existed:
            if is_there:
                self._keep(about, "It was made since and may hold mail: delete it by hand.")
            return False
        if past.was_replaced or not is_there:
            self._keep(
                about,
                "It was deleted since, and what has its name now is another."
                if is_there
                else "It was deleted: its mail may be gone, and passwords are not kept.",
            )
            return False
        return True

    def _is_gone(self, noun: str, name: str) -> bool:
        """Tell whether a mailbox or post office of then is no longer there, or is another."""
        past = self._past.get(f"{noun} {name}")
        if past is not None and (past.was_replaced or not past.existed):
            return True
        if noun == "postoffice":
            return self._directory.postoffice(name) is None
        owner = name.rpartition("@")[2]
        return self._directory.mailbox(name) is None or self._is_gone("postoffice", owner)

    # Domains and addresses: whole

    def _domain(self, name: str, past: Past) -> None:
        about = f"domain {name}"
        found = self._directory.domain(name)
        if not past.existed:
            if found is not None and self._is_gone("postoffice", found.postoffice):
                owner = found.postoffice
                self._keep(about, f"It belongs to the post office {owner}, which was made since.")
            elif found is not None:
                self._domain_goes(found)
            return
        owner = past.values.get("postoffice", "")
        if not owner and found is not None and not past.was_replaced:
            owner = found.postoffice
        if not owner or self._is_gone("postoffice", owner):
            self._keep(about, "The post office it belonged to is gone.")
            return
        enabled = past.values.get("enabled", found.enabled if found else True)
        if found is None or found.postoffice.casefold() != owner.casefold():
            if found is not None:
                self._domain_goes(found)
            self._domains_coming[name] = owner
            create = CreateDomain(domain=name, postoffice=owner, addresses=False)
            self._step(_Turn.DOMAIN_COMES, about, f"created, for the post office {owner}", create)
            if enabled:
                return
        elif enabled == found.enabled:
            return
        change = EnableDomain(domain=name, enabled=enabled)
        self._step(_Turn.DOMAIN, about, _switched(enabled), change)

    def _domain_goes(self, found: Domain) -> None:
        self._domains_going.add(found.name)
        with self._source.reader() as connection:
            count = connection.value(_IN_DOMAIN, {"domain": found.id})
        with_it = "1 address" if count == 1 else f"{count} addresses"
        text = f"deleted from the post office {found.postoffice}, with {with_it}"
        change = DeleteDomain(domain=found.name)
        self._step(_Turn.DOMAIN_GOES, f"domain {found.name}", text, change)

    def _address(self, key: str, past: Past) -> None:
        about = f"address {key}"
        address = Address.parse(past.values.get("address") or past.latest["address"])
        found = self._directory.address(address)
        goes = address.domain in self._domains_going
        if not past.existed:
            if found is None or goes:
                return
            login = f"{found.mailbox}@{found.postoffice}"
            if self._is_gone("mailbox", login):  # another one than then: it is kept
                self._keep(about, f"It belongs to the mailbox {login}, which was made since.")
            else:
                self._step(_Turn.ADDRESS_GOES, about, "deleted", _delete(address))
            return
        destination = past.values.get("destination", "")
        if found is not None and not goes and found.destination == destination:
            return
        login = _login(destination)
        owner = login.rpartition("@")[2]
        if not login or self._is_gone("mailbox", login):
            self._keep(about, f"The mailbox it led to, {login or destination}, is gone.")
        elif not self._will_host(address.domain, owner):
            self._keep(about, f"{address.domain} is no domain of the post office {owner} any more.")
        else:
            text = f"leads to {destination}"
            if found is not None and not goes:
                text += f" in place of {found.destination}"
                self.steps.append(
                    Planned(_Turn.ADDRESS_GOES, about, f"{key}: taken away", _delete(address))
                )
            create = CreateAddress(address=str(address), mailbox=login)
            self._step(_Turn.ADDRESS_COMES, about, text, create)

    def _will_host(self, domain: str, owner: str) -> bool:
        coming = self._domains_coming.get(domain)
        if coming is None and domain not in self._domains_going:
            found = self._directory.domain(domain)
            coming = found.postoffice if found else None
        return coming is not None and coming.casefold() == owner.casefold()

    def _step(self, turn: _Turn, about: str, text: str, change: Change[Any]) -> None:
        name = about.partition(" ")[2]
        self.steps.append(Planned(turn, about, f"{name}: {text}", change))

    def _keep(self, about: str, text: str) -> None:
        self.kept.setdefault(about, text)


def _read(text: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def _delete(address: Address) -> DeleteAddress:
    return DeleteAddress(address=str(address))


def _login(destination: str) -> str:
    """Return the mailbox that a line of the address map leads to; empty for none."""
    match = _DESTINATION.fullmatch(destination)
    return f"{match[2]}@{match[1]}" if match else ""


def _told(setting: Setting[Any], text: str | None) -> str:
    shown = setting.kind.render(setting.default) if text is None else text
    return (shown or "(empty)") + (" (default)" if text is None else "")


def _switched(enabled: object) -> str:
    return "enabled" if enabled else "disabled"


def _edited(found: Mailbox, name: str, value: object) -> str:
    words = name.replace("_", " ").replace("quota kb", "quota (KiB)")
    return f"{words} {getattr(found, name) or '(none)'} → {value or '(none)'}"
