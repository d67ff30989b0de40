"""Exact steps and strength, by asking the scheduler.

`num_inference_steps` is the number of times that the denoiser is called, and `strength` the
fraction of the schedule that is run. Pipelines have formulas for both, which differ and round;
schedulers add calls of their own. So for the time of one call of a pipeline its scheduler is made
to set exactly the timesteps that are wanted, and the pipeline to walk all of them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from underpaint.engines.pipelines.tails import set_own, tail_of


@dataclass(slots=True)
class Planned:
    """What a call will do."""

    calls: int  # of the denoiser
    strength: float  # what it really is; 1 for a picture from words alone


@contextmanager
def exact_steps(pipeline: Any, steps: int, strength: float | None) -> Iterator[Planned]:
    """For one call of a pipeline, inside which it is called with these steps and this strength.

    Args:
        pipeline: of diffusers, with a `scheduler`, which is afterwards as it was.
        steps: how often the denoiser is to be called. Where a scheduler cannot do this number,
            it is the nearest below: Heun cannot do an even one.
        strength: 0.01 to 1, for a start from a picture; None for one from words alone, which
            walks the scheduler's own schedule.
    """
    scheduler = pipeline.scheduler
    kept = {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
    }
    own_get = vars(pipeline).get("get_timesteps")
    try:
        if strength is None:
            yield _plan_whole(scheduler, steps)
        else:
            yield _plan_tail(pipeline, steps, strength)
    finally:
        vars(scheduler).clear()
        vars(scheduler).update(kept)
        if own_get is None:
            vars(pipeline).pop("get_timesteps", None)
        else:
            pipeline.get_timesteps = own_get


def _plan_tail(pipeline: Any, steps: int, strength: float) -> Planned:
    """A start from a picture: `set_timesteps` sets the tail, `get_timesteps` returns all of it."""
    scheduler = pipeline.scheduler
    tail = tail_of(scheduler)
    planned = Planned(tail.calls(steps), strength)

    def set_tail(given: dict[str, Any]) -> None:
        planned.strength = tail.walk(scheduler, planned.calls, strength, given)

    _replace_set_timesteps(scheduler, set_tail)
    get_timesteps = getattr(pipeline, "get_timesteps", None)
    if get_timesteps is None:  # it walks all that the scheduler has
        return planned

    @wraps(get_timesteps)
    def all_of_it(*given: Any, **named: Any) -> tuple[Any, int]:
        return scheduler.timesteps, planned.calls

    pipeline.get_timesteps = all_of_it
    return planned


def _plan_whole(scheduler: Any, steps: int) -> Planned:
    """A picture from words: the scheduler's own schedule, with as many steps as make the calls."""
    tail = tail_of(scheduler)
    asked, planned = steps, Planned(steps, 1.0)
    while asked > 1 and (_calls(scheduler, asked) or steps + 1) > steps:
        asked -= 1
    own = _calls(scheduler, asked)
    # One step by the spacing "leading" would begin at the end, where there is no noise left.
    instead = tail.whole and (steps == 1 or own is None or own < tail.calls(steps))
    planned.calls = tail.calls(steps) if instead else own or steps

    def set_whole(given: dict[str, Any]) -> None:
        custom = given.get("timesteps"), given.get("sigmas")
        count = next((len(each) for each in custom if each is not None), None)
        if count is None and instead:
            tail.walk(scheduler, planned.calls, 1.0, given)
            return
        if count is None:
            given = given | {"num_inference_steps": asked}
        elif count == 1 and scheduler.config.get("shift_terminal"):
            scheduler.register_to_config(shift_terminal=None)  # it would divide by zero
        set_own(scheduler, **given)
        planned.calls = _counted(scheduler)

    _replace_set_timesteps(scheduler, set_whole)
    return planned


def _replace_set_timesteps(scheduler: Any, instead: Any) -> None:
    """With the same signature, because pipelines look at it."""
    own = scheduler.set_timesteps
    signature = inspect.signature(own)

    @wraps(own)
    def set_timesteps(*given: Any, **named: Any) -> None:
        bound = signature.bind(*given, **named)
        arguments = dict(bound.arguments)
        instead(arguments | arguments.pop("kwargs", {}))

    scheduler.set_timesteps = set_timesteps


def _calls(scheduler: Any, steps: int) -> int | None:
    """How many calls so many steps are; None if the scheduler refuses."""
    if steps == 1 and scheduler.config.get("shift_terminal"):
        return 1  # which would divide by zero
    arguments: dict[str, Any] = {"num_inference_steps": steps}
    if scheduler.config.get("use_dynamic_shifting"):
        arguments["mu"] = 1.0
    if steps != 2:
        arguments["intermediate_timesteps"] = None  # of SCM, which has it for two steps only
    asked = copy.copy(scheduler)
    try:
        set_own(asked, **arguments)
    except (ValueError, IndexError):
        return None
    return _counted(asked)


def _counted(scheduler: Any) -> int:
    """The calls in the schedule that is set."""
    return len(scheduler.timesteps) - tail_of(scheduler).ends_clean
