"""Post offices, domains, mailboxes, addresses, operators and tokens by the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import posthouse

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]

SECRET = "another secret\n"


def _without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def test_a_post_office_is_shown_with_domains_and_mailboxes(ask: Ask) -> None:
    found = ask("postoffice", "show", "demo")
    assert found["created_at"].endswith("Z")
    assert _without(found, "created_at") == {
        "name": "demo",
        "enabled": True,
        "domains": ["demo.test"],
        "mailboxes": 2,
    }


def test_a_mailbox_has_an_address_in_every_domain_of_its_post_office(done: Text, ask: Ask) -> None:
    done("domain", "create", "demo.example", "--postoffice", "demo")
    found = ask("mailbox", "show", "alice@demo")
    assert _without(found, "created_at") == {
        "login": "alice@demo",
        "name": "alice",
        "postoffice": "demo",
        "full_name": "",
        "role": "USER",
        "enabled": True,
        "quota_kb": 0,
        "last_login_at": None,
        "addresses": ["alice@demo.example", "alice@demo.test"],
        "messages": 0,
        "octets": 0,
    }


def test_a_domain_is_shown_however_it_is_written(done: Text, ask: Ask) -> None:
    done("domain", "create", "bücher.test", "--postoffice", "demo")
    found = ask("domain", "show", "BÜCHER.test")
    assert found == ask("domain", "show", "xn--bcher-kva.test")
    assert _without(found, "created_at") == {
        "name": "xn--bcher-kva.test",
        "postoffice": "demo",
        "enabled": True,
    }
    assert "post office  demo" in done("domain", "show", "demo.test")


@pytest.mark.parametrize(
    ("noun", "name", "text"),
    [
        ("postoffice", "nowhere", "no post office 'nowhere'"),
        ("domain", "nowhere.test", "no post office hosts the domain 'nowhere.test'"),
        ("mailbox", "nobody@demo", "no mailbox 'nobody@demo'"),
        ("mailbox", "nobody@nowhere", "no mailbox 'nobody@nowhere'"),
    ],
)
def test_what_is_not_there_is_null_for_those_who_ask_so(
    done: Text, refused: Text, noun: str, name: str, text: str
) -> None:
    assert text in refused(noun, "show", name, "--json")
    assert done(noun, "show", name, "--if-exists", "--json") == "null\n"
    assert done(noun, "show", name, "--if-exists") == ""


def test_what_can_not_be_is_refused_even_to_those_who_ask_whether_it_is_there(
    refused: Text,
) -> None:
    assert "give a domain like" in refused("domain", "show", "a..b", "--if-exists")


def test_a_password_is_checked_without_a_login_and_without_a_change(
    done: Text, ask: Ask, refused: Text
) -> None:
    words = ("mailbox", "password", "alice@demo")
    check = (*words, "--check", "--password-stdin")
    assert ask(*check, given=SECRET) == {"login": "alice@demo", "is_password": False}
    assert ask(*words, "--password-stdin", given=SECRET) == {"login": "alice@demo", "changed": True}
    done("mailbox", "disable", "alice@demo")  # of a suspended mailbox, too
    for _ in range(12):  # more than a login may fail
        assert "is not the password" in done(*check, given="wrong one\n")
    assert "is the password" in done(*check, given=SECRET)
    assert [each["operation"] for each in ask("audit", "list")].count("mailbox.password") == 1
    assert "no mailbox" in refused(
        "mailbox", "password", "nobody@demo", "--check", "--password-stdin", given=SECRET
    )


def test_lists_are_tables_for_people_and_one_document_for_programs(done: Text, ask: Ask) -> None:
    lines = done("mailbox", "list", "--postoffice", "demo").splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["LOGIN", "ROLE", "STATE"],
        ["ADMIN@demo", "ADMIN", "enabled"],
        ["alice@demo", "USER", "enabled"],
    ]
    assert [each["login"] for each in ask("mailbox", "list")] == ["ADMIN@demo", "alice@demo"]


def test_an_empty_list_is_an_empty_document_and_says_so_to_people(run: Run, ask: Ask) -> None:
    assert ask("operator", "list") == []
    result = run("operator", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no operator" in result.stderr


def test_things_are_switched_off_and_on(done: Text, ask: Ask) -> None:
    for noun, name in (("postoffice", "demo"), ("domain", "demo.test"), ("mailbox", "alice@demo")):
        for verb, expected in (("disable", False), ("enable", True)):
            done(noun, verb, name)
            found = [each["enabled"] for each in ask(noun, "list") if name in each.values()]
            assert found == [expected]


def test_the_role_of_a_mailbox_is_given_in_any_case(done: Text, ask: Ask) -> None:
    done("mailbox", "create", "eve@demo", "--role", "admin", "--password-stdin", given=SECRET)
    assert ask("mailbox", "show", "eve@demo")["role"] == "ADMIN"


def test_a_mailbox_is_made_and_changed_with_its_owners_name_and_a_quota(
    done: Text, ask: Ask, run: Run, refused: Text
) -> None:
    more = ("--full-name", "Eve Adams", "--quota-kb", "2048")
    done("mailbox", "create", "eve@demo", *more, "--password-stdin", given=SECRET)
    found = ask("mailbox", "show", "eve@demo")
    assert (found["full_name"], found["quota_kb"]) == ("Eve Adams", 2048)
    shown = done("mailbox", "show", "eve@demo")
    assert "full name   Eve Adams" in shown
    assert "quota       2.0 MiB" in shown
    assert "last login  never" in shown
    done("mailbox", "edit", "eve@demo", "--role", "admin", "--full-name", "")
    found = ask("mailbox", "show", "eve@demo")
    assert (found["full_name"], found["quota_kb"], found["role"]) == ("", 2048, "ADMIN")
    assert run("mailbox", "edit", "eve@demo").exit_code == 2
    assert "stays an ADMIN" in refused("mailbox", "edit", "ADMIN@demo", "--role", "USER")
    assert "full name" in refused("mailbox", "edit", "eve@demo", "--full-name", "x" * 101)


def test_a_token_is_made_listed_and_revoked_and_its_secret_printed_once(
    run: Run, done: Text, ask: Ask, refused: Text
) -> None:
    made = run("token", "create", "watch", "--allow", "server.read", "--allow", "queue.read")
    assert made.exit_code == 0
    assert re.fullmatch(r"ph_[\w-]{43}\n", made.stdout)  # alone, for a script
    assert "shown this once" in made.stderr
    assert _without(ask("token", "list")[0], "created_at") == {
        "name": "watch",
        "permissions": ["queue.read", "server.read"],
        "postoffice": None,
        "expires_at": None,
        "last_used_at": None,
    }
    assert made.stdout.strip() not in done("token", "list")
    words = ("token", "create", "bill", "--allow", "mailbox.read", "--postoffice", "demo")
    bound = ask(*words, "--days", "90")
    assert bound["secret"].startswith("ph_")
    assert bound["postoffice"] == "demo"
    assert bound["expires_at"] > bound["created_at"]
    done("token", "revoke", "watch", "--yes")
    assert [each["name"] for each in ask("token", "list")] == ["bill"]
    assert "no token 'watch'" in refused("token", "revoke", "watch", "--yes")
    assert "bound to demo can't have server.read" in refused(
        *("token", "create", "more", "--allow", "server.read", "--postoffice", "demo")
    )


@pytest.mark.parametrize("permission", ["identity", "session", "self", "nonsense"])
def test_a_token_is_never_given_what_no_token_can_have(run: Run, permission: str) -> None:
    result = run("token", "create", "more", "--allow", permission)
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_address_leads_to_a_mailbox_until_it_is_deleted(done: Text, ask: Ask) -> None:
    done("address", "create", "sales@demo.test", "--mailbox", "alice@demo")
    assert {
        "address": "sales@demo.test",
        "mailbox": "alice@demo",
        "postoffice": "demo",
        "source": "[SMTP:sales@demo.test]",
        "destination": "[SF:demo/alice]",
    } in ask("address", "list", "--mailbox", "alice@demo")
    done("address", "delete", "sales@demo.test")
    assert "sales@demo.test" not in done("address", "list")


def test_an_operators_account_comes_and_goes(done: Text, ask: Ask) -> None:
    done("operator", "create", "anna", "--password-stdin", given=SECRET)
    done("operator", "password", "anna", "--password-stdin", given=SECRET)
    assert [each["name"] for each in ask("operator", "list")] == ["anna"]
    done("operator", "delete", "anna", "--yes")
    assert ask("operator", "list") == []


def test_what_is_refused_takes_one_line(refused: Text) -> None:
    assert "'nobody@demo'" in refused("mailbox", "show", "nobody@demo")
    assert "is hosted here already" in refused(
        "domain", "create", "demo.test", "--postoffice", "demo"
    )
    assert "8 or more" in refused(
        "mailbox", "password", "alice@demo", "--password-stdin", given="short\n"
    )


def test_only_the_first_line_of_standard_input_is_the_password(run: Run, refused: Text) -> None:
    words = ("mailbox", "password", "alice@demo", "--password-stdin")
    assert run(*words, given="long enough\r\nx\n").exit_code == 0
    assert "is empty" in refused(*words, given="\nlong enough\n")
    assert "not UTF-8" in refused(*words, given=b"long enough \xff\n")


def test_without_a_terminal_a_password_must_come_by_standard_input(run: Run) -> None:
    result = run("mailbox", "password", "alice@demo", given="long enough\nlong enough\n")
    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_password_is_asked_for_twice(run: Run) -> None:
    words = ("mailbox", "password", "alice@demo")
    assert run(*words, given="long enough\nlong enough\n").exit_code == 0
    result = run(*words, given="long enough\nanother one\n")
    assert result.exit_code == 1
    assert result.stderr.endswith("posthouse: nothing was changed\n")


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_a_deletion_is_asked_about(run: Run, ask: Ask) -> None:
    result = run("mailbox", "delete", "alice@demo", given="n\n")
    assert result.exit_code == 1
    assert result.stderr.endswith("posthouse: nothing was changed\n")
    assert run("mailbox", "delete", "alice@demo", given="y\n").exit_code == 0
    assert [each["login"] for each in ask("mailbox", "list")] == ["ADMIN@demo"]


@pytest.mark.usefixtures("terminal")
def test_a_post_office_is_deleted_by_typing_its_name(run: Run, ask: Ask) -> None:
    result = run("postoffice", "delete", "demo", given="yes\n")
    assert result.exit_code == 1
    assert "1 domain and 2 mailboxes" in result.stderr
    assert [each["name"] for each in ask("postoffice", "list")] == ["demo"]
    assert run("postoffice", "delete", "demo", given="demo\n").exit_code == 0
    assert ask("postoffice", "list") == []


def test_where_nobody_can_be_asked_a_post_office_needs_yes(run: Run, ask: Ask) -> None:
    assert run("postoffice", "delete", "demo").exit_code == 2
    assert run("postoffice", "delete", "demo", "--yes").exit_code == 0
    assert ask("postoffice", "list") == []


def test_every_change_is_on_record_with_the_unix_user(done: Text, ask: Ask) -> None:
    done("domain", "disable", "demo.test")
    newest = ask("revision", "list", "--about", "domain demo.test")[0]
    assert newest["actor"].startswith("operator:")
    assert (newest["door"], newest["before"], newest["after"]) == (
        "cli",
        {"enabled": True},
        {"enabled": False},
    )
    assert "enabled yes → no" in done("revision", "list", "--most", "1")
    done("domain", "delete", "demo.test")
    assert "deleted" in done("revision", "list", "--most", "1")


def test_the_audit_knows_what_failed_too(done: Text, refused: Text, ask: Ask) -> None:
    refused("domain", "enable", "other.test")
    record = ask("audit", "list", "--most", "1")[0]
    assert (record["operation"], record["outcome"]) == ("domain.enable", "failed")
    assert "other.test" in record["detail"]
    assert "failed" in done("audit", "list")


def test_a_question_makes_no_home(tmp_path: Path) -> None:
    home = tmp_path / "mistyped"
    result = CliRunner().invoke(posthouse, ["--home", str(home), "mailbox", "list"])
    assert result.exit_code == 1
    assert f"there is no home {home}" in result.stderr
    assert not home.exists()


def test_without_home_the_configuration_file_names_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "posthouse.toml").write_text(f'home = "{home}"\n')
    monkeypatch.setenv("POSTHOUSE_CONFIG", str(tmp_path / "posthouse.toml"))
    result = CliRunner().invoke(posthouse, ["postoffice", "list"])
    assert "demo" in result.stdout
    (tmp_path / "posthouse.toml").write_text("hoem = 1\n")
    result = CliRunner().invoke(posthouse, ["postoffice", "list"])
    assert result.exit_code == 1
    assert "hoem" in result.stderr


def test_without_a_configuration_file_the_environment_names_the_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTHOUSE_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("POSTHOUSE_HOME", str(home))
    assert "demo" in CliRunner().invoke(posthouse, ["postoffice", "list"]).stdout
