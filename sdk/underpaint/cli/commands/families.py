"""The command with the table of families: what the models of each can do."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.engines.capabilities import (
    ABILITIES,
    NOT_YET,
    UNTRIED,
    Cell,
    Row,
    not_loaded,
    table,
)

HEADINGS: Final = ("family", *("LoRA" if name == "lora" else name for name in ABILITIES))
_STYLES: Final = {"-": "dim", "(": "yellow"}
LEGEND: Final = (
    "yes: a test does it with a small checkpoint of the family. (yes): its code is there, but no "
    "test has tried it. -: no."
)


async def models_families(
    context: CommandContext,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as the README has it.")
    ] = False,
) -> object:
    """List the families of models, what each can do here, and which of it the tests try."""
    rows = table()
    if markdown:
        context.out.print(as_markdown(rows), soft_wrap=True)
    else:
        sheet = Sheet(*HEADINGS)
        for row in rows:
            cells = map(mark, row.cells.values())
            sheet.add_row(row.title, *(Text(cell, _STYLES.get(cell[0], "")) for cell in cells))
        context.out.print(sheet)
        context.out.print(f"\n{LEGEND}")
        context.out.print(marked("\n[bold]not loaded[/]"))
        others = Sheet("", "", fold=("",))
        for title, why in not_loaded().items():
            others.add_row(title, why)
        context.out.print(others)
    return {"abilities": ABILITIES, "families": rows, "not_loaded": not_loaded()}


def mark(cell: Cell) -> str:
    """A cell as people see it."""
    if cell.value == "no":
        return "-"
    return cell.value if cell.tried else f"({cell.value})"


def as_markdown(rows: tuple[Row, ...]) -> str:
    """The table in Markdown: a line for each family."""
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        f"| --- |{' :-: |' * len(ABILITIES)}",
        *(f"| {' | '.join((row.title, *map(mark, row.cells.values())))} |" for row in rows),
    ]
    return "\n".join(lines)


def reasons() -> str:
    """In Markdown: why some of it is not tried, does not work yet, or is not loaded at all."""
    titles = {row.family: row.title for row in table()}
    return "\n".join(
        [
            *_because("Not tried:", {titles[name]: why for name, why in UNTRIED.items()}),
            *_because(
                "Not yet, although models of the family could:",
                {f"{titles[name]} ({what})": why for (name, what), why in NOT_YET.items()},
            ),
            *_because("Not loaded:", not_loaded()),
        ]
    )


def _because(heading: str, reasons: dict[str, str]) -> list[str]:
    """A list of who shares a reason."""
    shared: dict[str, list[str]] = {}
    for title, why in reasons.items():
        shared.setdefault(why, []).append(title)
    return [
        f"{heading}\n",
        *(f"- {', '.join(titles)}: {why}." for why, titles in shared.items()),
        "",
    ]
