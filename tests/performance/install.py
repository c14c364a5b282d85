"""Installs the peers from Debian where they are missing, without ever starting them as services."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

__all__ = ["InstallError", "ensure_peers"]

_PACKAGES = {
    "postfix": "smtp-source",
    "dovecot-pop3d": "dovecot",
    "dovecot-lmtpd": "dovecot",
    "openssl": "openssl",
}
_EXTRA = {"dovecot-pop3d": "/usr/lib/dovecot/pop3", "dovecot-lmtpd": "/usr/lib/dovecot/lmtp"}
_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")


class InstallError(Exception):
    """The peers are missing and can't be installed here."""


def _missing() -> list[str]:
    return [
        package
        for package, program in _PACKAGES.items()
        if not shutil.which(program) or not pathlib.Path(_EXTRA.get(package, "/")).exists()
    ]


def ensure_peers() -> None:
    """Makes sure that Postfix, its tools, Dovecot and openssl are there; says what it installs.

    Raises:
        InstallError: this is not root, not Debian, or the installation failed.
    """
    # On a user's PATH the administrator's programs may be missing.
    os.environ["PATH"] += os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))
    missing = _missing()
    if missing:
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        if os.geteuid() or not shutil.which("apt-get"):
            raise InstallError(f"missing here; as root on Debian: {' '.join(install)}")
        sys.stderr.write(f"installing from Debian: {' '.join(missing)} (not started as services)\n")
        # Debian's maintainer scripts ask this program whether they may start a service: no.
        own_policy = not _POLICY.exists()
        if own_policy:
            _POLICY.write_text("#!/bin/sh\nexit 101\n")
            _POLICY.chmod(0o755)
        try:
            for command in (["apt-get", "update", "-q"], install):
                done = subprocess.run(
                    command,
                    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=600,
                    check=False,
                )
                if done.returncode:
                    raise InstallError(f"{' '.join(command)}: {done.stderr.strip()[-1000:]}")
        finally:
            if own_policy:
                _POLICY.unlink()
    if os.geteuid():
        raise InstallError("Postfix and Dovecot start as root only: run the benchmark as root")
