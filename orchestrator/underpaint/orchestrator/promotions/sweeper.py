"""Removes pictures that were sent for promotions which were then refused.

A picture is stored before its promotion is acknowledged. If the promotion is refused, nothing
refers to the picture. Only pictures that were noted as sent are removed, so finished pictures,
and pictures that were in the store before, are never touched.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from underpaint.orchestrator.artifacts import Artifacts
from underpaint.orchestrator.promotions.store import PromotionStore
from underpaint.orchestrator.repeating import repeat

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
OLDER_S: Final = 900.0  # longer than any call that sends a picture may take
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Removes pictures that no promotion refers to."""

    store: PromotionStore
    artifacts: Artifacts
    older_s: float = OLDER_S

    async def sweep(self) -> int:
        """Removes every unwanted picture; returns how many.

        Raises:
            LedgerUnavailable, ServiceUnreachable: not possible now; try again later.
        """
        count = 0
        while taken := await self.store.unwanted_pictures(self.older_s, AT_ONCE):
            for sha256 in taken:
                await self.artifacts.remove(sha256)
                await self.store.forget_picture(sha256)
            count += len(taken)
        return count

    async def run(self) -> None:
        """Sweeps every EVERY_S seconds, for ever."""

        async def swept() -> None:
            if count := await self.sweep():
                log.info("%d pictures of refused promotions are removed", count)

        await repeat(swept, EVERY_S, "unwanted pictures cannot be removed for now", log)
