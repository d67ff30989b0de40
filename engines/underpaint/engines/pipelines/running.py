"""Runs a pipeline once: exact steps, a start from a picture, progress, previews and cancelling."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from underpaint.contract.errors import EngineFailed, InvalidRequest, UnderpaintError
from underpaint.engines.families.family import Family
from underpaint.engines.pipelines import devices, loading
from underpaint.engines.pipelines.devices import Target
from underpaint.engines.pipelines.guard import guarded
from underpaint.engines.pipelines.latents import Latents
from underpaint.engines.pipelines.noising import kept_outside, noised_start
from underpaint.engines.pipelines.plan import Call, Pictures, Way, inner_of
from underpaint.engines.pipelines.previews import Previewer
from underpaint.engines.pipelines.schedule import exact_steps
from underpaint.engines.pipelines.watching import watched
from underpaint.engines.results import not_finite

# Called with the step that has ended, the number of all steps and a JPEG or nothing. If it raises,
# the generation ends.
OnStep = Callable[[int, int, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched during a call."""

    on_step: OnStep | None = None
    previews_at: Collection[float] = ()  # parts of the steps after which a preview is shown
    unchecked: bool = False  # whether latents may be no numbers


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the pipelines of one model."""

    name: str  # the model's
    family: Family
    target: Target
    taesd: Any = None  # a tiny autoencoder for previews

    def run(
        self,
        pipeline: Any,
        call: Call,
        way: Way,
        size: tuple[int, int],
        pictures: Pictures,
        watch: Watch,
    ) -> tuple[Any, int]:
        """Runs a pipeline; the output is not checked yet. Returns it with the steps.

        Raises:
            InvalidRequest: the pipeline refuses the arguments.
            ResultUnusable: the denoiser came to no numbers.
            EngineFailed: the pipeline broke.
        """
        inner = inner_of(self.family, pipeline)
        devices.tile(pipeline, self.target, *size)
        try:
            with (
                ExitStack() as stack,
                guarded(pipeline, self.target, f"{size[0]} x {size[1]}"),
                torch.inference_mode(),
            ):
                planned = stack.enter_context(exact_steps(inner, call.steps, call.strength))
                latents = Latents(inner, self.family.layout, size, self.family.autoencoder)
                _begin(stack, way, inner, latents, pictures, call)
                previewer = Previewer(latents, inner.scheduler, self.taesd)
                steps = call.last or planned.calls
                marks = {math.ceil(steps * share) for share in watch.previews_at}

                def after_step(count: int, current: torch.Tensor) -> None:
                    if not (watch.unchecked or current.isfinite().all()):
                        # At once, because it cannot recover.
                        raise not_finite(f"the model {self.name}")
                    preview = previewer.follow(current, show=count in marks)
                    if watch.on_step is not None:
                        watch.on_step(min(count, steps), steps, preview)

                stack.enter_context(watched(inner.scheduler, after_step))
                return pipeline(**call.arguments), steps
        except ValueError as error:  # what diffusers' own checks of the inputs raise
            raise InvalidRequest(f"the model {self.name} refuses: {loading.line(error)}") from None
        except UnderpaintError:
            raise
        except Exception as error:
            raise EngineFailed(f"the model {self.name} failed: {loading.line(error)}") from error


def _begin(
    stack: ExitStack, way: Way, inner: Any, latents: Latents, pictures: Pictures, call: Call
) -> None:
    """Makes what a call begins with here, where the pipeline does not."""
    start, mask = pictures.init_image, pictures.mask
    if start is None or not (way.noised or way.kept):
        return
    clean = latents.encode(start)
    drawn_anew = latents.encode_mask(mask, clean) if mask is not None and way.kept else None
    seed = call.arguments["generator"].initial_seed()
    if way.noised:
        begun = noised_start(inner, clean, seed, drawn_anew)
        call.arguments |= stack.enter_context(begun)
    elif drawn_anew is not None:
        stack.enter_context(kept_outside(inner, clean, seed, drawn_anew))
