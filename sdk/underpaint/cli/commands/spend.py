"""The command about spend: a table, bars beside it, and the same as a picture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.commands.drafts import make_directory, save
from underpaint.cli.output.charts import Bar, blocks, draw
from underpaint.contract.accounting import DIMENSIONS, SpendLine, check_day
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd

BAR_COLUMNS: Final = 30
_DAYS: Final = re.compile(r"(\d{1,4})d")


async def spend(
    context: CommandContext,
    scope: Annotated[str, typer.Argument(help="Such as project:catalogue; else all.")] = "",
    by: Annotated[
        str, typer.Option(metavar="WHAT,WHAT", help=f"Some of {', '.join(DIMENSIONS)}.")
    ] = "",
    since: Annotated[
        str, typer.Option(metavar="DAY", help="From 2026-11-21 on, or 7d for the last 7 days.")
    ] = "",
    png: Annotated[Path | None, typer.Option(help="Draw it as a picture, too.")] = None,
) -> object:
    """Show what was charged, beside what all-cloud would have cost."""
    dimensions = [each.strip() for each in by.split(",") if each.strip()]
    since_day = parse_since(since)
    if png is not None:
        make_directory(png.parent)
    lines = await context.client.spend(scope, by=dimensions, since_day=since_day)
    context.out.print(_table(lines, dimensions) if lines else "nothing was spent yet")
    if png is not None:
        save(png, draw(_title(scope, since_day), _bars(lines)))
        context.out.print(str(png), soft_wrap=True, markup=False)
    return {"spend": lines, "by": dimensions, "since": since_day, "png": png}


def parse_since(text: str) -> str:
    """The day of "2026-11-21" or of "7d", which is seven days up to today, in UTC.

    Raises:
        InvalidRequest: it is neither.
    """
    days = _DAYS.fullmatch(text)
    if days:
        return (datetime.now(UTC).date() - timedelta(days=max(0, int(days[1]) - 1))).isoformat()
    try:
        return check_day(text)
    except InvalidRequest:
        raise InvalidRequest(
            f"{text[:40]!r} is no day; write it like 2026-11-21, or 7d for the last 7 days"
        ) from None


def _table(lines: list[SpendLine], dimensions: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in dimensions or ["scope"]:
        table.add_column(heading, no_wrap=True)
    for heading in ("promotions", "charged", "all cloud", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("charged / all cloud", no_wrap=True)
    most = max(line.cloud_only_usd_micros for line in lines)
    for line in lines:
        saved = line.cloud_only_usd_micros - line.charged_usd_micros
        bar = Text(blocks(line.charged_usd_micros, most, BAR_COLUMNS), style="green")
        bar.append("\n" + blocks(line.cloud_only_usd_micros, most, BAR_COLUMNS), style="dim")
        table.add_row(
            *(Text(name, style="bold") for name in (line.key or (line.scope,))),
            str(line.promotions),
            format_usd(line.charged_usd_micros),
            format_usd(line.cloud_only_usd_micros),
            Text(format_usd(saved), style="green" if saved > 0 else ""),
            bar,
        )
    return table


def _bars(lines: list[SpendLine]) -> list[Bar]:
    return [
        Bar(
            label=" · ".join(line.key or (line.scope,)),
            charged_usd_micros=line.charged_usd_micros,
            cloud_only_usd_micros=line.cloud_only_usd_micros,
        )
        for line in lines
    ]


def _title(scope: str, since_day: str) -> str:
    whose, when = f" of {scope}" if scope else "", f" since {since_day}" if since_day else ""
    return f"Spend{whose}{when}"
