"""What a promotion costs: pure arithmetic over a versioned price table.

Money is in whole micro-dollars. Each line of a price is rounded up once, so the lines add up to
exactly what is charged. The ledger has one currency; prices in another one are converted at the
fixed rate of the table, which is a fraction of whole numbers.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final

from underpaint.contract.errors import EngineFailed, InvalidRequest
from underpaint.contract.generation import (
    MAX_GUIDANCE,
    MAX_SIDE,
    MAX_STEPS,
    MIN_SIDE,
    SIDE_MULTIPLE,
    GenerationRequest,
)
from underpaint.contract.money import MAX_USD_MICROS, check_usd_micros, format_usd
from underpaint.contract.promotion import QuoteLine
from underpaint.contract.wire import Defaults
from underpaint.orchestrator.documents import Entry, read
from underpaint.orchestrator.names import ENGINE

MAX_GPU_SECONDS: Final = 1_700  # below the longest deadline of CloudService.Generate
LEDGER_CURRENCY: Final = "USD"
_UNITS: Final = ("per_gpu_second", "per_image", "per_megapixel_step")
_REQUIRED: Final = frozenset({"max_gpu_seconds", "width", "height"})
# For an engine that never said how its model is called, if its entry does not say it either.
_STEPS: Final = 28
_GUIDANCE: Final = 4.0
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_RATE: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Dollars for one unit of a currency, as a fraction of whole numbers."""

    numerator: int = 1
    denominator: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePrice:
    """What one engine costs, in micro-units of a currency, and its default settings.

    It includes the exchange rate, so that a quote is settled at the rate of its time.
    """

    provider: str = ""  # who bills it; empty for our own
    currency: str = LEDGER_CURRENCY
    rate: Rate = Rate()
    per_gpu_second_micros: int
    per_image_micros: int
    per_megapixel_step_micros: int
    max_gpu_seconds: int
    num_inference_steps: int = _STEPS  # only for an engine that never said its own
    guidance_scale: float = _GUIDANCE  # likewise
    width: int  # pixels; width x height is the default number of pixels, in the draft's shape
    height: int  # pixels

    @property
    def terms(self) -> tuple[str | int, ...]:
        """Everything that the price depends on, in a fixed order."""
        return (
            self.provider,
            self.currency,
            self.rate.numerator,
            self.rate.denominator,
            self.per_gpu_second_micros,
            self.per_image_micros,
            self.per_megapixel_step_micros,
            self.max_gpu_seconds,
        )

    @property
    def defaults(self) -> Defaults:
        """The values that replace zeros in a request, if the engine does not say its own."""
        return Defaults(
            width=self.width,
            height=self.height,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            of_engine=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """The prices of all engines, with a version."""

    version: str
    engines: Mapping[str, EnginePrice]

    @property
    def digest(self) -> str:
        """A digest of the prices themselves, without the version."""
        told = sorted((name, *price.terms) for name, price in self.engines.items())
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def engine(self, name: str) -> EnginePrice:
        """The price of an engine.

        Raises:
            InvalidRequest: the table has no price for it.
        """
        if name not in self.engines:
            raise InvalidRequest(
                f"engine {name!r} is unknown or has no price; "
                f"priced engines: {', '.join(sorted(self.engines))}"
            )
        return self.engines[name]


def other_prices(version: str) -> InvalidRequest:
    """The error for a price table whose version was already used with other prices."""
    return InvalidRequest(
        f"price table version {version!r} was used with other prices before; give this table "
        "a new version"
    )


def upper_bound(price: EnginePrice, request: GenerationRequest) -> tuple[QuoteLine, ...]:
    """Lines whose sum is the most that this request can be charged.

    Raises:
        InvalidRequest: the sum is more than the ledger can hold.
    """
    seconds = price.max_gpu_seconds
    lines = _lines(price, request, f"at most {seconds} GPU-seconds", Decimal(seconds))
    check_usd_micros(total(lines))
    return lines


def charge(
    price: EnginePrice, request: GenerationRequest, gpu_seconds: float, quoted_usd_micros: int
) -> int:
    """Micro-dollars to charge for a finished picture, never more than was quoted.

    Args:
        price: as quoted.
        request: as quoted.
        gpu_seconds: seconds that the accelerator was in use, as the engine measured them.
        quoted_usd_micros: the quoted upper bound.

    Raises:
        EngineFailed: gpu_seconds is negative or not finite.
    """
    measured = Decimal(repr(gpu_seconds))
    if not measured.is_finite() or measured < 0:
        raise EngineFailed(
            f"the engine reported {gpu_seconds!r} GPU-seconds, which cannot be right"
        )
    lines = _lines(price, request, f"{gpu_seconds:g} GPU-seconds", measured)
    return min(total(lines), quoted_usd_micros)


def cloud_only(render_usd_micros: int, draft_count: int) -> int:
    """What the drafts and the finished picture would cost if all were made in the cloud.

    Assumes that a draft made in the cloud costs as much as the finished picture, so the result
    is render_usd_micros x (draft_count + 1). This does not overstate the saving: a picture made
    from noise takes at least as many steps as one made from a draft.

    Args:
        render_usd_micros: cost of the finished picture in micro-dollars: the quoted bound, or
            the charge.
        draft_count: how many drafts it was chosen from.

    Raises:
        InvalidRequest: the sum is more than the ledger can hold.
    """
    return check_usd_micros(render_usd_micros * (draft_count + 1))


def total(lines: tuple[QuoteLine, ...]) -> int:
    """The sum of lines in micro-dollars."""
    return sum(line.usd_micros for line in lines)


def load(file: Path) -> PriceTable:
    """Reads and checks a price table.

    Raises:
        InvalidRequest: names the line and the field.
    """
    fields = read(file).fields(
        required=frozenset({"version", "engines"}), optional=frozenset({"exchange"})
    )
    rates = _rates(fields["exchange"]) if "exchange" in fields else {}
    engines: dict[str, EnginePrice] = {}
    for name, entry in fields["engines"].fields().items():
        if not ENGINE.fullmatch(name):
            raise entry.wrong("is not a valid name of an engine; use letters, digits, - _ . /")
        engines[name] = _engine(entry, rates)
    if not engines:
        raise fields["engines"].wrong("names no engine")
    return PriceTable(version=fields["version"].text(), engines=engines)


def _rates(entry: Entry) -> dict[str, Rate]:
    """Dollars for one unit of each currency."""
    rates = {}
    for currency, each in entry.fields().items():
        if not _CURRENCY.fullmatch(currency) or currency == LEDGER_CURRENCY:
            raise each.wrong("is not a foreign currency; write it like EUR: 27/25")
        found = _RATE.fullmatch(each.text())
        if not found:
            raise each.wrong(f"is {each.text()!r}; write dollars for one {currency} like 27/25")
        rates[currency] = Rate(numerator=int(found[1]), denominator=int(found[2]))
    return rates


def _engine(entry: Entry, rates: Mapping[str, Rate]) -> EnginePrice:
    currency = LEDGER_CURRENCY
    for told, each in entry.fields().items():
        if told == "currency":
            currency = each.text()
            if currency != LEDGER_CURRENCY and currency not in rates:
                raise each.wrong(
                    f"is {currency!r}, but the ledger is kept in {LEDGER_CURRENCY}; add "
                    f"`exchange: {{{currency}: 27/25}}` to the table, dollars for one"
                )
    # The unit is part of the name, so that an amount is never read in another currency.
    names = {unit: f"{unit}_{currency.lower()}_micros" for unit in _UNITS}
    fields = entry.fields(
        required=_REQUIRED | frozenset(names.values()),
        optional=frozenset({"provider", "currency", "num_inference_steps", "guidance_scale"}),
    )
    prices = {unit: fields[name].whole(0, MAX_USD_MICROS) for unit, name in names.items()}
    if not any(prices.values()):
        raise entry.wrong("costs nothing: at least one of its prices must be above 0")
    sides = {name: fields[name].whole(MIN_SIDE, MAX_SIDE) for name in ("width", "height")}
    for name, side in sides.items():
        if side % SIDE_MULTIPLE:
            raise fields[name].wrong(f"is {side}; it must be a multiple of {SIDE_MULTIPLE}")
    return EnginePrice(
        provider=fields["provider"].text() if "provider" in fields else "",
        currency=currency,
        rate=rates.get(currency, Rate()),
        per_gpu_second_micros=prices["per_gpu_second"],
        per_image_micros=prices["per_image"],
        per_megapixel_step_micros=prices["per_megapixel_step"],
        max_gpu_seconds=fields["max_gpu_seconds"].whole(1, MAX_GPU_SECONDS),
        num_inference_steps=(
            fields["num_inference_steps"].whole(1, MAX_STEPS)
            if "num_inference_steps" in fields
            else _STEPS
        ),
        guidance_scale=(
            fields["guidance_scale"].number(0, MAX_GUIDANCE)
            if "guidance_scale" in fields
            else _GUIDANCE
        ),
        width=sides["width"],
        height=sides["height"],
    )


def _lines(
    price: EnginePrice, request: GenerationRequest, held: str, gpu_seconds: Decimal
) -> tuple[QuoteLine, ...]:
    """One line for each price above 0, converted exactly and then rounded up."""
    steps = request.num_inference_steps
    megapixel_steps = Fraction(request.width * request.height * steps, 1_000_000)
    counted = (
        ("1 picture", Fraction(1), price.per_image_micros),
        (
            f"{steps} steps x {request.megapixels:.3f} megapixels",
            megapixel_steps,
            price.per_megapixel_step_micros,
        ),
        (held, Fraction(gpu_seconds), price.per_gpu_second_micros),
    )
    rate = Fraction(price.rate.numerator, price.rate.denominator)
    whose = f", {price.provider}" if price.provider else ""
    lines = []
    for what, amount, each in counted:
        usd_micros = math.ceil(amount * each * rate)
        if usd_micros and price.currency != LEDGER_CURRENCY:
            theirs = f"{format_usd(math.ceil(amount * each)).removeprefix('$')} {price.currency}"
            lines.append(QuoteLine(what=f"{what}{whose} ({theirs})", usd_micros=usd_micros))
        elif usd_micros:
            lines.append(QuoteLine(what=f"{what}{whose}", usd_micros=usd_micros))
    return tuple(lines)


def bound_of(price: EnginePrice) -> Callable[[GenerationRequest], int]:
    """A function that returns what a request costs at most, in micro-dollars."""
    return lambda request: total(upper_bound(price, request))
