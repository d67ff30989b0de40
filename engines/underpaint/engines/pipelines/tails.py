"""The end of a scheduler's schedule, in exactly so many calls of the denoiser.

A start from a picture walks only the last part of a schedule. The whole schedule is read as a
curve: the scheduler itself is asked for one of many steps, so that its spacing, its shifts and its
sigmas (Karras, exponential, beta) are in it. The tail takes its levels from this curve, at equal
distances from 1 - strength on; the last step leads from the last level to the clean picture.
How the levels are then told to the scheduler differs by its kind.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

_MANY: Final = 999  # steps of the schedule that is read as a curve
_ENDING: Final = frozenset({"SCMScheduler", "DDPMWuerstchenScheduler"})
_LISTED: Final = frozenset({"LCMScheduler", "TCDScheduler", "DDPMScheduler"})
_SPACED: Final = frozenset({"DDIMScheduler", "PNDMScheduler"})
_MIDPOINTS: Final = frozenset(
    {"KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"}
)

Levels = npt.NDArray[np.float64]
SetTimesteps = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Tail:
    """How one kind of scheduler is made to walk a tail."""

    calls: Callable[[int], int]
    """Of the calls that are wanted, how many it can do: the nearest number that is not above."""
    walk: Callable[[Any, int, float, Mapping[str, Any]], float]
    """Makes a scheduler do so many calls from a strength on; what the strength then really is.

    The mapping has the arguments that the pipeline gave to `set_timesteps`.
    """
    whole: bool = True
    """Whether it walks all of the schedule as well, at a strength of 1, for pictures from words."""
    ends_clean: bool = False  # whether its last timestep is the clean picture's, not called for


def tail_of(scheduler: Any) -> Tail:
    """The way for a scheduler's class."""
    name = type(scheduler).__name__.replace("ParallelScheduler", "Scheduler")
    if name in _ENDING:
        return Tail(int, _walk_ending, whole=False, ends_clean=True)
    if name == "PNDMScheduler":
        return Tail(lambda wanted: 1 if wanted == 2 else wanted, _walk_multistep_spaced)
    if name in _SPACED:
        return Tail(int, _walk_spaced)
    if name in _LISTED:
        return Tail(int, _walk_listed)
    if not isinstance(getattr(scheduler, "sigmas", None), torch.Tensor):
        return Tail(int, _walk_slice, whole=False)
    if scheduler.order == 1:
        return Tail(int, _walk_sigmas)
    if name in _MIDPOINTS:
        return Tail(_odd, _walk_midpoints)
    return Tail(_odd, _walk_doubled)


def _odd(wanted: int) -> int:
    """A method of second order calls twice in each step, and once in the last."""
    return wanted - 1 + wanted % 2


def set_own(scheduler: Any, **arguments: Any) -> None:
    """Calls `set_timesteps` as the class has it, whatever stands in its place on the instance."""
    accepted = inspect.signature(type(scheduler).set_timesteps).parameters
    type(scheduler).set_timesteps(
        scheduler, **{name: value for name, value in arguments.items() if name in accepted}
    )


def _curve(scheduler: Any, given: Mapping[str, Any]) -> tuple[Levels, Levels]:
    """The timesteps and sigmas of a schedule of many steps, with the end that they lead to."""
    many = min(_MANY, scheduler.config.num_train_timesteps - 1)
    asked = {name: given[name] for name in ("mu",) if name in given}
    if given.get("sigmas") is not None:  # the pipeline has its own, linear from 1 to 1 / steps
        asked["sigmas"] = np.linspace(1.0, 1 / many, many)
        if given.get("timesteps") is not None:  # and shows the denoiser others, as CogView 4 does
            asked["timesteps"] = scheduler.config.num_train_timesteps * asked["sigmas"]
    else:
        asked["num_inference_steps"] = many
    dense = copy.copy(scheduler)
    set_own(dense, **asked)
    timesteps = dense.timesteps.double().cpu().numpy()
    sigmas = dense.sigmas.double().cpu().numpy()
    if hasattr(scheduler, "alphas_cumprod"):  # the offset of "leading" can lead above the top
        timesteps = timesteps.clip(max=scheduler.config.num_train_timesteps - 1)
    return np.append(timesteps, 0.0 if timesteps[-1] >= 0 else timesteps[-1]), sigmas


def _at(curve: Levels, strength: float, steps: int) -> Levels:
    """The levels of a curve at equal distances, from 1 - strength on."""
    last = len(curve) - 1
    where = last * (1 - strength * (1 - np.arange(steps) / steps))
    return np.interp(where, np.arange(len(curve)), curve)


def _from_start(scheduler: Any) -> None:
    scheduler._step_index = None
    scheduler.set_begin_index(0)


def _walk_sigmas(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """Euler, LMS, DPM-Solver, UniPC, DEIS, SA-Solver, EDM, flow matching: a sigma for each call."""
    timesteps, sigmas = _curve(scheduler, given)
    # Sets up what a solver of several steps remembers, for the right number of calls.
    _set_whole(scheduler, calls, given)
    _put(
        scheduler, _at(timesteps, strength, calls), _at(sigmas, strength, calls), sigmas[-1], given
    )
    return strength


def _walk_doubled(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """Heun: two calls for each level but the first, which has one."""
    timesteps, sigmas = _curve(scheduler, given)
    steps = (calls + 1) // 2
    _set_whole(scheduler, steps, given)
    doubled = [0, *np.arange(1, steps).repeat(2)]
    times, levels = (_at(each[_singles(each)], strength, steps) for each in (timesteps, sigmas))
    _put(scheduler, times[doubled], levels[doubled], sigmas[-1], given)
    return strength


def _singles(curve: Levels) -> list[int]:
    """Where the levels of a doubled schedule stand for the first time, and its end."""
    return [0, *range(1, len(curve) - 1, 2), len(curve) - 1]


def _set_whole(scheduler: Any, steps: int, given: Mapping[str, Any]) -> None:
    arguments = {"num_inference_steps": steps, "device": given.get("device")}
    if given.get("mu") is not None:
        arguments["mu"] = given["mu"]
    terminal = scheduler.config.get("shift_terminal")
    if terminal and steps == 1:  # it would divide by zero
        scheduler.register_to_config(shift_terminal=None)
    set_own(scheduler, **arguments)


def _put(
    scheduler: Any, timesteps: Levels, sigmas: Levels, last: float, given: Mapping[str, Any]
) -> None:
    old, device = scheduler.timesteps, given.get("device")
    if not old.is_floating_point():
        timesteps = timesteps.round()
    scheduler.timesteps = torch.from_numpy(timesteps).to(device=device, dtype=old.dtype)
    levels = torch.from_numpy(np.append(sigmas, last))
    scheduler.sigmas = levels.to(device=scheduler.sigmas.device, dtype=torch.float32)
    scheduler.num_inference_steps = len(timesteps)
    _from_start(scheduler)


def _walk_midpoints(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """KDPM2 and the SDE solver compute levels between, from the timestep that they start at.

    Their "trailing" spacing goes from there in equal steps, and they take it as an argument.
    """
    steps = (calls + 1) // 2
    timesteps, _ = _curve(scheduler, given)
    start = max(steps, round(float(_at(timesteps, strength, 1)[0])) + 1)
    scheduler.register_to_config(timestep_spacing="trailing")
    for near in (start, start - 1, start + 1, start - 2, start + 2):
        set_own(
            scheduler,
            num_inference_steps=steps,
            device=given.get("device"),
            num_train_timesteps=near,
        )
        if len(scheduler.timesteps) == calls:  # rounding adds a step at some numbers
            break
    _from_start(scheduler)
    if start > steps:
        return strength
    where = np.interp(start - 1, timesteps[::-1], np.arange(len(timesteps))[::-1])
    return 1 - float(where) / (len(timesteps) - 1)


def _integers(scheduler: Any, steps: int, strength: float) -> list[int]:
    """Timesteps that fall in equal distances, no two of them the same."""
    total = scheduler.config.num_train_timesteps
    start = min(total - (strength < 1), max(steps, round(total * strength)))
    grid = total // (getattr(scheduler.config, "original_inference_steps", None) or total)
    # Not the top, which would drop the picture, for a strength that is only near to 1.
    taught = min(round(start / grid), total // grid - (strength < 1))
    if grid > 1 and taught >= steps:  # the timesteps that the model was taught
        ends = np.linspace(taught, 0, steps, endpoint=False)
        return [int(each) * grid - 1 for each in np.ceil(ends)]
    return [round(float(each)) - 1 for each in np.linspace(start, 0, steps, endpoint=False)]


def _list(scheduler: Any, timesteps: list[int], given: Mapping[str, Any]) -> float:
    scheduler.timesteps = torch.tensor(timesteps, device=given.get("device"))
    scheduler.num_inference_steps = len(timesteps)
    return (timesteps[0] + 1) / float(scheduler.config.num_train_timesteps)


def _walk_listed(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """DDPM, LCM, TCD: each call reads the next timestep from the list."""
    real = _list(scheduler, _integers(scheduler, calls, strength), given)
    scheduler.custom_timesteps = True
    if hasattr(scheduler, "set_begin_index"):
        _from_start(scheduler)
    return real


def _walk_spaced(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """DDIM takes it that the distance between two timesteps is always the same."""
    timesteps = _integers(scheduler, calls, strength)
    gaps = [here - after for here, after in zip(timesteps, [*timesteps[1:], -1], strict=True)]
    _give_gaps(scheduler, gaps)
    return _list(scheduler, timesteps, given)


def _walk_multistep_spaced(
    scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]
) -> float:
    """PNDM, too, and it visits its second timestep twice, to have two slopes to begin with."""
    steps = max(1, calls - 1)
    timesteps = _integers(scheduler, steps, strength)
    gaps = [here - after for here, after in zip(timesteps, [*timesteps[1:], -1], strict=True)]
    # Instead of the Runge-Kutta steps, of which it cannot do a chosen number.
    scheduler.register_to_config(skip_prk_steps=True)
    set_own(scheduler, num_inference_steps=steps, device=given.get("device"))
    if calls > 1:
        timesteps.insert(1, timesteps[1])
        gaps.insert(0, gaps[0])
    _give_gaps(scheduler, gaps)
    return _list(scheduler, timesteps, given)


def _give_gaps(scheduler: Any, gaps: list[int]) -> None:
    """Before each step, tells the scheduler the distance to the timestep that follows.

    It computes the distance as total // num_inference_steps, which is exact with a fraction.
    """
    step, total = scheduler.step, scheduler.config.num_train_timesteps
    left = iter(gaps)

    @wraps(step)
    def spaced(*given: Any, **named: Any) -> Any:
        scheduler.num_inference_steps = Fraction(total, next(left))
        return step(*given, **named)

    scheduler.step = spaced


def _walk_ending(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """SCM and Wuerstchen: the list ends with 0, the clean picture, which is not called for."""
    default = inspect.signature(type(scheduler).set_timesteps).parameters.get("max_timesteps")
    most = given.get("max_timesteps") or (default.default if default else 1.0)
    scheduler.timesteps = torch.linspace(most * strength, 0, calls + 1, device=given.get("device"))
    scheduler.num_inference_steps = calls
    if hasattr(scheduler, "set_begin_index"):
        _from_start(scheduler)
    return strength


def _walk_slice(scheduler: Any, calls: int, strength: float, given: Mapping[str, Any]) -> float:
    """Any other: the end of its own schedule of as many steps as make the strength."""
    steps = max(calls, round(calls / strength))
    if strength < 1:
        steps = max(steps, calls + 1)  # never the whole, which would drop the picture
    set_own(scheduler, num_inference_steps=steps, device=given.get("device"))
    scheduler.timesteps = scheduler.timesteps[-calls:]
    return calls / steps
