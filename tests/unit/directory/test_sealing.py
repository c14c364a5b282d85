"""Secrets sealed with the server's key file."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.directory.sealing import Sealer, SealError

NAME = "smarthost.password"


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "config" / "key")


@pytest.mark.parametrize("secret", ["", "secret", "пароль 漢字 🐎", "x" * 5000])
def test_sealed_secret_is_opened_again(sealer: Sealer, secret: str) -> None:
    assert sealer.open(sealer.seal(secret, name=NAME), name=NAME) == secret


def test_sealed_secret_does_not_show_it_and_differs_each_time(sealer: Sealer) -> None:
    first, second = (sealer.seal("secret", name=NAME) for _ in range(2))
    assert first != second
    assert first.startswith("sealed:")
    assert b"secret" not in base64.b64decode(first.removeprefix("sealed:"))


def test_secret_is_bound_to_the_settings_name(sealer: Sealer) -> None:
    with pytest.raises(SealError, match=r"retrieval\.password was sealed with another key"):
        sealer.open(sealer.seal("secret", name=NAME), name="retrieval.password")


def test_other_key_opens_nothing(sealer: Sealer, tmp_path: Path) -> None:
    with pytest.raises(SealError):
        Sealer(tmp_path / "other").open(sealer.seal("secret", name=NAME), name=NAME)


@pytest.mark.parametrize(
    "sealed", ["", "sealed:", "sealed:AAAA", "secret", "sealed:!!", "sealed:é"]
)
def test_what_was_never_sealed_is_a_seal_error(sealer: Sealer, sealed: str) -> None:
    with pytest.raises(SealError):
        sealer.open(sealed, name=NAME)


def test_every_changed_octet_is_noticed(sealer: Sealer) -> None:
    octets = base64.b64decode(sealer.seal("secret", name=NAME).removeprefix("sealed:"))

    @given(st.integers(0, len(octets) - 1), st.integers(1, 255))
    def hold(place: int, change: int) -> None:
        changed = bytearray(octets)
        changed[place] ^= change
        with pytest.raises(SealError):
            sealer.open(f"sealed:{base64.b64encode(changed).decode()}", name=NAME)

    hold()


def test_key_file_is_made_once_for_its_owner_only(sealer: Sealer, tmp_path: Path) -> None:
    key_file = tmp_path / "config" / "key"
    sealed = sealer.seal("secret", name=NAME)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key_file.read_bytes()) == 32  # AES-256
    assert Sealer(key_file).open(sealed, name=NAME) == "secret"
    assert [path.name for path in key_file.parent.iterdir()] == ["key"]


def test_key_made_by_many_at_once_is_one_key(tmp_path: Path) -> None:
    for turn in range(20):
        key_file = tmp_path / str(turn) / "key"
        together = threading.Barrier(8, timeout=20)
        sealed: list[str] = []

        def seal(key_file: Path = key_file, together: threading.Barrier = together) -> None:
            together.wait()
            sealed.append(Sealer(key_file).seal("secret", name=NAME))  # noqa: B023 - joined below

        threads = [threading.Thread(target=seal) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [Sealer(key_file).open(each, name=NAME) for each in sealed] == ["secret"] * 8
