"""Where locks are kept (RFC 4918 §6)."""

from __future__ import annotations

import pytest

from httpmail import locks
from httpmail.locks import Lock, LockStorage
from httpmail.refusal import Refused


class Now:
    """A clock to set."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def storage(now: Now) -> LockStorage:
    return LockStorage(now)


def make(storage: LockStorage, path: str, *, principal: str = "alice", timeout: float = 60) -> Lock:
    return storage.create(path, {"principal": principal, "timeout": timeout})


def roots(storage: LockStorage, path: str, **which: bool) -> list[str]:
    chosen = {"include_root": True, "include_children": False, "token_only": False, **which}
    return [each["root"] for each in storage.get_lock_list(path, **chosen)]


def test_locks_are_found_on_a_path_and_below_it(storage: LockStorage) -> None:
    for path in ("/1/a/", "/1/a/b", "/1/ab"):
        make(storage, path)
    assert roots(storage, "/1/a") == ["/1/a"]
    assert roots(storage, "/1/a", include_children=True) == ["/1/a", "/1/a/b"]
    assert roots(storage, "/1/a", include_root=False, include_children=True) == ["/1/a/b"]
    assert len(roots(storage, "/", include_children=True)) == 3


def test_a_lock_ends_with_its_time(storage: LockStorage, now: Now) -> None:
    lock = make(storage, "/1/a")
    now.at += 60
    assert storage.get(lock["token"]) is not None
    storage.refresh(lock["token"], timeout=10)
    now.at += 11
    assert storage.get(lock["token"]) is None
    assert roots(storage, "/1/a") == []
    assert not storage.delete(lock["token"])


@pytest.mark.parametrize("asked", [-1, 10 * locks.LONGEST_S])
def test_no_lock_lasts_long(storage: LockStorage, asked: float) -> None:
    assert make(storage, "/1/a", timeout=asked)["timeout"] == locks.LONGEST_S


def test_each_has_few(storage: LockStorage, now: Now) -> None:
    for number in range(locks.MOST_OF_ONE):
        make(storage, f"/1/{number}")
    with pytest.raises(Refused) as error:
        make(storage, "/1/more")
    assert error.value.value == 507
    make(storage, "/2/a", principal="bob")
    now.at += 61
    make(storage, "/1/more")  # the others have ended


def test_tokens_are_never_alike(storage: LockStorage) -> None:
    tokens = {make(storage, "/1/a")["token"] for _ in range(50)}
    assert len(tokens) == 50
    assert sorted(
        storage.get_lock_list("/1/a", include_root=True, include_children=False, token_only=True)
    ) == sorted(tokens)
