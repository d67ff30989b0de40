"""Money as a whole number of micro-dollars (1 USD = 1,000,000), never as a float."""

from __future__ import annotations

import re
from typing import Final

from underpaint.contract.errors import InvalidRequest

MICROS: Final = 1_000_000
# Lua numbers are doubles: above this they are no longer exact.
MAX_USD_MICROS: Final = 2**53 - 1
# A point before the decimals; commas between all groups of thousands, or no commas.
_SUM: Final = re.compile(r"\$?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]+))?")
# Ambiguous: half of the world writes 1.500 like this.
_COMMA_OR_THOUSAND: Final = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_READING: Final = re.compile(r"0*([0-9]+?)(?:\.([0-9]*?)0*)?")
_MOST_DIGITS: Final = 10  # of whole dollars: MAX_USD_MICROS is about nine thousand million
_LONGEST_READING: Final = 17  # characters: the digits, a point and six decimals


def format_usd(usd_micros: int) -> str:
    """Dollars for people, exact: 12500 -> "$0.0125", 5000000 -> "$5.00"."""
    sign = "-" if usd_micros < 0 else ""
    whole, micros = divmod(abs(usd_micros), MICROS)
    fraction = f"{micros:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{fraction}"


def parse_usd(text: str) -> int:
    """Micro-dollars of "5", "$5.00", "0.0125", "1500" or "1,500.00".

    A comma that might stand before decimals, as in "1,50" or "1,500", is refused.

    Raises:
        InvalidRequest: not a sum of money, ambiguous, negative, or finer than a micro-dollar.
    """
    plain = text.strip()
    found = _SUM.fullmatch(plain)
    if not found or _COMMA_OR_THOUSAND.fullmatch(plain.removeprefix("$")):
        raise _misread(plain)
    whole, fraction = found[1].replace(",", ""), (found[2] or "").rstrip("0")
    if len(fraction) > 6:
        raise InvalidRequest(
            f"{_shown(plain)} is finer than a micro-dollar; use at most 6 decimals"
        )
    if len(whole) > _MOST_DIGITS:
        raise InvalidRequest(
            f"{_shown(plain)} is more than {format_usd(MAX_USD_MICROS)}, the most that is counted"
        )
    return check_usd_micros(int(whole) * MICROS + int(fraction.ljust(6, "0")))


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


def _misread(plain: str) -> InvalidRequest:
    """The error for another way of writing; if it can be read in two ways, it names both."""
    digits = plain.removeprefix("$")
    with_comma = _reading(digits.replace(".", "").replace(",", "."))
    with_point = _reading(digits.replace(",", ""))
    if not with_comma or not with_point or with_comma == with_point:
        return InvalidRequest(f"{_shown(plain)} is not a sum in dollars; write it like 5 or 0.25")
    return InvalidRequest(
        f"{_shown(plain)} is ambiguous: it may mean ${with_comma} or ${with_point}; "
        f"write {with_comma} or {with_point}"
    )


def _reading(digits: str) -> str:
    """A number without needless zeros: "000.50" -> "0.50", "1.500" -> "1.50"; "" if it is none."""
    found = _READING.fullmatch(digits) if len(digits) <= _LONGEST_READING else None
    if not found:
        return ""
    return f"{found[1]}.{found[2].ljust(2, '0')}" if found[2] else found[1]


def _shown(plain: str) -> str:
    return repr(plain if len(plain) <= 40 else plain[:40] + "…")
