"""`posthouse scrub`: whether all that is kept is whole, and the mending of what can be."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from appliance.cli import options, output
from appliance.cli.backup import progress
from appliance.cli.command import Verb
from appliance.cli.failure import Failed
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.upkeep.scrub import Report


@click.command(
    cls=Verb,
    example="""
    posthouse scrub
    posthouse scrub --mend
    posthouse scrub --quick --json
    """,
)
@click.option(
    "--mend", is_flag=True, help="Mend what can be mended; writers wait for moments meanwhile."
)
@click.option("--quick", is_flag=True, help="Don't read large contents, only look for their files.")
@options.as_json
@click.pass_obj
def scrub(session: Session, *, mend: bool, quick: bool, as_json: bool) -> None:
    """Look whether all that is kept is whole, and mend it.

    Databases, indexes, counters and contents are read; services may run meanwhile. Indexes,
    counters, references, checksums and files that nothing names are mended with --mend; what is
    lost or damaged is told, and a backup may have it. The exit code is 1 when something is left
    that is not as it should be.
    """
    from appliance.upkeep.scrub import Scrub

    with progress() as tell:
        found = session.perform(Scrub(mend=mend, quick=quick, progress=tell))
    if as_json:
        output.print_json({**asdict(found), "at": output.to_iso(found.at)})
    else:
        _print(found)
    if found.left:
        kinds = ", ".join(sorted({each.kind for each in found.left}))
        raise Failed(f"not as it should be: {kinds}")


def _print(found: Report) -> None:
    output.print_facts(
        {
            "contents": f"{output.counted(found.contents, 'content')} read and compared, "
            f"{output.size(found.octets)}",
            "without a checksum": found.unknown,
            "took": f"{found.seconds:g} s",
        }
    )
    for each in found.findings:
        click.echo()
        click.echo(output.printable(each.text))
        if each.left < each.count:
            click.echo(f"  mended: {each.count - each.left} of {each.count}")
        for example in each.examples:
            click.echo(f"  {output.printable(example)}")
    if not found.findings:
        click.echo("\nAll is as it should be.")
