"""Commands about any model: what it is, and how it is to be called."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.paths import expanded_name
from underpaint.engines import hub
from underpaint.engines.cards import read_card_file, write_card
from underpaint.engines.forms import card_place, find
from underpaint.engines.inspection import Fact, Inspection, inspect_model
from underpaint.engines.schedulers import scheduler_called

_STYLES: Final = {"known": "green", "guessed": "yellow", "unknown": "red"}
Model = Annotated[
    str, typer.Argument(metavar="DIR|ID|FILE", help="A diffusers directory, hub id or file.")
]


async def models_inspect(context: CommandContext, model: Model) -> object:
    """Show what a model is, what it will be called with, and why. Loads nothing."""
    found = await asyncio.to_thread(
        inspect_model, expanded_name(model), context.settings.data_directory
    )
    _print(context, found)
    return found


async def models_card(
    context: CommandContext,
    model: Model,
    steps: Annotated[int | None, typer.Option(help="As its makers recommend.")] = None,
    guidance: Annotated[float | None, typer.Option(help="0 where it takes none.")] = None,
    strength: Annotated[float | None, typer.Option(help="For polishing, up to 1.")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side that it was taught at.")] = None,
    clip_skip: Annotated[int | None, typer.Option(help="Layers of CLIP to leave out.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="By name, such as euler_a.")] = None,
    trigger: Annotated[str | None, typer.Option(help="Words before each prompt.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="DIR|ID", help="For a file: the model with the parts it lacks."),
    ] = None,
) -> object:
    """Write down how a model is to be called; what is not given stays as it was."""
    wanted, data_dir = expanded_name(model), context.settings.data_directory
    given: dict[str, Any] = {
        "num_inference_steps": steps,
        "guidance_scale": guidance,
        "strength": strength,
        "native_size": size,
        "clip_skip": clip_skip,
        "scheduler": scheduler,
        "trigger": trigger,
        "name": name,
        "base": None if base is None else _place(base),
    }
    said = {key: value for key, value in given.items() if value is not None}
    if not said:
        raise InvalidRequest("nothing to write: give --steps, --guidance or another option")
    asked = hub.parse(wanted)
    # The card of a model of the hub can be written before it is fetched.
    form = None
    if asked is None or hub.cached(asked) is not None:
        form = await asyncio.to_thread(find, wanted, data_dir, fetch=False, base=said.get("base"))
        if scheduler:
            scheduler_called(scheduler, form.checkpoint)
    path = card_place(wanted, data_dir)
    card = replace(read_card_file(path, form.name if form else str(asked)), **said)
    write_card(path, card)
    context.out.print(marked("wrote [bold]{}[/]", path), soft_wrap=True)
    found = None
    if form is not None:
        found = await asyncio.to_thread(inspect_model, wanted, data_dir)
        _print(context, found)
    return {"card": path, "says": card, "model": found}


def _place(base: str) -> str:
    """A base as it is found from everywhere: a path is written whole."""
    path = Path(expanded_name(base))
    return str(path.resolve()) if path.exists() else base


def _print(context: CommandContext, found: Inspection) -> None:
    facts = {
        "family": found.family_title or "unknown",
        "form": found.form + (f", {found.variant} weights" if found.variant else ""),
        "pipeline": found.pipeline,
        "parameters": f"{found.parameters:,}" if found.parameters else "",
        "dtype": ", ".join(found.dtypes),
        "on disk": f"{found.size / 2**20:,.1f} MiB",
        "card": str(found.card or "none"),
        "path": str(found.path),
    }
    context.out.print(Text(found.name, style="bold"))
    context.out.print(_sheet({name: fact for name, fact in facts.items() if fact}))
    context.out.print(marked("\n[bold]called with[/]"))
    table = Sheet("", "", "", "")
    table.columns[3].no_wrap, table.columns[3].overflow = False, "fold"
    for name, fact in found.called.items():
        table.add_row(name, fact.value or "?", _sure(fact), fact.why)
    context.out.print(table)
    if found.takes:
        context.out.print(marked("\n[bold]takes[/]"))
        context.out.print(_sheet(dict(found.takes)))
    if found.loras:
        context.out.print(marked("\n[bold]LoRAs beside it[/]"))
        for lora in found.loras:
            context.out.print(f"  {lora}", soft_wrap=True)
    for note in found.notes:
        context.out.print(f"note: {note}")


def _sure(fact: Fact) -> Text:
    return Text(fact.sure, style=_STYLES[fact.sure])


def _sheet(facts: dict[str, str]) -> Sheet:
    table = Sheet()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, fact)
    return table
