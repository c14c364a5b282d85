"""What `posthouse serve` does with a home in use: by another process, by somebody's mail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.domains import DeleteDomain
from appliance.operations.operation import Clash
from appliance.operations.postoffices import CreatePostOffice
from appliance.settings import smtp
from appliance.upkeep import demo
from tests.support.serving import POSTHOUSE, Server, free_port_base
from tests.support.waiting import until

_PASSWORD = "correct horse battery"


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own, at a short path: sockets lie below it."""
    server = Server(tmp_path_factory.mktemp("own") / "home")
    try:
        yield server
    finally:
        server.stop()


def serve(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to end at once."""
    return subprocess.run(
        [str(POSTHOUSE), "--home", str(home), "serve", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_second_server_of_a_home_is_one_clear_line_and_exit_code_1(own: Server) -> None:
    own.start()
    before = own.processes()
    for options in ((), ("--demo",)):
        second = serve(own.home, *options, f"--port-base={free_port_base()}")
        assert second.returncode == 1
        told = f"posthouse: process {own.pid} serves this home already: {own.home}"
        assert second.stderr.splitlines() == [told]
        assert "ready" not in second.stdout
    assert own.processes() == before


def test_a_home_is_free_again_when_its_server_was_killed(own: Server) -> None:
    own.start()
    os.kill(own.pid, signal.SIGKILL)
    until(lambda: not own.processes(), "its services have ended too")
    own.start()


def test_servers_of_two_homes_run_side_by_side(own: Server) -> None:
    other = Server(own.home.with_name("other"))
    try:
        own.start()
        other.start()
    finally:
        other.stop()


def test_a_demonstration_is_not_put_into_a_home_in_use(own: Server) -> None:
    own.perform(CreatePostOffice(postoffice="real", password=_PASSWORD))
    own.set(smtp__local_domain="mail.real.test")
    refused = serve(own.home, "--demo", f"--port-base={free_port_base()}")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "is in use and no demonstration" in line
    assert "--home" in line
    assert not (own.home / "demo.json").exists()
    own.house.live.refresh()
    assert own.house.settings[smtp.local_domain] == "mail.real.test"


def test_a_furnished_demonstration_is_its_owners(own: Server) -> None:
    accounts = demo.furnish(own.house)
    own.set(smtp__local_domain="mine.test", smtp__dial_ranges="192.0.2.0/24")
    own.perform(DeleteDomain(domain="demo.test"))
    version = own.house.directory.version()
    assert demo.furnish(own.house) == accounts
    assert own.house.directory.version() == version
    assert own.house.directory.domain("demo.test") is None
    demo.announce(own.home, {"smtp": 3025}, accounts)
    assert demo.furnish(own.house) == accounts
    assert own.house.directory.version() == version


def test_a_first_start_that_was_cut_off_is_finished_by_the_next(
    own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(**_: object) -> None:
        raise Clash("no further")

    with monkeypatch.context() as patched:
        patched.setattr(demo, "SendMessage", cut_off)
        with pytest.raises(Clash):
            demo.furnish(own.house)
    found = json.loads((own.home / "demo.json").read_text(encoding="utf-8"))
    assert "furnished" not in found
    assert demo.furnish(own.house) == found["accounts"]
    assert json.loads((own.home / "demo.json").read_text(encoding="utf-8"))["furnished"] is True
    assert own.house.directory.domain("demo.test") is not None
