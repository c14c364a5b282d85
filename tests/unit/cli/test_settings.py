from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import Result

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]


def test_a_setting_is_set_read_and_reset(done: Text, ask: Ask) -> None:
    assert "is now 250; this takes effect within a second" in done(
        "settings", "set", "smtp.max_recipients", "250"
    )
    assert done("settings", "get", "smtp.max_recipients") == "250\n"
    assert ask("settings", "get", "smtp.max_recipients") == {
        "name": "smtp.max_recipients",
        "value": "250",
        "default": "300",
        "is_default": False,
        "title": "Maximum recipients of a message",
    }
    assert [each["name"] for each in ask("settings", "list", "--changed")] == [
        "smtp.max_recipients"
    ]
    done("settings", "reset", "smtp.max_recipients")
    assert ask("settings", "list", "--changed") == []


def test_a_value_is_shown_as_it_is_understood(done: Text) -> None:
    assert "is now 15m;" in done("settings", "set", "retry.first", "900")
    assert "when the services are started again" in done("settings", "set", "smtp.port", "2525")


def test_a_text_narrows_the_list_by_name_title_and_help(ask: Ask) -> None:
    names = {each["name"] for each in ask("settings", "list", "smart host")}
    assert {"smarthost.enabled", "smarthost.password"} <= names
    assert "pop.port" not in names


def test_a_secret_is_taken_from_standard_input_and_never_shown(done: Text, ask: Ask) -> None:
    printed = done("settings", "set", "smarthost.password", "--stdin", given="hush hush\n")
    printed += done("settings", "get", "smarthost.password") + done("settings", "list")
    printed += done("revision", "list") + done("audit", "list")
    assert "hush" not in printed
    assert ask("settings", "get", "smarthost.password")["value"] == "(hidden)"


def test_wrong_names_and_values_are_refused_with_what_would_be_right(refused: Text) -> None:
    assert "did you mean smtp.max_recipients" in refused(
        "settings", "set", "smtp.max_recipient", "1"
    )
    assert "from 1 to 100000" in refused("settings", "set", "smtp.max_recipients", "many")
    assert "can't be set for a node" in refused(
        "settings", "set", "smtp.max_recipients", "9", "--node", "n1"
    )
    assert "no setting 'x'" in refused("settings", "describe", "x")


def test_a_value_is_given_once(run: Run) -> None:
    assert run("settings", "set", "smtp.port").exit_code == 2
    assert run("settings", "set", "smtp.port", "25", "--stdin", given="26\n").exit_code == 2


def test_an_empty_value_is_a_value(done: Text) -> None:
    done("settings", "set", "smtp.local_domain", "mx.demo.test")
    assert "is now (none)" in done("settings", "set", "smtp.local_domain", "")


def test_describe_says_everything_of_the_catalogues_entry(done: Text, ask: Ask) -> None:
    found = ask("settings", "describe", "smtp.listen")
    assert (found["scopes"], found["effect"], found["manual"]) == (
        ["server", "node"],
        "root",
        "6.2",
    )
    assert found.keys() == {
        "name", "title", "help", "allowed", "default", "scopes", "effect", "secret", "manual",
        "checklist",
    }  # fmt: skip
    told = done("settings", "describe", "smarthost.password")
    assert "its value is never shown" in told
    assert "§6.2" in told
