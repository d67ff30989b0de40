"""Prints a quote, and how a promotion ended."""

from __future__ import annotations

from typing import Final

from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output import times
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.contract.durations import format_duration
from underpaint.contract.money import format_usd
from underpaint.contract.promotion import Priority, Promotion, PromotionState, Quote
from underpaint.contract.terminal_text import safe

STATE_STYLES: Final = {
    PromotionState.SETTLED: "green",
    PromotionState.WAITING: "magenta",
    PromotionState.RUNNING: "cyan",
    PromotionState.RELEASED: "yellow",
    PromotionState.EXPIRED: "yellow",
}


def print_quote(context: CommandContext, offer: Quote) -> None:
    """Prints a quote: the sum and its lines, the engine, and the policy's reasons."""
    table = Sheet()
    table.add_column(style="dim")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for index, line in enumerate(offer.lines):
        table.add_row("price" if index == 0 else "", line.what, format_usd(line.usd_micros))
    most = Text(format_usd(offer.max_usd_micros), style="bold green")
    table.add_row("", Text("in all, at most", style="bold"), most)
    table.add_row("", "the same all in the cloud", format_usd(offer.cloud_only_usd_micros))
    context.out.print(table)
    why = Sheet()
    why.add_column(style="dim")
    why.add_column(no_wrap=True)
    why.add_column(style="dim")
    turn = "batch: gives way to interactive work" if offer.priority is Priority.BATCH else ""
    why.add_row("route", Text(offer.engine, style="bold cyan"), turn)
    for index, verdict in enumerate(offer.verdicts):
        mark = "→" if verdict.decided else "✓" if verdict.matched else "·"
        why.add_row("why" if index == 0 else "", f"{mark} {verdict.rule}", verdict.reason)
    context.out.print(why)
    _print_warnings(context, offer.warnings)
    if offer.approval:
        within = format_duration(offer.approval.within_s)
        context.out.print(
            marked(
                "[magenta]somebody with role {} must approve it[/] "
                "within {}; nothing is reserved until then",
                offer.approval.role,
                within,
            )
        )
    until = f"{times.moment(offer.expires_at, '%H:%M:%S')} ({times.zone()})"
    told = offer.id, offer.price_table_version, until
    context.out.print(marked("[dim]quote {}, prices {}, until {}[/]", *told))


def state_cell(promotion: Promotion) -> Text:
    """The state in its colour; "flagged" or "unusable" if the picture is not delivered."""
    if promotion.withheld.value:
        return Text(promotion.withheld.value, style="red")
    return Text(promotion.state.value, style=STATE_STYLES.get(promotion.state, ""))


def print_outcome(context: CommandContext, promotion: Promotion) -> None:
    """Prints one line about how a promotion ended."""
    line = marked("promotion {} ", promotion.id).append_text(state_cell(promotion))
    if promotion.withheld.value:
        line.append(f": {safe(promotion.reason)}")
        if not promotion.receipt:
            line.append("; nothing was charged")
    elif promotion.receipt:
        receipt = promotion.receipt
        line.append(f": charged {format_usd(receipt.charged_usd_micros)}", style="bold")
        line.append(f" of {format_usd(receipt.quoted_usd_micros)} quoted", style="dim")
    elif promotion.reason:
        line.append(f": {safe(promotion.reason)}; nothing was charged")
    context.out.print(line, soft_wrap=True)
    _print_warnings(context, promotion.warnings)


def _print_warnings(context: CommandContext, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        context.out.print(marked("[yellow]! {}[/]", warning), soft_wrap=True)
