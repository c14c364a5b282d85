"""The limits of connections hold for all processes of a service together (checklist 224, 277)."""

from __future__ import annotations

import os
import resource
import socket
import time
from ipaddress import ip_address

import pytest

from appliance.net import door as doors
from appliance.net.door import Door, Places

CLIENT, OTHER = "192.0.2.1", "2001:db8::1"


def two(*, most: int, most_per_client: int = 0) -> tuple[Door, Door]:
    """Stand at one door for two processes."""
    places = Places(2)
    found = (Door(places, 0), Door(places, 1))
    for each in found:
        each.most, each.most_per_client = most, most_per_client
    return found


def test_the_limit_counts_who_came_in_by_another_process() -> None:
    one, other = two(most=3)
    assert one.enter(CLIENT)
    assert other.enter(CLIENT)
    assert one.enter(OTHER)
    assert not other.enter(OTHER)
    assert not one.enter(OTHER)
    one.leave(CLIENT)
    assert other.enter(OTHER)
    assert one.open == other.open == 3


def test_the_limit_of_one_client_counts_it_in_all_processes() -> None:
    one, other = two(most=10, most_per_client=2)
    assert one.enter(CLIENT)
    assert other.enter(CLIENT)
    assert not one.enter(CLIENT)
    assert not other.enter(CLIENT)
    assert one.enter(OTHER)
    other.leave(CLIENT)
    assert one.enter(CLIENT)


def test_no_limit_of_one_client_leaves_the_limit_of_all() -> None:
    one, other = two(most=4)
    assert [one.enter(CLIENT), other.enter(CLIENT)] * 2 == [True] * 4
    assert one.enter(CLIENT)
    assert other.enter(CLIENT)
    assert not one.enter(CLIENT)


def test_what_a_dead_process_counted_is_gone_when_it_is_started_again() -> None:
    places = Places(2)
    stays, dies = Door(places, 0), Door(places, 1)
    for each in (stays, dies):
        each.most, each.most_per_client = 4, 3
    assert stays.enter(CLIENT)
    assert dies.enter(CLIENT)
    assert dies.enter(CLIENT)
    assert not stays.enter(CLIENT)
    again = Door(places, 1)
    assert again.open == 1
    assert stays.enter(CLIENT)
    assert stays.enter(CLIENT)
    assert not stays.enter(CLIENT)


def test_a_connection_is_handed_to_the_process_that_has_the_fewest() -> None:
    places = Places(3)
    doors = [Door(places, number) for number in range(3)]
    for door in doors:
        door.come()
    doors[0].is_busy_with(2)
    doors[1].is_busy_with(1)
    kept, given = socket.socketpair()
    with kept:
        assert doors[0].hand_on(given, b"1 192.0.2.1")
        assert given.fileno() == -1, "it is the other's now"
        taken, about = doors[2].take() or pytest.fail("nothing was handed over")
        assert about == b"1 192.0.2.1"
        with taken:
            taken.send(b"here")
            assert kept.recv(9) == b"here"
    assert doors[2].take() is None


def test_who_has_as_few_as_any_keeps_a_connection() -> None:
    places = Places(2)
    doors = [Door(places, number) for number in range(2)]
    for door in doors:
        door.come()
    one, other = socket.socketpair()
    with one, other:
        assert not doors[1].hand_on(one, b"")
        assert one.fileno() != -1
        doors[1].arrives(1)
        assert doors[1].hand_on(one.dup(), b"")
        assert not doors[1].hand_on(one, b""), "what was handed on counts at once"


def test_nothing_is_handed_to_a_process_that_does_not_serve_yet_or_any_more() -> None:
    places = Places(2)
    serves, other = Door(places, 0), Door(places, 1)
    serves.come()
    serves.is_busy_with(5)
    one, end = socket.socketpair()
    with one, end:
        assert not serves.hand_on(one, b"")
        other.come()
        other.go()
        other.is_busy_with(0)
        assert not serves.hand_on(one, b"")


def test_nothing_is_handed_to_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(2)
    serves, hangs = Door(places, 0), Door(places, 1)
    serves.come()
    hangs.come()
    serves.is_busy_with(5)
    now = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now + 4_000_000_000)
    serves.beat()
    one, end = socket.socketpair()
    with one, end:
        assert not serves.hand_on(one, b"")
        hangs.beat()
        assert serves.hand_on(one.dup(), b"")


def test_what_a_process_can_not_take_is_kept() -> None:
    places = Places(2)
    serves, hangs = Door(places, 0), Door(places, 1)
    serves.come()
    hangs.come()
    one, end = socket.socketpair()
    with one, end:
        serves.is_busy_with(10_000)
        for _ in range(10_000):
            given = one.dup()
            if not serves.hand_on(given, b"0 192.0.2.1"):
                break
        with given:
            assert given.fileno() != -1
        while (taken := hangs.take()) is not None:
            taken[0].close()


def test_a_connection_that_finds_no_descriptor_is_told() -> None:
    places = Places(2)
    doors = [Door(places, number) for number in range(2)]
    for door in doors:
        door.come()
    doors[0].is_busy_with(1)
    one, end = socket.socketpair()
    with end:
        assert doors[0].hand_on(one, b"")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                doors[1].take()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert end.recv(1) == b"", "it hears that it is lost"
    assert doors[1].take() is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the children run no other thread
@pytest.mark.parametrize(("most", "most_per_client"), [(301, 0), (1000, 301)])
def test_processes_at_the_same_door_let_in_exactly_as_many_as_may(
    most: int, most_per_client: int
) -> None:
    places = Places(3)
    arrived, begin, done = os.pipe(), os.pipe(), os.pipe()
    children = []
    for process in range(3):
        pid = os.fork()
        if not pid:
            door = Door(places, process)
            door.most, door.most_per_client = most, most_per_client
            os.write(arrived[1], b"!")
            os.read(begin[0], 1)  # all at the same moment
            os.write(done[1], sum(door.enter(CLIENT) for _ in range(200)).to_bytes(4))
            os._exit(0)
        children.append(pid)
    for _ in children:
        os.read(arrived[0], 1)
    os.write(begin[1], b"!!!")
    found = [os.read(done[0], 4) for _ in children]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    for descriptor in (*arrived, *begin, *done):
        os.close(descriptor)
    assert sum(int.from_bytes(each) for each in found) == 301
    assert sum(places.open) == 301


def test_many_clients_are_told_apart() -> None:
    door = Door()
    door.most, door.most_per_client = 20_000, 1
    clients = [str(ip_address(0x0A000000 + 7 * number)) for number in range(10_000)]
    assert all(door.enter(each) for each in clients)
    assert not any(door.enter(each) for each in clients)
    for each in clients:
        door.leave(each)
    assert door.open == 0
    assert all(door.enter(each) for each in clients)


def test_a_client_that_finds_no_place_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "_key", lambda client: (int(client) << 40) + 1)  # all in one row
    door = Door()
    door.most = 1000
    assert [door.enter(str(number)) for number in range(1, 18)] == [True] * 16 + [False]
    door.leave("3")
    assert door.enter("17")
