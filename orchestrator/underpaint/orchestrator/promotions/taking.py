"""Compares what a promotion asks with what its engine says that it takes."""

from __future__ import annotations

from underpaint.contract import engines
from underpaint.contract.engines import EngineDescription
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.promotion import PromotionRequest


def check_taken(engine: EngineDescription, request: PromotionRequest) -> tuple[str, ...]:
    """Warnings of what the engine leaves out of a request; none if it has not said what it takes.

    Raises:
        InvalidRequest: it does not take something without which the picture would be another.
    """
    made = request.request
    if not engine.takes:
        return ()
    wanted = (
        ("mask", engines.MASK, request.mask is not None),
        (
            f"control map of kind '{request.control_kind}'",
            engines.control(request.control_kind),
            request.control is not None,
        ),
        ("references", engines.REFERENCES, bool(request.references)),
    )
    for name, needed, asked in wanted:
        if asked and needed not in engine.takes:
            raise InvalidRequest(f"engine {_named(engine)} takes no {name}; {_taken(engine)}")
    schedulers = [each for each in engine.takes if each.startswith(engines.scheduler(""))]
    if made.scheduler and engines.scheduler(made.scheduler) not in schedulers:
        names = [each.removeprefix(engines.scheduler("")) for each in schedulers]
        raise InvalidRequest(
            f"engine {_named(engine)} has no scheduler {made.scheduler}; "
            + (f"it has {', '.join(names)}" if names else "it keeps its own")
        )
    has = [lora.name for lora in engine.loras]
    for use in made.loras:
        if use.name not in has:
            raise InvalidRequest(
                f"engine {_named(engine)} has no LoRA {use.name}; it has {', '.join(has) or 'none'}"
            )
    ignored = (
        ("the negative prompt", engines.NEGATIVE_PROMPT, bool(made.negative_prompt)),
        ("clip_skip", engines.CLIP_SKIP, made.clip_skip > 0),
        ("the strength", engines.STRENGTH, not request.auto_strength),
    )
    return tuple(
        f"engine {_named(engine)} leaves {name} out, because it cannot use it"
        for name, needed, asked in ignored
        if asked and needed not in engine.takes
    )


def _taken(engine: EngineDescription) -> str:
    """What it takes, for people, without the long list of schedulers."""
    taken = [each for each in engine.takes if not each.startswith(engines.scheduler(""))]
    told = f"it takes {', '.join(taken) or 'a draft alone'}"
    if not any(each.startswith(engines.control("")) for each in taken):
        told += "; a cloud takes control maps when it is started with --control DIR"
    return told


def _named(engine: EngineDescription) -> str:
    return f"{engine.name} ({engine.family})" if engine.family else engine.name
