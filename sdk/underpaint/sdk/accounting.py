"""Commands about money: budgets and spend."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from underpaint.contract.accounting import Budget
from underpaint.contract.money import format_usd, parse_usd
from underpaint.sdk.desk import Desk

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="Such as project:catalogue.")]


async def budget_set(
    desk: Desk,
    scope: Scope,
    usd: Annotated[str, typer.Argument(metavar="USD", help="Such as 5 or 0.25.")],
) -> object:
    """Limit what one scope may spend."""
    budget = await desk.client.set_budget(scope, parse_usd(usd))
    _print_budgets(desk, [budget])
    return budget


async def budget_show(desk: Desk) -> object:
    """Show every budget and what of it is gone."""
    budgets = await desk.client.budgets()
    _print_budgets(desk, budgets)
    return {"budgets": budgets}


async def spend(
    desk: Desk,
    scope: Annotated[str, typer.Argument(help="Such as project:catalogue; else all.")] = "",
) -> object:
    """Show what was charged, beside what all-cloud would have cost."""
    lines = await desk.client.spend(scope)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("scope", no_wrap=True)
    for heading in ("promotions", "charged", "all cloud", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        saved = line.cloud_only_usd_micros - line.charged_usd_micros
        table.add_row(
            Text(line.scope, style="bold"),
            str(line.promotions),
            format_usd(line.charged_usd_micros),
            format_usd(line.cloud_only_usd_micros),
            Text(format_usd(saved), style="green" if saved > 0 else ""),
        )
    desk.out.print(table if lines else "nothing was spent yet")
    return {"spend": lines}


def _print_budgets(desk: Desk, budgets: list[Budget]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("scope", no_wrap=True)
    for heading in ("limit", "spent", "reserved", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for budget in budgets:
        left = budget.left_usd_micros
        table.add_row(
            Text(budget.scope, style="bold"),
            format_usd(budget.limit_usd_micros),
            format_usd(budget.spent_usd_micros),
            format_usd(budget.reserved_usd_micros),
            Text(format_usd(left), style="green" if left > 0 else "red"),
        )
    desk.out.print(
        table if budgets else "no budgets yet; set one with underpaint budget set SCOPE USD"
    )
