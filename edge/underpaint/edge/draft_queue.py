"""The queue of drafts: one thread that draws, a bounded number of drafts that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from underpaint.contract.errors import EngineBusy
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.wire import Defaults

OnStep = Callable[[int, int], None]


class Engine(Protocol):
    """What draws. Called from one thread only."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def defaults(self) -> Defaults:
        """How the model likes to be called."""

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """What the artist should know about a prompt."""

    def generate(
        self, request: GenerationRequest, on_step: OnStep | None = None
    ) -> GenerationResult:
        """Draws; calls `on_step(step, steps)` after each denoising step, which may raise."""


class Stopped(BaseException):
    """Leaves a generation between two steps; no `except Exception` may swallow it."""


class DraftQueue:
    """Keeps the event loop free while the engine draws, one picture at a time."""

    def __init__(self, load: Callable[[], Engine], waiting_limit: int = 64) -> None:
        """Takes the function that loads and warms the engine; it runs in the queue's thread."""
        self._load = load
        self._limit = waiting_limit
        self._engine: Engine | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._closed = threading.Event()
        self._waiting = 0

    @property
    def engine(self) -> Engine:
        """The engine, once loaded.

        Raises:
            EngineBusy: it is still loading.
        """
        if self._engine is None:
            raise EngineBusy("the model is still loading; try again in some seconds")
        return self._engine

    async def open(self) -> None:
        """Loads the engine.

        Raises:
            InvalidModel: the model cannot be loaded.
        """
        loop = asyncio.get_running_loop()
        self._engine = await loop.run_in_executor(self._thread, self._load)

    async def draw(
        self, requests: Sequence[GenerationRequest]
    ) -> AsyncGenerator[GenerationResult, None]:
        """Draws in order; closing the iterator stops between two denoising steps.

        The next picture is begun before one is handed out, so that the engine does not wait
        for whoever stores and sends it.

        Raises:
            EngineBusy: still loading, stopping, or too many drafts wait already.
            InvalidRequest: the model refuses the request.
            EngineFailed: the engine broke.
        """
        engine = self.engine
        left = len(requests)
        if self._waiting + left > self._limit:
            raise EngineBusy(
                f"{self._waiting} drafts wait already and at most {self._limit} may; "
                "try again later or ask for fewer"
            )
        stop = threading.Event()
        self._waiting += left
        begun: Future[GenerationResult] | None = None
        try:
            begun = self._begin(engine, requests[0], stop)
            for following in (*requests[1:], None):
                result = await _finished(begun)
                if following:
                    begun = self._begin(engine, following, stop)
                left -= 1
                self._waiting -= 1
                yield result
        finally:
            stop.set()
            if begun:
                begun.cancel()
            self._waiting -= left

    def close(self) -> None:
        """Stops the generation that runs, between two steps, and lets none begin."""
        self._closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(
        self, engine: Engine, request: GenerationRequest, stop: threading.Event
    ) -> Future[GenerationResult]:
        def on_step(_step: int, _steps: int) -> None:
            if stop.is_set() or self._closed.is_set():
                raise Stopped

        def generate() -> GenerationResult:
            on_step(0, 0)
            return engine.generate(request, on_step)

        try:
            return self._thread.submit(generate)
        except RuntimeError:  # the thread takes no more
            raise EngineBusy("the node is stopping; try again when it is back") from None


async def _finished(begun: Future[GenerationResult]) -> GenerationResult:
    try:
        return await asyncio.wrap_future(begun)
    except Stopped:
        raise EngineBusy("the node is stopping; try again when it is back") from None
