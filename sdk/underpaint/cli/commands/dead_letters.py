"""Commands about dead promotions: those that failed though nobody wanted that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.commands.drafts import SHORT
from underpaint.cli.commands.promotions import finish
from underpaint.cli.output.promotion import print_quote
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd


async def dead(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
) -> object:
    """List promotions that failed and were not retried, newest first, each with its reason."""
    found = await context.client.list_promotions(limit, dead=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "ended", "attempts", "why", "prompt"):
        table.add_column(
            heading,
            no_wrap=heading != "why",
            overflow="fold" if heading == "why" else "ellipsis",
            justify="right" if heading == "attempts" else "left",
        )
    for one in found:
        table.add_row(
            Text(one.id, style="bold"),
            f"{one.updated_at.astimezone():%m-%d %H:%M}",
            str(one.attempts),
            Text(one.reason),
            Text(one.quote.request.prompt),
        )
    context.out.print(table if found else "no dead promotions")
    if found:
        context.out.print("[dim]nothing was charged; make one anew with[/]", end=" ")
        context.out.print(f"underpaint promotions retry {found[0].id}")
    return {"promotions": found}


async def retry(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="ID", help="A dead promotion.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the quote unasked.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is done.")] = False,
) -> object:
    """Make a dead promotion anew, at the price of today: a new promotion, reserved once."""
    if not yes and (context.as_json or not sys.stdin.isatty()):
        raise InvalidRequest(
            "retrying costs money and there is no terminal to confirm it; add --yes"
        )
    before = await context.client.get_promotion(promotion_id)
    offer = await context.client.quote_retry(promotion_id)
    print_quote(context, offer)
    now, then = format_usd(offer.max_usd_micros), format_usd(before.quote.max_usd_micros)
    context.out.print(f"[dim]the dead one was quoted {then}; none of it was charged[/]")
    if not yes and not typer.confirm(f"Retry for at most {now}?"):
        context.err.print("not retried; nothing was spent")
        raise Ended(exits.FAILED)
    promotion = await context.client.retry(promotion_id, quote_id=offer.id)
    context.out.print(
        f"promotion [bold]{promotion.id}[/] retries {promotion_id}, for at most "
        f"{format_usd(promotion.quote.max_usd_micros)}: {promotion.state.value}"
    )
    if not wait:
        context.out.print(f"[dim]follow it with[/] underpaint watch {promotion.id}")
        return promotion
    return await finish(context, promotion.id, Path(f"underpaint-{promotion.id[:SHORT]}.png"))
