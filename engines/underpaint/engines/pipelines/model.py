"""A loaded model: draws from words, from a picture, inside a mask or along a control map."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from PIL import Image
from underpaint.contract import engines as told
from underpaint.contract.engines import EngineDescription, Lora
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.engines.calling import Called, how_called
from underpaint.engines.cards import ModelCard, read_card
from underpaint.engines.families import known_family
from underpaint.engines.families.family import Family, Start
from underpaint.engines.families.sizes import (
    longest_side,
    multiple_of,
    nearest,
    of_area,
    working_size,
)
from underpaint.engines.forms import Form, find
from underpaint.engines.loras import LoraFile, beside, name_with, read_lora, read_loras
from underpaint.engines.memory import sizes
from underpaint.engines.options import Options
from underpaint.engines.pipelines import devices, loading
from underpaint.engines.pipelines.adapters import (
    Adapters,
    Wishes,
    load_embeddings,
    tiny_autoencoder,
)
from underpaint.engines.pipelines.control import Control
from underpaint.engines.pipelines.plan import (
    UNKNOWN,
    Call,
    Pictures,
    Way,
    call_of,
    counted,
    way_of,
)
from underpaint.engines.pipelines.remembering import remembered
from underpaint.engines.pipelines.running import OnStep, Runner, Watch
from underpaint.engines.results import DecoderWatch, drawn
from underpaint.engines.schedulers import schedulers_for
from underpaint.engines.tokens import pipeline_limits

log = logging.getLogger(__name__)

__all__ = ["Drawn", "Model", "Options", "Pictures"]

# Whose layers work with channels last, which makes them 8 % faster; those for video do not.
_CHANNELS_LAST: Final = frozenset({"AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a model drew."""

    picture: Image.Image
    model: str  # with the LoRAs that were added to it
    steps: int  # how often the denoiser was called
    warnings: tuple[str, ...] = ()  # what of the request had no effect, and what was not read


class Model:
    """A loaded pipeline and those that share its components. Not thread-safe."""

    def __init__(self, model: str, use: str, options: Options | None = None) -> None:
        """Loads a model.

        Args:
            model: a diffusers directory, a hub id or a single file.
            use: what it must be able to do: draw from "text" or from an "image".
            options: how it is loaded.

        Raises:
            InvalidModel: it is of no known family, cannot do what it is for, is broken, or does
                not fit into memory.
            InvalidRequest: it cannot be placed as it is asked for.
        """
        loading.silence()
        options = options or Options()
        target = devices.choose(options.placement)
        self.form: Form = find(model, options.data_dir)
        self.card: ModelCard = read_card(self.form, options.data_dir)
        self.family: Family = known_family(self.form.checkpoint)
        loras = read_loras(options.loras, self.family, self.form.checkpoint)
        self.called: Called = how_called(
            self.form, self.card, self.family, [lora.name for lora in loras if lora.weight]
        )
        blank = Image.new("RGB", (8, 8))
        first = way_of(
            self.family, self.name, Pictures(init_image=blank if use == "image" else None)
        )
        self.warnings = (
            *self.form.notes,
            *target.warnings,
            *devices.check_memory(self.name, sizes(self.form.path), target),
        )
        for warning in self.warnings:
            log.warning("%s", warning)
        self._target = target
        self.pipeline: Any = loading.load(self.form, first.class_name, target)
        self._adapters = Adapters(
            self.pipeline,
            self.family,
            self.form.checkpoint,
            self.called,
            [*loras, *self._lying_beside(loras)],
        )
        load_embeddings(self.pipeline, self.family, self.form.path, options.embeddings)
        taesd = tiny_autoencoder(
            self.pipeline, self.family, self.form.path, target.dtype, decodes=options.tiny_vae
        )
        self._control = (
            Control(options.control, self.family, target.dtype) if options.control else None
        )
        self._with_loras: tuple[LoraFile, ...] = ()
        self._pipelines: dict[tuple[str, bool], Any] = {}
        self._placed((first.class_name, False), self.pipeline)
        denoiser = getattr(self.pipeline, self.family.denoiser, None)
        self._denoiser: Mapping[str, Any] = denoiser.config if denoiser is not None else {}
        decoder = getattr(self.pipeline, self.family.autoencoder, None)
        if decoder is not None and type(decoder).__name__ in _CHANNELS_LAST:
            decoder.to(memory_format=torch.channels_last)
        self._decoder = DecoderWatch(decoder)
        if taesd is not None:
            taesd.to(target.device)
        self._runner = Runner(self.name, self.family, target, taesd)
        self._limits = pipeline_limits(self.pipeline, self.card)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name

    @property
    def full_name(self) -> str:
        """The model's name with the LoRAs that it adds unless a request names others."""
        return name_with(self.name, self._adapters.usual)

    @property
    def loras(self) -> tuple[Lora, ...]:
        """Those that requests can name."""
        return tuple(Lora(name=one.name, digest=one.digest) for one in self._adapters.loras)

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on the CPU."""
        return self._target.device.type == "cpu"

    @property
    def least_steps(self) -> int:
        """The fewest steps."""
        return self.family.least_steps

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be a multiple of, in pixels."""
        return multiple_of(self.family, self._denoiser, self._scale)

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """The size nearest to this one that the model can draw."""
        return self._of_its_sizes(width, height) or nearest((width, height), self.multiple)

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size with the native area that has this shape."""
        longest = longest_side(self._denoiser, self._scale)
        native = self.called.native_size
        return self._of_its_sizes(width, height) or working_size(
            (width, height), native, self.multiple, longest
        )

    def describe(self, engine: str) -> EngineDescription:
        """What an engine of this name says of itself."""
        width, height = self.called.native_size
        return EngineDescription(
            name=engine,
            model=self.full_name,
            num_inference_steps=self.called.num_inference_steps,
            guidance_scale=self.called.guidance_scale,
            strength=self.called.strength,
            family=self.family.name,
            width=width,
            height=height,
            takes=self._takes(),
            loras=self.loras,
        )

    def draw(
        self,
        request: GenerationRequest,
        size: tuple[int, int],
        pictures: Pictures | None = None,
        on_step: OnStep | None = None,
        previews_at: Collection[float] = (),
    ) -> Drawn:
        """Draws a picture.

        Args:
            request: its width and height are ignored.
            size: width and height to draw at, from `nearest_size` or `working_size`.
            pictures: what it starts from, in that size.
            on_step: called after each denoising step.
            previews_at: after which parts of the steps a preview is shown.

        Raises:
            InvalidRequest: the model cannot draw what is asked for.
            EngineFailed: the model broke.
            ResultFlagged, ResultUnusable: what came out is not to be delivered.
        """
        pictures = pictures or Pictures()
        if request.num_inference_steps < self.least_steps:
            raise InvalidRequest(f"the model {self.name} takes at least {self.least_steps} steps")
        way = way_of(self.family, self.name, pictures, self._control)
        pipeline = self._pipeline_for(way)
        call = self._call(way, pipeline, request, size, pictures)
        maker = f"the model {self.name}"
        wishes = Wishes(
            loras=request.loras, scheduler=request.scheduler, clip_skip=request.clip_skip
        )
        with self._adapters.applied(wishes, pipeline) as applied:
            call.arguments |= applied.arguments
            self._forget_prompts(applied.loras)
            output, steps = self._runner.run(
                pipeline, call, way, size, pictures, Watch(on_step=on_step, previews_at=previews_at)
            )
        if not hasattr(output, "images"):  # as of Kandinsky 5
            output.images = output.image
        return Drawn(
            picture=drawn(output, self._decoder, maker),
            model=applied.named(self.name),
            steps=steps,
            warnings=(
                *counted(steps, request.num_inference_steps),
                *call.warnings,
                *applied.warnings,
                *self._limits.warnings(
                    call.arguments["prompt"], (call.arguments.get("negative_prompt") or "").strip()
                ),
            ),
        )

    def try_out(self, request: GenerationRequest, size: tuple[int, int]) -> None:
        """Draws from words without looking at the result, which may be no proper picture."""
        pictures = Pictures()
        way = way_of(self.family, self.name, pictures)
        pipeline = self._pipeline_for(way)
        call = self._call(way, pipeline, request, size, pictures)
        self._runner.run(pipeline, call, way, size, pictures, Watch(unchecked=True))

    @property
    def _scale(self) -> int:
        return int(getattr(self.pipeline, "vae_scale_factor", None) or 8)

    def _of_its_sizes(self, width: int, height: int) -> tuple[int, int] | None:
        """The one of its only sizes that is nearest in shape; None if it draws at any."""
        if self.family.cells:
            side = self.family.cells * self._scale
            return of_area((width, height), side, 2 * self._scale)
        wanted = math.log(width / height)
        return min(
            self.family.sizes,
            key=lambda each: abs(math.log(each[0] / each[1]) - wanted),
            default=None,
        )

    def _takes(self) -> tuple[str, ...]:
        family = self.family
        kinds = self._control.kinds if self._control else ("edges",) if family.own_control else ()
        able = {
            told.STRENGTH: family.start in (Start.OWN, Start.NOISED),
            told.NEGATIVE_PROMPT: family.negative(self.called.guidance_scale),
            told.MASK: family.inpaint is not None or family.layout not in UNKNOWN,
            told.REFERENCES: family.references > 0,
            told.LORAS: bool(self._adapters.loras),
            told.CLIP_SKIP: family.clip_skip,
        }
        return (
            *(each for each, can in able.items() if can),
            *map(told.control, kinds),
            *map(told.scheduler, schedulers_for(self.form.checkpoint)),
        )

    def _lying_beside(self, given: Sequence[LoraFile]) -> list[LoraFile]:
        """The LoRAs in the model's directory: for requests that name them."""
        if not self.form.path.is_dir():
            return []  # the directory of a file may hold LoRAs for any family
        found = [read_lora(path, 0.0) for path in beside(self.form.path)]
        known = {each for lora in given for each in (lora.digest, lora.name)}
        unused = [lora for lora in found if not {lora.digest, lora.name} & known]
        for lora in unused:
            log.info(
                "the LoRA %s beside the model is used only for requests that name it", lora.name
            )
        return unused

    def _pipeline_for(self, way: Way) -> Any:
        key = (way.class_name, way.control)
        if key not in self._pipelines:
            more: dict[str, Any] = {}
            class_name = way.class_name
            if way.control and self._control is not None:
                more["controlnet"] = self._control.model.to(self._target.device)
                if self._control.is_union:
                    class_name = class_name.replace("ControlNet", "ControlNetUnion")
            self._placed(key, loading.share(self.pipeline, class_name, **more))
        return self._pipelines[key]

    def _forget_prompts(self, loras: tuple[LoraFile, ...]) -> None:
        """LoRAs may change what text encoders make of a prompt."""
        if loras != self._with_loras:
            self._with_loras = loras
            for pipeline in self._pipelines.values():
                if hasattr(pipeline, "encode_prompt"):
                    pipeline.encode_prompt.forget()

    def _placed(self, key: tuple[str, bool], pipeline: Any) -> None:
        pipeline.set_progress_bar_config(disable=True)
        devices.place(pipeline, self._target, (self.family.denoiser,))
        if hasattr(pipeline, "encode_prompt"):
            pipeline.encode_prompt = remembered(pipeline.encode_prompt)
        self._pipelines[key] = pipeline

    def _call(
        self,
        way: Way,
        pipeline: Any,
        request: GenerationRequest,
        size: tuple[int, int],
        pictures: Pictures,
    ) -> Call:
        control = self._control if way.control else None
        return call_of(
            self.family, self.called, self.name, pipeline, request, size, pictures, way, control
        )
