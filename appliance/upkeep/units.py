"""Services as units of systemd: one a process, with sockets that systemd keeps open.

A socket outlives the service's restart, so that no client is refused meanwhile.

Standards: systemd.socket(5). Owns: the drop-ins `posthouse-*.socket.d/listen.conf`.
Failure: `HomeError`, `ListenError`; `UnitError` when systemd can't be told.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from appliance.database.statement import POSTGRESQL, SQLITE, compile_all
from appliance.net.listeners import Listener, listen
from appliance.operations.house import Config, House
from appliance.runtime import manager
from appliance.runtime.files import write_whole
from appliance.runtime.process import bound_heap
from appliance.runtime.supervisor import Supervisor
from appliance.settings.kinds import split_host_port, with_port
from appliance.settings.snapshot import Snapshot
from appliance.upkeep.serve import TLS, addresses, be, ports, service_of, take
from appliance.upkeep.services import bodies, preload, seats

UNITS = Path("/etc/systemd/system")
_DROP_IN = "listen.conf"
_SYSTEMCTL = "/usr/bin/systemctl"
_HEAD = "# Written by `posthouse service apply` from the settings; do not edit.\n"


class UnitError(Exception):
    """systemd could not be told; the text says what it answered."""


def run(name: str, config: Config, complain: Callable[[str], None]) -> None:
    """Run one service until SIGTERM: in this process, or in several that are its children.

    Its sockets are those that systemd handed over; without any it opens them itself, as the
    settings say.

    Args:
        name: the service, one of `bodies`.
        config: the home's.
        complain: takes a sentence about what is not as it was set.

    Raises:
        HomeError: the home can't be used, or `serve` runs on it.
        ListenError: a port can't be listened on.
        StartFailed: one of several processes did not become ready.
    """
    bound_heap()
    handed = manager.adopt()
    house = House(config)
    lock = take(house.home, shared=True)
    if handed:
        own = [_listener(at, each) for at, each in handed]
    else:
        where, notes = addresses(house.settings)
        for note in notes if name in where else ():
            complain(note)
        own = [
            each
            for listener, port in ports(house.settings, None).items()
            if service_of(listener) == name
            for each in listen(listener, where[name], port, tls=listener in TLS)
        ]
    all_seats = seats(name, house.settings)
    house.close()
    body = bodies()[name]
    if len(all_seats) == 1:
        body(config, own, all_seats[0], lambda: manager.tell("READY=1"))
    else:
        children = [
            (seat.name, partial(be, body, config, own, seat, lock=lock)) for seat in all_seats
        ]
        preload(name)
        compile_all(POSTGRESQL if config.database_url else SQLITE)
        supervisor = Supervisor(children)
        signal.signal(signal.SIGHUP, supervisor.pass_on)
        supervisor.run(lambda: manager.tell("READY=1"))
    lock.release()


def _listener(name: str, handed: socket.socket) -> Listener:
    port: int = handed.getsockname()[1]
    return Listener(name, handed, port, name in TLS)


def streams(settings: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return where each socket unit listens, as `ListenStream=` takes it, by listener's name."""
    where, _ = addresses(settings)
    return {
        listener: tuple(with_port(address, port) for address in where[service_of(listener)])
        for listener, port in ports(settings, None).items()
    }


def apply(wanted: Mapping[str, Sequence[str]], *, dry_run: bool = False) -> list[str]:
    """Have systemd listen where the settings say; only what differs is touched.

    A service whose socket changes is stopped for that moment; the others go on.

    Args:
        wanted: see `streams`.
        dry_run: only say what would change.

    Returns:
        The socket units that changed.

    Raises:
        UnitError: a name or an address is none, a file can't be written, or systemd refuses.
    """
    for name, each in wanted.items():
        _check(name, each)
    changed = [name for name, each in wanted.items() if _found(name) != _drop_in(each)]
    if dry_run or not changed:
        return [_unit(name) for name in changed]
    for name in changed:
        path = _path(name)
        try:
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(0o755)
            write_whole(path, [_drop_in(wanted[name]).encode()])
            path.chmod(0o644)
        except OSError as error:
            raise UnitError(f"{path} can't be written: {error.strerror}; run it as root") from error
    _systemctl("daemon-reload")
    sockets = [_unit(name) for name in changed if _is_active(_unit(name))]
    services = sorted({f"posthouse-{service_of(name)}.service" for name in changed})
    running = [each for each in services if _is_active(each)]
    if sockets:
        _systemctl("stop", *running, *sockets)  # a socket can't move under a running service
        _systemctl("start", *sockets)
        if running:
            _systemctl("start", *running)
    return [_unit(name) for name in changed]


def _check(listener: str, addresses: Iterable[str]) -> None:
    """Check what root is about to write into a unit: it was told by a process of the services."""
    try:
        for each in addresses:
            host, port = split_host_port(each, 0)
            ipaddress.ip_address(host)
            if with_port(host, port) != each:
                raise ValueError(each)
    except ValueError as error:
        raise UnitError(f"{listener} can't listen at {each!r}") from error
    if listener not in ports(Snapshot({}), None):
        raise UnitError(f"there is no listener {listener!r}")


def _unit(listener: str) -> str:
    return f"posthouse-{listener}.socket"


def _path(listener: str) -> Path:
    return UNITS / f"{_unit(listener)}.d" / _DROP_IN


def _found(listener: str) -> str:
    try:
        return _path(listener).read_text(encoding="utf-8")
    except OSError:
        return ""


def _drop_in(addresses: Iterable[str]) -> str:
    """Write a drop-in; the empty value takes away what the unit itself says."""
    lines = "".join(f"ListenStream={each}\n" for each in addresses)
    return f"{_HEAD}[Socket]\nListenStream=\n{lines}"


def _is_active(unit: str) -> bool:
    return subprocess.run([_SYSTEMCTL, "is-active", "--quiet", unit], check=False).returncode == 0


def _systemctl(*arguments: str) -> None:
    try:
        subprocess.run(
            [_SYSTEMCTL, *arguments], check=True, capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError as error:
        raise UnitError("there is no systemctl: this machine is not run by systemd") from error
    except subprocess.CalledProcessError as error:
        raise UnitError(f"systemctl {' '.join(arguments)}: {error.stderr.strip()}") from error
