"""Schedulers by the names that people know, and which models can take which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from underpaint.contract.errors import InvalidRequest
from underpaint.engines.families.family import Checkpoint


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler of diffusers."""

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict)  # beside the model's own


_KARRAS: Final = {"use_karras_sigmas": True}
_FLOW: Final = "FlowMatchEulerDiscreteScheduler"
SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    "ddim": Scheduler("DDIMScheduler"),
    "ddpm": Scheduler("DDPMScheduler"),
    "deis": Scheduler("DEISMultistepScheduler"),
    "dpm++_2m": Scheduler("DPMSolverMultistepScheduler"),
    "dpm++_2m_karras": Scheduler("DPMSolverMultistepScheduler", _KARRAS),
    "dpm++_2m_sde": Scheduler("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++_2m_sde_karras": Scheduler(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", **_KARRAS}
    ),
    "euler": Scheduler("EulerDiscreteScheduler"),
    "euler_a": Scheduler("EulerAncestralDiscreteScheduler"),
    "euler_karras": Scheduler("EulerDiscreteScheduler", _KARRAS),
    "heun": Scheduler("HeunDiscreteScheduler"),
    "lcm": Scheduler("LCMScheduler"),
    "pndm": Scheduler("PNDMScheduler", {"skip_prk_steps": True}),
    "tcd": Scheduler("TCDScheduler"),
    "unipc": Scheduler("UniPCMultistepScheduler"),
}
FLOW_SCHEDULERS: Final[Mapping[str, Scheduler]] = {
    "euler": Scheduler(_FLOW),
    "euler_exponential": Scheduler(_FLOW, {"use_exponential_sigmas": True}),
    "euler_karras": Scheduler(_FLOW, _KARRAS),
    "euler_stochastic": Scheduler(_FLOW, {"stochastic_sampling": True}),
}
# Models with one of these can take another one of them.
_NOISE: Final = frozenset(
    {
        *(each.class_name for each in SCHEDULERS.values()),
        "KDPM2DiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "DPMSolverSinglestepScheduler",
        "SASolverScheduler",
        "LMSDiscreteScheduler",
    }
)


def schedulers_for(checkpoint: Checkpoint) -> Mapping[str, Scheduler]:
    """The schedulers that a model can be given, by name; none if it must keep its own."""
    own = checkpoint.config("scheduler")
    made_of = own.get("_class_name")
    if made_of == _FLOW:
        return FLOW_SCHEDULERS
    if made_of in _NOISE and not own.get("use_flow_sigmas"):
        return SCHEDULERS
    return {}


def scheduler_called(name: str, checkpoint: Checkpoint) -> Scheduler:
    """The scheduler with a name.

    Raises:
        InvalidRequest: the model cannot take it; says which it can.
    """
    possible = schedulers_for(checkpoint)
    if name in possible:
        return possible[name]
    made_of = checkpoint.config("scheduler").get("_class_name", "its scheduler")
    if not possible:
        raise InvalidRequest(
            f"{checkpoint.name or 'this model'} keeps its own scheduler ({made_of}); leave it out"
        )
    raise InvalidRequest(
        f"the scheduler {name!r} is none that {checkpoint.name or 'this model'} can take; "
        f"there are {', '.join(possible)}"
    )
