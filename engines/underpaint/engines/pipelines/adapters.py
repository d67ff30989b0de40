"""What is added to a loaded model: LoRAs, textual inversions, another scheduler, clip skip."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import diffusers
import torch
from safetensors.torch import load_file
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest
from underpaint.engines.calling import Called
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, read_header
from underpaint.engines.families.family import Checkpoint, Family
from underpaint.engines.loras import LoraFile, name_with
from underpaint.engines.schedulers import scheduler_called, schedulers_for
from underpaint.engines.starting import check_embeddings

LOADED: Final = 4  # LoRAs that stay in memory, beside those that a request uses
EMBEDDINGS: Final = "embeddings"  # the folder of a model with its textual inversions
TINY_AUTOENCODERS: Final = ("taesd", "tiny_vae")
_LINE: Final = 300


class Use(Protocol):
    """A LoRA in a request."""

    @property
    def name(self) -> str:
        """As the engine calls it."""

    @property
    def weight(self) -> float:
        """How much of it is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What of a request is the adapters' business. Zero values mean: as the model likes it."""

    loras: Sequence[Use] = ()
    scheduler: str = ""
    clip_skip: int = 0


@dataclass(slots=True)
class Applied:
    """What a request gets."""

    arguments: dict[str, Any] = field(default_factory=dict)  # for the call
    loras: tuple[LoraFile, ...] = ()  # with their weights
    warnings: list[str] = field(default_factory=list)

    def named(self, model: str) -> str:
        """The model's name with what was added to it, for a receipt."""
        return name_with(model, self.loras)


class Adapters:
    """Those of one loaded model. Not thread-safe: use it only in the thread that draws.

    Args:
        pipeline: of diffusers; others that share its components share its LoRAs.
        family: of the model.
        checkpoint: of the model.
        called: how the model is called.
        loras: that can be added, with the weights that they have unless a request names others;
            one with the weight 0 is only added where a request names it.

    Raises:
        InvalidModel: a LoRA does not fit this model.
    """

    def __init__(
        self,
        pipeline: Any,
        family: Family,
        checkpoint: Checkpoint,
        called: Called,
        loras: Sequence[LoraFile] = (),
    ) -> None:
        self._pipeline = pipeline
        self._family = family
        self._checkpoint = checkpoint
        self._called = called
        self._known = {lora.name: lora for lora in loras}
        self._loaded: OrderedDict[str, str] = OrderedDict()  # names to those of the adapters
        self._schedulers: dict[str, Any] = {}
        pipeline.scheduler = self._own = own_scheduler(pipeline, checkpoint, called)
        for lora in loras:  # also to see that they fit
            self._load(lora)
        self._forget(keep=())
        self._set(())

    @property
    def loras(self) -> tuple[LoraFile, ...]:
        """Those that can be added."""
        return tuple(self._known.values())

    @property
    def usual(self) -> tuple[LoraFile, ...]:
        """Those that are added unless a request names others."""
        return tuple(lora for lora in self._known.values() if lora.weight)

    @contextmanager
    def applied(self, wishes: Wishes, pipeline: Any | None = None) -> Iterator[Applied]:
        """Adds what a request wants for the time of one call.

        Args:
            wishes: of the request.
            pipeline: that will be called, if it is another one with the same components.

        Raises:
            InvalidRequest: there is no such LoRA or scheduler.
        """
        drawing = self._pipeline if pipeline is None else pipeline
        result = Applied(loras=self._wanted(wishes.loras))
        skip = wishes.clip_skip or self._called.clip_skip or 0
        if skip and self._family.clip_skip:
            result.arguments["clip_skip"] = skip
        elif skip:
            result.warnings.append(f"clip_skip has no effect: {self._family.title} has none")
        before = drawing.scheduler
        if wishes.scheduler:
            drawing.scheduler = self._scheduler(wishes.scheduler)
        try:
            self._set(result.loras)
            with _norm_found(drawing, wanted="clip_skip" in result.arguments):
                yield result
        finally:
            drawing.scheduler = before
            self._forget(keep=[lora.name for lora in result.loras])

    def _wanted(self, uses: Sequence[Use]) -> tuple[LoraFile, ...]:
        if not uses:
            return self.usual
        wanted = []
        for use in uses:
            lora = self._known.get(use.name)
            if lora is None:
                there = ", ".join(self._known) or "none; start it with --lora FILE"
                raise InvalidRequest(f"there is no LoRA {use.name!r}; this engine has {there}")
            wanted.append(with_weight(lora, use.weight))
        return tuple(lora for lora in wanted if lora.weight)

    def _scheduler(self, name: str) -> Any:
        if name not in self._schedulers:
            found = scheduler_called(name, self._checkpoint)
            made: Any = getattr(diffusers, found.class_name)
            self._schedulers[name] = made.from_config(self._own.config, **found.config)
        return self._schedulers[name]

    def _set(self, loras: Sequence[LoraFile]) -> None:
        if not self._loaded and not loras:
            return
        for lora in loras:
            self._load(lora)
        if not loras:
            self._pipeline.disable_lora()
            return
        self._pipeline.enable_lora()
        self._pipeline.set_adapters(
            [self._loaded[lora.name] for lora in loras], [lora.weight for lora in loras]
        )

    def _load(self, lora: LoraFile) -> None:
        if lora.name in self._loaded:
            self._loaded.move_to_end(lora.name)
            return
        # The file may have been replaced since it was checked, by one that is no LoRA or other.
        read_header(lora.path)
        adapter = f"lora_{lora.digest[:16]}"
        try:
            self._pipeline.load_lora_weights(load_file(lora.path), adapter_name=adapter)
            there = {
                name for names in self._pipeline.get_list_adapters().values() for name in names
            }
        except Exception as error:  # libraries raise everything for files of other people
            text = " ".join(str(error).split())[:_LINE] or type(error).__name__
            raise InvalidModel(f"the LoRA {lora.path} does not load: {text}") from error
        if adapter not in there:
            raise InvalidModel(
                f"the LoRA {lora.path} has nothing for {self._family.title}: it was made for "
                f"{lora.title}"
            )
        self._loaded[lora.name] = adapter

    def _forget(self, keep: Sequence[str]) -> None:
        """Unloads those that were not used for longest, until a bounded number is left."""
        usual = {lora.name for lora in self.usual}
        others = [name for name in self._loaded if name not in usual and name not in keep]
        for name in others[: max(0, len(self._loaded) - LOADED)]:
            try:
                self._pipeline.delete_adapters(self._loaded.pop(name))
            except (RuntimeError, ValueError) as error:
                raise EngineFailed(f"the LoRA {name} cannot be unloaded: {error}") from error


@contextmanager
def _norm_found(pipeline: Any, *, wanted: bool) -> Iterator[None]:
    """Lets diffusers 0.42 find the last norm of CLIP's text encoder, which it needs to skip layers.

    It looks for it in `text_model`, which transformers 5.6 has done away with.
    """
    encoder = getattr(pipeline, "text_encoder", None)
    if not wanted or hasattr(encoder, "text_model") or not hasattr(encoder, "final_layer_norm"):
        yield
        return
    # Past the module's own __setattr__, which would make the encoder a part of itself.
    object.__setattr__(encoder, "text_model", encoder)
    try:
        yield
    finally:
        object.__delattr__(encoder, "text_model")


def with_weight(lora: LoraFile, weight: float) -> LoraFile:
    """The same LoRA with another weight."""
    return replace(lora, weight=weight)


def own_scheduler(pipeline: Any, checkpoint: Checkpoint, called: Called) -> Any:
    """The scheduler that a model is called with, unless a request names another one."""
    own = pipeline.scheduler
    if called.scheduler_name and schedulers_for(checkpoint):
        found = scheduler_called(called.scheduler_name, checkpoint)
        made: Any = getattr(diffusers, found.class_name)
        return made.from_config(own.config, **found.config, **called.scheduler)
    if not called.scheduler:
        return own
    return type(own).from_config(own.config, **called.scheduler)


def load_embeddings(
    pipeline: Any, family: Family, model: Path, given: Sequence[Path] = ()
) -> tuple[str, ...]:
    """Loads textual inversions; returns the words that call them: the names of their files.

    Args:
        pipeline: of diffusers.
        family: of the model.
        model: whose folder `embeddings` may have some.
        given: further files.

    Raises:
        InvalidModel: one is missing, pickled, corrupt or of another family, or two have one name.
    """
    folder = model / EMBEDDINGS
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [*(p for p in beside if p.suffix.lower() in (*UNSAFE_SUFFIXES, ".safetensors")), *given]
    check_embeddings(files, family)
    words: dict[str, Path] = {}
    for path in files:
        if path.stem in words:
            raise InvalidModel(f"{path} and {words[path.stem]} are for the same word; rename one")
        words[path.stem] = path
    for path in files:
        _load_embedding(pipeline, path)
    return tuple(words)


def _load_embedding(pipeline: Any, path: Path) -> None:
    weights: Mapping[str, torch.Tensor] = load_file(path)
    # Stable Diffusion XL has one for each of its text encoders in one file.
    places = {"clip_l": "", "clip_g": "_2"}
    try:
        if set(weights) == set(places):
            for part, behind in places.items():
                pipeline.load_textual_inversion(
                    {path.stem: weights[part]},
                    token=path.stem,
                    text_encoder=getattr(pipeline, f"text_encoder{behind}"),
                    tokenizer=getattr(pipeline, f"tokenizer{behind}"),
                )
        else:
            (vectors,) = weights.values()
            pipeline.load_textual_inversion({path.stem: vectors}, token=path.stem)
    except Exception as error:  # libraries raise everything for files of other people
        text = " ".join(str(error).split())[:_LINE] or type(error).__name__
        raise InvalidModel(f"the textual inversion {path} does not load: {text}") from error


def tiny_autoencoder(
    pipeline: Any, family: Family, model: Path, dtype: torch.dtype, *, decodes: bool = False
) -> Any | None:
    """The tiny autoencoder (TAESD) that lies in a model's directory; None if there is none.

    Args:
        pipeline: of diffusers.
        family: of the model.
        model: its directory, or its file, in whose directory it is then looked for.
        dtype: of its weights.
        decodes: whether it takes the place of the pipeline's own, and decodes results, too.

    Raises:
        InvalidModel: it cannot be loaded, or is for other latents; or it is to decode, and there
            is none, or the model cannot do with it.
    """
    place = model if model.is_dir() else model.parent
    folder = next((place / name for name in TINY_AUTOENCODERS if (place / name).is_dir()), None)
    if folder is None and decodes:
        raise InvalidModel(
            f"--tiny-vae: there is no folder {' or '.join(TINY_AUTOENCODERS)} in {place}; lay the "
            "TAESD of this family there, such as madebyollin/taesd, or leave it out"
        )
    if folder is None:
        return None
    own = getattr(pipeline, family.autoencoder, None)
    if decodes and type(own).__name__ != "AutoencoderKL":
        raise InvalidModel(
            f"--tiny-vae: {family.title} cannot be decoded by a TAESD, only previewed; leave it out"
        )
    try:
        tiny = diffusers.AutoencoderTiny.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, torch_dtype=dtype
        ).eval()
    except Exception as error:
        text = " ".join(str(error).split())[:_LINE] or type(error).__name__
        raise InvalidModel(f"the tiny autoencoder {folder} does not load: {text}") from error
    there, wanted = (
        tiny.config["latent_channels"],
        getattr(own, "config", {}).get("latent_channels"),
    )
    if wanted is not None and there != wanted:
        raise InvalidModel(
            f"the tiny autoencoder {folder} is for another family: its latents have {there} "
            f"channels, those of {family.title} have {wanted}; remove it"
        )
    if decodes:
        pipeline.register_modules(**{family.autoencoder: tiny})
        return None
    return tiny
