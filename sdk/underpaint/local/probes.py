"""Checks whether the embedded Redis answers; `contract.health` checks the other services."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

_TIMEOUT_S = 2.0


async def redis_silent(socket: Path) -> str:
    """Why a Redis on a unix socket does not answer PING; "" if it does."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"PING\r\n")
                answer = (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        return f"nothing answers on {socket} ({error or type(error).__name__})"
    return "" if answer == "+PONG" else f"it answers {answer!r}"
