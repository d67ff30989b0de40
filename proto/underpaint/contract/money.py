"""Money is a whole number of micro-dollars (1 USD = 1,000,000); no float touches it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from underpaint.contract.errors import InvalidRequest

MICROS: Final = 1_000_000
# Lua numbers are doubles: above this they no longer count by one.
MAX_USD_MICROS: Final = 2**53 - 1


def format_usd(usd_micros: int) -> str:
    """Dollars for people, exact: 12500 -> "$0.0125", 5000000 -> "$5.00"."""
    sign = "-" if usd_micros < 0 else ""
    whole, micros = divmod(abs(usd_micros), MICROS)
    fraction = f"{micros:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{fraction}"


def parse_usd(text: str) -> int:
    """Micro-dollars of "5", "$5.00" or "0.0125".

    Raises:
        InvalidRequest: not a sum of money, negative, or finer than a micro-dollar.
    """
    try:
        micros = Decimal(text.strip().removeprefix("$").replace(",", "")) * MICROS
        whole = int(micros)
    except (InvalidOperation, ValueError, OverflowError):
        raise InvalidRequest(f"{text!r} is no sum in dollars; write it like 5 or 0.25") from None
    if micros != whole:
        raise InvalidRequest(f"{text!r} is finer than a micro-dollar; use at most 6 decimals")
    return check_usd_micros(whole)


def check_usd_micros(usd_micros: int) -> int:
    """The same number, if it is one the ledger can hold.

    Raises:
        InvalidRequest: negative or above 2^53 - 1.
    """
    if not 0 <= usd_micros <= MAX_USD_MICROS:
        raise InvalidRequest(
            f"{usd_micros} micro-dollars is out of range; use 0 to {MAX_USD_MICROS}"
        )
    return usd_micros
