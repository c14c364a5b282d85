"""`posthouse completion`: what makes a shell complete nouns, verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from appliance.cli.command import Verb
from appliance.cli.failure import Failed


@click.command(
    cls=Verb,
    example="""
    posthouse completion bash >/etc/bash_completion.d/posthouse
    posthouse completion zsh >/usr/local/share/zsh/site-functions/_posthouse
    posthouse completion fish >~/.config/fish/completions/posthouse.fish
    """,
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print a script that completes commands.

    Your shell reads it when it starts; the examples name the usual places.
    """
    found = get_completion_class(shell)
    if found is None:
        raise Failed(f"there is no completion for {shell}")
    root = context.find_root().command
    click.echo(found(root, {}, "posthouse", "_POSTHOUSE_COMPLETE").source())
