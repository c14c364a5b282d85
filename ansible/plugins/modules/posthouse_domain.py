#!/usr/bin/python
"""Domains of post offices: hosted, suspended, given up, by the `posthouse` command on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: posthouse_domain
short_description: Manage the domains that a Posthouse server receives mail for
version_added: 0.1.0
description:
  - Hosts a domain for a post office, suspends it, or stops hosting it.
  - Each mailbox of the post office gets an address in a new domain; C(postmaster) and C(abuse)
    lead to C(ADMIN).
options:
  name:
    description: The full name. International names may be written either way.
    type: str
    required: true
  postoffice:
    description: Whose domain it is. Needed unless O(state=absent).
    type: str
  state:
    description:
      - V(present) is hosted, V(suspended) accepts no mail.
      - V(absent) is given up with its addresses; mailboxes and their mail stay.
    type: str
    choices: [present, absent, suspended]
    default: present
extends_documentation_fragment: [posthouse.appliance.command]
seealso:
  - module: posthouse.appliance.posthouse_postoffice
author: The Posthouse project
"""

EXAMPLES = r"""
- name: The customer's domain
  posthouse.appliance.posthouse_domain:
    name: example.com
    postoffice: example
"""

RETURN = r"""
domain:
  description: The domain afterwards, as C(posthouse domain show) has it; null when it is absent.
  returned: always
  type: dict
  sample:
    name: example.com
    postoffice: example
    enabled: true
    created_at: "2026-11-23T01:00:00Z"
"""

from ansible_collections.posthouse.appliance.plugins.module_utils.posthouse import (
    OPTIONS,
    STATES,
    Facts,
    Module,
    Posthouse,
    state_of,
)


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "name": {"type": "str", "required": True},
            "postoffice": {"type": "str"},
            "state": STATES,
            **OPTIONS,
        },
        required_if=[
            ("state", "present", ("postoffice",)),
            ("state", "suspended", ("postoffice",)),
        ],
        supports_check_mode=True,
    )
    posthouse = Posthouse(module)
    name, owner = module.params["name"], module.params["postoffice"]
    wanted = module.params["state"]
    found = posthouse.show("domain", name)
    if found and owner and found["postoffice"].casefold() != owner.casefold():
        module.fail_json(
            msg=f"the domain {found['name']} belongs to the post office {found['postoffice']}, "
            f"not to {owner}; make it absent there first"
        )
    before = {"name": found["name"] if found else name, "state": state_of(found)}
    after = {**before, "state": wanted}
    if found:
        before["postoffice"] = found["postoffice"]
    if wanted != "absent":
        after["postoffice"] = found["postoffice"] if found else owner
    is_changed = before["state"] != wanted
    if not module.check_mode:
        if is_changed:
            _carry_out(posthouse, before, after)
            found = posthouse.show("domain", name)
    elif wanted == "absent":
        found = None
    else:
        made = {"name": name, "postoffice": owner, "created_at": None}
        found = {**(found or made), "enabled": wanted == "present"}
    module.exit_json(changed=is_changed, diff={"before": before, "after": after}, domain=found)


def _carry_out(posthouse: Posthouse, before: Facts, after: Facts) -> None:
    name, was, wanted = before["name"], before["state"], after["state"]
    if wanted == "absent":
        posthouse.run("domain", "delete", "--yes", about=name)
        return
    if was == "absent":
        posthouse.run("domain", "create", f"--postoffice={after['postoffice']}", about=name)
        was = "present"
    if was != wanted:
        posthouse.run("domain", "enable" if wanted == "present" else "disable", about=name)


if __name__ == "__main__":
    main()
