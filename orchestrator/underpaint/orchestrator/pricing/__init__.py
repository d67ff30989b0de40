"""What a promotion costs: the price table and the arithmetic over it."""

from underpaint.orchestrator.pricing.table import (
    LEDGER_CURRENCY,
    MAX_GPU_SECONDS,
    EnginePrice,
    PriceTable,
    Rate,
    bound_of,
    charge,
    cloud_only,
    load,
    other_prices,
    total,
    upper_bound,
)

__all__ = [
    "LEDGER_CURRENCY",
    "MAX_GPU_SECONDS",
    "EnginePrice",
    "PriceTable",
    "Rate",
    "bound_of",
    "charge",
    "cloud_only",
    "load",
    "other_prices",
    "total",
    "upper_bound",
]
