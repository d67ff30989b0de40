"""How many bytes of pictures and artifacts may be in this process's memory at once."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from underpaint.contract.errors import EngineBusy, InvalidRequest

# A picture is here in well under a second, so a burst of good callers passes in turn. Refusing
# them at once would have each send all of it again; waiting for longer would only hide that
# there is too much to do.
WAIT_S: Final = 5.0
# Who waits costs memory as well: gRPC has received the beginning of what it sends.
MOST_WAITING: Final = 128
MOST_WAITING_EACH: Final = 64  # so that one caller cannot have the whole line


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    caller: str
    size: int
    granted: asyncio.Future[None]


class InFlight:
    """Grants room for bytes: within one budget for all callers, and one for each of them."""

    def __init__(self, most: int, most_each: int, wait_s: float = WAIT_S) -> None:
        """Both budgets are in bytes; `wait_s` is how long a call waits for room."""
        self._most = most
        self._most_each = min(most, most_each)
        self._wait_s = wait_s
        self._held: Counter[str] = Counter()
        self._waiting: deque[_Waiting] = deque()

    @property
    def held(self) -> int:
        """Bytes that are granted now."""
        return self._held.total()

    def held_by(self, caller: str) -> int:
        """Bytes that are granted to one caller now."""
        return self._held[caller]

    @asynccontextmanager
    async def hold(self, caller: str, size: int) -> AsyncIterator[None]:
        """Room for some bytes until the block is left, however it is left.

        Raises:
            EngineBusy: there was none in time.
            InvalidRequest: there never will be.
        """
        if size > self._most_each:
            raise InvalidRequest(
                f"{size:,} bytes are more than the {self._most_each:,} that one caller may have "
                "on their way; an operator may raise --in-flight-each-mib"
            )
        await self._grant(caller, size)
        try:
            yield
        finally:
            self._release(caller, size)

    async def _grant(self, caller: str, size: int) -> None:
        """Waits in line; once it returns, the room is taken."""
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
                self._release(caller, size)  # granted in the very moment in which it gave up
            else:
                self._serve()  # it may have stood in the way of others
            if isinstance(error, TimeoutError):
                raise self._busy(caller, size) from None
            raise

    def _serve(self) -> None:
        """Grants in the order of arrival; nobody waits behind a caller whose own budget is full."""
        for waiting in list(self._waiting):
            if waiting.granted.cancelled():  # its call has ended and will say so
                continue
            if self.held + waiting.size > self._most:
                return  # smaller ones behind it would pass it for ever
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
            f"too many pictures of {whose} are on their way; try again in a moment, or let an "
            f"operator raise --in-flight-{flag}"
        )
