"""What the documentation of every module says: how it reaches the server."""

from __future__ import annotations


class ModuleDocFragment:
    """The options and attributes that all modules share."""

    DOCUMENTATION = r"""
options:
  executable:
    description: The C(posthouse) command on the host.
    type: path
    default: /usr/local/bin/posthouse
  home:
    description:
      - The server's home, where it keeps everything.
      - Without it, the one that C(/etc/posthouse/posthouse.toml) names.
    type: path
attributes:
  check_mode:
    description: Tells what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows what was and what is, without secrets.
    support: full
notes:
  - Runs on the server itself, as root or as the owner of the home; as root, the command becomes
    that owner.
  - What is refused fails with the sentence that C(posthouse) says.
requirements:
  - The C(posthouse) command on the host.
"""
