"""How many files may be open: raised as far as wanted, never above the hard limit."""

from __future__ import annotations

import resource

import pytest

from appliance.runtime.descriptors import descriptors


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (1024, 524_288, 16_384),
        (1024, 4096, 4096),
        (1024, 1024, 1024),
        (65_536, 524_288, 65_536),
        (1024, resource.RLIM_INFINITY, 16_384),
    ],
)
def test_soft_limit_is_raised_towards_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, expected: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, found: limits.append(found))
    assert descriptors() == expected
    assert descriptors() == expected
    assert limits[-1] == (expected, hard)
    assert len(limits) == (1 if soft == expected else 2)


def test_where_the_limit_cant_be_raised_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 524_288))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert descriptors() == 256
