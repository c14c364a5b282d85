"""A home's databases: where they are, opened once, closed when there are too many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.database.databases import Databases, _fitting_stores
from appliance.database.errors import SchemaMismatch, UnsafeHome
from appliance.operations.house import SCHEMAS, House

PLACES = {
    "directory": "config/directory.db",
    "sessions": "config/sessions.db",
    "queue": "queues/queue.db",
    "journey": "queues/journey.db",
    "state": "run/state.db",
}


def test_each_role_has_a_database_of_its_own_opened_once(house: House) -> None:
    found = {role: house.databases.get(role) for role in PLACES}
    assert len({id(database) for database in found.values()}) == len(PLACES)
    for role, database in found.items():
        assert house.databases.get(role) is database
        assert database.name == role


def test_databases_lie_where_the_design_says(house: House, database_url: str) -> None:
    for role in PLACES:
        house.databases.get(role)
    house.databases.store(7)
    found = {str(path.relative_to(house.home)) for path in house.home.rglob("*.db")}
    assert found == (set() if database_url else {*PLACES.values(), "postoffices/7/mail.db"})


def test_sqlite_commits_wait_for_the_disk_but_where_they_may_be_lazy(tmp_path: Path) -> None:
    # synchronous: 2 is FULL, 1 is NORMAL
    databases = Databases(tmp_path, "", SCHEMAS)
    database = databases.get("queue")
    for lazy, expected in ((False, 2), (True, 1)):
        raw = database.engine.connect(writes=True, lazy=lazy)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA synchronous").fetchone() == (expected,)
        assert raw.execute("PRAGMA page_size").fetchone() == (16384,)
        raw.close()
    databases.release()


def test_home_is_for_its_owner_only(house: House) -> None:
    assert house.home.stat().st_mode & 0o777 == 0o700


def test_many_threads_that_open_at_once_share_one_database(house: House) -> None:
    together = threading.Barrier(8, timeout=20)
    found: list[object] = []

    def open_it() -> None:
        together.wait()
        found.append(house.databases.get("queue"))
        found.append(house.databases.store(3))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 16
    assert len({id(each) for each in found}) == 2


def test_released_databases_open_again(house: House) -> None:
    before = house.databases.get("state")
    house.throttle.count("login a", within_s=900)
    house.databases.store(1)
    house.close()
    assert house.databases.get("state") is not before
    assert house.throttle.failures("login a", within_s=900) == 1
    house.databases.store(1)


def test_only_so_many_tenants_files_are_open(house: House, database_url: str) -> None:
    house.databases.keep_stores(2)
    first = house.databases.store(1)
    house.databases.store(2)
    assert house.databases.store(1) is first
    house.databases.store(3)  # 2 was used the longest time ago
    assert house.databases.store(1) is first
    if database_url:  # one database for all
        assert house.databases.store(2) is first


@pytest.mark.parametrize(
    ("descriptors", "stores"), [(256, 32), (1024, 64), (4096, 448), (16_384, 1024)]
)
def test_open_tenants_files_fit_into_the_descriptors_there_are(
    descriptors: int, stores: int
) -> None:
    assert _fitting_stores(1024, descriptors) == stores
    assert _fitting_stores(8, descriptors) == 8


def test_many_open_tenants_files_keep_less_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.database.databases._ROOMY_STORES", 1)
    databases = Databases(tmp_path, "", SCHEMAS)
    for postoffice_id, expected in ((1, -4096), (2, -256)):
        raw = databases.store(postoffice_id).engine.connect(writes=True)
        assert raw.execute("PRAGMA cache_size").fetchone() == (expected,)
        raw.close()
    databases.release()


def test_dropped_tenant_leaves_no_folder(house: House) -> None:
    house.databases.store(4)
    folder = house.home / "postoffices" / "4"
    (folder / "content").mkdir(parents=True, exist_ok=True)
    house.databases.drop_store(4)
    assert not folder.exists()
    house.databases.drop_store(4)  # twice is once


def test_existing_databases_are_listed_without_making_any(
    open_house: Callable[[], House], database_url: str
) -> None:
    house = open_house()
    if not database_url:
        assert list(house.databases.existing()) == []
    for role in PLACES:
        house.databases.get(role)
    for postoffice_id in (1, 2):
        house.databases.store(postoffice_id)
    found = []
    for name, schema, database in open_house().databases.existing():
        assert name.startswith(schema.role)
        found.append(name)
        database.release()
    stores = ["store"] if database_url else ["store 1", "store 2"]
    assert sorted(found) == sorted([*PLACES, *stores])


def test_home_of_another_version_is_refused(
    open_house: Callable[[], House], request: pytest.FixtureRequest
) -> None:
    house = open_house()
    version = "UPDATE alembic_version_queue SET version_num = '{}'"

    def set_to(number: str) -> None:
        database = house.databases.get("queue")
        database.transact(lambda transaction: transaction.script(version.format(number)))

    set_to("queue9999")
    request.addfinalizer(lambda: set_to(SCHEMAS["queue"].head))
    with pytest.raises(SchemaMismatch, match="queue9999"):
        open_house().databases.get("queue")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.sshfs", "9p"])
def test_sqlite_home_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("appliance.database.sqlite._file_system_type", lambda path: kind)
    with pytest.raises(UnsafeHome, match=f"network file system \\({kind}\\).*database.url"):
        Databases(tmp_path, "", SCHEMAS)
    Databases(tmp_path, "postgresql://nobody@/nothing", SCHEMAS)  # keeps nothing there
