"""The Lite engine: draws drafts with any diffusers text-to-image pipeline."""

from __future__ import annotations

import inspect
import os
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest, UnderpaintError
from underpaint.contract.generation import GenerationRequest, GenerationResult
from underpaint.contract.pictures import encode_png
from underpaint.contract.prompts import clean
from underpaint.contract.vocabulary import Vocabulary, read_vocabulary
from underpaint.contract.wire import Defaults
from underpaint.edge.settings import BUNDLED
from underpaint.edge.vocabulary import Reader
from underpaint.engines.cards import ModelCard, directory_card
from underpaint.engines.checkpoints import check_directory
from underpaint.engines.model_kinds import is_hub_id
from underpaint.engines.results import DecoderWatch, drawn
from underpaint.engines.tokens import pipeline_limits

PROMPTS_REMEMBERED: Final = 32
# Measuring the best number of threads takes a few drafts, so it is done only if steps are quick.
QUICK_STEP_S: Final = 0.5


class LiteEngine:
    """A loaded and warmed pipeline. Make and call it in the same thread.

    Args:
        model: a diffusers directory or a hub id.
        device: "auto", "cpu" or "cuda".
        dtype: "auto", "float32", "bfloat16" or "float16".
        threads: number of CPU threads; 0 measures which number is fastest.

    Raises:
        InvalidModel: the model is missing, incomplete, unsafe or not a text-to-image pipeline.
        InvalidRequest: there is no such device.
    """

    def __init__(
        self, model: str, *, device: str = "auto", dtype: str = "auto", threads: int = 0
    ) -> None:
        for library in (diffusers, transformers):
            voice: Any = library.utils.logging
            voice.set_verbosity_error()
            voice.disable_progress_bar()
        self._device = _choose_device(device)
        self._pipeline = _load(model, _choose_dtype(dtype, self._device))
        self._takes = inspect.signature(self._pipeline.__call__).parameters
        if is_hub_id(model):
            self._card = ModelCard(name=model)
            self._reader = Reader(Vocabulary())
        else:
            self._card = directory_card(Path(model))
            # `models show` knows only the bundled models.
            bundled = Path(model).resolve() == BUNDLED.resolve()
            listed_by = "underpaint models show lite" if bundled else ""
            self._reader = Reader(read_vocabulary(Path(model)), listed_by)
        self._defaults = self._find_defaults()
        self._least_steps = _least_steps(self._pipeline)
        self._limits = pipeline_limits(self._pipeline, self._card)
        self._prepare()
        self._warm(threads)

    @property
    def name(self) -> str:
        """The model's name: from its card, else its directory or hub id."""
        return self._card.name

    @property
    def defaults(self) -> Defaults:
        """The default size, steps and guidance: from the model's card, else from the pipeline."""
        return self._defaults

    def warnings(self, prompt: str) -> tuple[str, ...]:
        """Warnings about a prompt, such as words that the model does not know."""
        return self._reader.warnings(clean(prompt))

    def generate(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None = None
    ) -> GenerationResult:
        """Draws a picture; the result is an RGB PNG of the requested width x height.

        Args:
            request: must have no strength, because this engine starts from noise.
            on_step: called with (step, steps) after each denoising step; if it raises, the
                generation ends.

        Raises:
            InvalidRequest: the pipeline does not support the size or a negative prompt.
            ResultFlagged: a safety checker flagged the picture.
            ResultUnusable: it is not finite, or has only one colour.
            EngineFailed: the pipeline broke, or the device has no memory left.
        """
        began = time.perf_counter()
        arguments = self._arguments(request, on_step)
        output = self._run(arguments, f"{request.width} x {request.height}")
        image = drawn(output, self._decoder, f"the model {self.name}")
        return GenerationResult(
            picture=encode_png(image),
            width=image.width,
            height=image.height,
            model=self.name,
            gpu_seconds=time.perf_counter() - began,
            warnings=self._limits.warnings(
                arguments["prompt"], arguments.get("negative_prompt", "")
            ),
        )

    def _run(self, arguments: dict[str, Any], size: str) -> Any:
        """Runs the pipeline; the output is not checked yet."""
        try:
            with torch.inference_mode():
                return self._pipeline(**arguments)
        except ValueError as error:  # what diffusers' own checks of the inputs raise
            raise InvalidRequest(f"the model {self.name} refuses: {_line(error)}") from None
        except torch.OutOfMemoryError:
            raise EngineFailed(
                f"the {self._device} ran out of memory at {size}; ask for a smaller picture"
            ) from None
        except UnderpaintError:
            raise
        except Exception as error:
            raise EngineFailed(f"the model {self.name} failed: {_line(error)}") from error

    def _arguments(
        self, request: GenerationRequest, on_step: Callable[[int, int], None] | None
    ) -> dict[str, Any]:
        if request.strength is not None:
            raise InvalidRequest("drafts start from noise; leave strength unset")
        if request.num_inference_steps < self._least_steps:
            raise InvalidRequest(f"the model {self.name} takes at least {self._least_steps} steps")
        arguments: dict[str, Any] = {
            **self._card.call,
            "prompt": clean(request.prompt),
            "width": request.width,
            "height": request.height,
            "num_inference_steps": request.num_inference_steps,
            # Always on the CPU, so that a seed gives the same noise on every device.
            "generator": torch.Generator("cpu").manual_seed(request.seed),
        }
        if "guidance_scale" in self._takes:
            arguments["guidance_scale"] = request.guidance_scale
        if request.negative_prompt:
            if "negative_prompt" not in self._takes:
                raise InvalidRequest(
                    f"the model {self.name} supports no negative_prompt; leave it out"
                )
            arguments["negative_prompt"] = clean(request.negative_prompt)
        if on_step is not None and "callback_on_step_end" in self._takes:

            def step_ended(
                _pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]
            ) -> dict[str, Any]:
                on_step(step + 1, request.num_inference_steps)
                return tensors

            arguments["callback_on_step_end"] = step_ended
        return arguments

    def _find_defaults(self) -> Defaults:
        card, pipeline = self._card, self._pipeline
        size = card.native_size or _native_size(pipeline)
        steps, guidance = (
            self._takes[name].default if name in self._takes else None
            for name in ("num_inference_steps", "guidance_scale")
        )
        return Defaults(
            width=size,
            height=size,
            num_inference_steps=card.num_inference_steps or steps or 20,
            guidance_scale=card.guidance_scale
            if card.guidance_scale is not None
            else float(guidance or 1.0),
        )

    def _prepare(self) -> None:
        pipeline = self._pipeline
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(self._device)
        autoencoder = getattr(pipeline, "vae", None)
        self._decoder = DecoderWatch(autoencoder)
        if isinstance(autoencoder, torch.nn.Module):
            autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 8 % of a bundled draft
        if hasattr(pipeline, "encode_prompt"):
            pipeline.encode_prompt = _remembered(pipeline.encode_prompt)

    def _warm(self, threads: int) -> None:
        """Draws once, so that the first draft need not wait for lazy initialisation.

        The result is ignored: with so few steps it may not be a proper picture.
        """
        cores = len(os.sched_getaffinity(0))
        torch.set_num_threads(threads or cores)
        steps = self._defaults.num_inference_steps
        few = min(steps, 2)
        step_s = self._time_drafts(few, drafts=1) / few
        if threads or self._device != "cpu" or step_s > QUICK_STEP_S:
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
            self._run(self._arguments(request, None), f"{own.width} x {own.height}")
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)


def _load(model: str, dtype: torch.dtype) -> Any:
    from_hub = is_hub_id(model)
    if not from_hub:
        check_directory(Path(model))
    try:
        # Only safetensors and no remote code: both pickles and code could harm this machine.
        loader: Any = diffusers.AutoPipelineForText2Image
        return loader.from_pretrained(
            model,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=not from_hub,
            dtype=dtype,
        )
    except Exception as error:
        where = "the hub's model" if from_hub else "the model directory"
        raise InvalidModel(
            f"{where} {model} cannot be loaded as a text-to-image pipeline of safetensors: "
            f"{_line(error)}"
        ) from error


def _native_size(pipeline: Any) -> int:
    """The side in pixels that the denoiser was made for."""
    denoiser = getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
    side = getattr(getattr(denoiser, "config", None), "sample_size", None)
    if isinstance(side, (list, tuple)):
        side = side[0]
    return int((side or 64) * (getattr(pipeline, "vae_scale_factor", None) or 8))


def _least_steps(pipeline: Any) -> int:
    """The fewest steps: 2 if the schedule ends at a set noise level, which fails with 1 step."""
    return 2 if getattr(pipeline.scheduler.config, "shift_terminal", None) else 1


def _remembered(encode: Callable[..., Any]) -> Callable[..., Any]:
    """A text encoder with a cache, because several drafts are made of each prompt.

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


def _choose_device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InvalidRequest("there is no CUDA device that torch can use; use --device cpu")
    return wanted


def _choose_dtype(wanted: str, device: str) -> torch.dtype:
    """The dtype: bfloat16 if the hardware supports it, because it is faster then; else float32."""
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # new in torch 2.10
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "..."
