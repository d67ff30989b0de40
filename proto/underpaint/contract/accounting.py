"""Budgets, spend, and the entries of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, Literal

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd

# What spend can be told by.
DIMENSIONS: Final = ("organisation", "team", "project", "user", "model", "day")

Kind = Literal["reserve", "settle", "release", "expire", "overrun", "limit", "freeze", "thaw"]


class Period(Enum):
    """What a limit counts: all that was reserved within it."""

    DAY = "day"  # a calendar day in UTC
    MONTH = "month"  # a calendar month in UTC
    CAMPAIGN = "campaign"  # from one day to another; without days, everything ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on one scope, and what of it is gone."""

    scope: str
    limit_usd_micros: int
    spent_usd_micros: int = 0
    reserved_usd_micros: int = 0
    period: Period = Period.CAMPAIGN
    soft: bool = False  # warns and is recorded, but refuses nothing
    from_day: str = ""  # first day of a campaign, such as 2026-11-21; empty is open
    until_day: str = ""  # its last day

    @property
    def left_usd_micros(self) -> int:
        """What may still be reserved; negative if the limit is overrun."""
        return self.limit_usd_micros - self.spent_usd_micros - self.reserved_usd_micros

    @property
    def terms(self) -> str:
        """Such as "$5.00 a day, soft" or "$5.00 from 2026-11-01 to 2026-11-30"."""
        words = [format_usd(self.limit_usd_micros)]
        if self.period is not Period.CAMPAIGN:
            words.append(f"a {self.period.value}")
        if self.from_day:
            words.append(f"from {self.from_day}")
        if self.until_day:
            words.append(f"to {self.until_day}")
        return " ".join(words) + (", soft" if self.soft else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLine:
    """Spend of one scope or key, beside what all-cloud would have cost."""

    scope: str
    promotions: int
    charged_usd_micros: int
    cloud_only_usd_micros: int
    key: tuple[str, ...] = ()  # in the order of the dimensions that were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One line of the ledger; the balances are the sum of them."""

    id: str
    number: int  # counts up by one: a gap is a loss
    at: datetime
    kind: str  # a Kind, or what a later version has besides
    promotion_id: str = ""
    scopes: tuple[str, ...] = ()
    day: str = ""  # that of the reservation, in UTC
    reserved_usd_micros: int = 0  # signed
    spent_usd_micros: int = 0
    model: str = ""  # of a settled promotion
    cloud_only_usd_micros: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What adding up the ledger found."""

    entries: int  # that were added up
    number: int  # of the last
    checkpoint_number: int  # of the entry it began after; 0 for the very first
    balances: int  # that were compared
    reservations: int  # that are open
    mismatches: tuple[str, ...] = ()
    frozen: str = ""  # why spending is frozen, if it is


def check_day(text: str) -> str:
    """The same day; empty is open.

    Raises:
        InvalidRequest: no day of the calendar, written like 2026-11-21.
    """
    try:
        if text and date.fromisoformat(text).isoformat() != text:
            raise ValueError
    except ValueError:
        raise InvalidRequest(f"{text[:40]!r} is no day; write it like 2026-11-21") from None
    return text
