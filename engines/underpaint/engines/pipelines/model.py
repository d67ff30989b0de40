"""A loaded model: draws from words, from a picture, inside a mask or along a control map."""

from __future__ import annotations

import inspect
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from underpaint.contract.errors import EngineFailed, InvalidRequest, UnderpaintError
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.prompts import clean
from underpaint.engines.checkpoints import ModelCard
from underpaint.engines.families.family import Checkpoint, Family, Manner, Start
from underpaint.engines.families.sizes import longest_side, multiple_of, nearest, working_size
from underpaint.engines.memory import sizes
from underpaint.engines.pipelines import devices, loading
from underpaint.engines.pipelines.devices import Target
from underpaint.engines.pipelines.guard import guarded
from underpaint.engines.pipelines.previews import Previewer
from underpaint.engines.pipelines.watching import watched
from underpaint.engines.results import DecoderWatch, drawn, not_finite
from underpaint.engines.tokens import pipeline_limits

log = logging.getLogger(__name__)

PROMPTS_REMEMBERED: Final = 32
# Whose layers work with channels last, which makes them 8 % faster; those for video do not.
_CHANNELS_LAST: Final = frozenset({"AutoencoderKL", "AutoencoderTiny", "AsymmetricAutoencoderKL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What goes beside a request, all in RGB (the mask in grey) and of the working size."""

    init_image: Image.Image | None = None
    mask: Image.Image | None = None  # white is drawn anew
    control: Image.Image | None = None
    references: tuple[Image.Image, ...] = ()  # of any size


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a model drew."""

    picture: Image.Image
    steps: int  # how often the denoiser was called
    warnings: tuple[str, ...] = ()  # what of the request had no effect, and what was not read


# Called with the step that has ended, the number of all steps and a JPEG or nothing. If it raises,
# the generation ends.
OnStep = Callable[[int, int, bytes], None]


class Model:
    """A loaded pipeline and those that share its components. Not thread-safe."""

    def __init__(
        self,
        directory: Path,
        checkpoint: Checkpoint,
        card: ModelCard,
        *,
        use: str,
        target: Target,
    ) -> None:
        """Loads a model.

        Args:
            directory: of diffusers, checked.
            checkpoint: what its configurations say.
            card: how it likes to be called, where that is known.
            use: what it is loaded for: "text" or "image"; it can do the other as well if its
                family can.
            target: where it runs.

        Raises:
            InvalidModel: it is of no known family, cannot do what it is for, is broken, or does
                not fit into memory.
            InvalidRequest: it cannot be placed as it is asked for.
        """
        loading.silence()
        self.card = card
        self.checkpoint = checkpoint
        self.family: Family = loading.family_for(checkpoint)
        self.manner: Manner = self.family.manner_of(checkpoint)
        first = loading.class_for(self.family, use, card.name)
        self.warnings = (
            *target.warnings,
            *devices.check_memory(card.name, sizes(directory), target),
        )
        for warning in self.warnings:
            log.warning("%s", warning)
        options = devices.load_options(target, checkpoint.index)
        pipeline = loading.load(directory, card.name, first, **options)
        pipeline.set_progress_bar_config(disable=True)
        self._target = target
        self._pipelines: dict[str, Any] = {}
        self.pipeline = self._placed(first, pipeline)
        denoiser = getattr(pipeline, self.family.denoiser, None)
        self._denoiser: Mapping[str, Any] = denoiser.config if denoiser is not None else {}
        decoder = getattr(pipeline, self.family.autoencoder, None)
        if decoder is not None and type(decoder).__name__ in _CHANNELS_LAST:
            decoder.to(memory_format=torch.channels_last)
        self._decoder = DecoderWatch(decoder)
        self._limits = pipeline_limits(pipeline, card)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name

    @property
    def native_size(self) -> tuple[int, int]:
        """Width and height in pixels that the model was taught at."""
        side = self.card.native_size
        return (side, side) if side else self.family.native_size(self.checkpoint)

    @property
    def num_inference_steps(self) -> int:
        """The steps that its makers recommend."""
        return self.card.num_inference_steps or self.manner.num_inference_steps

    @property
    def guidance_scale(self) -> float:
        """The guidance that its makers recommend."""
        told = self.card.guidance_scale
        return self.manner.guidance_scale if told is None else told

    @property
    def strength(self) -> float:
        """How much of a draft is drawn anew if nobody says."""
        return self.card.strength or self.family.strength

    @property
    def least_steps(self) -> int:
        """The fewest steps: a schedule that ends at a set noise level fails with one."""
        ends = self.pipeline.scheduler.config.get("shift_terminal")
        return max(self.family.least_steps, 2 if ends else 1)

    @property
    def multiple(self) -> int:
        """What both sides of a picture must be a multiple of, in pixels."""
        return multiple_of(self.family, self._denoiser, self._scale)

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """The size nearest to this one that the model can draw."""
        return nearest((width, height), self.multiple)

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size with the native area that has this shape."""
        longest = longest_side(self._denoiser, self._scale)
        return working_size((width, height), self.native_size, self.multiple, longest)

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
            EngineFailed: the model broke, or what came out is no picture.
        """
        pictures = pictures or Pictures()
        _, pipeline = self._pipeline_for(pictures)
        told: list[str] = []
        arguments = self._arguments(request, size, pictures, pipeline, told)
        steps = request.num_inference_steps
        if "strength" in arguments:
            requested, strength = exact_schedule(steps, arguments["strength"])
            arguments |= {"num_inference_steps": requested, "strength": strength}
        previewer = Previewer(pipeline, *size)
        marks = {math.ceil(steps * share) for share in previews_at}
        maker = f"the model {self.name}"

        def after_step(count: int, latents: torch.Tensor) -> None:
            if not latents.isfinite().all():
                raise not_finite(maker)  # at once, because it cannot recover
            preview = previewer.follow(latents, show=count in marks)
            if on_step is not None:
                on_step(min(count, steps), steps, preview)

        with watched(pipeline.scheduler, after_step):
            output = self._run(pipeline, arguments, size)
        told += self._limits.warnings(
            arguments.get("prompt", ""), arguments.get("negative_prompt", "")
        )
        return Drawn(picture=drawn(output, self._decoder, maker), steps=steps, warnings=tuple(told))

    def try_out(self, request: GenerationRequest, size: tuple[int, int]) -> None:
        """Draws without looking at the result, which may be no proper picture."""
        _, pipeline = self._pipeline_for(Pictures())
        self._run(pipeline, self._arguments(request, size, Pictures(), pipeline, []), size)

    @property
    def _scale(self) -> int:
        return int(getattr(self.pipeline, "vae_scale_factor", None) or 8)

    def _pipeline_for(self, pictures: Pictures) -> tuple[str, Any]:
        """The use, and the pipeline for it."""
        use = "text" if pictures.init_image is None else "image"
        wanted = loading.class_for(self.family, use, self.name)
        if wanted not in self._pipelines:
            self._placed(wanted, loading.share(self.pipeline, wanted))
        return use, self._pipelines[wanted]

    def _placed(self, class_name: str, pipeline: Any) -> Any:
        devices.place(pipeline, self._target, self.family.denoiser)
        self._pipelines[class_name] = pipeline
        if hasattr(pipeline, "encode_prompt"):
            pipeline.encode_prompt = _remembered(pipeline.encode_prompt)
        return pipeline

    def _arguments(
        self,
        request: GenerationRequest,
        size: tuple[int, int],
        pictures: Pictures,
        pipeline: Any,
        told: list[str],
    ) -> dict[str, Any]:
        """The arguments that the pipeline takes; what it does not is told."""
        family = self.family
        takes = inspect.signature(type(pipeline).__call__).parameters
        if request.num_inference_steps < self.least_steps:
            raise InvalidRequest(f"the model {self.name} takes at least {self.least_steps} steps")
        asked: dict[str, Any] = {
            **self.manner.call,
            "width": size[0],
            "height": size[1],
            "use_resolution_binning": False,  # the size is chosen here
            **self.card.call,
        }
        arguments = {name: value for name, value in asked.items() if name in takes}
        arguments |= {
            "prompt": clean(request.prompt),
            "num_inference_steps": request.num_inference_steps,
            # Always on the CPU, so that a seed gives the same noise on every device.
            "generator": torch.Generator("cpu").manual_seed(request.seed),
        }
        guidance = request.guidance_scale
        if family.guidance and family.guidance in takes:
            arguments[family.guidance] = guidance
        if not self.manner.guided and guidance != self.guidance_scale:
            told.append(f"the guidance has no effect: {self.name} takes none")
        negative = clean(request.negative_prompt)
        if negative and not ("negative_prompt" in takes and family.negative(guidance)):
            told.append(f"the negative prompt has no effect: {self._why_no_negative(guidance)}")
        elif negative or family.nothing:
            arguments["negative_prompt"] = negative or family.nothing
        if pictures.init_image is not None:
            arguments[family.picture] = (
                [pictures.init_image] if family.pictures else pictures.init_image
            )
            if "strength" in takes:
                arguments["strength"] = request.strength or 1.0
            elif family.start is Start.REFERENCE:
                told.append(
                    f"the strength has no effect: {self.name} looks at the draft instead of "
                    "starting from it"
                )
        return arguments

    def _why_no_negative(self, guidance: float) -> str:
        if self.family.negative(self.family.manner.guidance_scale):
            return f"{self.name} uses it only with a guidance above 1, not {guidance:g}"
        return f"{self.name} takes none"

    def _run(self, pipeline: Any, arguments: dict[str, Any], size: tuple[int, int]) -> Any:
        """Runs the pipeline; the output is not checked yet."""
        devices.tile(pipeline, self._target, *size)
        try:
            with guarded(pipeline, self._target, f"{size[0]} x {size[1]}"), torch.inference_mode():
                return pipeline(**arguments)
        except ValueError as error:  # what diffusers' own checks of the inputs raise
            raise InvalidRequest(f"the model {self.name} refuses: {loading.line(error)}") from None
        except UnderpaintError:
            raise
        except Exception as error:
            raise EngineFailed(f"the model {self.name} failed: {loading.line(error)}") from error


def _remembered(encode: Callable[..., Any]) -> Callable[..., Any]:
    """A text encoder with a cache, because several pictures are made of each prompt.

    Only calls with plain values are cached; calls with tensors are passed on.
    """
    answers: OrderedDict[str, Any] = OrderedDict()
    plain = (str, int, float, bool, type(None), torch.device, torch.dtype)

    def remembered(*given: Any, **named: Any) -> Any:
        if not all(isinstance(value, plain) for value in (*given, *named.values())):
            return encode(*given, **named)
        key = repr((given, sorted(named.items())))
        if key not in answers:
            answers[key] = encode(*given, **named)
            if len(answers) > PROMPTS_REMEMBERED:
                answers.popitem(last=False)
        answers.move_to_end(key)
        return answers[key]

    return remembered


def exact_schedule(num_inference_steps: int, strength: float) -> tuple[int, float]:
    """The steps and strength to ask of a scheduler so that exactly this many steps run."""
    import itertools

    middle = round(num_inference_steps / strength)
    for distance in itertools.count():
        for requested in (middle - distance, middle + distance):
            near = num_inference_steps / max(requested, num_inference_steps)
            if requested * near == num_inference_steps:  # exact also in floating point
                return requested, near
    raise AssertionError("unreachable: a strength of 1 is always exact")


def open_directory(directory: Path, card: ModelCard, **options: Any) -> Model:
    """Loads a diffusers directory that was checked; options as of `Model`."""
    return Model(directory, loading.read_checkpoint(directory), card, **options)
