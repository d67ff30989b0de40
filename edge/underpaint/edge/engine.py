"""The Lite engine: draws drafts with any text-to-image model."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Final

import torch
from underpaint.contract.engines import Lora
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.pictures import encode_png
from underpaint.contract.prompts import clean
from underpaint.contract.vocabulary import Vocabulary, read_vocabulary
from underpaint.contract.wire import Defaults
from underpaint.edge.settings import BUNDLED
from underpaint.edge.vocabulary import Reader
from underpaint.engines.pipelines.model import Model, Options

# Measuring the best number of threads takes a few drafts, so it is done only if steps are quick.
QUICK_STEP_S: Final = 0.5


class LiteEngine:
    """A loaded and warmed model. Make and call it in the same thread.

    Args:
        model: a diffusers directory, a hub id or a single file.
        options: how it is loaded.
        threads: number of CPU threads; 0 measures which number is fastest.

    Raises:
        InvalidModel: the model is missing, incomplete, unsafe or not a text-to-image model.
        InvalidRequest: there is no such device, or it cannot do what is asked of it.
    """

    def __init__(
        self,
        model: str,
        *,
        options: Options | None = None,
        threads: int = 0,
    ) -> None:
        self._model = Model(model, "text", options)
        directory = self._model.form.path
        if directory.is_dir():
            # `models show` knows only the bundled models.
            bundled = directory.resolve() == BUNDLED.resolve()
            listed_by = "underpaint models show lite" if bundled else ""
            self._reader = Reader(read_vocabulary(directory), listed_by)
        else:
            self._reader = Reader(Vocabulary())
        called = self._model.called
        self._defaults = Defaults(
            width=called.native_size[0],
            height=called.native_size[1],
            num_inference_steps=called.num_inference_steps,
            guidance_scale=called.guidance_scale,
        )
        self._warm(threads)

    @property
    def name(self) -> str:
        """The model's name, from its card, else its directory or hub id, and its LoRAs."""
        return self._model.full_name

    @property
    def loras(self) -> tuple[Lora, ...]:
        """Those that requests can name."""
        return self._model.loras

    @property
    def defaults(self) -> Defaults:
        """The default size, steps and guidance: from the model's card, else from its family."""
        return self._defaults

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """Warnings about a prompt, such as words that the model does not know."""
        return self._reader.warnings(clean(prompt))

    def generate(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None = None
    ) -> GenerationResult:
        """Draws a picture; the result is an RGB PNG of about the requested width x height.

        Args:
            request: must have no strength, because this engine starts from noise.
            on_step: called with (step, steps) after each denoising step; if it raises, the
                generation ends.

        Raises:
            InvalidRequest: the model cannot draw what is asked for.
            ResultFlagged: a safety checker flagged the picture.
            ResultUnusable: it is not finite, or has only one colour.
            EngineFailed: the model broke, or the device has no memory left.
        """
        if request.strength is not None:
            raise InvalidRequest("drafts start from noise; leave strength unset")
        began = time.perf_counter()

        def after_step(step: int, steps: int, _preview: bytes) -> None:
            if on_step is not None:
                on_step(step, steps)

        size = self._model.nearest_size(request.width, request.height)
        made = self._model.draw(request, size, on_step=after_step)
        return GenerationResult(
            picture=encode_png(made.picture),
            width=made.picture.width,
            height=made.picture.height,
            model=made.model,
            gpu_seconds=time.perf_counter() - began,
            warnings=made.warnings,
        )

    def _warm(self, threads: int) -> None:
        """Draws once, so that the first draft need not wait for lazy initialisation.

        The result is ignored: with so few steps it may not be a proper picture.
        """
        cores = len(os.sched_getaffinity(0))
        torch.set_num_threads(threads or cores)
        steps = self._defaults.num_inference_steps
        few = max(min(steps, 2), self._model.least_steps)
        step_s = self._time_drafts(few, drafts=1) / few
        if threads or not self._model.on_cpu or step_s > QUICK_STEP_S:
            return
        # With more threads a small model may lose more by waiting than it gains, especially on a
        # busy machine, so the best number is measured.
        choices = [n for n in (1, 2, 4, 8, 16) if n < cores] + [cores]
        seconds = {}
        for choice in choices:
            torch.set_num_threads(choice)
            seconds[choice] = self._time_drafts(steps, drafts=3)
        torch.set_num_threads(min(choices, key=seconds.__getitem__))

    def _time_drafts(self, steps: int, drafts: int) -> float:
        """The median time of a draft, in seconds."""
        own = self._defaults
        request = GenerationRequest(
            prompt="warm up",
            seed=0,
            width=own.width,
            height=own.height,
            num_inference_steps=steps,
            guidance_scale=own.guidance_scale,
        )
        seconds = []
        for _ in range(drafts):
            began = time.perf_counter()
            self._model.try_out(request, (own.width, own.height))
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)
