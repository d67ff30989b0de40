"""How a model is called: steps, guidance, strength, size and scheduler, each with its reason.

A card wins; then the table of well-known models; then what the family knows by configuration. A
model that looks as if it needed few steps, but of which nothing is known, is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.cards import ModelCard
from underpaint.engines.families.family import Checkpoint, Family, Manner
from underpaint.engines.forms import Form
from underpaint.engines.naming import spaced
from underpaint.engines.well_known import well_known, well_known_lora
from underpaint.engines.well_known.row import Known

FEW: Final = 8  # so few steps are a few-step model's
_WORDS: Final = re.compile(
    r"turbo|lightning|schnell|distill|"
    r"(?<![a-z])(lcm|hyper|hyper ?sd|flash|dmd\d?|sprint|tcd|pcm|sdxs|\d+ ?steps?)(?![a-z])"
)
TRAILING: Final = "its scheduler's timestep_spacing is trailing"
_SCHEDULERS: Final = frozenset({"LCMScheduler", "TCDScheduler"})


class Sure(Enum):
    """How far a setting can be trusted."""

    KNOWN = "known"  # a card, the table or the model's own configuration says so
    GUESSED = "guessed"  # as others of its family are called


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a model is called as it is."""

    sure: Sure
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """How a model is called. `reasons` has one for each of the first four."""

    num_inference_steps: int
    guidance_scale: float
    guided: bool = True  # whether the guidance changes anything
    strength: float
    native_size: tuple[int, int]
    scheduler: Mapping[str, Any] = field(default_factory=dict)  # changes to the configuration
    scheduler_name: str = ""  # of `schedulers.SCHEDULERS`; empty for the model's own
    call: Mapping[str, Any] = field(default_factory=dict)  # further keyword arguments
    clip_skip: int | None = None
    trigger: str = ""
    reasons: Mapping[str, Reason]

    @property
    def why(self) -> str:
        """Why it takes this number of steps."""
        return self.reasons["num_inference_steps"].why


def how_called(form: Form, card: ModelCard, family: Family, loras: Sequence[str] = ()) -> Called:
    """How a model is called.

    Args:
        form: of the model.
        card: what `cards.read_card` says of it.
        family: the model's.
        loras: names of those that are always added to it; one can make it need few steps.

    Raises:
        InvalidModel: it looks as if it needed few steps, and nothing says how many.
    """
    added = next((row for row in map(well_known_lora, loras) if row is not None), None)
    known = added or well_known(form.name)
    manner = family.manner_of(form.checkpoint)
    by_variant = manner is not family.manner
    by_scheduler = by_variant and manner is not family.manner_of(_without_scheduler(form))
    if card.num_inference_steps is None and known is None:
        _ask_about_few_steps(form, manner, guessed=by_scheduler)
    written = Reason(Sure.KNOWN, "as its card says")
    with_lora = "with its LoRA " if added else ""
    listed = Reason(
        Sure.GUESSED if known and not known.confirmed else Sure.KNOWN,
        f"{with_lora}{known.title} is known: {known.told}" if known else "",
    )
    sure = Sure.KNOWN if by_variant and not by_scheduler else Sure.GUESSED
    row = known or Known(title="")
    side = card.native_size
    choices: dict[str, tuple[tuple[Any, Reason], ...]] = {
        "num_inference_steps": (
            (card.num_inference_steps, written),
            (row.steps, listed),
            (manner.num_inference_steps, Reason(sure, manner.why)),
        ),
        "guidance_scale": (
            (card.guidance_scale, written),
            (row.guidance, listed),
            (manner.guidance_scale, Reason(sure, manner.why)),
        ),
        "strength": (
            (card.strength, written),
            (row.strength, listed),
            (family.strength, Reason(Sure.GUESSED, f"as for any {family.title}")),
        ),
        "native_size": (
            ((side, side) if side else None, written),
            (
                family.native_size(form.checkpoint),
                Reason(
                    Sure.KNOWN,
                    "as its configuration says"
                    if callable(family.native)
                    else f"as {family.title} was taught",
                ),
            ),
        ),
    }
    values, reasons = {}, {}
    for name, each in choices.items():
        values[name], reasons[name] = next(one for one in each if one[0] is not None)
    return Called(
        **values,
        guided=manner.guided,
        reasons=reasons,
        # A scheduler that a person chose is taken as it is.
        scheduler={} if card.scheduler else {**manner.scheduler, **row.scheduler},
        scheduler_name=card.scheduler or row.scheduler_name,
        call={**manner.call, **row.call, **card.call},
        clip_skip=card.clip_skip,
        trigger=card.trigger or row.trigger,
    )


def _without_scheduler(form: Form) -> Checkpoint:
    configs = {key: value for key, value in form.checkpoint.configs.items() if key != "scheduler"}
    return replace(form.checkpoint, configs=configs)


def _ask_about_few_steps(form: Form, manner: Manner, *, guessed: bool) -> None:
    """Refuses a model that looks as if it needed few steps, if nothing says how many.

    Args:
        form: of the model; neither a card nor the table know it.
        manner: its family's.
        guessed: whether its scheduler alone makes its family think so.

    Raises:
        InvalidModel: says what makes it look so, and how to say what it needs.
    """
    sign = looks_few_step(form.checkpoint)
    if not sign or (manner.num_inference_steps <= FEW and not (guessed and sign == TRAILING)):
        return
    few = manner if manner.num_inference_steps <= FEW else None
    steps, guidance = (few.num_inference_steps, few.guidance_scale) if few else (4, 1.0)
    raise InvalidModel(
        f"{form.name} looks like a few-step model ({sign}), and how its makers call it is not "
        f"known; say it with `underpaint models card {form.model} --steps {steps} "
        f"--guidance {guidance:g}`, or with the numbers that they recommend"
    )


def looks_few_step(checkpoint: Checkpoint) -> str:
    """What makes a model look as if it needed few steps; empty if nothing does."""
    scheduler = checkpoint.config("scheduler")
    made_of = str(scheduler.get("_class_name", ""))
    if made_of in _SCHEDULERS:
        return f"its scheduler is {made_of}"
    if (
        made_of.startswith("Euler")
        and scheduler.get("timestep_spacing") == "trailing"
        and scheduler.get("prediction_type", "epsilon") == "epsilon"
        and not scheduler.get("rescale_betas_zero_snr")
    ):
        return TRAILING
    found = _WORDS.search(spaced(checkpoint.name.rpartition("/")[2]))
    return f"its name has {found[0].strip()!r}" if found else ""
