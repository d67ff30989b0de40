"""The processes that faults are done to: a Redis, an engine, orchestrators, and what lies between.

All of them are real. Nothing is slept for: `until` waits for what a test says, for as long
as a busy machine may need.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from redis import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from underpaint.contract.errors import DeadlineExceeded, QuoteExpired, Unavailable
from underpaint.contract.promotion import Promotion
from underpaint.orchestrator.storage.redis.embedded import configuration, find_server, socket_path
from underpaint.orchestrator.storage.redis.ledger import SCRIPTS
from underpaint.v1 import orchestrator_pb2 as pb

from tests.faults.proxy import Proxy
from tests.faults.stub_engine import Orders
from tests.integration.orchestrator.client import Client, request
from tests.unit.orchestrator.samples import GENERATION

T = TypeVar("T")

ROOT: Final = "{underpaint}"
PATIENCE_S: Final = 120.0
LOOK_S: Final = 0.02
SMALL: Final = replace(GENERATION, width=64, height=64, num_inference_steps=4)
FINAL: Final = (b"settled", b"released", b"expired")
QUOTED: Final = 1_000 + 120 * 695  # what one promotion reserves


def charge(generation: int) -> int:
    """What the stub engine's n-th generation costs."""
    return 1_000 + 695 * generation


def small(**changes: Any) -> pb.PromotionRequest:
    """A request for a picture that takes no time."""
    return request(**{"request": SMALL} | changes)


async def until(condition: Callable[[], T], what: str) -> T:
    """What the condition gives, once it gives something."""

    async def looked() -> T:
        return condition()

    return await until_told(looked, what)


async def until_told(condition: Callable[[], Awaitable[T]], what: str) -> T:
    """The same, of a condition that has to ask somebody."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := await condition():
            return value
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"waited in vain until {what}")


async def sprung(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await event.wait()


def script(name: str) -> bytes:
    """The bytes that a request to run a script of the ledger has in it."""
    text = (SCRIPTS / "common.lua").read_text() + (SCRIPTS / f"{name}.lua").read_text()
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode()


def answers(store: Any, server: Process) -> bool:
    """Whether a Redis that was just started is ready."""
    assert server.alive, server.said
    try:
        return bool(store.ping())
    except (RedisConnectionError, BusyLoadingError):
        return False


def queued(store: Any) -> set[bytes]:
    """The ids of all that is to be taken by somebody, or has been and is not finished."""
    work = {fields[b"promotion"] for _, fields in store.xrange(f"{ROOT}:work")}
    waits = [store.zrange(key, 0, -1) for key in store.scan_iter(f"{ROOT}:queue:*")]
    return work.union(store.zrange(f"{ROOT}:delayed", 0, -1), *waits)


class Process:
    """One process, what it said, and what can be done to it."""

    def __init__(
        self, command: list[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                command, stdout=out, stderr=out, env=os.environ | dict(environ or {})
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    @property
    def memory(self) -> int:
        """Bytes it holds now."""
        pages = Path(f"/proc/{self.popen.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """kill -9, stalled or not."""
        self.popen.kill()
        self.popen.wait()

    def stall(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    async def listening(self) -> str:
        """The address it says it listens on."""

        def address() -> str:
            assert self.alive, self.said
            found = re.search(r"listening on (\S+:\d+)\n", self.said)
            return found[1] if found else ""

        return await until(address, f"{self._log.stem} listens")


@dataclass
class Orchestrator:
    process: Process
    client: Client

    def kill(self) -> None:
        self.process.kill()


@dataclass
class House:
    """Everything that runs in one test; `acknowledged` is what it owes."""

    folder: Path
    redis_folder: Path = field(default=Path())  # elsewhere, if a test needs it small
    data_folder: Path = field(default=Path())
    acknowledged: set[str] = field(default_factory=set)
    redis: Process = field(init=False)
    engine: Process = field(init=False)
    engine_address: str = ""

    def __post_init__(self) -> None:
        self._processes: list[Process] = []
        self._proxies: list[Proxy] = []
        self._clients: list[Client] = []
        if self.redis_folder == Path():
            self.redis_folder = self.folder / "redis"
        if self.data_folder == Path():
            self.data_folder = self.folder / "data"
        self.orders = Orders(self.folder / "engine")
        self.orders.folder.mkdir()
        self.redis_folder.mkdir(exist_ok=True)
        self.socket = socket_path(self.redis_folder)
        self.url = f"unix://{self.socket}"
        # redis-py's types leave open whether answers are text; ours are bytes.
        self.store: Any = Redis.from_url(self.url)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        for proxy in self._proxies:
            await proxy.close()
        for process in reversed(self._processes):
            process.kill()
        self.store.close()

    async def start_redis(self, *, awaited: bool = True) -> Process:
        """As `underpaint up` starts it, with every script loaded so that each is one request."""
        self.socket.unlink(missing_ok=True)
        config = self.redis_folder / "redis.conf"
        config.write_text(configuration(self.redis_folder, self.socket))
        self.redis = self.run("redis", str(find_server()), str(config))
        if awaited:
            await until(lambda: answers(self.store, self.redis), "Redis answers")
            common = (SCRIPTS / "common.lua").read_text()
            for file in SCRIPTS.iterdir():
                if file.name.endswith(".lua") and file.name != "common.lua":
                    self.store.script_load(common + file.read_text())
        return self.redis

    async def start_engine(self) -> Process:
        """At the address it had before, if it was killed."""
        self.engine = self.run(
            "engine",
            *(sys.executable, "-m", "tests.faults.stub_engine"),
            *("--folder", str(self.orders.folder)),
            *("--listen", self.engine_address or "127.0.0.1:0"),
        )
        self.engine_address = await self.engine.listening()
        return self.engine

    async def start(
        self,
        *flags: str,
        redis: Proxy | None = None,
        cloud: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> Orchestrator:
        """An orchestrator, behind a proxy to Redis if one is given."""
        process = self.run_orchestrator(*flags, redis=redis, cloud=cloud, environ=environ)
        return Orchestrator(process, self.client(await process.listening()))

    def run_orchestrator(
        self,
        *flags: str,
        redis: Proxy | None = None,
        cloud: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> Process:
        """The same, whether or not it comes to listen."""
        return self.run(
            "orchestrator",
            *(sys.executable, "-m", "underpaint.orchestrator", "--listen", "127.0.0.1:0"),
            *("--redis-url", f"redis://{redis.address}/0" if redis else self.url),
            *("--cloud", cloud or self.engine_address, "--data-dir", str(self.data_folder)),
            *("--lease-s", "3", "--backoff-s", "0.05", "--grace-s", "0.1"),
            *("--redis-wait-s", "60", *flags),
            environ=environ,
        )

    def client(self, address: str) -> Client:
        client = Client(address)
        self._clients.append(client)
        return client

    def run(self, name: str, *command: str, environ: Mapping[str, str] | None = None) -> Process:
        """Any process; it does not outlive the house."""
        log = self.folder / f"{name}-{len(self._processes)}.log"
        process = Process(list(command), log, environ)
        self._processes.append(process)
        return process

    async def between(self, target: str | Path) -> Proxy:
        proxy = Proxy(str(target))
        await proxy.start()
        self._proxies.append(proxy)
        return proxy

    async def promote(self, at: Orchestrator, promotion_id: str, **more: Any) -> Promotion:
        """Promotes; once it returns, the promotion is acknowledged."""
        sent = more.pop("sent", None) or small()
        promotion = await at.client.promote(promotion_id, sent, **more)
        self.acknowledged.add(promotion_id)
        return promotion

    async def insist(
        self,
        door: Callable[[], Orchestrator],
        promotion_id: str,
        sent: pb.PromotionRequest | None = None,
    ) -> Promotion:
        """As a good client does: the same id again until it is acknowledged or refused."""
        sent, quote_id = sent or small(), ""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            at = door()
            try:
                quote_id = quote_id or (await at.client.quote(sent)).id
                return await self.promote(at, promotion_id, sent=sent, quote_id=quote_id)
            except QuoteExpired:
                quote_id = ""
            except (Unavailable, DeadlineExceeded):
                assert time.monotonic() < deadline, f"{promotion_id} was never acknowledged"
            await asyncio.sleep(LOOK_S)

    def field(self, promotion_id: str, name: str) -> bytes:
        """A field of a promotion as Redis has it; nothing while Redis is away."""
        for stored in (f"default/{promotion_id}", promotion_id):  # by a client, or by a test itself
            value = self.store.hget(f"{ROOT}:promotion:{stored}", name)
            if isinstance(value, bytes):
                return value
        return b""

    async def ended(self, promotion_id: str) -> bytes:
        """The final state, waited for."""

        def state() -> bytes:
            found = self.field(promotion_id, "state")
            return found if found in FINAL else b""

        return await until(state, f"{promotion_id} has ended")

    async def began(self, promotion_id: str, times: int = 1) -> None:
        """Waits until the engine has begun to draw a promotion."""
        await until(
            lambda: self.orders.wrote("began", promotion_id) >= times,
            f"the engine begins {promotion_id}",
        )

    def pictures(self) -> set[str]:
        """The names of all pictures in the artifact store."""
        files = (self.data_folder / "artifacts").glob("??/*")
        return {path.name for path in files if path.read_bytes().startswith(b"\x89PNG")}
