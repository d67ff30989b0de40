"""One engine as a Serve replica, in its own process: it makes one picture at a time."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from underpaint.cloud.model import card_of, fetch_model
from underpaint.cloud.upscaler import load_upscaler
from underpaint.contract.errors import ResultWithheld, UnderpaintError
from underpaint.contract.generation import GenerationRequest, GenerationResult, Progress
from underpaint.contract.pictures import decode
from underpaint.engines.cards import ModelCard
from underpaint.engines.model_kinds import unloadable


class EngineReplica:
    """Runs the engine in a thread, so that cancellation and health checks work meanwhile."""

    def __init__(self, model: str, upscaler: str, device: str, threads: int) -> None:
        """Loads the engine.

        Raises:
            InvalidModel: the model directory cannot be loaded.
        """
        # By default OpenMP's threads spin while they wait, and slow each other down on shared
        # cores: on two busy cores a step took 0.4 s spinning and 0.02 s sleeping. The variable is
        # read when torch is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from underpaint.cloud.engine import FullEngine

        directory = fetch_model(model)
        try:
            self._engine = FullEngine(
                directory,
                card_of(model, directory),
                load_upscaler(upscaler, threads),
                device=device,
                threads=threads,
            )
        except UnderpaintError:
            raise
        except Exception as error:
            raise unloadable(model, error) from error
        self._thread = ThreadPoolExecutor(1, "engine")

    async def describe(self) -> ModelCard:
        """The model's card."""
        return self._engine.card

    async def polish(
        self, request: GenerationRequest, init_image: bytes
    ) -> AsyncIterator[Progress | GenerationResult]:
        """Makes one picture; yields progress, then the result.

        Closing or cancelling stops the work between two denoising steps; the replica is
        free again only when it has stopped.

        Raises:
            InvalidRequest: the draft's picture cannot be read.
            ResultFlagged, ResultUnusable: the picture is not delivered; they tell what it took.
            EngineFailed: the pipeline failed.
        """
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[Progress | None] = asyncio.Queue()
        stop = threading.Event()

        def work() -> GenerationResult:
            try:
                draft = decode(init_image)
                began = time.perf_counter()
                try:
                    return self._engine.generate(
                        request, draft, lambda step: _tell(loop, news, step), stop.is_set
                    )
                except ResultWithheld as error:
                    error.model = self._engine.card.name
                    error.gpu_seconds = time.perf_counter() - began
                    raise
            finally:
                _tell(loop, news, None)

        running = loop.run_in_executor(self._thread, work)
        # After a cancellation nobody retrieves the result.
        running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            while (progress := await news.get()) is not None:
                yield progress
            yield await asyncio.shield(running)
        finally:
            stop.set()
            await asyncio.wait([running])


def _tell(
    loop: asyncio.AbstractEventLoop, news: asyncio.Queue[Progress | None], item: Progress | None
) -> None:
    loop.call_soon_threadsafe(news.put_nowait, item)
