"""The modules of posthouse.appliance in real plays on this machine, with the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli.main import posthouse

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PASSWORD = "correct horse"
SECRET = "Zx9-xylophone-quartz"

Task = dict[str, Any]
Result = dict[str, Any]
SETTING, POSTOFFICE, DOMAIN, MAILBOX = (
    f"posthouse.appliance.posthouse_{each}"
    for each in ("setting", "postoffice", "domain", "mailbox")
)


class Host:
    """This machine as Ansible's host, with a home of its own."""

    def __init__(self, folder: Path, config: Path = ROOT / "ansible" / "ansible.cfg") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        self.environment = {
            **{name: each for name, each in os.environ.items() if "ANSIBLE" not in name},
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        self.told = ""

    def play(self, *tasks: Task, options: tuple[str, ...] = (), **more: object) -> list[Result]:
        """Run tasks, each also after one that failed; returns their results."""
        results = self.folder / "results.json"
        results.unlink(missing_ok=True)
        numbered = [
            {"name": f"Task {number}", **task, "register": f"r{number}", "ignore_errors": True}
            for number, task in enumerate(tasks)
        ]
        names = ", ".join(f"r{number}" for number in range(len(tasks)))
        tell: Task = {
            "name": "Tell the results",
            "ansible.builtin.copy": {
                "content": f"{{{{ [{names}] | to_json }}}}",
                "dest": str(results),
                "mode": "0600",
            },
            "check_mode": False,
            "diff": False,
        }
        assert self.run_play({"tasks": [*numbered, tell], **more}, *options) == 0, self.told
        found: list[Result] = json.loads(results.read_text())
        return found

    def run_play(self, play: dict[str, Any], *options: str) -> int:
        """Run a play; returns the exit code. What was printed is in `told`."""
        defaults = {"executable": str(BIN / "posthouse"), "home": str(self.home)}
        whole = {
            "name": "Test",
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/posthouse.appliance.all": defaults},
            **play,
        }
        path = self.folder / "play.yml"
        path.write_text(json.dumps([whole]))
        command = [str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
        done = subprocess.run(
            [*command, "-e", f"ansible_python_interpreter={sys.executable}", *options, path],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        self.told = done.stdout + done.stderr
        return done.returncode

    def do(self, *words: str, given: str = "") -> str:
        """Run the command itself, in this process; returns what it printed."""
        words = ("--home", str(self.home), *words)
        result = CliRunner().invoke(posthouse, words, input=given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - any JSON
        """Ask the command itself."""
        return json.loads(self.do(*words, "--json"))

    def furnish(self) -> None:
        """Make the post offices example, with the domain example.test, and other."""
        for name in ("example", "other"):
            self.do("postoffice", "create", name, "--password-stdin", given=PASSWORD)
        self.do("domain", "create", "example.test", "--postoffice", "example")

    def changed(self) -> dict[str, str]:
        """Return the settings that are set."""
        found = self.ask("settings", "list", "--changed")
        return {each["name"]: each["value"] for each in found}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def changes(results: list[Result]) -> list[bool]:
    assert [each for each in results if each.get("failed")] == []
    return [each["changed"] for each in results]


def sentences(results: list[Result]) -> list[str]:
    assert [each for each in results if not each.get("failed")] == []
    return [each["msg"] for each in results]


def test_tenants_are_made_changed_suspended_and_removed_once(host: Host) -> None:
    office = {"name": "example", "password": PASSWORD}
    alice: Task = {
        "name": "alice@example",
        "password": PASSWORD,
        "full_name": "Alice Arden",
        "addresses": ["Sales@bücher.test"],
    }
    make: list[Task] = [
        {POSTOFFICE: office},
        {DOMAIN: {"name": "bücher.test", "postoffice": "example"}},
        {MAILBOX: alice},
    ]
    (foreseen, *made) = host.play(
        {POSTOFFICE: office, "check_mode": True}, *make, *make, options=("--diff",)
    )
    assert changes([foreseen, *made]) == [True, True, True, True, False, False, False]
    assert foreseen["diff"] == made[0]["diff"]
    assert made[2]["mailbox"]["addresses"] == [
        "alice@xn--bcher-kva.test",
        "Sales@xn--bcher-kva.test",
    ]
    assert "+    state: present" in host.told
    assert made[3]["postoffice"] == host.ask("postoffice", "show", "example")
    assert made[4]["domain"] == host.ask("domain", "show", "bücher.test")

    alice |= {"state": "suspended", "role": "admin", "quota_kb": 2048, "full_name": ""}
    change: Task = {MAILBOX: {**alice, "addresses": ["info@bücher.test"]}}
    (foreseen, *done) = host.play(
        {**change, "check_mode": True},
        change,
        change,
        {DOMAIN: {"name": "BÜCHER.test", "postoffice": "Example", "state": "suspended"}},
        {POSTOFFICE: {"name": "EXAMPLE", "state": "suspended"}},
    )
    assert changes([foreseen, *done]) == [True, True, False, True, True]
    assert foreseen["diff"] == done[0]["diff"]
    found = done[0]["mailbox"]
    assert foreseen["mailbox"] | {"addresses": []} == found | {"addresses": []}
    assert found == host.ask("mailbox", "show", "alice@example")
    assert (found["enabled"], found["role"], found["quota_kb"]) == (False, "ADMIN", 2048)
    assert len(found["addresses"]) == 3
    assert not any(host.ask(noun, "list")[0]["enabled"] for noun in ("postoffice", "domain"))

    gone: Task = {MAILBOX: {"name": "alice@example", "state": "absent"}}
    results = host.play(
        {**gone, "check_mode": True},
        gone,
        gone,
        {DOMAIN: {"name": "bücher.test", "state": "absent"}},
        {POSTOFFICE: {"name": "example", "state": "absent"}},
    )
    assert changes(results) == [True, True, False, True, True]
    assert results[1]["mailbox"] is results[3]["domain"] is results[4]["postoffice"] is None
    assert host.ask("postoffice", "list") == []


def test_passwords_are_compared_where_asked_for_and_never_shown(host: Host) -> None:
    host.furnish()
    always = {"update_password": "always"}
    results = host.play(
        {POSTOFFICE: {"name": "example", "password": SECRET}},  # only a new one gets it
        {POSTOFFICE: {"name": "example", "password": SECRET, **always}},
        {MAILBOX: {"name": "alice@example", "password": SECRET}},
        {MAILBOX: {"name": "alice@example", "password": f"{SECRET}2", **always}},
        {MAILBOX: {"name": "alice@example", "password": f"{SECRET}2", **always}},
        options=("-vvv", "--diff"),
    )
    assert changes(results) == [False, True, True, True, False]
    assert SECRET not in host.told
    assert "password: (changed)" in host.told


def test_what_is_wrong_fails_with_the_commands_sentence_and_changes_nothing(host: Host) -> None:
    host.furnish()
    before = host.ask("revision", "list")
    tasks: list[tuple[Task, str]] = [
        ({POSTOFFICE: {"name": "third"}}, "creating it needs a password"),
        (
            {DOMAIN: {"name": "nodot", "postoffice": "example"}},
            "'nodot' is not a full domain name; write it like example.com",
        ),
        (
            {DOMAIN: {"name": "example.test", "postoffice": "other"}},
            "example.test belongs to the post office example, not to other",
        ),
        ({MAILBOX: {"name": "-v@example", "password": "short"}}, "-v"),
        (
            {MAILBOX: {"name": "ADMIN@example", "state": "absent"}},
            "delete the post office instead",
        ),
        (
            {SETTING: {"values": {"smtp.max_recipients": 7, "smtp.posts": 1}}},
            "there is no setting 'smtp.posts'; did you mean smtp.port",
        ),
        (
            {SETTING: {"name": "smarthost.password", "value": f"{SECRET}\a"}},
            "smarthost.password: that is not",
        ),
        (
            {SETTING: {"name": "smtp.port", "value": 1, "executable": "/nowhere/posthouse"}},
            "there is no command /nowhere/posthouse",
        ),
    ]
    told = sentences(host.play(*(task for task, _ in tasks), options=("-vvv",)))
    for text, (_, expected) in zip(told, tasks, strict=True):
        assert expected in text
    assert SECRET not in host.told
    assert host.ask("revision", "list") == before


def test_settings_are_set_in_one_step_and_returned_to_their_defaults(host: Host) -> None:
    values = {
        "smtp.max_recipients": 250,
        "relay.enabled": False,
        "retry.first": 900,
        "retry.delay_notice": False,
        "limits.exempt_ranges": ["192.0.2.0/24", "2001:db8::1"],
        "smtp.listen": "127.0.0.1",
        "web.threads": 4,
        "smarthost.password": SECRET,
        "smtp.banner": None,
    }
    back = {
        "values": {"smtp.max_recipients": "250"},
        "reset": ["smtp.listen", "smarthost.password"],
    }
    tasks: list[Task] = [
        {SETTING: {"values": values}, "check_mode": True},
        {SETTING: {"values": values}},
        {SETTING: {"values": values}},
        {SETTING: {"values": {"smarthost.password": f"{SECRET}2"}}},
        {SETTING: {"name": "smarthost.password", "value": f"{SECRET}2"}},
        {SETTING: back, "check_mode": True},
        {SETTING: back},
        {SETTING: {"name": "relay.enabled", "state": "default"}},
        {SETTING: {"values": {}}},
    ]
    results = host.play(*tasks, options=("-vvv", "--diff"))
    assert SECRET not in host.told
    assert "(hidden, another one)" in host.told
    assert changes(results) == [True, True, False, True, False, True, True, True, False]
    assert [each["effects"] for each in results[:3]] == [["root", "restart", "live"]] * 2 + [[]]
    for foreseen, done in ((results[0], results[1]), (results[5], results[6])):
        assert (foreseen["changes"], foreseen["diff"]) == (done["changes"], done["diff"])
    before, after = results[1]["diff"]["before"], results[1]["diff"]["after"]
    assert (before["retry.first"], after["retry.first"]) == ("15m (default)", "15m")
    assert (before["smarthost.password"], after["smarthost.password"]) == ("(default)", "(hidden)")
    assert [each["name"] for each in results[6]["changes"]] == ["smarthost.password", "smtp.listen"]
    assert host.changed() == {
        "limits.exempt_ranges": "192.0.2.0/24 2001:db8::1/128",
        "retry.delay_notice": "off",
        "retry.first": "15m",
        "smtp.max_recipients": "250",
        "web.threads": "4",
    }


@pytest.fixture
def with_role(host: Host) -> Callable[..., int]:
    """Run the role posthouse_settings with variables."""
    handlers = [
        {
            "name": f"Handle {topic}",
            "listen": f"posthouse {topic}",
            "ansible.builtin.debug": {"msg": f"asked for {topic}"},
        }
        for topic in ("sockets", "restart")
    ]

    def run(*options: str, **variables: object) -> int:
        command = {
            "posthouse_command": str(BIN / "posthouse"),
            "posthouse_hostname": "mail.example.test",
        }
        roles = [{"role": "posthouse.appliance.posthouse_settings"}]
        play = {"vars": {**command, **variables}, "roles": roles, "handlers": handlers}
        return host.run_play(play, *options)

    return run


def test_the_role_applies_the_variables_there_are_and_asks_for_what_they_need(
    host: Host, with_role: Callable[..., int]
) -> None:
    wanted = {
        "posthouse_smtp_max_recipients": 250,
        "posthouse_smtp_listen": ["127.0.0.1"],
        "posthouse_relay_enabled": False,
        "posthouse_smarthost_password": SECRET,
        "posthouse_smtp_banner": None,
    }
    assert with_role("-vvv", **wanted) == 0, host.told
    assert host.told.index("asked for sockets") < host.told.index("asked for restart")
    assert SECRET not in host.told
    found = host.changed()
    assert (found["relay.enabled"], found["smtp.listen"]) == ("no", "127.0.0.1")
    assert (found["smtp.max_recipients"], found["smarthost.password"]) == ("250", "(hidden)")
    assert "smtp.banner" not in found

    assert with_role(**wanted) == 0, host.told
    assert "changed=0" in host.told
    assert "asked for" not in host.told

    # a variable that is gone changes nothing; naming the setting does
    assert with_role("--diff", posthouse_settings_reset=["smtp.max_recipients"]) == 0, host.told
    assert "asked for" not in host.told
    del found["smtp.max_recipients"]
    assert host.changed() == found

    assert with_role(posthouse_smtp_port="many", posthouse_retry_delay_notice="later") != 0
    assert "posthouse_smtp_port" in host.told
    assert "value of posthouse_retry_delay_notice must be one of: off, first, every" in host.told


def test_the_built_collection_works_where_it_is_installed(tmp_path: Path) -> None:
    subprocess.run([ROOT / "tools" / "collection.sh"], check=True, timeout=300)
    (archive,) = (ROOT / "dist").glob("posthouse-appliance-*.tar.gz")
    config = tmp_path / "ansible.cfg"
    config.write_text("[defaults]\ncollections_path = installed\n")
    host = Host(tmp_path, config)
    subprocess.run(
        [BIN / "ansible-galaxy", "collection", "install", "--offline", archive, "-p", "installed"],
        cwd=tmp_path,
        env=host.environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    installed = tmp_path / "installed" / "ansible_collections" / "posthouse" / "appliance"
    assert len(list((installed / "dist").glob("posthouse-*.whl"))) == 1
    assert not any(path.is_symlink() for path in installed.rglob("*"))
    results = host.play({SETTING: {"name": "smtp.max_recipients", "value": 250}})
    assert changes(results) == [True]
    assert host.changed() == {"smtp.max_recipients": "250"}

    def run(program: str, *words: str) -> str:
        done = subprocess.run(
            [BIN / program, *words],
            cwd=tmp_path,
            env=host.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout

    run("ansible-playbook", "-i", "localhost,", "--syntax-check", "posthouse.appliance.site")
    listed = run("ansible-doc", "--list", "posthouse.appliance")
    assert len(listed.splitlines()) == 4
    shown = run("ansible-doc", "-t", "role", "posthouse.appliance.posthouse_settings")
    assert "posthouse_smtp_max_recipients" in shown
