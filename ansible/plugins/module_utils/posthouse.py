"""What the modules share: they ask the `posthouse` command, and carry out what differs.

Owns: nothing; the command holds all rules. Never: puts a secret into an argument.
Failure: the module fails with the command's own sentence.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Facts = dict[str, Any]  # a thing as `show --json` has it, or what of it a module manages
OPTIONS = {
    "executable": {"type": "path", "default": "/usr/local/bin/posthouse"},
    "home": {"type": "path"},
}
PASSWORD_OPTIONS = {
    "password": {"type": "str", "no_log": True},
    "update_password": {
        "type": "str",
        "choices": ["on_create", "always"],
        "default": "on_create",
        "no_log": False,
    },
}
STATES = {"type": "str", "choices": ["present", "absent", "suspended"], "default": "present"}


class Module(AnsibleModule):  # type: ignore[misc] # Ansible ships no types
    """A module whose arguments do not go into the host's log.

    `no_log` can't do that: which setting's value is a secret only the command knows, and Ansible
    decides for the whole call before a module's own code runs.
    """

    def _log_invocation(self) -> None:
        self.log(f"{self._name} was called")


class Posthouse:
    """The command on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take the module, which has `OPTIONS` among its own."""
        self.module = module
        self._executable = module.params["executable"]
        home = module.params["home"]
        self._beginning = [self._executable, *(["--home", home] if home else [])]

    def is_installed(self) -> bool:
        """Tell whether there is a command; only a preview of a host's first run goes on without."""
        if os.access(self._executable, os.X_OK):
            return True
        if not self.module.check_mode:
            self.module.fail_json(
                msg=f"there is no command {self._executable}; "
                "name it by executable, or provision the host first"
            )
        self.module.warn(f"there is no command {self._executable} yet: taken for an empty server")
        return False

    def ask(self, *words: str, about: str = "", given: str | None = None) -> Any:
        """Run the command with --json; returns its document.

        Args:
            words: noun, verb and options.
            about: the argument.
            given: what is written to standard input, as a line.
        """
        return json.loads(self.run(*words, "--json", about=about, given=given))

    def show(self, noun: str, name: str) -> Any:
        """Return a thing as `show` has it; None where there is none."""
        return self.ask(noun, "show", "--if-exists", about=name) if self.is_installed() else None

    def has_password(self, login: str, password: str) -> bool:
        """Tell whether a mailbox has this password; it counts as no login."""
        words = ("mailbox", "password", "--check", "--password-stdin")
        found = self.ask(*words, about=login, given=one_line(self.module, password))
        return bool(found["is_password"])

    def set_password(self, login: str, password: str) -> None:
        """Give a mailbox a password."""
        words = ("mailbox", "password", "--password-stdin")
        self.run(*words, about=login, given=one_line(self.module, password))

    def run(self, *words: str, about: str = "", given: str | None = None) -> str:
        """Run the command; returns what it printed. See `ask`."""
        code, told, error = self.attempt(*words, about=about, given=given)
        if code:
            self.module.fail_json(msg=sentence(error, code), rc=code)
        return told

    def attempt(
        self, *words: str, about: str = "", given: str | None = None
    ) -> tuple[int, str, str]:
        """Run the command; returns its exit code, what it printed, and its errors. See `ask`."""
        # after -- a name may begin with a hyphen
        arguments = [*self._beginning, *words, *(["--", about] if about else [])]
        code, told, error = self.module.run_command(
            arguments, data=given or "", environ_update={"LC_ALL": "C.UTF-8"}
        )
        return int(code), str(told), str(error)


def one_line(module: AnsibleModule, password: str) -> str:
    """Return a password as it may be written to the command: one line."""
    if "\n" in password or "\r" in password:
        module.fail_json(msg="a password is one line; this one holds a line break")
    return password


def sentence(error: str, code: int) -> str:
    """Return the one sentence of what the command wrote to its standard error."""
    lines = [line for line in error.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else f"posthouse ended with code {code} and said nothing"
    return last.removeprefix("posthouse: ").removeprefix("Error: ")


def state_of(found: Facts | None) -> str:
    """Return the state of a thing as `show` has it."""
    if found is None:
        return "absent"
    return "present" if found["enabled"] else "suspended"
