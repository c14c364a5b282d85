"""The base of every host: a bare Debian 12, with the packages the roles install lying beside it.

The guests have no network beyond their bridge. So the image holds apt's lists and, in apt's cache,
the .deb files of what the roles install: `apt-get install` works in a guest as at a provider's,
dpkg and maintainer scripts included; only the download does not happen.

The outer machine's settings (mirror, proxy, certificates) serve to make the image and stay outside.
"""

from __future__ import annotations

import inspect
import re
import shlex
import tempfile
from pathlib import Path

from tests.appliance.harness.cache import cached
from tests.appliance.harness.machine import Unfit, call, remove

SUITE = "bookworm"

# What a provider's Debian has when the roles meet it for the first time.
BASE_PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "python3",
    "python3-apt",
    "python3-packaging",
    "systemd",
    "systemd-sysv",
)

# What the roles install, and what tests install beside it. A role that wants one more fails in a
# guest with "Unable to fetch": the name belongs here, then the image is made anew.
ROLE_PACKAGES = (
    "certbot",
    "nftables",
    "nginx",
    "postgresql",
    "postgresql-client",
    "python3-venv",
    "sudo",
    "systemd-timesyncd",
)

_SOURCE = "http://debian.test/debian"  # what a guest takes its packages to come from


def base() -> Path:
    """The root of a bare host; made once, in about a minute and a half."""
    steps = (inspect.getsource(step) for step in (_make, _fetch, _forget_machine))
    return cached("base", (SUITE, _SOURCE, *BASE_PACKAGES, "+", *ROLE_PACKAGES, *steps), _make)


def _make(root: Path) -> None:
    mirror = _mirror()
    # Mounts of its own: an interrupted debootstrap leaves no /proc behind in the tree.
    call(
        *("unshare", "--mount", "--propagation", "private"),
        *("debootstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"),
        *(SUITE, root, mirror),
        timeout_s=900,
        env=_proxy(),
    )
    (root / "etc/apt/sources.list").write_text(f"deb {_SOURCE} {SUITE} main\n")
    _fetch(root, mirror)
    _forget_machine(root)


def _fetch(root: Path, mirror: str) -> None:
    """Fill apt's lists and its cache: the outer machine's apt, asked what the guest lacks."""
    with tempfile.NamedTemporaryFile("w", suffix=".list") as sources:
        sources.write(f"deb {mirror} {SUITE} main\n")
        sources.flush()
        options = {
            "APT::Sandbox::User": "root",
            "Acquire::GzipIndexes": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "DPkg::Post-Invoke": "",
            "Dir::Cache": f"{root}/var/cache/apt",
            "Dir::Etc::SourceList": sources.name,
            "Dir::Etc::SourceParts": "-",
            "Dir::Etc::Preferences": "-",
            "Dir::Etc::PreferencesParts": "-",
            "Dir::Etc::TrustedParts": f"{root}/etc/apt/trusted.gpg.d",
            "Dir::State": f"{root}/var/lib/apt",
            "Dir::State::status": f"{root}/var/lib/dpkg/status",
        }
        apt = ["apt-get", "--quiet", *(f"--option={k}={v}" for k, v in options.items())]
        remove(root / "var/lib/apt/lists")
        (root / "var/lib/apt/lists/partial").mkdir(parents=True)
        call(*apt, "update", timeout_s=300)
        fetch = ("--yes", "--download-only", "--no-install-recommends", "install")
        call(*apt, *fetch, *ROLE_PACKAGES, timeout_s=900)
    # The lists are named after where they came from: make it where the guest believes they did.
    believed = _SOURCE.removeprefix("http://").replace("/", "_")
    for path in (root / "var/lib/apt/lists").iterdir():
        if (parts := path.name.partition("_dists_"))[1]:
            path.rename(path.with_name(f"{believed}_dists_{parts[2]}"))
    call("chroot", root, "apt-cache", "gencaches")


def _forget_machine(root: Path) -> None:
    """Remove what each host must have of its own, and what came from the outer machine."""
    for name in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "var/lib/dbus/machine-id"):
        (root / name).unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")


def _mirror() -> str:
    """Where this machine's own Debian comes from.

    Raises:
        Unfit: its apt knows no place that has the suite.
    """
    wanted = "--format=$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)"
    for target in call("apt-get", "indextargets", wanted).splitlines():
        if target.startswith(f"Packages {SUITE} main http"):
            return target.split()[3].rstrip("/")
    raise Unfit(f"This machine's apt knows no place with Debian {SUITE}: add one to its sources.")


def _proxy() -> dict[str, str]:
    """debootstrap fetches by wget, which does not read apt's settings."""
    shown = call("apt-config", "shell", "proxy", "Acquire::http::Proxy")
    found = re.match(r"proxy=(.+)", shown)
    return {"http_proxy": shlex.split(found[1])[0]} if found else {}
