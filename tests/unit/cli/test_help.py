"""What --help promises: an overview that is right, and examples that can be typed as they stand."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from appliance.cli.command import Verb
from appliance.cli.main import NOUNS, posthouse


def _commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by what is typed."""
    context = click.Context(posthouse, info_name="posthouse")
    for noun in posthouse.list_commands(context):
        command = posthouse.get_command(context, noun)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{noun} {name}", verb) for name, verb in command.commands.items())
        else:
            yield noun, command


def _examples(command: click.Command) -> list[str]:
    text = command.example if isinstance(command, Verb) else command.help or ""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line.startswith("posthouse ")]


COMMANDS = dict(_commands())
EXAMPLES = [(name, line) for name, command in COMMANDS.items() for line in _examples(command)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_has_an_example(name: str) -> None:
    assert COMMANDS[name].help
    examples = [line for noun, line in EXAMPLES if noun == name]
    assert examples
    assert all(name in line for line in examples)


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_of_the_help_can_be_typed(
    name: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(line)[1:]
    ends = [place for place, word in enumerate(words) if word[0:1] in ("<", ">", "|")]
    called = []
    monkeypatch.setattr(COMMANDS[name], "callback", lambda **given: called.append(given))
    result = CliRunner().invoke(posthouse, words[: min(ends, default=len(words))])
    assert result.exit_code == 0, result.output
    assert len(called) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_the_examples_unwrapped(name: str) -> None:
    result = CliRunner().invoke(posthouse, [*name.split(), "--help"])
    assert result.exit_code == 0
    if isinstance(COMMANDS[name], Verb):
        for line in _examples(COMMANDS[name]):
            assert f"  {line}\n" in result.output


@pytest.mark.parametrize("noun", NOUNS)
def test_the_overview_says_of_a_noun_what_the_noun_says_of_itself(noun: str) -> None:
    command = posthouse.get_command(click.Context(posthouse), noun)
    assert command is not None
    assert (command.help or "").splitlines()[0] == NOUNS[noun].help


def test_the_overview_imports_no_noun_and_no_database_code() -> None:
    code = (
        "import sys\n"
        "from appliance.cli.main import posthouse\n"
        "try: posthouse(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'rich', 'asyncio', 'appliance.cli.serve', 'appliance.cli.queue'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "mailbox" in result.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["mailbx"], "mailbox"),
        (["mailbox", "crate"], "create"),
        (["queue", "list", "--jsn"], "--json"),
    ],
)
def test_a_mistyped_word_is_usage_and_the_right_one_is_suggested(
    words: list[str], hint: str
) -> None:
    result = CliRunner().invoke(posthouse, words)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_nouns_are_completed_without_importing_them() -> None:
    items = posthouse.shell_complete(click.Context(posthouse), "se")
    assert [item.value for item in items] == ["send", "serve", "service", "settings"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    result = CliRunner().invoke(posthouse, ["completion", shell])
    assert result.exit_code == 0
    assert f"_POSTHOUSE_COMPLETE={shell}_complete" in result.output
