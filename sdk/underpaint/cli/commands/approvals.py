"""Commands about promotions that wait for an approval."""

from __future__ import annotations

from typing import Annotated

import typer
from underpaint.cli.command import CommandContext
from underpaint.cli.output.legible import marked
from underpaint.contract.money import format_usd

PromotionId = Annotated[str, typer.Argument(metavar="ID", help="The promotion's id.")]


async def approve(context: CommandContext, promotion_id: PromotionId) -> object:
    """Approve a promotion that waits; its money is reserved and the work is queued."""
    promotion = await context.client.approve(promotion_id)
    context.out.print(
        marked(
            "promotion {} is approved by {}, for at most {}: {}",
            promotion.id,
            promotion.approved_by,
            format_usd(promotion.quote.max_usd_micros),
            promotion.state.value,
        )
    )
    return promotion


async def deny(
    context: CommandContext,
    promotion_id: PromotionId,
    because: Annotated[str, typer.Option(help="The reason, shown to the artist.")],
) -> object:
    """Deny a promotion that waits; nothing is charged."""
    promotion = await context.client.deny(promotion_id, because)
    context.out.print(marked("promotion {} is {}", promotion.id, promotion.reason))
    return promotion
