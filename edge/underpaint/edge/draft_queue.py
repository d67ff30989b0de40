"""The draft queue: one thread draws, and a limited number of drafts wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from underpaint.contract.engines import Lora
from underpaint.contract.errors import EngineBusy, ResultWithheld
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.wire import Defaults

OnStep = Callable[[int, int], None]


class Engine(Protocol):
    """Draws pictures. It is called from one thread only."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def defaults(self) -> Defaults:
        """The model's default size, steps and guidance."""

    @property
    def loras(self) -> tuple[Lora, ...]:
        """Those that requests can name."""

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """Warnings about a prompt, such as words that the model does not know."""

    def generate(
        self, request: GenerationRequest, on_step: OnStep | None = None
    ) -> GenerationResult:
        """Draws one picture; calls `on_step(step, steps)` after each step, which may raise."""


class Stopped(BaseException):
    """Ends a generation between two steps. A BaseException, so that nothing catches it."""


class DraftQueue:
    """Runs the engine in a thread, one picture at a time, so that the event loop stays free."""

    def __init__(self, load: Callable[[], Engine], waiting_limit: int = 64) -> None:
        """Makes a queue without an engine; `open` loads it.

        Args:
            load: loads and warms the engine; it runs in the engine's thread.
            waiting_limit: the most drafts that may wait.
        """
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
    ) -> AsyncGenerator[GenerationResult | ResultWithheld, None]:
        """Draws pictures in order. Closing the iterator stops between two denoising steps.

        A picture that is not delivered yields its error, and the others follow.
        The next picture is begun before the last one is yielded, so that the engine does not
        wait while that one is stored and sent.

        Raises:
            EngineBusy: the engine is loading or stopping, or too many drafts are waiting.
            InvalidRequest: the model refuses the request.
            EngineFailed: the engine failed.
        """
        engine = self.engine
        left = len(requests)
        if self._waiting + left > self._limit:
            raise EngineBusy(
                f"{self._waiting} drafts are waiting and at most {self._limit} may wait; "
                "try again later or ask for fewer"
            )
        stop = threading.Event()
        self._waiting += left
        begun: Future[GenerationResult] | None = None
        try:
            begun = self._begin(engine, requests[0], stop)
            for following in (*requests[1:], None):
                result: GenerationResult | ResultWithheld
                try:
                    result = await _finished(begun)
                except ResultWithheld as error:
                    result = error
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
        """Stops the running generation between two steps, and starts no other."""
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
        except RuntimeError:  # the thread is shut down
            raise EngineBusy("the node is stopping; try again when it is back") from None


async def _finished(begun: Future[GenerationResult]) -> GenerationResult:
    try:
        return await asyncio.wrap_future(begun)
    except Stopped:
        raise EngineBusy("the node is stopping; try again when it is back") from None
