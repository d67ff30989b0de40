"""Keeps the gRPC health service in step with whether the ledger can be reached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from underpaint.contract.errors import LedgerUnavailable
from underpaint.contract.rim import Readiness

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
ANSWER_S: Final = 1.5  # a ledger that takes longer counts as out of reach


async def follow(readiness: Readiness, ping: Callable[[], Awaitable[None]]) -> None:
    """Reports SERVING while the ledger answers, and NOT_SERVING while it does not.

    Args:
        readiness: the status to set; it is SERVING at the start.
        ping: returns once the ledger has answered, or raises LedgerUnavailable.
    """
    serving = True
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                await ping()
            answers, why = True, ""
        except TimeoutError:
            answers, why = False, f"the ledger did not answer within {ANSWER_S:g} s"
        except LedgerUnavailable as error:
            answers, why = False, str(error)
        except Exception as error:
            answers, why = False, repr(error)
        if answers != serving:
            serving = answers
            log.warning("SERVING again" if serving else f"NOT_SERVING: {why}")
            await readiness.set(serving)
