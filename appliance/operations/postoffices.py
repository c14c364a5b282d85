"""Post offices: the tenants (manual §5.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import insert, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.lookup import fold
from appliance.directory.passwords import hash_password
from appliance.directory.records import PostOffice, Role
from appliance.operations.checks import checked_name, checked_password, found_postoffice
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, Question, Work
from appliance.rules.access import Permission

ADMIN = "ADMIN"  # the mailbox every post office begins with (manual §2.8)

_p = tables.postoffices.c
_INSERT = Statement(
    insert(tables.postoffices).returning(_p.id),
    ("name", "name_key", "enabled", "created_at", "deleted_at"),
)
INSERT_MAILBOX = Statement(
    insert(tables.mailboxes).returning(tables.mailboxes.c.id),
    (
        "postoffice_id", "name", "name_key", "role", "enabled", "password_hash", "created_at",
        "deleted_at", "full_name", "quota_kb", "last_login_at",
    ),
)  # fmt: skip
_ENABLE = Statement(
    update(tables.postoffices).where(_p.id == param("po")).values(enabled=param("value"))
)
_BURY = [
    Statement(
        update(table)
        .where(column == param("po"), table.c.deleted_at == 0)
        .values(deleted_at=param("now"))
    )
    for table, column in (
        (tables.tokens, tables.tokens.c.postoffice_id),
        (tables.addresses, tables.addresses.c.postoffice_id),
        (tables.mailboxes, tables.mailboxes.c.postoffice_id),
        (tables.domains, tables.domains.c.postoffice_id),
        (tables.postoffices, _p.id),
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePostOffice(Change[PostOffice]):
    """Create a post office with its ADMIN mailbox.

    Attributes:
        postoffice: its name; often the customer's domain, which simplifies logins.
        password: of the ADMIN mailbox.
    """

    name = "postoffice.create"
    permission = Permission.POSTOFFICE_CHANGE
    postoffice: str
    password: str = field(repr=False)

    def object(self) -> str:
        """Return what it is about."""
        return f"postoffice {self.postoffice}"

    def prepare(self, house: House) -> str:
        """Check name and password."""
        checked_name(self.postoffice, "a post office", field="postoffice")
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> PostOffice:
        """Make the post office and ADMIN."""
        key = fold(self.postoffice)
        if work.directory.postoffice(self.postoffice) is not None:
            raise Clash(f"there is a post office {self.postoffice!r} already", field="postoffice")
        row = {
            "name": self.postoffice,
            "name_key": key,
            "enabled": 1,
            "created_at": work.now_us,
            "deleted_at": 0,
        }
        postoffice_id = work.transaction.value(_INSERT, row)
        work.transaction.value(
            INSERT_MAILBOX,
            {
                "postoffice_id": postoffice_id,
                "name": ADMIN,
                "name_key": fold(ADMIN),
                "role": Role.ADMIN,
                "enabled": 1,
                "password_hash": work.prepared,
                "created_at": work.now_us,
                "deleted_at": 0,
                "full_name": "",
                "quota_kb": 0,
                "last_login_at": 0,
            },
        )
        after = {"name": self.postoffice, "enabled": True}
        work.revise(self.object(), before=None, after=after, postoffice_id=postoffice_id)
        return PostOffice(postoffice_id, self.postoffice, enabled=True, created_at=work.now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnablePostOffice(Change[None]):
    """Enable a post office, or suspend it: no logins, no mail, nothing deleted.

    Attributes:
        postoffice: its name.
        enabled: false suspends it.
    """

    name = "postoffice.enable"
    permission = Permission.POSTOFFICE_CHANGE
    postoffice: str
    enabled: bool

    def object(self) -> str:
        """Return what it is about."""
        return f"postoffice {self.postoffice}"

    def apply(self, work: Work) -> None:
        """Set the state."""
        found = found_postoffice(work.directory, self.postoffice)
        if found.enabled == self.enabled:
            return
        work.transaction.run(_ENABLE, {"po": found.id, "value": int(self.enabled)})
        work.revise(
            f"postoffice {found.name}",
            before={"enabled": found.enabled},
            after={"enabled": self.enabled},
            postoffice_id=found.id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePostOffice(Change[None]):
    """Delete a post office with everything in it; housekeeping removes its mail.

    Attributes:
        postoffice: its name.
    """

    name = "postoffice.delete"
    permission = Permission.POSTOFFICE_CHANGE
    postoffice: str

    def object(self) -> str:
        """Return what it is about."""
        return f"postoffice {self.postoffice}"

    def apply(self, work: Work) -> None:
        """Bury it and all it has."""
        found = found_postoffice(work.directory, self.postoffice)
        for statement in _BURY:
            work.transaction.run(statement, {"po": found.id, "now": work.now_us})
        before = {"name": found.name, "enabled": found.enabled}
        about = f"postoffice {found.name}"
        work.revise(about, before=before, after=None, postoffice_id=found.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPostOffices(Question[list[PostOffice]]):
    """All post offices."""

    name = "postoffice.list"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[PostOffice]:
        """Return them by name."""
        return house.directory.postoffices()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPostOffice(Question[PostOffice]):
    """One post office.

    Attributes:
        postoffice: its name.
    """

    name = "postoffice.show"
    permission = Permission.MAILBOX_READ
    postoffice: str

    def owner(self) -> str:
        """Return the post office itself."""
        return self.postoffice

    def answer(self, house: House) -> PostOffice:
        """Return it."""
        return found_postoffice(house.directory, self.postoffice)
