"""Commands about budgets."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.text import Text
from underpaint.cli.command import CommandContext
from underpaint.cli.output.console import Sheet
from underpaint.cli.output.legible import marked
from underpaint.cli.output.times import UTC_DAYS
from underpaint.contract.accounting import Budget, Period
from underpaint.contract.money import format_usd, parse_usd

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="Such as project:catalogue.")]
Per = Annotated[
    Period, typer.Option("--per", help="The period: a day or month in UTC, or a campaign.")
]

FOR_EVER: Final = "ever"


async def budget_set(
    context: CommandContext,
    scope: Scope,
    usd: Annotated[str, typer.Argument(metavar="USD", help="Such as 5 or 0.25.")],
    per: Per = Period.CAMPAIGN,
    soft: Annotated[
        bool, typer.Option("--soft", help="Only warn when the limit is exceeded.")
    ] = False,
    from_day: Annotated[
        str, typer.Option("--from", metavar="DAY", help="A campaign's first day: 2026-11-21.")
    ] = "",
    until_day: Annotated[
        str, typer.Option("--until", metavar="DAY", help="A campaign's last day.")
    ] = "",
) -> object:
    """Limit what a scope may spend a day, a month, or in a campaign; without days, for all time."""
    budget = await context.client.set_budget(
        scope, parse_usd(usd), period=per, soft=soft, from_day=from_day, until_day=until_day
    )
    _print_budgets(context, [budget])
    return budget


async def budget_remove(
    context: CommandContext, scope: Scope, per: Per = Period.CAMPAIGN
) -> object:
    """Remove a limit."""
    await context.client.remove_budget(scope, per)
    context.out.print(marked("{} no longer has a limit for a {}", scope, per.value))
    return {"scope": scope, "period": per}


async def budget_show(context: CommandContext) -> object:
    """Show every limit, with what is spent and reserved in its current period."""
    budgets = await context.client.budgets()
    _print_budgets(context, budgets)
    return {"budgets": budgets}


def _print_budgets(context: CommandContext, budgets: list[Budget]) -> None:
    figures = ("limit", "spent", "reserved", "left")
    table = Sheet("scope", "per", *figures, "", right=figures)
    for budget in budgets:
        left = budget.left_usd_micros
        table.add_row(
            Text(budget.scope, style="bold"),
            _window(budget),
            format_usd(budget.limit_usd_micros),
            format_usd(budget.spent_usd_micros),
            format_usd(budget.reserved_usd_micros),
            Text(format_usd(left), style="green" if left > 0 else "red"),
            Text("soft", style="dim") if budget.soft else "",
        )
    context.out.print(
        table if budgets else "no budgets yet; set one with underpaint budget set SCOPE USD"
    )
    if budgets:
        context.out.print(marked(f"[dim]{UTC_DAYS}[/]"))


def _window(budget: Budget) -> str:
    if budget.period is not Period.CAMPAIGN:
        return str(budget.period.value)
    if not budget.from_day and not budget.until_day:
        return FOR_EVER
    return f"{budget.from_day or '…'} to {budget.until_day or '…'}"
