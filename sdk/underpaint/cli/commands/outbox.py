"""Commands about the outbox: promotions that wait on the node for the orchestrator."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.output import times
from underpaint.cli.output.console import Sheet, prompt_cell
from underpaint.cli.output.legible import marked, one_line
from underpaint.contract.drafts import InitImage
from underpaint.contract.errors import DeadlineExceeded, Unavailable, UnderpaintError
from underpaint.contract.money import format_usd
from underpaint.contract.outbox import AT_ANY_PRICE, OutboxItem, OutboxState
from underpaint.sdk.requests import PolishRequest

OUT_OF_REACH = (Unavailable, DeadlineExceeded)
_STYLES = {OutboxState.ASKS: "magenta", OutboxState.REFUSED: "yellow"}


async def outbox_list(context: CommandContext) -> object:
    """List the promotions that are still to be sent, oldest first, and what each waits for."""
    items = await context.client.outbox()
    _print_items(context, items)
    return {"items": items}


async def outbox_send(
    context: CommandContext,
    promotion_id: Annotated[
        str, typer.Argument(metavar="[ID]", help="A promotion in the outbox; default: all.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Accept the quotes without asking.")
    ] = False,
) -> object:
    """Send now. Asks before sending what costs more than was accepted."""
    sent, left = await context.client.send_outbox(promotion_id)
    for item in [each for each in left if each.state is OutboxState.ASKS]:
        if yes or _consents(context, item):
            more, still = await context.client.send_outbox(
                item.promotion_id, accepted_usd_micros=item.quoted_usd_micros
            )
            sent += more
            left = [each for each in left if each.promotion_id != item.promotion_id] + still
    for promotion in sent:
        context.out.print(
            marked(
                "promotion [bold]{}[/] is sent, for at most {}: {}",
                promotion.id,
                format_usd(promotion.quote.max_usd_micros),
                promotion.state.value,
            )
        )
    if left or not sent:
        _print_items(context, left)
    result = {"sent": sent, "left": left}
    if any(item.state is OutboxState.HELD for item in left):
        raise Ended(exits.OUT_OF_REACH, result)
    if left:
        raise Ended(exits.REFUSED, result)
    return result


async def outbox_drop(
    context: CommandContext,
    promotion_id: Annotated[str, typer.Argument(metavar="ID", help="A promotion in the outbox.")],
) -> object:
    """Remove a promotion from the outbox without sending it."""
    item = await context.client.drop_outbox(promotion_id)
    told = "promotion {} is removed; its draft {} stays"
    context.out.print(marked(told, item.promotion_id, item.draft_id))
    return item


async def keep(
    context: CommandContext,
    init_image: InitImage,
    polish: PolishRequest,
    promotion_id: str,
    accepted_usd_micros: int,
    error: UnderpaintError,
) -> OutboxItem:
    """Puts a promotion into the outbox after an error, and prints that.

    Raises:
        UnderpaintError: the error again, with the reason why the outbox could not take it.
    """
    try:
        item = await context.client.keep_promotion(
            init_image, polish, promotion_id=promotion_id, accepted_usd_micros=accepted_usd_micros
        )
    except UnderpaintError as second:
        told = f"{error}; and it could not be put into the outbox: {second}"
        raise type(error)(told) from None
    accepted = (
        "at the price it then has"
        if accepted_usd_micros == AT_ANY_PRICE
        else f"if it still costs at most {format_usd(accepted_usd_micros)}"
        if accepted_usd_micros
        else "once you consent to its price"
    )
    context.err.print(one_line(str(error)), soft_wrap=True)
    context.out.print(
        marked(
            "promotion [bold]{}[/] is in the outbox of this node, {}. "
            "It is then quoted again and sent once, {}",
            promotion_id,
            item.reason,
            accepted,
        ),
        soft_wrap=True,
    )
    context.out.print(marked("[dim]see it with[/] underpaint outbox list"))
    return item


def _consents(context: CommandContext, item: OutboxItem) -> bool:
    if not context.asks:
        return False
    context.out.print(marked("promotion {}: {}", item.promotion_id, item.reason))
    return context.confirm(f"Send it for at most {format_usd(item.quoted_usd_micros)}?")


def _print_items(context: CommandContext, items: list[OutboxItem]) -> None:
    headings = ("id", times.heading("kept"), "state", "why", "prompt")
    table = Sheet(*headings, fold=("why", "prompt"))
    for item in items:
        table.add_row(
            Text(item.promotion_id, style="bold"),
            times.moment(item.kept_at),
            Text(item.state.value, style=_STYLES.get(item.state, "")),
            item.reason,
            prompt_cell(item.prompt),
        )
    context.out.print(table if items else "the outbox is empty")
    for item in items:
        if item.state is not OutboxState.HELD:
            told = "consent and send" if item.state is OutboxState.ASKS else "try again"
            line = "[dim]{}:[/] underpaint outbox send {}"
            context.out.print(marked(line, told, item.promotion_id))
