"""The machine for trying: what the Vagrantfile asks for. `make vagrant-test` starts it for real."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PORTS = {25, 80, 110, 443, 465, 587, 995}

# Stands for Vagrant, and prints the networks that it is asked for.
RECORDER = """
require "json"
class Recorder < BasicObject
  def network(*asked) = $networks << asked
  def provider(name, **) = yield(self)
  def method_missing(*) = self
end
$networks = []
module Vagrant
  def self.configure(_) = yield(Recorder.new)
end
load ARGV[0]
puts JSON.generate($networks)
"""


def run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("provider", ["virtualbox", "libvirt"])
def test_vagrant_takes_the_file_for_each_provider(provider: str, tmp_path: Path) -> None:
    # Vagrant reads a provider's part only where that provider is; VirtualBox is asked its version.
    there = tmp_path / "bin" / "VBoxManage"
    there.parent.mkdir()
    there.write_text("#!/bin/sh\necho 7.0.20r163906\n")
    there.chmod(0o755)
    told = run(
        "vagrant",
        "validate",
        PATH=f"{there.parent}:{os.environ['PATH']}",
        VAGRANT_DEFAULT_PROVIDER=provider,
        VAGRANT_HOME=str(tmp_path / "home"),
        VAGRANT_DOTFILE_PATH=str(tmp_path / "machine"),
        VAGRANT_CHECKPOINT_DISABLE="1",
    )
    assert "validated successfully" in told


def test_its_ports_are_open_to_this_machine_only() -> None:
    asked = json.loads(run("ruby", "-e", RECORDER, ROOT / "Vagrantfile"))
    assert {kind for kind, _ in asked} == {"forwarded_port"}
    forwarded = [options for _, options in asked]
    assert {each["guest"] for each in forwarded} == PORTS
    assert {each["host"] - each["guest"] for each in forwarded} == {4000}
    assert {each["host_ip"] for each in forwarded} == {"127.0.0.1"}
    assert {each["auto_correct"] for each in forwarded} == {False}


def test_another_port_base_moves_all_of_them() -> None:
    told = run("ruby", "-e", RECORDER, ROOT / "Vagrantfile", POSTHOUSE_PORT_BASE="7000")
    assert {each["host"] - each["guest"] for _, each in json.loads(told)} == {7000}


def test_the_machine_gets_all_that_ansible_needs_and_no_more() -> None:
    needed: set[str] = set()
    waiting = ["ansible-core"]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in needed:
            needed.add(name)
            found = map(Requirement, requires(name) or [])
            waiting += [
                each.name
                for each in found
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    pins = run("tools/vagrant/ansible.sh", "pins")
    names = {line.split("==")[0] for line in pins.splitlines() if not line.startswith(" ")}
    assert names == needed
