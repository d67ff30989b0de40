"""The command `spend`: a table with bars, and the same as a picture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output import files
from underpaint.cli.output.charts import Bar, blocks, draw
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.files import Force
from underpaint.cli.output.legible import marked, one_line
from underpaint.cli.output.times import UTC_DAYS
from underpaint.contract.accounting import DIMENSIONS, SpendLine, check_day
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd

BAR_COLUMNS: Final = 30
_DAYS: Final = re.compile(r"(\d{1,4})d")


async def spend(
    context: CommandContext,
    scope: Annotated[str, typer.Argument(help="Such as project:catalogue; default: all.")] = "",
    by: Annotated[
        str,
        typer.Option(metavar="WHAT,WHAT", help=f"Group by some of {', '.join(DIMENSIONS)}."),
    ] = "",
    since: Annotated[
        str,
        typer.Option(metavar="DAY", help="UTC: from 2026-11-21 on, or 7d for the last 7 days."),
    ] = "",
    png: Annotated[Path | None, typer.Option(help="Also save a chart in this PNG file.")] = None,
    force: Force = False,
) -> object:
    """Show what was charged, and what it would have cost all in the cloud."""
    dimensions = [each.strip() for each in by.split(",") if each.strip()]
    since_day = parse_since(since)
    if png is not None:
        files.check_file(png, force=force)
    lines = await context.client.spend(scope, by=dimensions, since_day=since_day)
    context.out.print(_table(lines, dimensions) if lines else "nothing was spent yet")
    if since_day or "day" in dimensions:
        context.out.print(marked(f"[dim]{UTC_DAYS}[/]"))
    if png is not None:
        picture = draw(one_line(_title(scope, since_day)), _bars(lines))
        files.save_picture(png, picture, force=force)
        context.out.print(str(png), soft_wrap=True)
    return {"spend": lines, "by": dimensions, "since": since_day, "png": png}


def parse_since(text: str) -> str:
    """The first day, in UTC, of "2026-11-21" or of "7d", which means the last 7 days.

    Raises:
        InvalidRequest: the text is neither.
    """
    days = _DAYS.fullmatch(text)
    if days:
        return (datetime.now(UTC).date() - timedelta(days=max(0, int(days[1]) - 1))).isoformat()
    try:
        return check_day(text)
    except InvalidRequest:
        raise InvalidRequest(
            f"{text[:40]!r} is not a day; write it like 2026-11-21, or 7d for the last 7 days"
        ) from None


def _table(lines: list[SpendLine], dimensions: list[str]) -> Sheet:
    keys = ["day (UTC)" if key == "day" else key for key in dimensions] or ["scope"]
    figures = ("promotions", "charged", "all cloud", "saved")
    table = Sheet(*keys, *figures, "charged / all cloud", right=figures)
    most = max(line.cloud_only_usd_micros for line in lines)
    for line in lines:
        saved = line.cloud_only_usd_micros - line.charged_usd_micros
        bar = Text(blocks(line.charged_usd_micros, most, BAR_COLUMNS), style="green")
        bar.append("\n" + blocks(line.cloud_only_usd_micros, most, BAR_COLUMNS), style="dim")
        table.add_row(
            *(marked("[bold]{}[/]", name) for name in (line.key or (line.scope,))),
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
            label=one_line(" · ".join(line.key or (line.scope,))),
            charged_usd_micros=line.charged_usd_micros,
            cloud_only_usd_micros=line.cloud_only_usd_micros,
        )
        for line in lines
    ]


def _title(scope: str, since_day: str) -> str:
    whose, when = f" of {scope}" if scope else "", f" since {since_day} (UTC)" if since_day else ""
    return f"Spend{whose}{when}"
