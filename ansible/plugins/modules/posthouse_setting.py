#!/usr/bin/python
"""Settings: set and returned to their defaults, by the `posthouse` command on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: posthouse_setting
short_description: Set the settings of a Posthouse server
version_added: 0.1.0
description:
  - Sets one setting or many, or returns them to their defaults, in one step. All of them are set,
    or none.
  - C(posthouse settings list) lists them, C(posthouse settings describe NAME) says what one may be.
  - Booleans, numbers and lists may be given as such.
  - Secrets are never shown, not even in the log of the host.
options:
  name:
    description: Of one setting.
    type: str
    aliases: [setting]
  value:
    description: Of O(name).
    type: raw
  state:
    description: V(default) returns O(name) to its default.
    type: str
    choices: [present, default]
    default: present
  values:
    description: The values of several settings, by their names. One that is null is passed over.
    type: dict
  reset:
    description: The names of settings that return to their defaults.
    type: list
    elements: str
  node:
    description: Set for this node of a cluster only.
    type: str
extends_documentation_fragment: [posthouse.appliance.command]
author: The Posthouse project
"""

EXAMPLES = r"""
- name: One setting
  posthouse.appliance.posthouse_setting:
    name: smtp.max_recipients
    value: 250

- name: Several in one step
  posthouse.appliance.posthouse_setting:
    values:
      smarthost.enabled: true
      smarthost.host: relay.example.com:587
      smarthost.password: "{{ vault_smarthost_password }}"
      limits.exempt_ranges: [192.0.2.7, 198.51.100.0/24]
    reset: [smtp.banner]
  register: settings
  notify: Restart posthouse

- name: Back to its default
  posthouse.appliance.posthouse_setting:
    name: smtp.max_recipients
    state: default
"""

RETURN = r"""
changes:
  description:
    - What is different now, by name. A value that was the default is null; a secret is hidden.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: smtp.port, before: null, after: "2525", default: "25", effect: root}
effects:
  description:
    - When the changed settings take effect, each once. V(live) is within a second.
    - V(restart) is when the services are started again, V(root) when C(posthouse service apply) has
      made the sockets again.
  returned: success
  type: list
  elements: str
  sample: [root, live]
"""

import json

from ansible_collections.posthouse.appliance.plugins.module_utils.posthouse import (
    OPTIONS,
    Facts,
    Module,
    Posthouse,
    sentence,
)

_EFFECTS = ("root", "restart", "live")


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec={
            "name": {"type": "str", "aliases": ["setting"]},
            "value": {"type": "raw"},
            "state": {"type": "str", "choices": ["present", "default"], "default": "present"},
            "values": {"type": "dict"},
            "reset": {"type": "list", "elements": "str"},
            "node": {"type": "str"},
            **OPTIONS,
        },
        required_one_of=[("name", "values", "reset")],
        required_by={"value": ("name",)},
        supports_check_mode=True,
    )
    values = wanted(module)
    if Posthouse(module).is_installed():
        changes = _load(module, values)
    else:
        _hide(module, values, None)
        changes = [_unknown(name, value) for name, value in sorted(values.items())]
    effects = {each["effect"] for each in changes}
    module.exit_json(
        changed=bool(changes),
        changes=changes,
        effects=[each for each in _EFFECTS if each in effects],
        diff={
            "before": {each["name"]: _before(each) for each in changes},
            "after": {each["name"]: _after(each) for each in changes},
        },
    )


def wanted(module: Module) -> Facts:
    """Return the new values by name, None for the default; fails where one is given twice."""
    params = module.params
    found = {name: value for name, value in (params["values"] or {}).items() if value is not None}
    single = {params["name"]: params["value"]} if params["name"] else {}
    if params["name"] and params["state"] == "default":
        if params["value"] is not None:
            module.fail_json(msg=f"{params['name']}: give a value, or state=default; not both")
        single[params["name"]] = None
    elif params["name"] and params["value"] is None:
        module.fail_json(msg=f"{params['name']}: a value is missing; or give state=default")
    for more in (single, dict.fromkeys(params["reset"] or [])):
        twice = sorted(found.keys() & more.keys())
        if twice:
            module.fail_json(msg=f"{twice[0]} is given twice; give it once")
        found.update(more)
    return found


def _load(module: Module, values: Facts) -> list[Facts]:
    if not values:
        return []
    posthouse = Posthouse(module)
    words = ["settings", "load", "--json"]
    if module.check_mode:
        words.append("--dry-run")
    if module.params["node"]:
        words.append(f"--node={module.params['node']}")
    code, told, error = posthouse.attempt(*words, given=json.dumps(values))
    if code:
        _hide(module, values, _secrets(posthouse))
        module.fail_json(msg=sentence(error, code), rc=code)
    found = json.loads(told)
    _hide(module, values, found["secrets"])
    changes: list[Facts] = found["changes"]
    return changes


def _secrets(posthouse: Posthouse) -> list[str] | None:
    """Return the names of all secret settings; None when the command does not say."""
    code, told, _ = posthouse.attempt("settings", "list", "--json")
    return None if code else [each["name"] for each in json.loads(told) if each["secret"]]


def _hide(module: Module, values: Facts, secrets: list[str] | None) -> None:
    """Let Ansible show no value of these settings; None for no value at all."""
    hidden = values if secrets is None else secrets
    module.no_log_values.update(
        str(values[name]) for name in hidden if values.get(name) not in (None, "")
    )


def _unknown(name: str, value: object) -> Facts:
    """Return a change as far as it can be told without the command: not what is a secret."""
    after = None if value is None else "(given)"
    return {"name": name, "before": None, "after": after, "default": None, "effect": None}


def _before(change: Facts) -> str:
    return _or_default(change["before"], change)


def _after(change: Facts) -> str:
    if change["before"] is not None and change["before"] == change["after"]:
        return "(hidden, another one)"
    return _or_default(change["after"], change)


def _or_default(value: str | None, change: Facts) -> str:
    return f"{change['default'] or ''} (default)".strip() if value is None else value


if __name__ == "__main__":
    main()
