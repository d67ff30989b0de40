"""Turns what Redis stores into promotions, leases, events, ledger entries and budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter
from underpaint.contract.accounting import Budget, LedgerEntry, Period
from underpaint.contract.promotion import (
    Promotion,
    PromotionEvent,
    PromotionRequest,
    PromotionState,
    Quote,
    Withheld,
)
from underpaint.orchestrator.ledger.store import over_soft
from underpaint.orchestrator.pricing.table import EnginePrice
from underpaint.orchestrator.promotions.store import Lease, Outcome, ending

REQUEST: Final = TypeAdapter(PromotionRequest)
QUOTE: Final = TypeAdapter(Quote)
PRICE: Final = TypeAdapter(EnginePrice)
OUTCOME: Final = TypeAdapter(Outcome)
_ENTRY: Final = TypeAdapter(LedgerEntry)

Fields = Mapping[bytes, bytes]


def promotion_from(fields: Fields) -> Promotion:
    """A promotion from its hash."""
    request = REQUEST.validate_json(fields[b"request"])
    quote = QUOTE.validate_json(fields[b"quote"])
    state = PromotionState(fields[b"state"].decode())
    updated_at = moment(int(fields[b"updated"]))
    artifact, lineage, receipt = None, None, None
    warnings: tuple[str, ...] = ()
    if fields[b"overruns"]:
        warnings = tuple(map(_overrun, fields[b"overruns"].decode().split(",")))
    if state is PromotionState.SETTLED:
        outcome = OUTCOME.validate_json(fields[b"outcome"])
        artifact = outcome.artifact
        warnings += outcome.warnings
        lineage, receipt = ending(
            request,
            quote,
            outcome,
            int(fields[b"charged"]),
            int(fields[b"cloud_only"]),
            updated_at,
        )
        lineage = lineage if artifact else None
    return Promotion(
        id=fields[b"id"].decode(),
        state=state,
        promotion=request,
        quote=quote,
        created_at=moment(int(fields[b"created"])),
        updated_at=updated_at,
        attempts=int(fields[b"attempts"]),
        reason=fields[b"reason"].decode(),
        approved_by=fields.get(b"approved_by", b"").decode(),
        dead=b"dead" in fields,
        retried_as=fields.get(b"retried_as", b"").decode(),
        withheld=Withheld(fields.get(b"withheld", b"").decode()),
        artifact=artifact,
        lineage=lineage,
        receipt=receipt,
        warnings=warnings,
    )


def promotion_of(flat: Sequence[bytes]) -> Promotion:
    """A promotion from its hash, given as a script returns it: a flat list."""
    return promotion_from(pairs(flat))


def lease_from(entry: bytes, fields: Fields) -> Lease:
    """A lease from a promotion's hash and its entry in the work queue."""
    outcome = fields.get(b"outcome")
    return Lease(
        promotion=promotion_from(fields),
        price=PRICE.validate_json(fields[b"price"]),
        fence=int(fields[b"fence"]),
        entry=entry.decode(),
        refusals=int(fields[b"refusals"]),
        outcome=OUTCOME.validate_json(outcome) if outcome else None,
    )


def event_from(event_id: bytes, fields: Fields) -> PromotionEvent:
    """An event from its stream entry."""
    return PromotionEvent(
        id=event_id.decode(),
        at=moment(int(event_id.partition(b"-")[0])),
        state=PromotionState(fields[b"state"].decode()),
        step=int(fields[b"step"]),
        steps=int(fields[b"steps"]),
        preview=fields[b"preview"],
        message=fields[b"message"].decode(),
    )


def last_event_from(fields: Fields) -> PromotionEvent:
    """The final event of a promotion whose other events are no longer kept."""
    event_id = fields[b"last_event"].decode()
    return PromotionEvent(
        id=event_id,
        at=moment(int(fields[b"updated"])),
        state=PromotionState(fields[b"state"].decode()),
        message=fields[b"reason"].decode(),
    )


def entry_from(entry_id: bytes, fields: Fields) -> LedgerEntry:
    """An entry of the ledger from its stream entry."""
    text = {name.decode(): value.decode() for name, value in fields.items()}
    overrun = text.get("overrun")
    return _ENTRY.validate_python(
        {
            "id": entry_id.decode(),
            "number": int(text["number"]),
            "at": moment(int(entry_id.partition(b"-")[0])),
            "kind": text["kind"],
            "promotion_id": text.get("promotion", ""),
            "scopes": tuple(text.get("scopes", "").split()),
            "day": text.get("day", ""),
            "reserved_usd_micros": int(text.get("reserved", 0)),
            "spent_usd_micros": int(text.get("spent", 0)),
            "model": text.get("model", ""),
            "cloud_only_usd_micros": int(text.get("cloud_only", 0)),
            "note": _overrun(overrun) if overrun else text.get("note", ""),
        }
    )


def budget_from(row: Sequence[bytes]) -> Budget:
    """A budget from the row that a script returns."""
    scope, period, limit, soft, from_day, until_day, spent, reserved = (
        field.decode() for field in row
    )
    return Budget(
        scope=scope,
        limit_usd_micros=int(limit),
        spent_usd_micros=int(spent),
        reserved_usd_micros=int(reserved),
        period=Period(period),
        soft=soft == "1",
        from_day=from_day,
        until_day=until_day,
    )


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """A dict from a flat list of alternating fields and values."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _overrun(text: str) -> str:
    """The warning about a soft limit, from "SCOPE PERIOD LIMIT EXCESS"."""
    scope, period, limit, over = text.split(" ")
    return over_soft(scope, Period(period), int(limit), int(over))


def moment(ms: int) -> datetime:
    """A time in UTC from milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)
