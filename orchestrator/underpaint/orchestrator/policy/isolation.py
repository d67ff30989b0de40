"""Runs code that reads callers' policy texts in separate processes with limits on memory and time.

Each text gets a new process, which starts in a tenth of a second and ends afterwards, so one text
cannot affect another. The process is not a fork: it has none of this process's sockets, locks and
threads.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, TypeVarTuple

from underpaint.contract.errors import EngineBusy, InvalidRequest, ServiceUnreachable
from underpaint.orchestrator.policy import isolated
from underpaint.orchestrator.policy.isolated import HEADER_BYTES, MEMORY_MIB, TooMuchMemory

log = logging.getLogger(__name__)

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

CALL_S: Final = 20.0  # for one call; the largest allowed policy needs 5
PROCESSES: Final = 2
WAITING: Final = 16
WAIT_S: Final = 8.0
_PART_BYTES: Final = 1024 * 1024
# The signals that end a process without enough memory: a library aborts, or uses memory that it
# did not get, or the kernel kills the process.
_OUT_OF_MEMORY: Final = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL})


class IsolatedProcess:
    """A process that answers calls."""

    def __init__(
        self, process: subprocess.Popen[bytes], link: socket.socket, call_s: float
    ) -> None:
        """`link` leads to its standard input and output."""
        self._process = process
        self._link = link
        self._call_s = call_s

    async def call(self, function: Callable[[*Arguments], T], *given: *Arguments) -> T:
        """Calls a module-level function in the process and returns its result.

        Raises:
            InvalidRequest: it took too much memory or time, or the function raised it.
            ServiceUnreachable: the process has ended.
        """
        # In threads, because pickling much data would block the event loop.
        call = (self._call_s, function, given)
        message = await asyncio.to_thread(pickle.dumps, call)
        try:
            async with asyncio.timeout(self._call_s):
                packed = await self._exchange(message)
        except TimeoutError:
            raise too_slow(self._call_s) from None
        except (EOFError, ConnectionError):
            raise await self._ended() from None
        answer, error = await asyncio.to_thread(pickle.loads, packed)
        if isinstance(error, TooMuchMemory):
            raise too_large()
        if error is not None:
            raise error
        result: T = answer
        return result

    async def _exchange(self, message: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._link, len(message).to_bytes(HEADER_BYTES, "big") + message)
        return await self._receive(int.from_bytes(await self._receive(HEADER_BYTES), "big"))

    async def _receive(self, size: int) -> bytes:
        loop, received = asyncio.get_running_loop(), bytearray()
        while len(received) < size:
            part = await loop.sock_recv(self._link, min(size - len(received), _PART_BYTES))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    async def _ended(self) -> Exception:
        code = await asyncio.to_thread(self._process.wait)
        log.warning("the process that read a policy ended with code %d", code)
        if -code in _OUT_OF_MEMORY:
            return too_large()
        return ServiceUnreachable(
            f"the process that reads policies ended with code {code}; see the orchestrator's log"
        )


class Isolation:
    """Starts isolated processes, a limited number at once."""

    def __init__(
        self, processes: int = PROCESSES, call_s: float = CALL_S, wait_s: float = WAIT_S
    ) -> None:
        """Sets the limits; starts no process yet.

        Args:
            processes: how many may run at once.
            call_s: seconds that one call may take.
            wait_s: seconds to wait until another process has ended.
        """
        self._free = asyncio.Semaphore(processes)
        self._processes = processes
        self._call_s = call_s
        self._wait_s = wait_s
        self._waiting = 0
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    @asynccontextmanager
    async def process(self) -> AsyncIterator[IsolatedProcess]:
        """A new process, which ends with the block.

        Raises:
            EngineBusy: too many processes are running, and none ended in time.
            ServiceUnreachable: the orchestrator is stopping.
        """
        await self._turn()
        try:
            if self._closed:
                raise _stopping()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                process = _start(theirs)
                self._running.add(process)
                theirs.close()
                ours.setblocking(False)
                try:
                    yield IsolatedProcess(process, ours, self._call_s)
                except InvalidRequest:
                    if self._closed:  # the process was killed by `close`, not by a limit
                        raise _stopping() from None
                    raise
                finally:
                    process.kill()
                    await asyncio.to_thread(process.wait)  # freeing much memory takes a while
                    self._running.discard(process)
        finally:
            self._free.release()

    async def run(self, function: Callable[[*Arguments], T], *given: *Arguments) -> T:
        """Makes one call in a new process; raises the errors of `process` and `call`."""
        async with self.process() as process:
            return await process.call(function, *given)

    async def close(self) -> None:
        """Kills all processes and waits until they have ended."""
        self._closed = True
        for process in self._running:
            process.kill()
        for _ in range(self._processes):
            await self._free.acquire()
        for _ in range(self._processes):
            self._free.release()

    async def _turn(self) -> None:
        busy = EngineBusy(
            f"{self._processes} policies are being checked or replayed, the most at once; "
            "try again in a moment"
        )
        if self._waiting >= WAITING:
            raise busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise busy from None
        finally:
            self._waiting -= 1


def _stopping() -> ServiceUnreachable:
    return ServiceUnreachable("the orchestrator is stopping; try again once it runs")


def _start(link: socket.socket) -> subprocess.Popen[bytes]:
    # Not with asyncio: uvloop forks, which runs gRPC's fork handlers. This uses vfork and takes
    # a millisecond.
    program = f"from {isolated.__name__} import main; main()"
    return subprocess.Popen(  # noqa: S603 -- our own arguments
        [sys.executable, "-P", "-c", program],  # -P: imports nothing from the current folder
        stdin=link.fileno(),
        stdout=link.fileno(),
        start_new_session=True,  # so that Ctrl-C in a terminal reaches only its parent
    )


def too_slow(seconds: float) -> InvalidRequest:
    """The error for a policy that took too much time."""
    return InvalidRequest(
        f"the policy takes too much time (more than {seconds:g} s); "
        "use fewer rules, shorter conditions and fewer loops"
    )


def too_large() -> InvalidRequest:
    """The error for a policy that took too much memory."""
    return InvalidRequest(
        f"the policy takes too much memory (more than {MEMORY_MIB} MiB); "
        "use fewer rules, and shorter lists and texts in their conditions"
    )
