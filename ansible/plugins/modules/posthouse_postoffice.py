#!/usr/bin/python
"""Post offices: made, suspended, deleted, by the `posthouse` command on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: posthouse_postoffice
short_description: Manage the post offices (tenants) of a Posthouse server
version_added: 0.1.0
description:
  - Creates a post office with its C(ADMIN) mailbox, suspends it, or deletes it.
options:
  name:
    description:
      - Its name, often the customer's domain. It can't be changed later.
      - Upper and lower case are the same.
    type: str
    required: true
  state:
    description:
      - V(present) is there and works, V(suspended) is there without logins and mail.
      - V(absent) is deleted with its domains, mailboxes and mail. That can't be undone.
    type: str
    choices: [present, absent, suspended]
    default: present
  password:
    description: Of the mailbox C(ADMIN), which administers the post office. Needed to create one.
    type: str
  update_password:
    description:
      - With V(on_create) the password is given to a new post office and never looked at again.
      - With V(always) it is compared, and set where it is another. That counts as no failed login.
    type: str
    choices: [on_create, always]
    default: on_create
extends_documentation_fragment: [posthouse.appliance.command]
seealso:
  - module: posthouse.appliance.posthouse_domain
  - module: posthouse.appliance.posthouse_mailbox
author: The Posthouse project
"""

EXAMPLES = r"""
- name: A customer, whose admin logs in as ADMIN@example
  posthouse.appliance.posthouse_postoffice:
    name: example
    password: "{{ vault_example_password }}"

- name: Who has not paid is suspended
  posthouse.appliance.posthouse_postoffice:
    name: example
    state: suspended
"""

RETURN = r"""
postoffice:
  description:
    - The post office afterwards, as C(posthouse postoffice show) has it; null when it is absent.
  returned: always
  type: dict
  sample:
    name: example
    enabled: true
    created_at: "2026-11-23T01:00:00Z"
    domains: [example.com]
    mailboxes: 3
"""

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


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": STATES,
            **PASSWORD_OPTIONS,
            **OPTIONS,
        },
        required_if=[("update_password", "always", ("password",))],
        supports_check_mode=True,
    )
    posthouse = Posthouse(module)
    name, wanted = module.params["name"], module.params["state"]
    password = module.params["password"]
    found = posthouse.show("postoffice", name)
    before = {"name": found["name"] if found else name, "state": state_of(found)}
    after = {**before, "state": wanted}
    is_other = False
    if found is None and wanted != "absent" and not password:
        module.fail_json(msg=f"there is no post office {name!r} yet; creating it needs a password")
    if found and wanted != "absent" and module.params["update_password"] == "always":
        is_other = not posthouse.has_password(f"ADMIN@{found['name']}", password)
    if is_other:
        after["password"] = "(changed)"
    if not module.check_mode:
        _carry_out(posthouse, before, after, password)
        if before != after:
            found = posthouse.show("postoffice", name)
    elif wanted == "absent":
        found = None
    else:
        made = {"name": name, "created_at": None, "domains": [], "mailboxes": 1}
        found = {**(found or made), "enabled": wanted == "present"}
    module.exit_json(
        changed=before != after, diff={"before": before, "after": after}, postoffice=found
    )


def _carry_out(posthouse: Posthouse, before: Facts, after: Facts, password: str) -> None:
    name, was, wanted = before["name"], before["state"], after["state"]
    if wanted == "absent":
        if was != "absent":
            posthouse.run("postoffice", "delete", "--yes", about=name)
        return
    if was == "absent":
        line = one_line(posthouse.module, password)
        posthouse.run("postoffice", "create", "--password-stdin", about=name, given=line)
        was = "present"
    if "password" in after:
        posthouse.set_password(f"ADMIN@{name}", password)
    if was != wanted:
        verb = "enable" if wanted == "present" else "disable"
        posthouse.run("postoffice", verb, about=name)


if __name__ == "__main__":
    main()
