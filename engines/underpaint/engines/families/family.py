"""What is known about one family of models: how its makers call it and what it takes.

Classes of diffusers are named by strings, so that nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Start(Enum):
    """What a picture that a model starts from is to it."""

    OWN = "own"  # the family has an image-to-image class with a strength
    NOISED = "noised"  # it has none: the picture is encoded, noised and denoised from there
    REFERENCE = "reference"  # the picture is looked at; there is no strength
    NEVER = "never"  # it cannot start from a picture


class Layout(Enum):
    """How the latents of a family lie in their tensor."""

    SPATIAL = "spatial"  # batch x channels x height x width
    PACKED = "packed"  # batch x patches x (channels x 4), in rows of patches, as FLUX.1
    PATCHED = "patched"  # batch x patches x (channels x 4), normalised by a batch norm, as FLUX.2
    PATCHED_MAP = "patched map"  # the same, as a map of patches, as ERNIE-Image
    PATCHED_LAST = "patched last"  # as FLUX.2, with the channels of a patch last, as Ideogram 4
    ROWS = "rows"  # batch x cells x channels, in no patches, as Fibo
    FRAMES_LAST = "frames last"  # batch x 1 frame x height x width x channels, as Kandinsky 5
    FRAMES = "frames"  # batch x channels x 1 frame x height x width
    PIXELS = "pixels"  # no autoencoder
    OTHER = "other"  # not known: no previews, and no start from a picture by noising


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the configuration files of a checkpoint say. No weights are read for it."""

    index: Mapping[str, Any]  # model_index.json
    configs: Mapping[str, Mapping[str, Any]]  # by component, such as "scheduler" and "transformer"
    name: str = ""  # the hub id, the file's name or the directory's

    @property
    def scheduler(self) -> str:
        """The scheduler's class, such as "LCMScheduler"; empty if it has none."""
        return str(self.config("scheduler").get("_class_name", ""))

    def config(self, *components: str) -> Mapping[str, Any]:
        """The configuration of the first of these components that exists; else an empty one."""
        return next((self.configs[name] for name in components if name in self.configs), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a model likes to be called, and why that is assumed."""

    num_inference_steps: int
    guidance_scale: float
    why: str  # such as "as FLUX.1 schnell: its transformer takes no guidance"
    guided: bool = True  # whether the guidance changes anything
    scheduler: Mapping[str, Any] = field(default_factory=dict)  # changes to the configuration
    call: Mapping[str, Any] = field(default_factory=dict)  # further keyword arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A few-step or otherwise different model of a family, told by its configuration."""

    is_one: Callable[[Checkpoint], bool]
    manner: Manner


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One architecture. The defaults are those of its makers for their ordinary model."""

    name: str  # such as "flux"
    title: str  # for people, such as "FLUX.1"
    index: frozenset[str]  # values of `_class_name` in model_index.json
    is_one: Callable[[Checkpoint], bool] = lambda checkpoint: True
    """Tells it from another family whose checkpoints name the same classes."""
    denoiser: str = "transformer"  # the component that is called at each step
    inner: str = ""
    """The attribute with the pipeline that denoises, if the class combines several."""
    text_to_image: str | None = None  # class of diffusers; None if it cannot draw from words alone
    image_to_image: str | None = None
    """Its class with a strength (OWN) or for references; None: that of text_to_image is used."""
    start: Start = Start.OWN
    picture: str = "image"  # the argument for the picture that it starts from or looks at
    pictures: bool = False  # whether that argument is a list
    told_of_picture: str = ""  # what stands in the prompt for the picture with the number {n}
    swapped: bool = False  # whether its image-to-image class takes the width for the height
    inpaint: str | None = None  # class for a mask; None: the latents outside it are kept
    needs_mask: bool = False  # a model made for masks: without one, everything is drawn anew
    control: Mapping[str, str] = field(default_factory=dict)
    """Classes of pipelines that take a ControlNet, by use: "text", "image", "mask"."""
    control_model: str | None = None  # class of its ControlNet
    control_union: str | None = None  # class of its ControlNet for several kinds of maps
    control_is_image: bool = False  # whether its text-to-image class calls the map "image"
    own_control: bool = False  # whether the checkpoint itself takes a map
    native: Callable[[Checkpoint], tuple[int, int]] | tuple[int, int] = (1024, 1024)
    """Width x height in pixels that the model was taught at."""
    multiple: int = 16  # pixels; both sides must be a multiple of it
    cells: int = 0
    """The root of the only area that it draws at, in latent cells; 0 if it draws at any."""
    sizes: tuple[tuple[int, int], ...] = ()  # the only ones that it draws at, if there are some
    manner: Manner  # of the ordinary model
    variants: tuple[Variant, ...] = ()
    call_for: Callable[[int, int, int], Mapping[str, Any]] = lambda steps, width, height: {}
    """Further arguments for a number of steps, a width and a height."""
    counts_itself: bool = False
    """Whether its image-to-image class runs the last int(steps x strength) of a whole schedule."""
    steps: str = "num_inference_steps"  # the argument for the number of steps
    strength: float = 0.6
    least_steps: int = 1
    guidance: str | None = "guidance_scale"  # the argument that guides; None if there is none
    negative: Callable[[float], bool] = lambda guidance: guidance > 1
    """Whether a negative prompt has an effect at a guidance."""
    nothing: str | None = None  # the negative prompt that the guidance needs when none is given
    layout: Layout = Layout.SPATIAL
    references: int = 0  # how many pictures it can look at beside the init_image
    loras: bool = False
    textual_inversion: bool = False
    clip_skip: bool = False
    autoencoder: str = "vae"  # the component that decodes

    def manner_of(self, checkpoint: Checkpoint) -> Manner:
        """How this checkpoint likes to be called: the first variant that it is, else ordinarily."""
        return next((each.manner for each in self.variants if each.is_one(checkpoint)), self.manner)

    def native_size(self, checkpoint: Checkpoint) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.native(checkpoint) if callable(self.native) else self.native
