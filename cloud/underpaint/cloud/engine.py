"""The full engine: draws a draft anew with any image model, then enlarges it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import torch
from underpaint.cloud.upscaler import Upscaler
from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import EngineFailed, InvalidRequest, UnderpaintError
from underpaint.contract.fitting import alike, fitted
from underpaint.contract.generation import (
    GenerationRequest,
    GenerationResult,
    Progress,
    check_asked,
)
from underpaint.contract.inputs import InputPictures
from underpaint.contract.pictures import encode_png, encode_preview
from underpaint.engines.pipelines.model import Drawn, Model, Options, Pictures
from underpaint.engines.results import check_colours

PREVIEWS_AT: Final = (0.25, 0.5, 0.75)  # of the denoising steps


class Cancelled(BaseException):
    """The caller has gone; raised between two denoising steps, where nothing must catch it."""


class FullEngine:
    """One loaded model. Not thread-safe."""

    def __init__(
        self, model: str, upscaler: Upscaler, *, threads: int, options: Options | None = None
    ) -> None:
        """Loads a model.

        Args:
            model: a diffusers directory, a hub id or a single file.
            upscaler: brings results to the requested size.
            threads: of torch, on a CPU.
            options: how the model is loaded.

        Raises:
            InvalidModel: it cannot be loaded, or cannot start from a picture.
            InvalidRequest: there is no such device, or it cannot do what is asked of it.
        """
        torch.set_num_threads(threads)
        self._upscaler = upscaler
        self._model = Model(model, "image", options)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    def describe(self, engine: str) -> EngineDescription:
        """What an engine of this name says of itself."""
        return self._model.describe(engine)

    def generate(
        self,
        request: GenerationRequest,
        inputs: InputPictures,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> GenerationResult:
        """Finishes a draft.

        Args:
            request: `width` and `height` are those of the result; `strength` is set.
            inputs: the draft, of any size, and what goes beside it.
            on_progress: called after each denoising step, now and then with a preview, and
                once more, with one, before enlarging.
            cancelled: asked after each denoising step.

        Raises:
            Cancelled: `cancelled` said so.
            InvalidRequest: the request has no strength, or one that is far too small beside its
                steps; or the draft has another shape and `fit` refuses that.
            ResultFlagged, ResultUnusable: what came out is no picture to deliver.
            EngineFailed: the pipeline broke.
        """
        if request.strength is None:
            raise InvalidRequest("strength is missing; use 0.01 to 1")
        check_asked(request)
        started = time.perf_counter()
        made = self._denoise(request, inputs, on_progress, cancelled)
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
        except UnderpaintError:
            raise
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EngineFailed(f"the pipeline failed: {reason}") from error
        held = time.perf_counter() - started
        return GenerationResult(
            picture=encode_png(picture),
            width=picture.width,
            height=picture.height,
            model=made.model,
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
        inputs: InputPictures,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Drawn:
        def after_step(step: int, steps: int, preview: bytes) -> None:
            if cancelled():
                raise Cancelled
            on_progress(Progress(step=step, steps=steps, stage="denoising", preview=preview))

        shape = (request.width, request.height)
        size = self.working_size(*shape)
        draft = inputs.init_image.convert("RGB")
        mask, control = inputs.mask, inputs.control
        if mask is not None:  # as the draft is fitted, so that it still lies where it was painted
            mask = fitted(mask.convert("RGB"), shape, size, request.fit).convert("L")
        if control is not None:
            same = alike(control.size, draft.size)
            control = fitted(control, shape, size, request.fit) if same else control.resize(size)
        pictures = Pictures(
            init_image=fitted(draft, shape, size, request.fit),
            mask=mask,
            control=control,
            control_kind=inputs.control_kind,
            references=inputs.references,
        )
        return self._model.draw(request, size, pictures, after_step, PREVIEWS_AT)
