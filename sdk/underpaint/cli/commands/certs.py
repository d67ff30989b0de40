"""Commands about certificates: make a private authority, issue certificates, show one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output import times
from underpaint.contract.tls import read_certificates
from underpaint.local import authority
from underpaint.local.authority import Issued

DEFAULT: Final = "tls"  # in the data directory

Hosts = Annotated[
    list[str],
    typer.Option(
        "--host", metavar="HOST", help="A name or address of the machine; may be repeated."
    ),
]
Days = Annotated[int, typer.Option(min=1, max=3_650, help="How many days it is valid.")]


async def certs_init(context: CommandContext, host: Hosts = [], days: Days = 365) -> object:  # noqa: B006 - typer's way
    """Make a private authority and a certificate for this machine, in the TLS directory."""
    issued = authority.init(_directory(context), host, days=days)
    _print_issued(context, issued)
    key = issued.directory / authority.AUTHORITY_KEY
    for line in (
        f"start each service with --tls-dir {issued.directory}, and call them with the same",
        f"for another machine: underpaint certs issue NEW_DIR --host NAME "
        f"--tls-dir {issued.directory}",
        f"keep {key} to yourself: whoever has it can make certificates",
    ):
        context.out.print(Text(line, style="dim"), soft_wrap=True)
    return issued


async def certs_issue(
    context: CommandContext,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Where to write it; default: the TLS directory."),
    ] = None,
    host: Hosts = [],  # noqa: B006 - typer's way
    days: Days = 365,
) -> object:
    """Make a certificate for another machine, or renew one; running services load it."""
    source = _directory(context)
    issued = authority.issue(source, directory or source, host, days=days)
    _print_issued(context, issued)
    return issued


async def certs_show(context: CommandContext) -> object:
    """Show the hosts and the end date of the certificate in the TLS directory."""
    directory = _directory(context)
    found = read_certificates(directory)
    issued = Issued(directory=directory, hosts=found.hosts, ends=found.ends)
    _print_issued(context, issued)
    return issued


def _directory(context: CommandContext) -> Path:
    return context.settings.tls_dir or context.settings.data_directory / DEFAULT


def _print_issued(context: CommandContext, issued: Issued) -> None:
    text = Text.assemble(
        (str(issued.directory), "bold"),
        f" names {', '.join(issued.hosts)} "
        f"until {times.moment(issued.ends, '%Y-%m-%d %H:%M')} ({times.zone()})",
    )
    context.out.print(text, soft_wrap=True)
