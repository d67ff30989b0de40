"""Limits how many bytes of pictures and artifacts are in this process's memory at once."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from underpaint.contract.errors import EngineBusy, InvalidRequest

# A picture arrives in well under a second, so a short burst of calls is served one after the
# other. Refusing at once would make each caller send everything again; a longer wait would only
# hide an overload.
WAIT_S: Final = 5.0
# A waiting call needs memory too: gRPC has already received the first part of its picture.
MOST_WAITING: Final = 128
MOST_WAITING_EACH: Final = 64  # so that one caller cannot fill the whole queue


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    caller: str
    size: int
    granted: asyncio.Future[None]


class InFlight:
    """Grants memory to calls, within one limit for all callers and one for each caller."""

    def __init__(self, most: int, most_each: int, wait_s: float = WAIT_S) -> None:
        """Sets the limits.

        Args:
            most: bytes for all callers together.
            most_each: bytes for one caller.
            wait_s: seconds that a call waits for room.
        """
        self._most = most
        self._most_each = min(most, most_each)
        self._wait_s = wait_s
        self._held: Counter[str] = Counter()
        self._waiting: deque[_Waiting] = deque()

    @property
    def held(self) -> int:
        """Bytes in use now."""
        return self._held.total()

    def held_by(self, caller: str) -> int:
        """Bytes in use by one caller now."""
        return self._held[caller]

    @asynccontextmanager
    async def hold(self, caller: str, size: int) -> AsyncIterator[None]:
        """Reserves `size` bytes of room for a caller until the block ends.

        Raises:
            EngineBusy: no room became free in time.
            InvalidRequest: `size` is above the limit for one caller.
        """
        if size > self._most_each:
            raise InvalidRequest(
                f"{size:,} bytes are more than the {self._most_each:,} that one caller may send "
                "or fetch at once; an operator may raise --in-flight-each-mib"
            )
        await self._grant(caller, size)
        try:
            yield
        finally:
            self._release(caller, size)

    async def _grant(self, caller: str, size: int) -> None:
        """Waits for room in order of arrival, and takes it."""
        mine = sum(each.caller == caller for each in self._waiting)
        if len(self._waiting) >= MOST_WAITING or mine >= MOST_WAITING_EACH:
            raise self._busy(caller, size)
        waiting = _Waiting(caller, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._serve()
        try:
            async with asyncio.timeout(self._wait_s):
                await waiting.granted
        except BaseException as error:
            with suppress(ValueError):
                self._waiting.remove(waiting)
            if waiting.granted.done() and not waiting.granted.cancelled():
                self._release(caller, size)  # granted at the moment the wait ended
            else:
                self._serve()  # a call behind this one may fit now
            if isinstance(error, TimeoutError):
                raise self._busy(caller, size) from None
            raise

    def _serve(self) -> None:
        """Grants room in order of arrival, passing over callers that are at their own limit."""
        for waiting in list(self._waiting):
            if waiting.granted.cancelled():  # its call has ended and removes itself
                continue
            if self.held + waiting.size > self._most:
                return  # otherwise smaller calls could keep overtaking this one
            if self._held[waiting.caller] + waiting.size <= self._most_each:
                self._waiting.remove(waiting)
                self._held[waiting.caller] += waiting.size
                waiting.granted.set_result(None)

    def _release(self, caller: str, size: int) -> None:
        self._held[caller] -= size
        if not self._held[caller]:
            del self._held[caller]
        self._serve()

    def _busy(self, caller: str, size: int) -> EngineBusy:
        own = self._held[caller] + size > self._most_each
        whose, flag = ("this caller", "each-mib") if own else ("all callers", "mib")
        return EngineBusy(
            f"too many pictures of {whose} are being transferred; try again in a moment, or ask "
            f"an operator to raise --in-flight-{flag}"
        )
