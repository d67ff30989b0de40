"""The full engine: draws a draft anew with any image model, then enlarges it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from PIL import Image
from underpaint.cloud.upscaler import Upscaler
from underpaint.contract.errors import EngineFailed, InvalidRequest
from underpaint.contract.fitting import fitted
from underpaint.contract.generation import (
    GenerationRequest,
    GenerationResult,
    Progress,
    check_asked,
)
from underpaint.contract.pictures import encode_png, encode_preview
from underpaint.engines.checkpoints import ModelCard
from underpaint.engines.pipelines.devices import choose
from underpaint.engines.pipelines.model import Drawn, Model, Pictures, open_directory
from underpaint.engines.placement import Placement
from underpaint.engines.results import check_colours

PREVIEWS_AT: Final = (0.25, 0.5, 0.75)  # of the denoising steps


class Cancelled(BaseException):
    """The caller has gone; raised between two denoising steps, where nothing must catch it."""


class FullEngine:
    """One loaded model. Not thread-safe."""

    def __init__(
        self,
        directory: Path,
        card: ModelCard,
        upscaler: Upscaler,
        *,
        placement: Placement,
        threads: int,
    ) -> None:
        """Loads a checked diffusers directory.

        Args:
            directory: passed `engines.checkpoints.check_directory`.
            card: how the pipeline likes to be called.
            upscaler: brings results to the requested size.
            placement: where it runs and in which form.
            threads: of torch, on a CPU.

        Raises:
            InvalidModel: it cannot be loaded, or cannot start from a picture.
        """
        torch.set_num_threads(threads)
        self._upscaler = upscaler
        self._model: Model = open_directory(directory, card, use="image", target=choose(placement))

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._model.card

    def generate(
        self,
        request: GenerationRequest,
        init_image: Image.Image,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> GenerationResult:
        """Finishes a draft.

        Args:
            request: `width` and `height` are those of the result; `strength` is set.
            init_image: RGB, of any size; brought to the pipeline's own.
            on_progress: called after each denoising step, now and then with a preview, and
                once more, with one, before enlarging.
            cancelled: asked after each denoising step.

        Raises:
            Cancelled: `cancelled` said so.
            InvalidRequest: the request has no strength, or one that is far too small beside its
                steps; or the draft has another shape and `fit` refuses that.
            EngineFailed: the pipeline broke, or what came out is no picture.
        """
        if request.strength is None:
            raise InvalidRequest("strength is missing; use 0.01 to 1")
        check_asked(request)
        started = time.perf_counter()
        made = self._denoise(request, init_image, on_progress, cancelled)
        try:
            on_progress(
                Progress(
                    step=made.steps,
                    steps=made.steps,
                    stage="upscaling",
                    preview=encode_preview(made.picture),
                )
            )
            if cancelled():
                raise Cancelled
            picture = self._upscaler.enlarge(made.picture, request.width, request.height)
            check_colours(picture, f"the upscaler {self._upscaler.name}")
        except (Cancelled, EngineFailed):
            raise
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EngineFailed(f"the pipeline failed: {reason}") from error
        held = time.perf_counter() - started
        return GenerationResult(
            picture=encode_png(picture),
            width=picture.width,
            height=picture.height,
            model=self._model.name,
            upscaler=self._upscaler.name,
            gpu_seconds=held,
            warnings=made.warnings,
        )

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size to denoise at, in pixels: the requested shape at the model's own area."""
        return self._model.working_size(width, height)

    def _denoise(
        self,
        request: GenerationRequest,
        init_image: Image.Image,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Drawn:
        def after_step(step: int, steps: int, preview: bytes) -> None:
            if cancelled():
                raise Cancelled
            on_progress(Progress(step=step, steps=steps, stage="denoising", preview=preview))

        shape = (request.width, request.height)
        size = self.working_size(*shape)
        start = fitted(init_image.convert("RGB"), shape, size, request.fit)
        return self._model.draw(request, size, Pictures(init_image=start), after_step, PREVIEWS_AT)
