#!/usr/bin/python
"""Mailboxes: made, changed, suspended, deleted, by the `posthouse` command on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: posthouse_mailbox
short_description: Manage the mailboxes of a Posthouse server
version_added: 0.1.0
description:
  - Creates a mailbox with an address in every domain of its post office, changes it, suspends it,
    or deletes it.
  - What is not given stays as it is.
options:
  name:
    description:
      - Its login, C(mailbox@postoffice). It can't be changed later.
      - Upper and lower case are the same.
    type: str
    required: true
  state:
    description:
      - V(present) is there and works.
      - V(suspended) is there without logins, and its addresses are unknown.
      - V(absent) is deleted with its addresses and its mail. That can't be undone.
    type: str
    choices: [present, absent, suspended]
    default: present
  password:
    description: For all services. Needed to create a mailbox.
    type: str
  update_password:
    description:
      - With V(on_create) the password is given to a new mailbox and never looked at again, so that
        its user may change it.
      - With V(always) it is compared, and set where it is another. That counts as no failed login.
    type: str
    choices: [on_create, always]
    default: on_create
  role:
    description: V(admin) may administer the post office by web.
    type: str
    choices: [user, admin]
  full_name:
    description: Of its owner, as mail shows it; empty for none.
    type: str
  quota_kb:
    description:
      - KiB of mail it may hold; senders are asked to wait while it is full. 0 for no quota.
    type: int
  addresses:
    description:
      - Further addresses that lead to it, in domains of its post office.
      - Those it has besides these stay.
    type: list
    elements: str
extends_documentation_fragment: [posthouse.appliance.command]
seealso:
  - module: posthouse.appliance.posthouse_postoffice
author: The Posthouse project
"""

EXAMPLES = r"""
- name: A mailbox with 1 GiB that also gets the mail for sales
  posthouse.appliance.posthouse_mailbox:
    name: alice@example
    password: "{{ vault_alice_password }}"
    full_name: Alice Arden
    quota_kb: 1048576
    addresses: [sales@example.com]
"""

RETURN = r"""
mailbox:
  description:
    - The mailbox afterwards, as C(posthouse mailbox show) has it; null when it is absent.
  returned: always
  type: dict
  sample:
    login: alice@example
    role: USER
    full_name: Alice Arden
    enabled: true
    quota_kb: 1048576
    addresses: [alice@example.com, sales@example.com]
"""

import unicodedata
from contextlib import suppress

from ansible_collections.posthouse.appliance.plugins.module_utils.posthouse import (
    OPTIONS,
    PASSWORD_OPTIONS,
    STATES,
    Facts,
    Module,
    Posthouse,
    one_line,
    state_of,
)

_EDITED = ("full_name", "role", "quota_kb")


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": STATES,
            "role": {"type": "str", "choices": ["user", "admin"]},
            "full_name": {"type": "str"},
            "quota_kb": {"type": "int"},
            "addresses": {"type": "list", "elements": "str"},
            **PASSWORD_OPTIONS,
            **OPTIONS,
        },
        required_if=[("update_password", "always", ("password",))],
        supports_check_mode=True,
    )
    posthouse = Posthouse(module)
    login, password = module.params["name"], module.params["password"]
    found = posthouse.show("mailbox", login)
    before = facts(found, login)
    if module.params["state"] == "absent":
        after = facts(None, before["login"])
    else:
        if found is None and not password:
            module.fail_json(msg=f"there is no mailbox {login!r} yet; creating it needs a password")
        after = wanted(before, module.params)
        always = module.params["update_password"] == "always"
        if found and always and not posthouse.has_password(found["login"], password):
            after["password"] = "(changed)"
    if not module.check_mode:
        if before != after:
            _carry_out(posthouse, before, after, password)
            found = posthouse.show("mailbox", login)
            after = {**facts(found, after["login"]), **_password(after)}
    elif after["state"] == "absent":
        found = None
    else:
        shown = {name: each for name, each in after.items() if name not in ("state", "password")}
        shown["role"] = after["role"].upper()
        found = {**(found or {}), **shown, "enabled": after["state"] == "present"}
    module.exit_json(
        changed=before != after, diff={"before": before, "after": after}, mailbox=found
    )


def facts(found: Facts | None, login: str) -> Facts:
    """Return what of a mailbox the module manages, as `show` has it."""
    if found is None:
        return {"login": login, "state": "absent"}
    return {
        "login": found["login"],
        "state": state_of(found),
        "role": found["role"].lower(),
        "full_name": found["full_name"],
        "quota_kb": found["quota_kb"],
        "addresses": sorted(found["addresses"], key=str.casefold),
    }


def wanted(before: Facts, params: Facts) -> Facts:
    """Return what a mailbox is to be: what is given, and else what it is."""
    made = {"role": "user", "full_name": "", "quota_kb": 0, "addresses": []}
    after = {**made, **before, "state": params["state"]}
    after.update({name: params[name] for name in _EDITED if params[name] is not None})
    there = after["addresses"]
    after["addresses"] = sorted(
        [*there, *missing(there, params["addresses"] or [])], key=str.casefold
    )
    return after


def missing(there: list[str], asked_for: list[str]) -> list[str]:
    """Return the addresses that are asked for and not there, each once."""
    keys = set(map(key, there))
    found = {key(each): with_ascii_domain(each) for each in asked_for}
    return [address for each, address in found.items() if each not in keys]


def key(address: str) -> str:
    """Return what tells one address from another: upper and lower case don't."""
    return unicodedata.normalize("NFC", with_ascii_domain(address).lower())


def with_ascii_domain(address: str) -> str:
    """Return an address as the server keeps it: with an international domain encoded."""
    local_part, at, domain = address.strip().rpartition("@")
    with suppress(UnicodeError):  # wrong, as the command will say
        domain = domain.encode("idna").decode()
    return f"{local_part}{at}{domain}"


def _password(after: Facts) -> Facts:
    return {"password": after["password"]} if "password" in after else {}


def _carry_out(posthouse: Posthouse, before: Facts, after: Facts, password: str) -> None:
    login = before["login"]
    if after["state"] == "absent":
        posthouse.run("mailbox", "delete", "--yes", about=login)
        return
    was = before["state"]
    edits = [
        f"--{name.replace('_', '-')}={after[name]}"
        for name in _EDITED
        if after[name] != before.get(name)
    ]
    if was == "absent":
        line = one_line(posthouse.module, password)
        posthouse.run("mailbox", "create", *edits, "--password-stdin", about=login, given=line)
        if after["addresses"]:  # it has some by itself now
            before = facts(posthouse.show("mailbox", login), login)
        was = "present"
    elif edits:
        posthouse.run("mailbox", "edit", *edits, about=login)
    if "password" in after:
        posthouse.set_password(login, password)
    for address in missing(before.get("addresses", []), after["addresses"]):
        posthouse.run("address", "create", f"--mailbox={login}", about=address)
    if was != after["state"]:
        verb = "enable" if after["state"] == "present" else "disable"
        posthouse.run("mailbox", verb, about=login)


if __name__ == "__main__":
    main()
