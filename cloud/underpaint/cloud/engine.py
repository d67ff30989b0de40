"""The full engine: image-to-image by any diffusers pipeline, then enlarging."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoPipelineForImage2Image
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging
from underpaint.cloud.dtype import choose_dtype
from underpaint.cloud.preview import Previewer
from underpaint.cloud.upscaler import Upscaler
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest, ResultWithheld
from underpaint.contract.fitting import fitted
from underpaint.contract.generation import (
    GenerationRequest,
    GenerationResult,
    Progress,
    check_asked,
)
from underpaint.contract.pictures import encode_png, encode_preview
from underpaint.contract.prompts import clean
from underpaint.engines.cards import ModelCard
from underpaint.engines.results import DecoderWatch, check_colours, drawn, not_finite
from underpaint.engines.tokens import pipeline_limits

PREVIEWS_AT: Final = (0.25, 0.5, 0.75)  # of the denoising steps
_SIDE_MULTIPLE: Final = 16  # pixels; at least this, because UNets halve their latents


class Cancelled(Exception):
    """The caller has gone; raised between two denoising steps."""


class FullEngine:
    """One loaded pipeline. Not thread-safe."""

    def __init__(
        self, directory: Path, card: ModelCard, upscaler: Upscaler, *, device: str, threads: int
    ) -> None:
        """Loads a checked diffusers directory.

        Args:
            directory: passed `engines.checkpoints.check_directory`.
            card: how the pipeline likes to be called.
            upscaler: brings results to the requested size.
            device: torch's name, such as "cpu" or "cuda".
            threads: of torch, on a CPU.

        Raises:
            InvalidModel: it cannot be loaded as an image-to-image pipeline.
        """
        libraries: tuple[Any, ...] = (diffusers_logging, transformers_logging)  # untyped
        for logging in libraries:
            logging.set_verbosity_error()
            logging.disable_progress_bar()
        torch.set_num_threads(threads)
        self._card = card
        self._upscaler = upscaler
        self._device = device
        try:
            loader: Any = AutoPipelineForImage2Image  # untyped
            pipeline = loader.from_pretrained(
                directory,
                dtype=choose_dtype(device),
                use_safetensors=True,
                local_files_only=True,
                # Named again, because otherwise image-to-image classes require components that the
                # checkpoint leaves out.
                **dict.fromkeys(_left_out(directory)),
            )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidModel(
                f"{directory} does not load as an image-to-image pipeline: {reason}"
            ) from error
        self._pipeline: Any = pipeline.to(device)
        self._pipeline.set_progress_bar_config(disable=True)
        self._parameters = inspect.signature(type(pipeline).__call__).parameters
        self._limits = pipeline_limits(pipeline, card)
        self._decoder = DecoderWatch(getattr(pipeline, "vae", None))

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

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
            ResultFlagged, ResultUnusable: what came out is no picture to deliver.
            EngineFailed: the pipeline broke.
        """
        if request.strength is None:
            raise InvalidRequest("strength is missing; use 0.01 to 1")
        check_asked(request)
        started = time.perf_counter()
        width, height = self.working_size(request.width, request.height)
        try:
            picture = self._denoise(request, init_image, width, height, on_progress, cancelled)
            steps = request.num_inference_steps
            on_progress(
                Progress(
                    step=steps, steps=steps, stage="upscaling", preview=encode_preview(picture)
                )
            )
            if cancelled():
                raise Cancelled
            picture = self._upscaler.enlarge(picture, request.width, request.height)
            check_colours(picture, f"the upscaler {self._upscaler.name}")
        except (Cancelled, EngineFailed, ResultWithheld):
            raise
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EngineFailed(f"the pipeline failed: {reason}") from error
        held = time.perf_counter() - started
        return GenerationResult(
            picture=encode_png(picture),
            width=picture.width,
            height=picture.height,
            model=self._card.name,
            upscaler=self._upscaler.name,
            gpu_seconds=held,
            warnings=self._limits.warnings(*self._texts(request)),
        )

    def _texts(self, request: GenerationRequest) -> tuple[str, str]:
        """The prompt and the negative prompt as they are given to the pipeline."""
        negative = request.negative_prompt if "negative_prompt" in self._parameters else ""
        return clean(request.prompt), clean(negative)

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size to denoise at, in pixels: the requested shape at the pipeline's own area.

        A transformer with a table of positions also bounds the longest side.
        """
        pipeline = self._pipeline
        denoiser = getattr(pipeline, "transformer", None) or pipeline.unet
        config = denoiser.config
        scale, patch = pipeline.vae_scale_factor, config.get("patch_size") or 1
        sample = config.get("sample_size") or 64
        native = self._card.native_size or scale * (sample if isinstance(sample, int) else 64)
        root = math.sqrt(width / height)
        sides = (native * root, native / root)
        table = config.get("pos_embed_max_size")
        if table:
            longest = table * patch * scale
            shrink = min(1.0, longest / max(sides))
            sides = (sides[0] * shrink, sides[1] * shrink)
        multiple = math.lcm(_SIDE_MULTIPLE, scale * patch)
        across, down = (max(1, round(s / multiple)) * multiple for s in sides)
        return across, down

    def _denoise(
        self,
        request: GenerationRequest,
        init_image: Image.Image,
        width: int,
        height: int,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Image.Image:
        steps = request.num_inference_steps
        marks = {math.ceil(steps * share) for share in PREVIEWS_AT}
        previewer = Previewer(self._pipeline, width, height)
        maker = f"the model {self._card.name}"
        prompt, negative_prompt = self._texts(request)
        shape = (request.width, request.height)

        def after_step(_: Any, index: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            if cancelled():
                raise Cancelled
            if not tensors["latents"].isfinite().all():
                raise not_finite(maker)  # at once, because it cannot recover
            step = min(index + 1, steps)  # some schedulers take an extra one
            preview = previewer.follow(tensors["latents"], show=index + 1 in marks)
            on_progress(Progress(step=step, steps=steps, stage="denoising", preview=preview))
            return {}

        requested, strength = exact_schedule(steps, request.strength or 1.0)
        arguments: dict[str, Any] = {
            "prompt": prompt,
            "image": fitted(init_image.convert("RGB"), shape, (width, height), request.fit),
            "strength": strength,
            "num_inference_steps": requested,
            "guidance_scale": request.guidance_scale,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "callback_on_step_end": after_step,
        }
        # Some pipelines take the size from the picture, others have a default size.
        if "width" in self._parameters:
            arguments |= {"width": width, "height": height}
        if negative_prompt:
            arguments["negative_prompt"] = negative_prompt
        output = self._pipeline(**arguments | dict(self._card.call))
        return drawn(output, self._decoder, maker)


def _left_out(directory: Path) -> list[str]:
    """The components that a checked directory declares as absent in its index."""
    index = json.loads((directory / "model_index.json").read_text())
    return [name for name, source in index.items() if source == [None, None]]


def exact_schedule(num_inference_steps: int, strength: float) -> tuple[int, float]:
    """The steps and strength to ask of a scheduler so that exactly this many steps run.

    Of n requested steps at strength s, Stable Diffusion runs int(n s) and its third version
    n - int(n - n s), one more as a rule. The two agree where n s is whole, so the strength
    becomes the nearest such one, as a rule closer than 1 / n.
    """
    middle = round(num_inference_steps / strength)
    for distance in itertools.count():
        for requested in (middle - distance, middle + distance):
            near = num_inference_steps / max(requested, num_inference_steps)
            if requested * near == num_inference_steps:  # exact also in floating point
                return requested, near
    raise AssertionError("unreachable: a strength of 1 is always exact")
