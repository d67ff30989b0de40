"""How a model is loaded, and whether it can be. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode
from underpaint.engines import hub
from underpaint.engines.calling import how_called
from underpaint.engines.cards import read_card
from underpaint.engines.families import family_of
from underpaint.engines.forms import find
from underpaint.engines.loras import read_loras
from underpaint.engines.placement import Placement


def _listed(value: Any) -> Any:
    """A variable of the environment has several with commas between them."""
    return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


Loras = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
LORA_HELP = "FILE or FILE:WEIGHT of a LoRA; weight 0 adds it only on request; may be repeated"
CONTROL_HELP = "directory of a ControlNet for control maps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a model is loaded."""

    placement: Placement = field(default_factory=Placement)
    data_dir: Path | None = None  # where the cards of hub ids and single files are
    loras: tuple[str, ...] = ()  # FILE or FILE:weight
    control: Path | None = None  # the directory of a ControlNet


def check_model(model: str, options: Options) -> None:
    """Checks in milliseconds that a model can be loaded; one of the hub is checked once it is here.

    Raises:
        InvalidModel: names what is missing, incomplete, unsafe or unknown.
    """
    wanted = hub.parse(model)
    if wanted is not None and hub.cached(wanted) is None:
        return
    form = find(model, options.data_dir, fetch=wanted is None)
    family = family_of(form.checkpoint)
    if family is None:
        return  # loading says what it is
    loras = read_loras(options.loras, family, form.checkpoint)
    how_called(form, read_card(form, options.data_dir), family, [lora.name for lora in loras])
