"""What the appliance tests share: a lab for real hosts, playbooks, testinfra, the wheels.

A host takes about a second. Start what a test changes anew, share what it only looks at, and make
what many tests need once, as an image: see `Lab.image`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
import testinfra
from testinfra.host import Host as Machine

from tests.appliance.appliance import NAME, Given, variables
from tests.appliance.harness import wheels
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.lab import Lab
from tests.appliance.harness.playbook import ROOT, Player


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Where hosts are made; all of them end with the session, also if it is ended by a signal."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with Lab() as made:
            yield made
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """A bare Debian of this test alone."""
    made = lab.host("mail.example.test")
    yield made
    lab.remove(made)


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[Host]:
    """A bare Debian that the tests of a module share; none of them changes it."""
    made = lab.host("bare.example.test")
    yield made
    lab.remove(made)


@pytest.fixture(scope="session")
def infra(lab: Lab) -> Callable[[Host], Machine]:
    """testinfra's view of a host."""

    def view(host: Host) -> Machine:
        return testinfra.get_host(f"ssh://{host.name}", ssh_config=str(lab.ssh.config))

    return view


@pytest.fixture
def machine(host: Host, infra: Callable[[Host], Machine]) -> Machine:
    """testinfra's view of this test's host."""
    return infra(host)


@pytest.fixture(scope="session")
def play(lab: Lab) -> Player:
    """`play("site", host, {…})` runs a playbook, as `Player` says."""
    return Player(lab.ssh)


@pytest.fixture(scope="session")
def wheel() -> Path:
    """This checkout's own wheel."""
    return wheels.wheel()


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """The wheels of requirements.lock for the hosts' Python."""
    return wheels.wheelhouse()


@pytest.fixture(scope="session")
def given(wheel: Path, wheelhouse: Path) -> Given:
    """What a provider writes into the inventory; `given(name=value)` with something otherwise."""
    return partial(variables, wheel, wheelhouse)


@pytest.fixture(scope="session")
def provisioned(lab: Lab, play: Player, given: Given, wheel: Path, wheelhouse: Path) -> Image:
    """What site.yml makes of a bare Debian; made anew when anything that decides it has changed."""
    folders = ("roles", "ansible/playbooks", "ansible/plugins", "systemd", "tests/appliance")
    files = sorted(path for each in folders for path in (ROOT / each).rglob("*") if path.is_file())
    sources = [path.read_bytes() for path in files if path.suffix != ".pyc"]

    def provision(host: Host) -> None:
        play("site", host, given())

    return lab.image(NAME, [*sources, wheel.read_bytes(), wheelhouse.name], provision)
