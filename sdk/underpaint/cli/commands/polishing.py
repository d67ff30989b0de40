"""The options of a promotion, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from underpaint.contract.edges import EDGES, edge_map
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import Fit, LoraUse
from underpaint.contract.promotion import SCOPE_KINDS, Account, Priority
from underpaint.sdk.requests import PolishRequest

DraftArgument = Annotated[
    str, typer.Argument(metavar="DRAFT", help="A draft's id, or the beginning of it.")
]
Strength = Annotated[
    float | None,
    typer.Option(
        help="How much it may change the draft: 0.01 to 1. Default: the engine's own, and more if "
        "the prompt moved."
    ),
]
Steps = Annotated[int | None, typer.Option(help="Denoising steps.")]
Guidance = Annotated[float | None, typer.Option(help="Guidance scale; 1 means none.")]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS", help="Size of the result: 1024 or 1024x768. Default: the draft's shape."
    ),
]
FitOption = Annotated[
    Fit, typer.Option("--fit", help="How to fit a draft whose shape differs from the result's.")
]
PolishPrompt = Annotated[
    str | None, typer.Option("--prompt", help="Another prompt than the draft's.")
]
Engine = Annotated[str, typer.Option(help="The engine; default: the policy chooses.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="KIND:NAME", help="Who pays, such as project:catalogue."),
]
PriorityOption = Annotated[
    Priority, typer.Option("--priority", help="batch gives way to interactive work.")
]
Mask = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What to draw anew, in the draft's size: white on black."),
]
Control = Annotated[
    str | None,
    typer.Option(
        metavar="edges|[KIND:]FILE",
        help="A map that steers the drawing: the draft's edges, found on this machine, or a file "
        "that shows edges or another KIND, such as depth:map.png.",
    ),
]
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", metavar="FILE", help="A picture to draw upon; up to 4 of them."),
]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="NAME[:WEIGHT]", help="A LoRA of the engine; weight -2 to 2."),
]
Scheduler = Annotated[str, typer.Option(metavar="NAME", help="Another scheduler than the model's.")]
ClipSkip = Annotated[
    int, typer.Option(min=0, max=12, help="How many last layers of the text encoder to leave out.")
]
# Stands for the edges of the draft.
_OF_DRAFT: Final = b"edges of the draft"
_KIND: Final = re.compile(r"([a-z][a-z0-9_-]*):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The files beside a draft, as they were named."""

    mask: Path | None
    control: str | None
    references: Sequence[Path] | None


def polish_request(
    *,
    strength: float | None,
    steps: int | None,
    guidance: float | None,
    size: str | None,
    prompt: str | None,
    engine: str,
    scope: Sequence[str] | None,
    priority: Priority,
    fit: Fit,
    pictures: Pictures,
    loras: Sequence[str] | None,
    scheduler: str,
    clip_skip: int,
) -> PolishRequest:
    """The request of the options; the edges of the draft are still to be found.

    Raises:
        InvalidRequest: an option is out of range, or a file cannot be read.
    """
    width, height = parse_size(size)
    polish = PolishRequest(
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        width=width,
        height=height,
        prompt=prompt,
        engine=engine,
        account=parse_account(scope),
        priority=priority,
        fit=fit,
        loras=parse_loras(loras),
        scheduler=scheduler,
        clip_skip=clip_skip,
        mask=_read(pictures.mask) if pictures.mask else b"",
        references=tuple(_read(path) for path in pictures.references or ()),
    )
    if pictures.control is None:
        return polish
    if pictures.control == EDGES:  # of a draft that is not fetched yet
        return replace(polish, control=_OF_DRAFT, control_kind=EDGES)
    named = _KIND.fullmatch(pictures.control)
    kind, path = named.groups() if named else (EDGES, pictures.control)
    return replace(polish, control=_read(Path(path)), control_kind=kind)


def with_edges(polish: PolishRequest, picture: bytes) -> PolishRequest:
    """The request with the edges of its draft, if they were asked for."""
    return replace(polish, control=edge_map(picture)) if polish.control is _OF_DRAFT else polish


def parse_loras(named: Sequence[str] | None) -> tuple[LoraUse, ...]:
    """The LoRAs of texts such as "ink" or "ink:0.8".

    Raises:
        InvalidRequest: a weight is not a number or out of range.
    """
    uses: list[LoraUse] = []
    for each in named or ():
        name, colon, weight = each.rpartition(":")
        try:
            uses.append(LoraUse(name=name, weight=float(weight)) if colon else LoraUse(name=each))
        except ValueError:
            raise InvalidRequest(f"{each!r} is not a LoRA; write NAME or NAME:WEIGHT") from None
    return tuple(uses)


def parse_size(text: str | None) -> tuple[int | None, int | None]:
    """The width and height of "1024" or "1024x768", in pixels; None if not given.

    Raises:
        InvalidRequest: the text is neither.
    """
    if text is None:
        return None, None
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        raise InvalidRequest(f"{text!r} is not a size; write 1024 or 1024x768") from None


def parse_account(scopes: Sequence[str] | None) -> Account:
    """The account of scopes such as "project:catalogue".

    Raises:
        InvalidRequest: a scope is not written like that.
    """
    names: dict[str, str] = {}
    for scope in scopes or ():
        kind, _, name = scope.partition(":")
        if kind not in SCOPE_KINDS or not name:
            raise InvalidRequest(
                f"{scope!r} is not a scope; write {', '.join(SCOPE_KINDS)} and a name, "
                "such as project:catalogue"
            )
        names[kind] = name
    return Account(**names)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
