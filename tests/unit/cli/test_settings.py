from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
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
        "secret": False,
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


def test_a_file_is_loaded_as_a_whole_and_says_what_changed(done: Text, ask: Ask) -> None:
    toml = """
    smtp.max_recipients = 250
    relay.enabled = false
    [retry]
    first = "900"
    delay_notice = false
    [limits]
    exempt_ranges = ["192.0.2.1", "198.51.100.0/24"]
    """
    planned = done("settings", "load", "--dry-run", given=toml)
    assert ask("settings", "list", "--changed") == []
    told = done("settings", "load", given=toml)
    assert told == planned
    assert "smtp.max_recipients   300 (default)" in told
    assert "off" in told
    values = {each["name"]: each["value"] for each in ask("settings", "list", "--changed")}
    assert values == {
        "smtp.max_recipients": "250",
        "relay.enabled": "no",
        "retry.first": "15m",
        "retry.delay_notice": "off",
        "limits.exempt_ranges": "192.0.2.1/32 198.51.100.0/24",
    }
    assert done("settings", "load", given=toml) == ""


def test_json_returns_to_the_default_and_answers_in_json(ask: Ask, done: Text) -> None:
    done("settings", "set", "smtp.max_recipients", "250")
    given = '{"smtp": {"max_recipients": null}, "smtp.port": 2525, "smarthost.password": "hush"}'
    found = ask("settings", "load", given=given)
    assert found == {
        "changes": [
            {
                "name": "smarthost.password",
                "before": None,
                "after": "(hidden)",
                "default": "",
                "effect": "live",
            },
            {
                "name": "smtp.max_recipients",
                "before": "250",
                "after": None,
                "default": "300",
                "effect": "live",
            },
            {
                "name": "smtp.port",
                "before": None,
                "after": "2525",
                "default": "25",
                "effect": "root",
            },
        ],
        "secrets": ["smarthost.password"],
    }
    assert ask("settings", "load", given=given)["changes"] == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("smtp.max_recipients", "neither TOML nor a JSON object"),
        ('{"smtp.port": 1, "smtp.port": 2}', "'smtp.port' stands there twice"),
        ('{"smtp.port": 1, "smtp": {"port": 2}}', "smtp.port stands there twice"),
        ("smtp.port = 2.5", "smtp.port: a value is a text"),
        ("smtp.listen = [true]", "that is a list of other things"),
        ("[smtp.port]\na.b = 1", "smtp.port: a value is a text"),
        ("smtp.posts = true", "did you mean smtp.port"),
        (b"\xff", "that is not UTF-8"),
        (b" " * (1 << 20) + b"a", "longer than 1048576 octets"),
        ("{" * 100_000, "neither TOML nor a JSON object"),
        ('{"a": ' * 100_000, "neither TOML nor a JSON object"),
        ("smarthost.password = 'hu\\tsh\x7f'", "neither TOML"),
        ('{"smarthost.password": "hush\\u0007"}', "smarthost.password: that is not"),
        ('{"smarthost.password": [["hush"]]}', "smarthost.password: a value is a text"),
    ],
)
def test_a_file_that_can_not_be_taken_is_refused_without_its_values(
    refused: Text, ask: Ask, given: str | bytes, text: str
) -> None:
    told = refused("settings", "load", given=given)
    assert text in told
    assert "hush" not in told
    assert ask("settings", "list", "--changed") == []
