"""Commands about the ledger: verify, thaw and export it."""

from __future__ import annotations

import csv
import importlib
from collections.abc import AsyncGenerator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from underpaint.cli import exits
from underpaint.cli.command import CommandContext, Ended
from underpaint.cli.commands.spend import parse_since
from underpaint.cli.output import files
from underpaint.cli.output.files import Force
from underpaint.cli.output.legible import marked
from underpaint.contract.accounting import LedgerEntry
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import SCOPE_KINDS

AT_ONCE: Final = 10_000  # rows of a Parquet row group
COLUMNS: Final = (
    "number",
    "id",
    "at",
    "kind",
    "promotion_id",
    "day",
    *SCOPE_KINDS,
    "reserved_usd_micros",
    "spent_usd_micros",
    "cloud_only_usd_micros",
    "model",
    "note",
)
_WHOLE: Final = frozenset(
    {"number", "reserved_usd_micros", "spent_usd_micros", "cloud_only_usd_micros"}
)


class Format(Enum):
    """The format of an exported file."""

    CSV = "csv"
    PARQUET = "parquet"


_FORMATS: Final = {f".{each.value}": each for each in Format}


async def ledger_verify(context: CommandContext) -> object:
    """Compare every balance with the sum of the ledger's entries. A difference freezes spending."""
    found = await context.client.verify_ledger()
    since = f" since entry {found.checkpoint_number}" if found.checkpoint_number else ""
    context.out.print(
        f"{found.entries} entries{since} added up; compared with {found.balances} balances and "
        f"{found.reservations} open reservations"
    )
    for mismatch in found.mismatches:
        context.out.print(marked("[red]✗ {}[/]", mismatch), soft_wrap=True)
    if not found.mismatches:
        context.out.print(marked("[green]✓ the ledger adds up[/] to the micro-dollar"))
    if found.frozen:
        told = "[dim]when the cause is found:[/] underpaint ledger thaw --because REASON"
        context.out.print(marked("[bold red]spending is frozen: {}[/]", found.frozen))
        context.out.print(marked(told))
    if found.mismatches or found.frozen:
        raise Ended(exits.FAILED, found)
    return found


async def ledger_thaw(
    context: CommandContext,
    because: Annotated[str, typer.Option(help="Why it is safe; recorded in the ledger.")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Set the balances to the sums of the entries first.")
    ] = False,
) -> object:
    """Allow spending again after a freeze."""
    frozen = await context.client.thaw_ledger(because, rebuild=rebuild)
    context.out.print(
        marked("spending is allowed again; it was frozen: {}", frozen)
        if frozen
        else "spending was not frozen",
        soft_wrap=True,
    )
    return {"frozen": frozen, "because": because}


async def ledger_export(
    context: CommandContext,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the file name's ending. Parquet needs pyarrow."),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="DAY", help="From 2026-11-21 on, or 7d for the last 7 days.")
    ] = "",
    force: Force = False,
) -> object:
    """Write every entry of the ledger, including archived ones. Money is in whole micro-dollars."""
    # Check everything before anything is fetched.
    files.check_file(output, force=force, kinds=() if kind else tuple(_FORMATS))
    named = _FORMATS.get(output.suffix.lower())
    kind = kind or named or Format.CSV
    if named not in (None, kind):
        raise InvalidRequest(f"the name {output} does not fit the format {kind.value}; rename it")
    write = _write_csv if kind is Format.CSV else _write_parquet
    if kind is Format.PARQUET:
        _pyarrow("pyarrow")
    with files.whole_file(output, force=force) as unfinished:
        count = await write(unfinished, context.client.ledger_entries(parse_since(since)))
    context.out.print(f"{count} entries in {output}", soft_wrap=True)
    return {"entries": count, "path": output, "format": kind}


async def _write_csv(path: Path, entries: AsyncGenerator[LedgerEntry, None]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        async for entry in entries:
            writer.writerow(_row(entry) | {"at": entry.at.isoformat()})
            count += 1
    return count


async def _write_parquet(path: Path, entries: AsyncGenerator[LedgerEntry, None]) -> int:
    arrow, parquet = _pyarrow("pyarrow"), _pyarrow("pyarrow.parquet")
    types = {"at": arrow.timestamp("us", tz="UTC")} | dict.fromkeys(_WHOLE, arrow.int64())
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])
    count = 0
    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(str(path), schema) as writer:
        async for entry in entries:
            rows.append(_row(entry))
            count += 1
            if len(rows) == AT_ONCE:
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows.clear()
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
    return count


def _row(entry: LedgerEntry) -> dict[str, Any]:
    names = dict(scope.split(":", 1) for scope in entry.scopes)
    return {
        name: names.get(name, "") if name in SCOPE_KINDS else getattr(entry, name)
        for name in COLUMNS
    }


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InvalidRequest(
            'Parquet needs pyarrow: `pip install "underpaint[parquet]"`, or use --format csv'
        ) from None
