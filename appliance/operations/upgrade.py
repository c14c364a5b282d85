"""Bringing a home's databases to this program's version."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.script import ScriptDirectory

from appliance.database.databases import Databases
from appliance.database.migrate import upgrade
from appliance.database.schema import Schema, version
from appliance.operations.house import House
from appliance.operations.operation import Action, Clash, Invalid, Question
from appliance.operations.services import running
from appliance.rules.access import Permission


@dataclass(frozen=True, slots=True)
class Step:
    """A database that is of another version than the program."""

    database: str
    found: str
    wanted: str


def check_stopped(house: House) -> None:
    """Check that no service of a home runs; raises Clash."""
    services = ", ".join(sorted({process.service for process in running(house)}))
    if services:
        raise Clash(f"stop the services first: {services} still run on this home")


def migrate(databases: Databases, *, really: bool) -> list[Step]:
    """Find the databases of another version, and migrate them if that is really meant.

    Raises:
        Invalid: one was made by a newer program.
    """
    steps = []
    for name, schema, database in databases.existing():
        try:
            found = version(database, schema)
            if found in (None, schema.head):
                continue
            check_known(name, schema, str(found))
            steps.append(Step(name, str(found), schema.head))
            if really:
                upgrade(database, schema)
        finally:
            database.release()
    return steps


def check_known(name: str, schema: Schema, found: str) -> None:
    """Check that a database's version is this program's or an earlier one.

    Raises:
        Invalid: it is a newer program's.
    """
    folder = str(schema.versions)
    script = ScriptDirectory(folder, version_locations=[folder])
    if found not in {each.revision for each in script.walk_revisions()}:
        raise Invalid(
            f"the {name} database is at version {found}, which this program does not know: "
            "it was made by a newer one; install that"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUpgrade(Question[list[Step]]):
    """What an upgrade would do."""

    name = "upgrade.plan"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[Step]:
        """Return the databases that are of another version; Invalid for a newer program's."""
        return migrate(house.databases, really=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeDatabases(Action[list[Step]]):
    """Migrate every database that is of an earlier version."""

    name = "upgrade.run"
    permission = Permission.SERVER_CHANGE

    def carry_out(self, house: House) -> list[Step]:
        """Migrate; returns what was done; Clash while services run."""
        check_stopped(house)
        return migrate(house.databases, really=True)
