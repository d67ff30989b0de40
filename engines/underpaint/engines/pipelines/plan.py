"""Which class draws what a request asks for, and with which arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from PIL import Image
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import MAX_SCHEDULE, GenerationRequest
from underpaint.contract.prompts import clean
from underpaint.engines.calling import Called
from underpaint.engines.families.family import Family, Layout, Start
from underpaint.engines.pipelines.control import Control

# Layouts in which nothing can be put from outside.
UNKNOWN: Final = frozenset({Layout.OTHER, Layout.PIXELS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What goes beside a request. All but the references are of the working size."""

    init_image: Image.Image | None = None  # RGB
    mask: Image.Image | None = None  # grey: white is drawn anew
    control: Image.Image | None = None  # RGB
    control_kind: str = ""  # such as "edges"
    references: tuple[Image.Image, ...] = ()  # RGB, of any size


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a family draws something."""

    class_name: str  # of diffusers
    control: bool = False  # whether that class takes the ControlNet
    noised: bool = False  # whether the latents that it starts from are made here
    kept: bool = False  # whether what the mask keeps is put back here after each step


@dataclass(slots=True)
class Call:
    """One call of a pipeline."""

    arguments: dict[str, Any]
    steps: int
    strength: float | None  # of a start from a picture
    last: int = 0  # how many of the steps are run, if the pipeline itself leaves out others
    warnings: list[str] = field(default_factory=list)


def way_of(family: Family, name: str, pictures: Pictures, control: Control | None = None) -> Way:
    """How a family draws from these pictures.

    Raises:
        InvalidModel: it cannot.
    """
    start, mask = pictures.init_image is not None, pictures.mask is not None
    use = "mask" if mask else "image" if start else "text"
    if pictures.control is not None and control is not None:
        own = family.control.get(use)
        class_name = own or family.control.get("text")
        if class_name is None:
            raise InvalidModel(f"{name} is of the family {family.title}, which takes no ControlNet")
        made_here = start and own is None
        return Way(class_name=class_name, control=True, noised=made_here, kept=made_here and mask)
    if mask and family.inpaint:
        return Way(class_name=family.inpaint)
    words = family.text_to_image
    if not start:
        if words is None:
            raise InvalidModel(
                f"{name} is of the family {family.title}, which cannot draw from words alone; "
                "give it as the Full engine"
            )
        return Way(class_name=words)
    found = family.image_to_image or words
    if family.start is Start.NEVER or found is None or not _can_start(family):
        raise InvalidModel(
            f"{name} is of the family {family.title}, which cannot start from a picture; "
            "give it as the Lite engine"
        )
    if mask and family.layout in UNKNOWN:
        raise InvalidRequest(f"{name} takes no mask; leave it out")
    return Way(class_name=found, noised=family.start is Start.NOISED, kept=mask)


def _can_start(family: Family) -> bool:
    unknown = family.layout in UNKNOWN
    return family.start is not Start.NOISED or not unknown


def _whole_schedule(steps: int, strength: float) -> tuple[int, float]:
    """A whole schedule and a strength of which int(schedule x strength) is the number of steps.

    The strength is the nearest for which the product is exact, also in floating point.
    """
    middle = round(steps / strength)
    for distance in range(MAX_SCHEDULE):
        for schedule in (middle - distance, middle + distance):
            near = steps / max(schedule, steps)
            if schedule * near == steps:
                return schedule, near
    return steps, 1.0


def inner_of(family: Family, pipeline: Any) -> Any:
    """The pipeline that denoises, where one combines several."""
    return getattr(pipeline, family.inner) if family.inner else pipeline


def call_of(
    family: Family,
    called: Called,
    name: str,
    pipeline: Any,
    request: GenerationRequest,
    size: tuple[int, int],
    pictures: Pictures,
    way: Way,
    control: Control | None = None,
) -> Call:
    """The arguments that a pipeline takes; what it does not is told in the warnings.

    Args:
        family: of the model.
        called: how it is called.
        name: the model's, for messages.
        pipeline: that draws.
        request: its width and height are ignored.
        size: width and height.
        pictures: what it starts from.
        way: how it draws from them.
        control: the ControlNet, if the pipeline takes it.

    Raises:
        InvalidRequest: without the ignored part it would be another picture than asked for.
    """
    takes = inspect.signature(type(pipeline).__call__).parameters
    steps = request.num_inference_steps
    asked: dict[str, Any] = {
        "width": size[0],
        "height": size[1],
        "use_resolution_binning": False,  # the size is chosen here
        **called.call,
        **family.call_for(steps, *size),
    }
    call = Call(
        arguments={key: value for key, value in asked.items() if key in takes},
        steps=steps,
        strength=None,
    )
    trigger = called.trigger if called.trigger not in request.prompt else ""
    call.arguments |= {
        "prompt": ", ".join(filter(None, (trigger, clean(request.prompt)))),
        family.steps: steps,
        # Always on the CPU, so that a seed gives the same noise on every device.
        "generator": torch.Generator("cpu").manual_seed(request.seed),
    }
    _guide(call, family, called, name, request, takes)
    _show(call, family, name, request, pictures, way, takes)
    if family.counts_itself and call.strength is not None:
        call.steps, call.arguments["strength"] = _whole_schedule(steps, call.strength)
        call.arguments[family.steps], call.strength, call.last = call.steps, None, steps
    if family.swapped and pictures.init_image is not None:
        call.arguments |= {"width": size[1], "height": size[0]}
    if control is not None and pictures.control is not None:
        control.give(call.arguments, pictures.control, pictures.control_kind, request, takes)
    elif pictures.control is not None or family.own_control:
        _give_own_control(call, family, name, pictures)
    return call


def _guide(
    call: Call,
    family: Family,
    called: Called,
    name: str,
    request: GenerationRequest,
    takes: Mapping[str, Any],
) -> None:
    """Guidance and negative prompt."""
    guidance = request.guidance_scale
    if family.guidance and family.guidance in takes:
        call.arguments[family.guidance] = guidance
    if not called.guided and guidance != called.guidance_scale:
        call.warnings.append(f"the guidance has no effect: {name} takes none")
    negative = clean(request.negative_prompt)
    if negative and not ("negative_prompt" in takes and family.negative(guidance)):
        least = next((each for each in (0.1, 1.1, 2) if family.negative(each)), None)
        why = f"{name} takes none"
        if least is not None and called.guided and "negative_prompt" in takes:
            why = f"{name} uses it with a guidance above {int(least)}, not with {guidance:g}"
        call.warnings.append(f"the negative prompt has no effect: {why}")
    elif negative or (family.nothing and "negative_prompt" in takes):
        call.arguments["negative_prompt"] = negative or family.nothing


def _show(
    call: Call,
    family: Family,
    name: str,
    request: GenerationRequest,
    pictures: Pictures,
    way: Way,
    takes: Mapping[str, Any],
) -> None:
    """The picture that is started from or looked at, the references and the mask."""
    start, strength = pictures.init_image, request.strength or 1.0
    if len(pictures.references) > family.references:
        most = f"at most {family.references} references" if family.references else "no references"
        raise InvalidRequest(f"the model {name} takes {most}; leave the others out")
    if start is None:
        return
    reference = family.start is Start.REFERENCE and "strength" not in takes
    if way.noised:
        call.strength = strength  # the picture is given as noised latents
        return
    shown = [start, *pictures.references]
    call.arguments[family.picture] = shown if family.pictures and reference else start
    if reference:
        call.warnings.append(
            f"the strength has no effect: {name} looks at the draft instead of starting from it"
        )
        marks = [family.told_of_picture.format(n=number + 1) for number in range(len(shown))]
        call.arguments["prompt"] = " ".join(filter(None, (*marks, call.arguments["prompt"])))
    else:
        call.strength = strength
        if "strength" in takes:
            call.arguments["strength"] = strength
    if "mask_image" in takes and (pictures.mask is not None or family.needs_mask):
        call.arguments["mask_image"] = pictures.mask or Image.new("L", start.size, 255)


def _give_own_control(call: Call, family: Family, name: str, pictures: Pictures) -> None:
    if not family.own_control:
        raise InvalidRequest(f"the model {name} takes no control map; leave it out")
    if pictures.control is None:
        raise InvalidRequest(f"the model {name} draws along a control map; send one")
    call.arguments["control_image"] = pictures.control


def counted(steps: int, asked: int) -> tuple[str, ...]:
    """A warning if the scheduler cannot take exactly as many steps as were asked."""
    if steps == asked:
        return ()
    return (f"{steps} of {asked} steps were taken: the scheduler cannot take exactly so many",)
