"""The row `idle-appliance`: memory of all services that have worked a little and now do nothing.

Once as children of `posthouse serve`, which share what they have in common, and once each by
`posthouse service run NAME`, as units of systemd run them. Proportional memory (PSS): what several
processes share is divided among them.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable

from clients import send_mail
from plan import Plan
from pop3_load import stat
from posthouse_server import PORTS, Posthouse, port_base
from result import Judged, Measure, Result
from server import START, STOP, answers, pss_kib, wait_until
from web_load import Browser, HttpMail

from appliance.upkeep.services import bodies

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "run"]

NAME = "idle-appliance"
TITLE = "memory of the whole appliance, idle"
AGAINST = "-"
GOALS = "350 MiB, 200 MiB"
_FLOOR, _GOAL = 350.0, 200.0
_SETTLE = 5.0
_SETTINGS = {
    "smtp": "smtp.port",
    "submission": "smtp.submission_port",
    "submissions": "smtp.submissions_port",
    "pop3": "pop.port",
    "pop3s": "pop.tls_port",
    "httpmail": "httpmail.port",
    "web": "web.port",
}


class _Units(Posthouse):
    """Each service a process of its own, with an interpreter of its own."""

    name = "posthouse, separate services"

    def settings(self) -> dict[str, str]:
        """Says where each service listens, since nobody hands it a socket."""
        base = port_base()
        self.ports = {name: base + PORTS[name] for name in _SETTINGS}
        chosen = {setting: str(self.ports[name]) for name, setting in _SETTINGS.items()}
        return {**super().settings(), **chosen}

    def serve(self) -> None:
        """Starts the services."""
        self._units: list[subprocess.Popen[bytes]] = []
        self.smtp = ("127.0.0.1", self.ports["smtp"])
        self.pop3 = ("127.0.0.1", self.ports["pop3"])
        for name in bodies():
            command = [*self.command(), "--home", str(self.home), "service", "run", name]
            with self.log.open("ab") as log:
                self._units.append(
                    subprocess.Popen(
                        self.meter.wrap(command),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )
        self.meter.started(self._units[0].pid)
        web, httpmail = self.ports["web"], self.ports["httpmail"]
        for check in (
            lambda: answers(self.smtp, b"220"),
            lambda: answers(self.pop3, b"+OK"),
            lambda: _listens(web) and _listens(httpmail),
        ):
            wait_until(check, "the services", patience=START)

    def stop(self) -> None:
        """Ends the services, each by its process id."""
        for unit in getattr(self, "_units", ()):
            unit.send_signal(signal.SIGTERM)
        for unit in getattr(self, "_units", ()):
            try:
                unit.wait(STOP)
            except subprocess.TimeoutExpired:
                unit.kill()
                unit.wait()
        super().stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _measure(
    kind: Callable[..., Posthouse], plan: Plan, name: str
) -> tuple[float, dict[str, float]]:
    """Returns MiB of all services, and of each."""
    home = plan.work / name
    home.mkdir()
    with kind(home, 1) as server:
        account = server.accounts[0]
        send_mail(server.smtp, server.accounts, count=20, size=4096, connections=5)
        wait_until(lambda: stat(server.pop3, account) >= 20, "delivered")
        Browser(server.ports["web"], "webmail", account.login, account.password).get("/webmail/")
        HttpMail(server.ports["httpmail"], account).list_inbox()
        time.sleep(_SETTLE)
        named = {
            int(path.name.rpartition(".")[2]): path.name.partition(".")[0]
            for path in (home / "run/metrics").iterdir()
        }
        services: dict[str, float] = {}
        for pid in server.meter.pids():
            service = named.get(pid, "parents")
            services[service] = services.get(service, 0.0) + pss_kib(pid) / 1024
        return sum(services.values()), services


def run(plan: Plan) -> Result:
    """Measures the row.

    Raises:
        ClientError, ServerError, OSError: no result came about.
    """
    kinds = {"serve": Posthouse, "units": _Units}
    totals: dict[str, list[float]] = {kind: [] for kind in kinds}
    parts: dict[str, dict[str, list[float]]] = {kind: {} for kind in kinds}
    for number in range(1, plan.pairs + 1):
        for kind, server in kinds.items():
            total, services = _measure(server, plan, f"{number}-{kind}")
            totals[kind].append(round(total, 1))
            for service, mib in services.items():
                parts[kind].setdefault(service, []).append(round(mib, 1))
        plan.say(
            f"  round {number}: " + ", ".join(f"{k} {v[-1]:.0f} MiB" for k, v in totals.items())
        )
        plan.say("\n")
    measures = [
        Measure(
            name=kind,
            label=f"all services {label}, MiB",
            ours=totals[kind],
            floor=_FLOOR,
            goal=_GOAL,
            judged=Judged.VALUE,
        )
        for kind, label in (("serve", "under `serve`"), ("units", "as separate units"))
    ]
    measures += [
        Measure(name=f"{kind}_{service}", label=f"{kind}: {service}, MiB", ours=values)
        for kind, services in parts.items()
        for service, values in sorted(services.items())
    ]
    return Result(
        row=NAME,
        title=TITLE,
        sides=("", "posthouse"),
        measures=measures,
        details={
            "order": f"each a fresh server that has taken 20 messages, a POP3 login, a page of "
            f"webmail and an HTTPMail list; {_SETTLE:.0f} s later"
        },
    )
