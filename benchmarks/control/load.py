"""The clients of one measurement, in their own process, equally light for both sides.

`python -m benchmarks.control.load ORDER.json` does what the order says for some seconds and
prints what it saw. Requests are made of bytes that were serialised before, answers are looked
at only for how they ended.
"""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from underpaint.contract import wire
from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest
from underpaint.contract.promotion import Account, PromotionRequest
from underpaint.v1 import common_pb2
from underpaint.v1 import orchestrator_pb2 as pb

from benchmarks.control.pictures import SIDE, marked, noise

PATIENCE_S: Final = 60.0
_SERVICE: Final = "/underpaint.v1.OrchestratorService/"
_FINAL: Final = (
    pb.PROMOTION_STATE_SETTLED,
    pb.PROMOTION_STATE_RELEASED,
    pb.PROMOTION_STATE_EXPIRED,
)
PROMPT: Final = "a 3d cat on a blue background"

Once = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order for one measurement."""

    what: str  # whole, admission, promote, litellm
    addresses: list[str]
    token: str
    concurrency: int
    seconds: float
    warmup_s: float = 0.5


@dataclass(slots=True, kw_only=True)
class Seen:
    """The results: milliseconds by part, each part in the order of its ends."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    failed: int = 0
    why: str = ""
    ms: dict[str, list[float]] = field(default_factory=dict)


class Artists:
    """Clients that quote, promote and wait for the settlement, or cancel."""

    def __init__(self, order: Order, note: Callable[[str, float], None]) -> None:
        self._note = note
        self._metadata = (("authorization", f"Bearer {order.token}"),)
        self._picture = noise(8 if order.what == "admission" else SIDE)
        self._run = secrets.token_hex(6)
        self._count = 0
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._stubs = [
            _Stub(grpc.aio.insecure_channel(address, options)) for address in order.addresses
        ]
        self._admission = order.what == "admission"

    async def once(self) -> None:
        """Makes one promotion, from its quote to its end."""
        self._count += 1
        promotion_id = f"{self._run}-{self._count}"
        stub = self._stubs[self._count % len(self._stubs)]
        picture = marked(self._picture, promotion_id.encode())
        request = wire.promotion_request_to_wire(_request(picture))
        begun = time.perf_counter()
        answer = await stub.quote(
            pb.QuoteRequest(promotion=request).SerializeToString(),
            timeout=PATIENCE_S,
            metadata=self._metadata,
        )
        quote_id = pb.QuoteResponse.FromString(answer).quote.id
        quoted = time.perf_counter()
        head = pb.PromoteHead(promotion_id=promotion_id, quote_id=quote_id, promotion=request)
        parts = [
            pb.PromoteRequest(head=head).SerializeToString(),
            pb.PromoteRequest(chunk=common_pb2.Chunk(data=picture)).SerializeToString(),
        ]
        await stub.promote(_each(parts), timeout=PATIENCE_S, metadata=self._metadata)
        promoted = time.perf_counter()
        if self._admission:
            cancel = pb.CancelRequest(promotion_id=promotion_id).SerializeToString()
            answer = await stub.cancel(cancel, timeout=PATIENCE_S, metadata=self._metadata)
            state = pb.CancelResponse.FromString(answer).promotion.state
            wanted = pb.PROMOTION_STATE_RELEASED
        else:
            state = await self._end(stub, promotion_id)
            wanted = pb.PROMOTION_STATE_SETTLED
        ended = time.perf_counter()
        if state != wanted:
            raise RuntimeError(f"{promotion_id} ended as {state}")
        self._note("quote", quoted - begun)
        self._note("promote", promoted - quoted)
        self._note("rest", ended - promoted)
        self._note("all", ended - begun)

    async def _end(self, stub: _Stub, promotion_id: str) -> pb.PromotionState:
        watch = pb.WatchRequest(promotion_id=promotion_id).SerializeToString()
        call = stub.watch(watch, timeout=PATIENCE_S, metadata=self._metadata)
        async for answer in call:
            state = pb.WatchResponse.FromString(answer).event.state
            if state in _FINAL:
                return state
        raise RuntimeError(f"{promotion_id} has no end")


class _Stub:
    """A stub that sends and receives raw bytes."""

    def __init__(self, channel: Any) -> None:
        self.quote = channel.unary_unary(f"{_SERVICE}Quote")
        self.promote = channel.stream_unary(f"{_SERVICE}Promote")
        self.watch = channel.unary_stream(f"{_SERVICE}Watch")
        self.cancel = channel.unary_unary(f"{_SERVICE}Cancel")


class Gateway:
    """Clients that ask LiteLLM for a picture, each on its own connection."""

    def __init__(self, order: Order, note: Callable[[str, float], None]) -> None:
        self._note = note
        host, port = order.addresses[0].split(":")
        self._place = (host, int(port))
        body = json.dumps({"model": "stub-image", "prompt": PROMPT, "n": 1}).encode()
        self._request = (
            b"POST /v1/images/generations HTTP/1.1\r\nhost: %s\r\nauthorization: Bearer %s\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (host.encode(), order.token.encode(), len(body), body)
        )
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def once(self) -> None:
        """Asks for one picture."""
        begun = time.perf_counter()
        reader, writer = (
            self._idle.pop() if self._idle else await asyncio.open_connection(*self._place)
        )
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200") or b"b64_json" not in body:
            raise RuntimeError(f"{head[:60]!r} {body[:300]!r}")
        self._idle.append((reader, writer))
        self._note("all", time.perf_counter() - begun)


def _request(picture: bytes) -> PromotionRequest:
    return PromotionRequest(
        request=GenerationRequest(
            prompt=PROMPT,
            seed=7,
            width=1024,
            height=1024,
            num_inference_steps=28,
            guidance_scale=2.5,
            strength=0.6,
        ),
        init_image=Digest.of(picture),
        init_width=_side(picture),
        init_height=_side(picture),
        privacy=Privacy.FULL,
        account=Account(),
    )


def _side(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")


async def _each(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def run(order: Order) -> Seen:
    """Runs closed loops: each client starts again when it has its answer."""
    seen = Seen()
    counted = False

    def note(part: str, seconds: float) -> None:
        if counted:
            seen.ms.setdefault(part, []).append(round(1000 * seconds, 3))

    once: Once = (Gateway if order.what == "litellm" else Artists)(order, note).once
    over = False

    async def client() -> None:
        while not over:
            try:
                await once()
            except (RuntimeError, OSError, grpc.aio.AioRpcError, asyncio.IncompleteReadError) as e:
                seen.failed += 1
                seen.why = seen.why or repr(e)[:300]
                await asyncio.sleep(0.05)

    clients = [asyncio.create_task(client()) for _ in range(order.concurrency)]
    await asyncio.sleep(order.warmup_s)
    counted, begun, used = True, time.perf_counter(), _cpu_s()
    await asyncio.sleep(order.seconds)
    counted, over = False, True
    seen.seconds, seen.cpu_s = time.perf_counter() - begun, _cpu_s() - used
    await asyncio.gather(*clients)
    return seen


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Order(**json.loads(Path(sys.argv[1]).read_text())))))))
