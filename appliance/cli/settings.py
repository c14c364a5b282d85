"""`posthouse settings`: the catalogue and the values in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from io import BufferedReader

    from appliance.operations.settings import SettingChange, SettingValue
    from appliance.settings.setting import Setting

_EFFECTS = {
    "live": "takes effect within a second",
    "restart": "takes effect when the services are started again",
    "root": "takes effect when the services are started again (they listen on new sockets)",
}


@click.group(cls=VerbGroup)
def settings() -> None:
    """Settings: look up, change, describe."""


def _to_dict(found: SettingValue) -> dict[str, Any]:
    return {
        "name": found.setting.name,
        "value": found.value,
        "default": found.setting.kind.render(found.setting.default),
        "is_default": found.is_default,
        "secret": found.setting.secret,
        "title": found.setting.title,
    }


@settings.command(
    "list",
    example="""
    posthouse settings list
    posthouse settings list --changed
    posthouse settings list "smart host"
    """,
)
@click.argument("text", default="")
@click.option("--changed", is_flag=True, help="Only those that differ from the default.")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, text: str, changed: bool, as_json: bool) -> None:
    """List settings with their values; with TEXT, those that have it in name, title or help."""
    from appliance.operations.settings import ListSettings

    output.print_list(
        session.ask(ListSettings(changed=changed, containing=text)),
        {
            "setting": lambda each: each.setting.name,
            "": lambda each: "" if each.is_default else "*",
            "value": lambda each: each.value or "(none)",
            "what it is": lambda each: each.setting.title,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="No setting is like that.",
    )


@settings.command(example="posthouse settings get smtp.max_recipients")
@click.argument("name")
@options.as_json
@click.pass_obj
def get(session: Session, *, name: str, as_json: bool) -> None:
    """Print a setting's value."""
    from appliance.operations.settings import GetSetting

    found = session.ask(GetSetting(setting=name))
    if as_json:
        output.print_json(_to_dict(found))
    else:
        click.echo(output.printable(found.value))


_node = click.option("--node", default="", metavar="NODE", help="For this node of a cluster only.")


@settings.command(
    "set",
    example="""
    posthouse settings set smtp.max_recipients 300
    posthouse settings set smtp.local_domain mx1.example.com --node mx1
    posthouse settings set smarthost.password --stdin <password.txt
    """,
)
@click.argument("name")
@click.argument("value", required=False)
@click.option("--stdin", is_flag=True, help="Take the value from the first line of standard input.")
@_node
@click.pass_obj
def set_value(session: Session, *, name: str, value: str | None, stdin: bool, node: str) -> None:
    """Set a setting.

    Write a value that begins with a hyphen after `--`. A secret is better given by --stdin: other
    users of this machine can see arguments.
    """
    from appliance.operations.settings import ChangeSetting
    from appliance.settings import catalogue

    setting = catalogue.named(name)
    if stdin == (value is not None):
        raise click.UsageError("give either a VALUE or --stdin")
    given = options.first_line() if value is None else value
    session.perform(ChangeSetting(setting=name, value=given, node=node))
    shown = "set" if setting.secret else setting.kind.render(setting.parse(given)) or "(none)"
    _told(setting, f"is now {output.printable(shown)}", node)


@settings.command(example="posthouse settings reset smtp.max_recipients")
@click.argument("name")
@_node
@click.pass_obj
def reset(session: Session, *, name: str, node: str) -> None:
    """Return a setting to its default."""
    from appliance.operations.settings import ChangeSetting
    from appliance.settings import catalogue

    session.perform(ChangeSetting(setting=name, value=None, node=node))
    setting = catalogue.named(name)
    default = setting.kind.render(setting.default) or "(none)"
    _told(setting, f"is back at its default, {default}", node)


@settings.command(
    example="""
    posthouse settings load <settings.toml
    posthouse settings load --dry-run <settings.json
    """,
)
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@_node
@options.as_json
@click.pass_obj
def load(
    session: Session, *, file: BufferedReader, dry_run: bool, node: str, as_json: bool
) -> None:
    """Set what FILE says, TOML or a JSON object; without FILE, standard input.

    All of it is set, or nothing. Settings that the file does not name stay as they are; in JSON,
    null returns one to its default.
    """
    from appliance.cli import settings_file
    from appliance.operations.settings import ChangeSettings, PlanSettings
    from appliance.settings import catalogue

    values = settings_file.read(file.read(settings_file.MAX_OCTETS + 1))
    if dry_run:
        changes = session.ask(PlanSettings(values=values, node=node))
    else:
        changes = session.perform(ChangeSettings(values=values, node=node))
    if as_json:
        secrets = [name for name in sorted(values) if catalogue.named(name).secret]
        told = [_change_to_dict(each) for each in changes]
        output.print_json({"changes": told, "secrets": secrets})
        return
    output.print_list(
        changes,
        {
            "setting": lambda each: each.setting.name,
            "before": lambda each: _or_default(each.setting, each.before),
            "after": lambda each: _or_default(each.setting, each.after),
            "": lambda each: _EFFECTS[each.setting.effect],
        },
        to_dict=_change_to_dict,
        as_json=False,
        none="Everything is set like that already.",
    )
    if dry_run and changes:
        click.echo("Nothing was changed.", err=True)


def _change_to_dict(found: SettingChange) -> dict[str, Any]:
    return {
        "name": found.setting.name,
        "before": found.before,
        "after": found.after,
        "default": found.setting.kind.render(found.setting.default),
        "effect": found.setting.effect.value,
    }


def _or_default(setting: Setting[Any], text: str | None) -> str:
    if text is not None:
        return text or "(none)"
    return f"{setting.kind.render(setting.default) or '(none)'} (default)"


def _told(setting: Setting[Any], what: str, node: str) -> None:
    where = f" on {node}" if node else ""
    click.echo(f"{setting.name} {what}{where}; this {_EFFECTS[setting.effect]}.")


@settings.command(example="posthouse settings describe retry.first")
@click.argument("name")
@options.as_json
def describe(*, name: str, as_json: bool) -> None:
    """Say everything the catalogue knows of a setting."""
    from appliance.settings import catalogue

    setting = catalogue.named(name)
    facts = {
        "name": setting.name,
        "title": setting.title,
        "help": setting.help,
        "allowed": setting.kind.describe(),
        "default": setting.kind.render(setting.default),
        "scopes": [scope.value for scope in setting.scopes],
        "effect": setting.effect.value,
        "secret": setting.secret,
        "manual": setting.manual,
        "checklist": setting.checklist,
    }
    if as_json:
        output.print_json(facts)
        return
    click.echo(f"{click.style(setting.name, bold=True)}: {setting.title}\n")
    click.echo(click.wrap_text(setting.help, width=80) + "\n")
    output.print_facts(
        {
            "allowed": facts["allowed"],
            "default": facts["default"] or "(none)",
            "set for": " or ".join(
                {"server": "the server", "node": "a node"}[s] for s in setting.scopes
            ),
            "effect": _EFFECTS[setting.effect],
            "secret": "yes: its value is never shown" if setting.secret else "",
            "manual": f"§{setting.manual}" if setting.manual else "",
            "checklist": setting.checklist,
        }
    )
