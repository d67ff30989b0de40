"""A proxy between two processes that does to their bytes what a test asks for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET

_AT_ONCE = 64 * 1024


@dataclass(eq=False)
class Trap:
    """Waits for a request with some bytes in it; `sprung` once it came.

    `hold` keeps the request, and all after it on its connection, from the server.
    `lose` lets it arrive and keeps its reply from the client, and all replies after it.
    `count` only counts.
    """

    match: bytes
    kind: str
    skip: int = 0  # that many requests pass first
    seen: int = 0
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    link: _Link | None = None

    def reset(self) -> None:
        """Breaks the connection it was sprung on."""
        assert self.link
        self.link.reset()

    def let_go(self) -> None:
        """Lets what was held go on its way."""
        assert self.link
        self.link.gate.set()


class _Link:
    """One connection through the proxy."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.client, self.server = client, server
        self.gate = asyncio.Event()  # closed while requests are held
        self.gate.set()
        self.losing = False

    def reset(self) -> None:
        """As a network does: no goodbye, a RST to both."""
        for _, writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            with suppress(OSError):  # unix sockets know no lingering
                sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """From a TCP port of its own to one server, a TCP address or the path of a unix socket."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._links: set[_Link] = set()
        self._traps: list[Trap] = []
        self._meetings: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._cut = False
        self.delay_s = 0.0  # of every reply
        self.address = ""

    async def start(self) -> None:
        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            meeting = asyncio.create_task(self._meet(reader, writer))
            self._meetings.add(meeting)
            meeting.add_done_callback(self._meetings.discard)

        self._server = await asyncio.start_server(met, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self.cut()
        if self._server:
            self._server.close()
        await asyncio.gather(*self._meetings)

    def cut(self) -> None:
        """Cuts what is open, and whatever is opened until it is healed."""
        self._cut = True
        self.reset()

    def heal(self) -> None:
        self._cut = False

    def reset(self) -> None:
        """Breaks what is open; new connections are let through."""
        for link in self._links:
            link.reset()

    def hold(self, match: bytes, skip: int = 0) -> Trap:
        """The next request with these bytes never arrives, unless it is let go."""
        return self._set(Trap(match, "hold", skip))

    def lose_reply(self, match: bytes, skip: int = 0) -> Trap:
        """The next request with these bytes arrives; its reply never does."""
        return self._set(Trap(match, "lose", skip))

    def count(self, match: bytes) -> Trap:
        """How often requests have these bytes from now on."""
        return self._set(Trap(match, "count"))

    def forget(self, trap: Trap) -> None:
        """Takes a trap away, sprung or not; what it lost stays lost."""
        if trap in self._traps:
            self._traps.remove(trap)

    def _set(self, trap: Trap) -> Trap:
        self._traps.append(trap)
        return trap

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._cut:
                raise ConnectionResetError
            server = await self._open()
        except OSError:
            writer.transport.abort()
            return
        link = _Link((reader, writer), server)
        if self._cut:  # meanwhile
            link.reset()
            return
        self._links.add(link)
        there = asyncio.create_task(self._pump(reader, server[1], self._sent(link)))
        back = asyncio.create_task(self._pump(server[0], writer, self._answered(link)))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for pump in (there, back):
            pump.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        self._links.discard(link)
        link.reset()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target.startswith("/"):
            return await asyncio.open_unix_connection(self.target)
        host, _, port = self.target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inspected: Callable[[bytes], Awaitable[bytes]],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_AT_ONCE):
                writer.write(await inspected(data))
                await writer.drain()

    def _sent(self, link: _Link) -> Callable[[bytes], Awaitable[bytes]]:
        tail = b""  # a match may lie across two reads

        async def inspected(data: bytes) -> bytes:
            nonlocal tail
            for trap in list(self._traps):
                overlap = tail[len(tail) - len(trap.match) + 1 :] if len(trap.match) > 1 else b""
                found = (overlap + data).count(trap.match)
                trap.seen += found
                if not found or trap.kind == "count" or trap.seen <= trap.skip:
                    continue
                self._traps.remove(trap)
                trap.link = link
                if trap.kind == "hold":
                    link.gate.clear()
                else:
                    link.losing = True
                trap.sprung.set()
            tail = (tail + data)[-256:]
            await link.gate.wait()
            return data

        return inspected

    def _answered(self, link: _Link) -> Callable[[bytes], Awaitable[bytes]]:
        async def inspected(data: bytes) -> bytes:
            if link.losing:
                return b""
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            return data

        return inspected
