"""Running a playbook against hosts as a provider would: ansible-playbook over ssh, no terminal.

Values of variables that are named like secrets are struck from what is kept of the output, and
variables are handed over in a file, never as arguments.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.appliance.harness.hosts import Host
from tests.appliance.harness.secure_shell import SecureShell

ROOT = Path(__file__).parents[3]

_SECRET = re.compile(r"(password|passphrase|secret|token|credential)s?$|_database_url$")
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \**$")
_OUTCOME = re.compile(r"^(changed|failed|fatal): \[([^\] ]+)")
_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$")


@dataclass(slots=True)
class Play:
    """What became of a playbook."""

    returncode: int
    stdout: str
    recap: dict[str, dict[str, int]] = field(default_factory=dict)
    """By host: ok, changed, unreachable, failed, skipped, rescued, ignored."""
    changes: list[str] = field(default_factory=list)
    """`HOST: TASK` of every task that changed something."""
    failures: list[str] = field(default_factory=list)
    """`HOST: TASK` of every task that failed, also of those that the playbook rescued."""

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.recap.values())

    @property
    def failed(self) -> int:
        return sum(host["failed"] + host["unreachable"] for host in self.recap.values())


class Player:
    """Runs playbooks on hosts of one lab."""

    def __init__(self, ssh: SecureShell) -> None:
        self._ssh = ssh

    def __call__(
        self,
        playbook: str | Path,
        hosts: Host | Sequence[Host] | Mapping[str, Sequence[Host]],
        variables: Mapping[str, object] | None = None,
        *,
        options: Sequence[str] = (),
        fails: bool = False,
        timeout_s: float = 600,
    ) -> Play:
        """Run a playbook of ansible/playbooks by its name, or any by its path.

        Args:
            hosts: who is in the group `posthouse`, or who is in which group.
            variables: extra variables; they win over all others.
            options: of ansible-playbook, such as --check and --diff.
            fails: whether it is to fail.
        """
        if isinstance(playbook, str):
            playbook = ROOT / "ansible/playbooks" / f"{playbook.removesuffix('.yml')}.yml"
        if isinstance(hosts, Host):
            hosts = [hosts]
        groups = hosts if isinstance(hosts, Mapping) else {"posthouse": hosts}
        with tempfile.TemporaryDirectory(prefix="posthouse-play-") as folder:
            inventory = Path(folder, "inventory.json")
            inventory.write_text(json.dumps(_inventory(groups)))
            handed = Path(folder, "variables.json")
            handed.touch(mode=0o600)
            handed.write_text(json.dumps(variables or {}))
            argv = [
                *(_program(), "--inventory", str(inventory), "--extra-vars", f"@{handed}"),
                *(*options, str(playbook)),
            ]
            code, said = _run(argv, self._environment(folder), timeout_s)
        play = _parse(code, _strike(said, variables or {}))
        assert fails == bool(code), (
            f"{Path(playbook).name} ended with {code}; {'; '.join(play.failures)}\n"
            + play.stdout[-6000:]
        )
        return play

    def _environment(self, folder: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        return {
            **kept,
            "ANSIBLE_CONFIG": str(ROOT / "ansible/ansible.cfg"),
            "ANSIBLE_DEPRECATION_WARNINGS": "true",
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_HOME": f"{folder}/home",
            "ANSIBLE_NOCOLOR": "true",
            # In place of Ansible's own: our configuration shares one connection to each host.
            "ANSIBLE_SSH_ARGS": f"-F {self._ssh.config}",
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }


def _inventory(groups: Mapping[str, Sequence[Host]]) -> dict[str, object]:
    return {
        group: {
            "hosts": {
                host.name: {"ansible_host": host.address, "ansible_user": "root"}
                for host in members
            }
        }
        for group, members in groups.items()
    }


def _program() -> str:
    program = Path(sys.executable).parent / "ansible-playbook"
    assert program.exists(), f"{program} is missing: run `make setup`"
    return str(program)


def _run(argv: list[str], environment: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    process = subprocess.Popen(
        argv,
        cwd=ROOT / "ansible",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # with the workers it forked
        process.wait()
        raise
    return process.returncode, said


def _strike(text: str, variables: Mapping[str, object]) -> str:
    for name, value in variables.items():
        if _SECRET.search(name) and isinstance(value, str) and value:
            text = text.replace(value, "***")
    return text


def _parse(code: int, said: str) -> Play:
    play = Play(code, said)
    task = ""
    for line in said.splitlines():
        if found := _TASK.match(line):
            task = found[1]
        elif found := _OUTCOME.match(line):
            list_ = play.changes if found[1] == "changed" else play.failures
            if (entry := f"{found[2]}: {task}") not in list_:  # once, not for each item of a loop
                list_.append(entry)
        elif found := _RECAP.match(line):
            counts = (pair.split("=") for pair in found[2].split())
            play.recap[found[1]] = {key: int(count) for key, count in counts}
    return play
