"""What the modules decide by themselves, without the command."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # ships no types
from ansible_collections.posthouse.appliance.plugins.doc_fragments import command
from ansible_collections.posthouse.appliance.plugins.module_utils.posthouse import (
    Posthouse,
    one_line,
    sentence,
    state_of,
)
from ansible_collections.posthouse.appliance.plugins.modules import (
    posthouse_domain,
    posthouse_mailbox,
    posthouse_postoffice,
    posthouse_setting,
)

MAILBOX = {
    "login": "alice@demo",
    "role": "USER",
    "full_name": "",
    "enabled": True,
    "quota_kb": 0,
    "addresses": ["alice@demo.test"],
    "messages": 3,
}
NOTHING = {"role": None, "full_name": None, "quota_kb": None, "addresses": None}


class Failed(Exception):
    pass


class Module:
    """Stands for AnsibleModule."""

    def __init__(self, check_mode: bool = False, **params: Any) -> None:  # noqa: ANN401 - options
        given = {"executable": "/nowhere/posthouse", "home": None, "node": None}
        given |= {"name": None, "value": None, "values": None, "reset": None, "state": "present"}
        self.params = given | params
        self.check_mode = check_mode
        self.no_log_values: set[str] = set()
        self.warnings: list[str] = []
        self.ran: list[str] = []
        self.exited: dict[str, Any] = {}

    def fail_json(self, *, msg: str, **more: object) -> None:
        raise Failed(msg)

    def exit_json(self, **found: Any) -> None:  # noqa: ANN401 - results
        self.exited = found

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def run_command(self, arguments: list[str], **more: object) -> tuple[int, str, str]:
        self.ran = arguments
        return 0, "{}", ""


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("posthouse: there is no mailbox 'x'\n", "there is no mailbox 'x'"),
        (
            "Usage: posthouse queue\nTry 'posthouse --help'.\n\nError: No such option: --x\n",
            "No such option: --x",
        ),
        ("a warning\nposthouse: the server is busy\n", "the server is busy"),
        ("", "posthouse ended with code 1 and said nothing"),
    ],
)
def test_the_commands_own_sentence_is_told(written: str, text: str) -> None:
    assert sentence(written, 1) == text


def test_a_name_that_begins_with_a_hyphen_is_no_option() -> None:
    module: Any = Module(home="/srv/mail")
    assert Posthouse(module).ask("mailbox", "show", about="-v@demo") == {}
    assert module.ran == [
        "/nowhere/posthouse", "--home", "/srv/mail", "mailbox", "show", "--json", "--", "-v@demo",
    ]  # fmt: skip


def test_without_the_command_only_a_preview_goes_on() -> None:
    preview: Any = Module(check_mode=True)
    assert Posthouse(preview).show("domain", "demo.test") is None
    assert "taken for an empty server" in preview.warnings[0]
    module: Any = Module()
    with pytest.raises(Failed, match="there is no command /nowhere/posthouse"):
        Posthouse(module).show("domain", "demo.test")


@pytest.mark.parametrize("password", ["two\nlines", "end\r", "\n"])
def test_a_password_of_two_lines_is_refused_before_half_of_it_is_set(password: str) -> None:
    module: Any = Module()
    with pytest.raises(Failed, match="a password is one line"):
        one_line(module, password)


@pytest.mark.parametrize(
    ("found", "state"),
    [(None, "absent"), ({"enabled": True}, "present"), ({"enabled": False}, "suspended")],
)
def test_a_state_is_told_by_what_there_is(found: dict[str, Any] | None, state: str) -> None:
    assert state_of(found) == state


# ── mailboxes ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_given_stays() -> None:
    before = posthouse_mailbox.facts(MAILBOX, "alice@demo")
    assert posthouse_mailbox.wanted(before, {"state": "present", **NOTHING}) == before
    changed = {**NOTHING, "state": "suspended", "full_name": "", "quota_kb": 0, "role": "admin"}
    after = posthouse_mailbox.wanted(before, changed)
    assert after == {**before, "state": "suspended", "role": "admin"}


def test_a_new_mailbox_has_what_the_command_gives_it() -> None:
    before = posthouse_mailbox.facts(None, "carol@demo")
    assert before == {"login": "carol@demo", "state": "absent"}
    given = {**NOTHING, "state": "present", "addresses": ["sales@demo.test"]}
    assert posthouse_mailbox.wanted(before, given) == {
        "login": "carol@demo",
        "state": "present",
        "role": "user",
        "full_name": "",
        "quota_kb": 0,
        "addresses": ["sales@demo.test"],
    }


def test_an_address_is_the_same_however_it_is_written() -> None:
    there = ["Sales@demo.test", "info@xn--bcher-kva.test"]
    asked_for = ["sales@DEMO.test", "INFO@bücher.test", "new@demo.test", "NEW@demo.test"]
    assert posthouse_mailbox.missing(there, asked_for) == ["NEW@demo.test"]
    assert posthouse_mailbox.missing([], ["info@bücher.test"]) == ["info@xn--bcher-kva.test"]
    assert posthouse_mailbox.missing([], ["a..b", f"x@{'y' * 70}.test"]) == [
        "a..b",
        f"x@{'y' * 70}.test",
    ]  # wrong, as the command will say


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("params", "values"),
    [
        ({"name": "smtp.port", "value": 26}, {"smtp.port": 26}),
        ({"name": "relay.enabled", "value": False}, {"relay.enabled": False}),
        ({"name": "smtp.banner", "value": ""}, {"smtp.banner": ""}),
        ({"name": "smtp.port", "state": "default"}, {"smtp.port": None}),
        (
            {"values": {"smtp.port": 26, "smtp.banner": None}, "reset": ["pop.port"]},
            {"smtp.port": 26, "pop.port": None},
        ),
        (
            {"name": "pop.port", "value": 1, "values": {"smtp.port": 26}},
            {"smtp.port": 26, "pop.port": 1},
        ),
    ],
)
def test_all_ways_to_give_values_are_one(params: dict[str, Any], values: dict[str, Any]) -> None:
    module: Any = Module(**params)
    assert posthouse_setting.wanted(module) == values


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"name": "smtp.port"}, "a value is missing"),
        ({"name": "smtp.port", "value": 1, "state": "default"}, "not both"),
        ({"name": "smtp.port", "value": 1, "values": {"smtp.port": 1}}, "given twice"),
        ({"values": {"smtp.port": 1}, "reset": ["smtp.port"]}, "given twice"),
    ],
)
def test_what_contradicts_itself_is_refused(params: dict[str, Any], text: str) -> None:
    module: Any = Module(**params)
    with pytest.raises(Failed, match=text):
        posthouse_setting.wanted(module)


def test_a_preview_without_the_command_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"smarthost.password": "hush", "smtp.port": 26, "smtp.banner": None}
    module: Any = Module(check_mode=True, values=values, reset=["pop.port"])
    monkeypatch.setattr(posthouse_setting, "Module", lambda **given: module)
    posthouse_setting.main()
    assert module.exited["effects"] == []
    assert [(each["name"], each["after"]) for each in module.exited["changes"]] == [
        ("pop.port", None),
        ("smarthost.password", "(given)"),
        ("smtp.port", "(given)"),
    ]
    assert module.no_log_values == {"hush", "26"}


# ── what ansible-doc shows ───────────────────────────────────────────────────────────────────────


class Taken(Exception):
    """The arguments that a module gives to AnsibleModule."""


@pytest.mark.parametrize(
    "module", [posthouse_domain, posthouse_mailbox, posthouse_postoffice, posthouse_setting]
)
def test_options_are_documented_as_they_are(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(**given: object) -> None:
        raise Taken(given)

    monkeypatch.setattr(module, "Module", take)
    with pytest.raises(Taken) as taken:
        module.main()
    (given,) = taken.value.args
    described = {
        **yaml.safe_load(module.DOCUMENTATION)["options"],
        **yaml.safe_load(command.ModuleDocFragment.DOCUMENTATION)["options"],
    }
    facts = ("type", "choices", "default", "required", "elements", "aliases")
    assert {
        name: {fact: each[fact] for fact in facts if fact in each}
        for name, each in given["argument_spec"].items()
    } == {
        name: {fact: each[fact] for fact in facts if fact in each}
        for name, each in described.items()
    }
    assert given["supports_check_mode"]


def test_all_modules_share_their_options_by_one_group() -> None:
    ansible = Path(__file__).parents[3] / "ansible"
    group = yaml.safe_load((ansible / "meta" / "runtime.yml").read_text())["action_groups"]["all"]
    assert group == sorted(path.stem for path in (ansible / "plugins" / "modules").glob("*.py"))
