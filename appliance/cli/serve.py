"""`posthouse serve`: all services in one foreground process."""

from __future__ import annotations

import click

from appliance.cli.command import Verb
from appliance.cli.session import Session
from appliance.operations.house import House
from appliance.settings.kinds import with_port
from appliance.upkeep import demo as demonstration
from appliance.upkeep.serve import addresses, ports, service_of, take
from appliance.upkeep.serve import serve as serve_all


@click.command(cls=Verb, example="posthouse --home ./var serve --demo --port-base 3000")
@click.option("--demo", is_flag=True, help="Make a demonstration post office and listen locally.")
@click.option(
    "--port-base",
    type=click.IntRange(0, 60000),
    metavar="N",
    help="Listen at N plus the well-known ports: N+25, N+587, N+465, N+110, N+995, N+80, N+8080.",
)
@click.pass_obj
def serve(session: Session, *, demo: bool, port_base: int | None) -> None:
    """Run all services until Ctrl-C."""
    config, _ = session.enter()
    house = House(config)
    lock = take(house.home)
    accounts = demonstration.furnish(house) if demo else []
    house.live.refresh()
    settings = house.settings
    numbers = ports(settings, port_base)
    where, notes = addresses(settings)
    for note in notes:
        click.echo(f"posthouse: {note}", err=True)
    house.queue, house.journey, house.throttle  # noqa: B018 - their databases are made before the fork
    house.close()

    def announce() -> None:
        click.echo(f"home        {config.home.resolve()}")
        for name, port in numbers.items():
            here = where[service_of(name)]
            click.echo(f"{name:<11} {' '.join(with_port(address, port) for address in here)}")
        if demo:
            demonstration.announce(config.home, numbers, accounts)
            click.echo(f"CA          {config.home.resolve() / 'ca.pem'}")
            for account in accounts:
                click.echo(f"login       {account['login']:<11} password {account['password']}")
        click.echo("ready")

    serve_all(config, numbers, where, settings, announce, lock=lock)
