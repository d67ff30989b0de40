import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing

import pytest
from underpaint.contract.errors import EngineBusy, EngineFailed
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.wire import Defaults
from underpaint.edge.draft_queue import DraftQueue, Engine


class GatedEngine:
    """Draws a step whenever the test opens the gate."""

    name = "gated"
    defaults = Defaults(width=64, height=64, num_inference_steps=3, guidance_scale=1.0)
    loras = ()

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.ended: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.fail_seed = -1

    def warnings(self, prompt: str) -> tuple[str, ...]:
        return ()

    def generate(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None = None
    ) -> GenerationResult:
        self.loop.call_soon_threadsafe(self.begun.put_nowait, request.seed)
        how = "stopped"
        try:
            if request.seed == self.fail_seed:
                raise EngineFailed("broke")
            for step in range(3):
                self.gate.acquire()
                if on_step:
                    on_step(step + 1, 3)
            how = "done"
        finally:
            self.loop.call_soon_threadsafe(self.ended.put_nowait, (request.seed, how))
        return GenerationResult(
            picture=b"%d" % request.seed, width=64, height=64, model="gated", gpu_seconds=0.1
        )

    def open(self, steps: int) -> None:
        for _ in range(steps):
            self.gate.release()


def make_requests(count: int, first: int = 0) -> list[GenerationRequest]:
    return [
        GenerationRequest(
            prompt="x",
            seed=first + i,
            width=64,
            height=64,
            num_inference_steps=3,
            guidance_scale=1.0,
        )
        for i in range(count)
    ]


async def open_queue(engine: Engine, waiting_limit: int = 64) -> DraftQueue:
    queue = DraftQueue(lambda: engine, waiting_limit)
    await queue.open()
    return queue


async def collect(queue: DraftQueue, requests: list[GenerationRequest]) -> list[bytes]:
    results = [result async for result in queue.draw(requests)]
    return [result.picture for result in results if isinstance(result, GenerationResult)]


async def test_results_come_in_order() -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    engine.open(9)
    assert await collect(queue, make_requests(3, first=5)) == [b"5", b"6", b"7"]
    queue.close()


async def test_the_next_is_begun_while_one_is_handed_out() -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    engine.open(3)
    async with aclosing(queue.draw(make_requests(2))) as results:
        await anext(results)
        assert [await engine.begun.get(), await engine.begun.get()] == [0, 1]
    engine.open(1)
    queue.close()


class Meeting(GatedEngine):
    """Notices when two are drawn at once: whoever draws waits a moment for company."""

    def __init__(self) -> None:
        super().__init__()
        self.door = threading.Barrier(2)
        self.met = False

    def generate(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None = None
    ) -> GenerationResult:
        try:
            self.door.wait(0.3)
            self.met = True
        except threading.BrokenBarrierError:
            self.door.reset()
        return super().generate(request, on_step)


async def test_two_callers_never_have_the_engine_at_once() -> None:
    engine = Meeting()
    queue = await open_queue(engine)
    engine.open(6)
    pictures = await asyncio.gather(
        collect(queue, make_requests(1)), collect(queue, make_requests(1, first=10))
    )
    assert pictures == [[b"0"], [b"10"]]
    assert not engine.met
    queue.close()


async def test_a_loading_engine_is_busy() -> None:
    queue = DraftQueue(GatedEngine)
    with pytest.raises(EngineBusy, match="loading"):
        await collect(queue, make_requests(1))
    queue.close()


async def test_more_than_may_wait_are_refused_and_the_room_comes_back() -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, waiting_limit=4)
    first = asyncio.create_task(collect(queue, make_requests(3)))
    await engine.begun.get()
    with pytest.raises(EngineBusy, match="3 drafts are waiting"):
        await collect(queue, make_requests(2))
    engine.open(9)
    await first
    engine.open(12)
    assert len(await collect(queue, make_requests(4))) == 4
    queue.close()


async def test_a_caller_who_leaves_stops_the_drawing_between_steps_and_frees_the_queue() -> None:
    engine = GatedEngine()
    queue = await open_queue(engine, waiting_limit=3)
    leaving = asyncio.create_task(collect(queue, make_requests(3)))
    await engine.begun.get()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    engine.open(1)
    assert await engine.ended.get() == (0, "stopped")
    engine.open(9)
    assert await collect(queue, make_requests(3, first=10)) == [b"10", b"11", b"12"]
    assert [engine.begun.get_nowait() for _ in range(3)] == [10, 11, 12]
    queue.close()


async def test_closing_stops_the_drawing_between_steps() -> None:
    engine = GatedEngine()
    queue = await open_queue(engine)
    drawing = asyncio.create_task(collect(queue, make_requests(5)))
    await engine.begun.get()
    queue.close()
    engine.open(1)
    with pytest.raises(EngineBusy, match="stopping"):
        await drawing
    assert await engine.ended.get() == (0, "stopped")
    with pytest.raises(EngineBusy, match="stopping"):
        await collect(queue, make_requests(1))


async def test_an_engine_that_breaks_ends_its_caller_only() -> None:
    engine = GatedEngine()
    engine.fail_seed = 1
    queue = await open_queue(engine, waiting_limit=3)
    engine.open(3)
    with pytest.raises(EngineFailed, match="broke"):
        await collect(queue, make_requests(3))
    engine.open(9)
    assert len(await collect(queue, make_requests(3, first=20))) == 3
    queue.close()
