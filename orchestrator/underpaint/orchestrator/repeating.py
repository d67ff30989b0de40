"""Work that is repeated for as long as the orchestrator runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from underpaint.contract.errors import UnderpaintError


async def repeat(
    work: Callable[[], Awaitable[object]], every_s: float, failed: str, log: logging.Logger
) -> None:
    """Does some work every `every_s` seconds, for ever; a failed round does not stop the next.

    Args:
        work: one round; the first begins after `every_s`.
        every_s: seconds between two rounds.
        failed: what is logged before the cause when a round fails.
        log: of the caller.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            await work()
        except UnderpaintError as error:
            log.warning("%s: %s", failed, error)
        except Exception:
            log.exception(failed)
