"""Commands about dead promotions: list and retry promotions that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.commands.promotions import default_file, finish
from underpaint.cli.output import files, times
from underpaint.cli.output.console import Sheet, prompt_cell
from underpaint.cli.output.legible import marked
from underpaint.cli.output.promotion import print_quote
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd


async def dead(
    context: CommandContext,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
) -> object:
    """List promotions that failed and were not retried, newest first, each with its reason."""
    found = await context.client.list_promotions(limit, dead=True)
    headings = ("id", times.heading("ended"), "attempts", "charged", "why", "prompt")
    table = Sheet(*headings, right=("attempts", "charged"), fold=("why", "prompt"))
    for one in found:
        table.add_row(
            Text(one.id, style="bold"),
            times.moment(one.updated_at),
            str(one.attempts),
            format_usd(one.receipt.charged_usd_micros) if one.receipt else "",
            one.reason,
            prompt_cell(one.quote.request.prompt),
        )
    context.out.print(table if found else "no dead promotions")
    if found:
        told = "[dim]retry one with[/] underpaint promotions retry {}"
        context.out.print(marked(told, found[0].id))
    return {"promotions": found}


async def retry(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="ID", help="A dead promotion.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Accept the quote without asking.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is finished.")] = False,
) -> object:
    """Retry a dead promotion as a new one, at today's price."""
    if not yes and not context.asks:
        raise InvalidRequest(
            "retrying costs money and there is no terminal to confirm it; add --yes"
        )
    if wait:
        files.make_directory(Path())
    before = await context.client.get_promotion(promotion_id)
    offer = await context.client.quote_retry(promotion_id)
    print_quote(context, offer)
    now, then = format_usd(offer.max_usd_micros), format_usd(before.quote.max_usd_micros)
    charged = before.receipt.charged_usd_micros if before.receipt else 0
    paid = f"{format_usd(charged)} was charged" if charged else "nothing was charged"
    context.out.print(marked("[dim]the dead one was quoted {}; {}[/]", then, paid))
    if before.withheld.value:
        context.out.print(
            marked("[dim]it was {}, so the next seed is taken[/]", before.withheld.value)
        )
    if not yes and not context.confirm(f"Retry for at most {now}?"):
        context.err.print("not retried; nothing was spent")
        raise Ended(exits.FAILED)
    promotion = await context.client.retry(promotion_id, quote_id=offer.id)
    context.out.print(
        marked(
            "promotion [bold]{}[/] retries {}, for at most {}: {}",
            promotion.id,
            promotion_id,
            format_usd(promotion.quote.max_usd_micros),
            promotion.state.value,
        )
    )
    if not wait:
        context.out.print(marked("[dim]follow it with[/] underpaint watch {}", promotion.id))
        return promotion
    return await finish(context, promotion.id, default_file(promotion.id))
