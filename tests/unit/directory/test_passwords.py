"""Passwords as argon2id, and the short memory of those that were right (RFC 9106)."""

from __future__ import annotations

import time

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from appliance.directory import passwords
from appliance.directory.passwords import Passwords, hash_password

LOGIN, RIGHT = "alice@alpha", "correct horse"
STORED = hash_password(RIGHT)


def test_hash_is_argon2id_with_19_mib_and_two_passes() -> None:
    # RFC 9106 §4, OWASP's floor
    found = extract_parameters(STORED)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (
        *(Type.ID, 19 * 1024, 2, 1),
    )
    assert (found.salt_len, found.hash_len) == (16, 32)


def test_same_password_has_another_hash_each_time() -> None:
    assert hash_password(RIGHT) != STORED


@pytest.fixture(autouse=True, scope="module")
def _nobody_s_hash_is_known() -> None:
    passwords._nobody.cache_clear()  # noqa: SLF001 - another module may have hashed it cheaply
    passwords._nobody()  # noqa: SLF001 - the first to verify does that


@pytest.mark.parametrize(
    ("password", "stored", "expected"),
    [
        (RIGHT, STORED, True),
        ("wrong", STORED, False),
        ("", STORED, False),
        (RIGHT + "\0", STORED, False),
        ("\udcff", STORED, False),
        (RIGHT, None, False),  # the login does not exist
        (RIGHT, "", False),
        (RIGHT, "no hash", False),  # broken: a wrong password, no error
        (RIGHT, STORED[:-5], False),
    ],
    ids=range(9),  # a hash differs each time
)
def test_only_the_right_password_is_right(
    password: str, stored: str | None, expected: bool
) -> None:
    assert Passwords().verify(LOGIN, password, stored) == expected


@pytest.mark.parametrize("password", ["пароль", "漢字 🐎", "x" * 128, "\udcff\udc80 octets"])
def test_password_may_be_any_text(password: str) -> None:
    assert Passwords().verify(LOGIN, password, hash_password(password))


def test_unknown_login_costs_as_much_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Counting:
        def verify(self, stored: str, password: bytes) -> bool:
            verified.append(stored)
            return True

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    assert not Passwords().verify("nobody@alpha", RIGHT, None)
    assert len(verified) == 1
    assert extract_parameters(verified[0]) == extract_parameters(STORED)


# ── the memory ───────────────────────────────────────────────────────────────────────────────────


def test_right_password_is_remembered_for_its_login_and_hash_alone() -> None:
    memory = Passwords()
    assert not memory.remembers(LOGIN, RIGHT, STORED)
    memory.verify(LOGIN, RIGHT, STORED)
    assert memory.remembers(LOGIN, RIGHT, STORED)
    assert not memory.remembers("bob@beta", RIGHT, STORED)
    assert not memory.remembers(LOGIN, "wrong", STORED)
    assert not memory.remembers(LOGIN, RIGHT, hash_password("changed"))  # a change ends it
    assert not Passwords().remembers(LOGIN, RIGHT, STORED)  # each process has its own


def test_fields_cannot_be_shifted_into_one_another() -> None:
    memory = Passwords()
    memory.verify(LOGIN, RIGHT, STORED)
    assert not memory.remembers(f"{LOGIN}\0{RIGHT}", "", STORED)
    assert not memory.remembers("", f"{LOGIN}\0{RIGHT}", STORED)


def test_wrong_password_is_not_remembered() -> None:
    memory = Passwords()
    memory.verify(LOGIN, "wrong", STORED)
    assert not memory.remembers(LOGIN, "wrong", STORED)


def test_memory_lasts_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, begun = Passwords(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: begun)
    memory.verify(LOGIN, RIGHT, STORED)
    monkeypatch.setattr(time, "monotonic", lambda: begun + 299)
    assert memory.remembers(LOGIN, RIGHT, STORED)
    monkeypatch.setattr(time, "monotonic", lambda: begun + 300)
    assert not memory.remembers(LOGIN, RIGHT, STORED)


def test_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_REMEMBER_MOST", 3)
    monkeypatch.setattr(passwords, "_HASHER", type("Yes", (), {"verify": lambda *_: True})())
    memory = Passwords()
    for number in range(5):
        memory.verify(f"{number}@alpha", RIGHT, STORED)
    remembered = [memory.remembers(f"{number}@alpha", RIGHT, STORED) for number in range(5)]
    assert remembered == [False, False, True, True, True]


def test_memory_holds_no_password() -> None:
    memory = Passwords()
    memory.verify(LOGIN, RIGHT, STORED)
    kept = repr({name: getattr(memory, name) for name in vars(memory)})
    assert RIGHT not in kept
    assert STORED not in kept


@pytest.mark.parametrize(("processes", "each"), [(1, 2), (2, 1), (8, 1)])
def test_processes_of_a_service_share_the_turns(processes: int, each: int) -> None:
    memory = Passwords()
    memory.share(processes)
    held = [memory.turns.acquire(blocking=False) for _ in range(3)]
    assert held.count(True) == each
