"""The domain values of the ledger: budgets, spend, entries and verifications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, Literal

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.money import format_usd

# The dimensions by which spend can be grouped.
DIMENSIONS: Final = ("organisation", "team", "project", "user", "model", "day")

Kind = Literal["reserve", "settle", "release", "expire", "overrun", "limit", "freeze", "thaw"]


class Period(Enum):
    """The period of a limit. Money counts in the period in which it was reserved."""

    DAY = "day"  # a calendar day in UTC
    MONTH = "month"  # a calendar month in UTC
    CAMPAIGN = "campaign"  # from a first to a last day; without days, all time


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on one scope, with what is spent and reserved of it."""

    scope: str
    limit_usd_micros: int
    spent_usd_micros: int = 0
    reserved_usd_micros: int = 0
    period: Period = Period.CAMPAIGN
    soft: bool = False  # going over it is recorded and causes a warning, but is allowed
    from_day: str = ""  # first day of a campaign, such as 2026-11-21; "" for no first day
    until_day: str = ""  # last day of a campaign; "" for no last day

    @property
    def left_usd_micros(self) -> int:
        """What may still be reserved, in micro-dollars; negative if the limit is exceeded."""
        return self.limit_usd_micros - self.spent_usd_micros - self.reserved_usd_micros

    @property
    def terms(self) -> str:
        """In words, such as "$5.00 a day, soft" or "$5.00 from 2026-11-01 to 2026-11-30"."""
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
    """Spend of one scope or group, and what it would have cost all in the cloud; micro-dollars."""

    scope: str
    promotions: int
    charged_usd_micros: int
    cloud_only_usd_micros: int
    key: tuple[str, ...] = ()  # values of the dimensions, in the order that was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry of the ledger. The balances are the sums of the entries."""

    id: str
    number: int  # increases by one, so that a gap shows a loss
    at: datetime
    kind: str  # a Kind, or one that only a later version knows
    promotion_id: str = ""
    scopes: tuple[str, ...] = ()
    day: str = ""  # the day of the reservation, in UTC
    reserved_usd_micros: int = 0  # negative when a reservation ends
    spent_usd_micros: int = 0
    model: str = ""  # the model of a settled promotion
    cloud_only_usd_micros: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying the ledger."""

    entries: int  # how many were added up since the checkpoint
    number: int  # of the last entry
    checkpoint_number: int  # of the checkpoint's last entry; 0 without a checkpoint
    balances: int  # how many were compared
    reservations: int  # how many are open
    mismatches: tuple[str, ...] = ()
    frozen: str = ""  # why spending is frozen, if it is


def check_day(text: str) -> str:
    """Returns the day if it is valid; "" stands for no day.

    Raises:
        InvalidRequest: not a day of the calendar, written like 2026-11-21.
    """
    try:
        if text and date.fromisoformat(text).isoformat() != text:
            raise ValueError
    except ValueError:
        raise InvalidRequest(f"{text[:40]!r} is not a day; write it like 2026-11-21") from None
    return text
