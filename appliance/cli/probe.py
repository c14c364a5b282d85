"""`posthouse probe`: every door tried as a client would."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import Verb
from appliance.cli.failure import Failed
from appliance.cli.session import Session
from appliance.settings import auth, pop, smtp
from appliance.settings.kinds import Duration, with_port
from appliance.settings.setting import Setting

if TYPE_CHECKING:
    from appliance.upkeep.probe_steps import Step

_LOCAL = "127.0.0.1"
_WELL_KNOWN = {"smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995}
_WEB, _HTTPMAIL = 80, 8080  # without a web server in front
_SETTINGS: dict[str, Setting[int]] = {
    "smtp": smtp.port,
    "submission": smtp.submission_port,
    "submissions": smtp.submissions_port,
    "pop3": pop.port,
    "pop3s": pop.tls_port,
}
_WITHIN = Duration(1, 600)


@dataclass(kw_only=True)
class _Known:
    """What is known of the server before a door is tried."""

    name: str = ""
    ports: dict[str, int] = field(default_factory=lambda: dict(_WELL_KNOWN))
    clear_logins: bool = False
    home: Path | None = None


class _Within(click.ParamType[int]):
    name = "length"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's interface
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        try:
            return _WITHIN.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(
    cls=Verb,
    example="""
    posthouse probe
    posthouse probe --host mail.example.com --web https://mail.example.com --json
    posthouse probe --login alice@example --password-stdin < password
    posthouse --home var probe --port-base 3000
    """,
)
@click.option(
    "--host", metavar="HOST", default="", help=f"Name or address to connect to; usually {_LOCAL}."
)
@click.option(
    "--name",
    metavar="NAME",
    default="",
    help="What certificates must be for. Without it: HOST where that is a name, or the server's.",
)
@click.option(
    "--port-base",
    type=click.IntRange(0, 57_000),
    default=None,
    metavar="N",
    help="Ports as `serve --port-base N` has them: 25, 587, 80 … from N.",
)
@click.option("--web", metavar="URL", default="", help="The web's address; usually https and HOST.")
@click.option(
    "--httpmail", metavar="URL", default="", help="HTTPMail's address; usually the web's."
)
@click.option(
    "--ca",
    "authorities",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Trust this authority too. The system's and the home's own are trusted.",
)
@click.option("--login", metavar="LOGIN", default="", help="Send a message through this mailbox.")
@click.option(
    "--address",
    metavar="ADDRESS",
    default="",
    help="The mailbox's address. Without it the home is asked, or LOGIN is it.",
)
@options.password_stdin
@click.option(
    "--within",
    "within_s",
    type=_Within(),
    default="30s",
    show_default=True,
    metavar="LENGTH",
    help="How long the message may take.",
)
@options.as_json
@click.pass_obj
def probe(
    session: Session,
    *,
    host: str,
    name: str,
    port_base: int | None,
    web: str,
    httpmail: str,
    authorities: tuple[Path, ...],
    login: str,
    address: str,
    password_stdin: bool,
    within_s: int,
    as_json: bool,
) -> None:
    """Try every door as a client would.

    SMTP, submission and POP3 with their TLS and certificate, the login pages of the web, its API's
    description, and HTTPMail. With --login a message goes from that mailbox to itself: sent by
    submission, read by POP3, HTTPMail and webmail, and deleted. The exit code is 1 when a step
    fails.
    """
    from appliance.upkeep.probe import Doors
    from appliance.upkeep.probe import probe as try_doors
    from appliance.upkeep.probe_mail import Account, probe_mail
    from appliance.upkeep.probe_steps import tls_context

    if not login and (password_stdin or address):
        raise click.UsageError("--password-stdin and --address are of --login")
    password = _password(login, from_stdin=password_stdin) if login else ""
    known = _known(session, port_base)
    to = host or _LOCAL
    trusted = [*authorities]
    if known.home is not None and (known.home / "config" / "tls" / "ca.pem").exists():
        trusted.append(known.home / "config" / "tls" / "ca.pem")
    own = f"http://{with_port(to, known.ports['web'])}" if "web" in known.ports else ""
    web = web or own or f"https://{with_port(to, 443)}"
    if not httpmail and "httpmail" in known.ports and web == own:
        httpmail = f"http://{with_port(to, known.ports['httpmail'])}"
    doors = Doors(
        host=to,
        ports=known.ports,
        web=_checked_url(web),
        httpmail=_checked_url(httpmail or web),
        context=tls_context(name or (host if _is_name(host) else known.name or to), trusted),
        clear_logins=known.clear_logins,
    )
    tell = (lambda _: None) if as_json else _print
    steps = try_doors(doors, tell)
    if login:
        found = address or _address(session, known, login)
        account = Account(login=login, password=password, address=found, within_s=within_s)
        probe_mail(doors, account, steps)
    failed = [each for each in steps.done if not each.ok]
    if as_json:
        output.print_json({"ok": not failed, "steps": [_to_dict(each) for each in steps.done]})
    if failed:
        what = ", ".join(f"{each.door} ({each.what})" for each in failed)
        raise Failed(f"{len(failed)} of {len(steps.done)} steps failed: {what}")


def _known(session: Session, port_base: int | None) -> _Known:
    """Ask the home, if there is one."""
    from appliance.operations.house import read_config
    from appliance.operations.settings import GetSetting

    known = _Known()
    home = session.home or read_config(None).home
    if home.exists():

        def value(setting: Setting[Any]) -> Any:  # noqa: ANN401 - the setting's own
            return setting.parse(session.ask(GetSetting(setting=setting.name)).value)

        known.home = home
        known.name = value(smtp.local_domain)
        known.clear_logins = value(auth.without_tls)
        known.ports |= {door: value(setting) for door, setting in _SETTINGS.items()}
        with suppress(FileNotFoundError, KeyError, ValueError):  # a demonstration's
            found = json.loads((home / "demo.json").read_text(encoding="utf-8"))
            known.ports |= {str(door): int(port) for door, port in found["ports"].items()}
    if port_base is not None:
        from_base = {**_WELL_KNOWN, "web": _WEB, "httpmail": _HTTPMAIL}
        known.ports = {door: port_base + port for door, port in from_base.items()}
    return known


def _password(login: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return options.read_password(login, from_stdin=True)
    if not options.on_terminal():
        raise click.UsageError("give the password on standard input with --password-stdin")
    typed: str = click.prompt(f"Password of {login}", hide_input=True, err=True)
    return typed


def _address(session: Session, known: _Known, login: str) -> str:
    """Return an address of the mailbox, as the home has it; without a home the login is it."""
    if known.home is None:
        return login
    from appliance.operations.mailboxes import ShowMailbox
    from appliance.operations.operation import OperationError

    with suppress(OperationError):
        found = session.ask(ShowMailbox(mailbox=login))
        if found.addresses:
            return found.addresses[0]
    return login


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return bool(host) and host != "localhost"
    return False


def _checked_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is not an address such as https://mail.example.com")
    return url


def _print(step: Step) -> None:
    mark = click.style("ok    ", fg="green") if step.ok else click.style("FAILED", fg="red")
    took = f"{step.seconds * 1000:.0f} ms"
    text = output.printable(step.text)
    click.echo(f"{mark}  {step.door:<11}  {step.what:<31}  {took:>8}  {text}")


def _to_dict(step: Step) -> dict[str, Any]:
    return {
        "door": step.door,
        "what": step.what,
        "ok": step.ok,
        "text": step.text,
        "seconds": step.seconds,
    }
