"""Commands about money: budgets, and the ledger behind them."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text
from underpaint.contract.accounting import Budget, Period
from underpaint.contract.money import format_usd, parse_usd
from underpaint.sdk import exits
from underpaint.sdk.desk import Desk, Ended

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="Such as project:catalogue.")]
Per = Annotated[Period, typer.Option("--per", help="UTC days, UTC months, or a campaign.")]

FOR_EVER: Final = "ever"


async def budget_set(
    desk: Desk,
    scope: Scope,
    usd: Annotated[str, typer.Argument(metavar="USD", help="Such as 5 or 0.25.")],
    per: Per = Period.CAMPAIGN,
    soft: Annotated[bool, typer.Option("--soft", help="Warn and record, refuse nothing.")] = False,
    from_day: Annotated[
        str, typer.Option("--from", metavar="DAY", help="A campaign's first day: 2026-11-21.")
    ] = "",
    until_day: Annotated[str, typer.Option("--until", metavar="DAY", help="Its last day.")] = "",
) -> object:
    """Limit what one scope may spend a day, a month, or in a campaign; without days, for ever."""
    budget = await desk.client.set_budget(
        scope, parse_usd(usd), period=per, soft=soft, from_day=from_day, until_day=until_day
    )
    _print_budgets(desk, [budget])
    return budget


async def budget_remove(desk: Desk, scope: Scope, per: Per = Period.CAMPAIGN) -> object:
    """Lift a limit."""
    await desk.client.remove_budget(scope, per)
    desk.out.print(f"{scope} has no limit for a {per.value} any more")
    return {"scope": scope, "period": per}


async def budget_show(desk: Desk) -> object:
    """Show every limit, and what of it is gone today, this month, or in its campaign."""
    budgets = await desk.client.budgets()
    _print_budgets(desk, budgets)
    return {"budgets": budgets}


async def ledger_verify(desk: Desk) -> object:
    """Add up every entry of the ledger and compare; a difference freezes spending."""
    found = await desk.client.verify_ledger()
    since = f" since entry {found.checkpoint_number}" if found.checkpoint_number else ""
    desk.out.print(
        f"{found.entries} entries{since} added up; compared with {found.balances} balances and "
        f"{found.reservations} open reservations"
    )
    for mismatch in found.mismatches:
        desk.out.print(Text(f"✗ {mismatch}", style="red"), soft_wrap=True)
    if not found.mismatches:
        desk.out.print("[green]✓ the ledger adds up[/] to the micro-dollar")
    if found.frozen:
        desk.out.print(Text(f"spending is frozen: {found.frozen}", style="bold red"))
        desk.out.print("[dim]once it is understood:[/] underpaint ledger thaw --because REASON")
    if found.mismatches or found.frozen:
        raise Ended(exits.FAILED, found)
    return found


async def ledger_thaw(
    desk: Desk,
    because: Annotated[str, typer.Option(help="Why it is safe; recorded in the ledger.")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Set the balances to what the entries add up to.")
    ] = False,
) -> object:
    """Allow spending again after a freeze."""
    frozen = await desk.client.thaw_ledger(because, rebuild=rebuild)
    desk.out.print(
        Text(f"spending is allowed again; it was frozen: {frozen}")
        if frozen
        else "spending was not frozen",
        soft_wrap=True,
    )
    return {"frozen": frozen, "because": because}


def _print_budgets(desk: Desk, budgets: list[Budget]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("scope", no_wrap=True)
    table.add_column("per", no_wrap=True)
    for heading in ("limit", "spent", "reserved", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
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
    desk.out.print(
        table if budgets else "no budgets yet; set one with underpaint budget set SCOPE USD"
    )


def _window(budget: Budget) -> str:
    if budget.period is not Period.CAMPAIGN:
        return str(budget.period.value)
    if not budget.from_day and not budget.until_day:
        return FOR_EVER
    return f"{budget.from_day or '…'} to {budget.until_day or '…'}"
