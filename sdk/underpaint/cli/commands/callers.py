"""Commands about callers: who may call the orchestrator, with which roles."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.contract.errors import InvalidRequest
from underpaint.local.extras import missing

CALLERS: Final = Path("orchestrator", "callers.yaml")  # below the data directory of `up`

CallersFile = Annotated[
    Path | None,
    typer.Option("--file", help="The orchestrator's callers file; default: that of `up`."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
Organisation = Annotated[str, typer.Option(help="The user's organisation.")]


async def callers_add(
    context: CommandContext,
    name: Name,
    organisation: Organisation = "default",
    team: Annotated[
        str, typer.Option(help="The user's team; * lets the user name any.")
    ] = "default",
    project: Annotated[
        str, typer.Option(help="The user's project; * lets the user name any.")
    ] = "default",
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="artist (without any), approver, operator, administrator, or one that a policy "
            "names; in their organisation, or where it says: operator@acme/growth, operator@*."
        ),
    ] = None,
    file: CallersFile = None,
) -> object:
    """Add a caller and print their token, this once. The orchestrator need not be restarted."""
    file = file or context.settings.data_directory / CALLERS
    first = not file.exists()
    levels = ("--organisation", organisation, "--team", team, "--project", project)
    roles = [part for each in role or () for part in ("--role", each)]
    made = await _run("add", file, "--name", name, *levels, *roles)
    told = "{}/{} may call with this token, which is not stored here:"
    context.out.print(marked(told, organisation, name))
    context.out.print(Text(made["token"], style="bold"), soft_wrap=True)
    told = "[dim]to use it, write it into a file and set[/] UNDERPAINT_TOKEN_FILE"
    context.out.print(marked(told), soft_wrap=True)
    if first:
        context.err.print(
            "from now on everybody needs a token; give somebody the roles artist and "
            "administrator@*, who may do what anybody on this machine could until now"
        )
    return {"name": name, "organisation": organisation, "file": file, **made}


async def callers_revoke(
    context: CommandContext,
    name: Name,
    organisation: Organisation = "default",
    file: CallersFile = None,
) -> object:
    """Revoke a caller's token. The orchestrator need not be restarted."""
    file = file or context.settings.data_directory / CALLERS
    await _run("revoke", file, "--name", name, "--organisation", organisation)
    context.out.print(marked("{}/{} may no longer call", organisation, name))
    return {"name": name, "organisation": organisation, "file": file}


async def callers_list(context: CommandContext, file: CallersFile = None) -> object:
    """Show who may call, for which account, and with which roles."""
    file = file or context.settings.data_directory / CALLERS
    if not file.exists():
        context.out.print(
            f"no callers are told apart: {file} does not exist, and who is on this machine may do "
            "everything; add one with underpaint callers add NAME --role administrator@*",
            soft_wrap=True,
        )
        return {"callers": []}
    found = await _run("list", file)
    headings = ("caller", "team", "project", "roles")
    table = Sheet(*headings, fold=headings)
    for each in found["callers"]:
        table.add_row(
            Text(f"{each['organisation']}/{each['name']}", style="bold"),
            each["team"],
            each["project"],
            ", ".join(each["roles"]) or Text("none", style="dim"),
        )
    context.out.print(table)
    return found


async def _run(what: str, file: Path, *more: str) -> Any:
    """Runs the orchestrator's code in another process, because tiers do not import each other."""
    absent = missing("orchestrator")
    if absent:
        raise InvalidRequest(
            f'callers need {", ".join(absent)}; pip install "underpaint[orchestrator]"'
        )
    command = [sys.executable, "-m", "underpaint.orchestrator.callers_file", what, str(file)]
    ended = await asyncio.to_thread(
        subprocess.run, [*command, *more], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise InvalidRequest(ended.stderr.strip().removeprefix("underpaint callers: "))
    return json.loads(ended.stdout)
