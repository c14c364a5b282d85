"""Check that the lock files fit pyproject.toml and name no place.

Owns: nothing; reads pyproject.toml, requirements.lock and requirements-dev.lock.
Never: asks a registry, so that it also runs without a network.
Failure: one line for each thing that is wrong, exit code 1.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?: ;.*)? \\", re.ASCII)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", re.ASCII)


def read_pins(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the version of each locked package, and what in the file is no pin and no hash."""
    pins: dict[str, str] = {}
    faults: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if pin := _PIN.fullmatch(line):
            pins[canonicalize_name(pin["name"])] = pin["version"]
        elif not _HASH.fullmatch(line):
            faults.append(f"{path.name}:{number}: neither a pin nor a hash: {line.strip()!r}")
    return pins, faults


def unmet(requirements: list[str], pins: dict[str, str], lock: str) -> list[str]:
    """Return a line for each requirement that the lock does not fulfil."""
    faults = []
    for requirement in map(Requirement, requirements):
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            held = version or "nothing"
            faults.append(f"{lock}: holds {held} for {requirement}; run `make lock`")
    return faults


def main() -> int:
    """Print what is wrong; return the exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = project["project"]["dependencies"]
    everything = runtime + project["dependency-groups"]["dev"]
    pins, faults = read_pins(ROOT / "requirements.lock")
    dev_pins, dev_faults = read_pins(ROOT / "requirements-dev.lock")
    faults += dev_faults
    faults += unmet(runtime, pins, "requirements.lock")
    faults += unmet(everything, dev_pins, "requirements-dev.lock")
    faults += [
        f"requirements-dev.lock: {name} is {dev_pins.get(name, 'missing')}, at run time {version}"
        for name, version in pins.items()
        if dev_pins.get(name) != version
    ]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
