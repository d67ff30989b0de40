from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.utils import is_scipy_available, is_torchsde_available
from underpaint.engines.pipelines.schedule import exact_steps

SD: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
LEADING = SD | {"timestep_spacing": "leading", "steps_offset": 1}
DYNAMIC = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 0.9}

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", LEADING | {"set_alpha_to_one": False, "clip_sample": False}),
    "ddim trailing v": (
        "DDIMScheduler",
        SD
        | {
            "timestep_spacing": "trailing",
            "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True,
            "clip_sample": False,
        },
    ),
    "ddpm": ("DDPMScheduler", LEADING | {"clip_sample": False}),
    "pndm": ("PNDMScheduler", LEADING | {"skip_prk_steps": True}),
    "pndm prk": ("PNDMScheduler", LEADING),
    "lms": ("LMSDiscreteScheduler", SD),
    "euler": ("EulerDiscreteScheduler", LEADING),
    "euler v": ("EulerDiscreteScheduler", LEADING | {"prediction_type": "v_prediction"}),
    "euler trailing": ("EulerDiscreteScheduler", SD | {"timestep_spacing": "trailing"}),
    "euler karras": ("EulerDiscreteScheduler", LEADING | {"use_karras_sigmas": True}),
    "euler exponential": ("EulerDiscreteScheduler", LEADING | {"use_exponential_sigmas": True}),
    "euler beta": ("EulerDiscreteScheduler", LEADING | {"use_beta_sigmas": True}),
    "euler ancestral": ("EulerAncestralDiscreteScheduler", LEADING),
    "heun": ("HeunDiscreteScheduler", LEADING),
    "heun karras": ("HeunDiscreteScheduler", SD | {"use_karras_sigmas": True}),
    "kdpm2": ("KDPM2DiscreteScheduler", LEADING),
    "kdpm2 karras": ("KDPM2DiscreteScheduler", SD | {"use_karras_sigmas": True}),
    "kdpm2 ancestral": ("KDPM2AncestralDiscreteScheduler", LEADING),
    "dpm++ 2m": ("DPMSolverMultistepScheduler", LEADING),
    "dpm++ 2m karras": (
        "DPMSolverMultistepScheduler",
        SD | {"use_karras_sigmas": True, "timestep_spacing": "linspace"},
    ),
    "dpm++ 3m": ("DPMSolverMultistepScheduler", LEADING | {"solver_order": 3}),
    "dpm++ sde": ("DPMSolverMultistepScheduler", LEADING | {"algorithm_type": "sde-dpmsolver++"}),
    "dpm++ flow": (
        "DPMSolverMultistepScheduler",
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
    ),
    "dpm++ singlestep": ("DPMSolverSinglestepScheduler", SD),
    "unipc": ("UniPCMultistepScheduler", LEADING),
    "unipc flow": (
        "UniPCMultistepScheduler",
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0},
    ),
    "deis": ("DEISMultistepScheduler", LEADING),
    "sa-solver": ("SASolverScheduler", LEADING),
    "lcm": ("LCMScheduler", LEADING),
    "tcd": ("TCDScheduler", LEADING),
    "edm euler": ("EDMEulerScheduler", {}),
    "edm dpm": ("EDMDPMSolverMultistepScheduler", {}),
    "flow euler": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "flow euler dynamic": ("FlowMatchEulerDiscreteScheduler", DYNAMIC),
    "flow euler terminal": ("FlowMatchEulerDiscreteScheduler", DYNAMIC | {"shift_terminal": 0.02}),
    "flow euler karras": ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "flow euler beta": ("FlowMatchEulerDiscreteScheduler", {"use_beta_sigmas": True}),
    "flow euler stochastic": ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}),
    "flow heun": ("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}),
    "flow lcm": ("FlowMatchLCMScheduler", {"shift": 3.0}),
    "scm": ("SCMScheduler", {}),
    "wuerstchen": ("DDPMWuerstchenScheduler", {}),
    "sde": ("DPMSolverSDEScheduler", LEADING),
}
if not is_scipy_available():  # diffusers needs it for these, and we do not
    SCHEDULERS = {n: s for n, s in SCHEDULERS.items() if "beta" not in n and n != "lms"}
if not is_torchsde_available():
    del SCHEDULERS["sde"]
ODD = {"heun", "heun karras", "kdpm2", "kdpm2 karras", "kdpm2 ancestral", "sde", "flow heun"}
# By their own design they leave as much noise as their first timestep has.
LEAVES = 0.13
LEAVE = {"ddim", "pndm", "pndm prk", "deis", "sa-solver", "lcm", "tcd", "wuerstchen"}


class Pipeline:
    """As little of a pipeline as `exact_steps` sees."""

    def __init__(self, scheduler: Any, sigmas: bool) -> None:
        self.scheduler = scheduler
        self.sigmas = sigmas  # whether it sets them itself, as those of flow models do

    def set_timesteps(self, steps: int) -> Any:
        takes = inspect.signature(self.scheduler.set_timesteps).parameters
        more: dict[str, Any] = {}
        if self.scheduler.config.get("use_dynamic_shifting"):
            more["mu"] = 0.8
        if "intermediate_timesteps" in takes and steps != 2:
            more["intermediate_timesteps"] = None
        if self.sigmas and "sigmas" in takes:
            self.scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), **more)
        else:
            self.scheduler.set_timesteps(steps, **more)
        ends_clean = type(self.scheduler).__name__ in {"SCMScheduler", "DDPMWuerstchenScheduler"}
        return self.scheduler.timesteps[:-1] if ends_clean else self.scheduler.timesteps

    def get_timesteps(self, steps: int, strength: float, device: str) -> Any:
        raise AssertionError("the formula of the pipeline is asked")


def _pipeline(name: str) -> Pipeline:
    kind, config = SCHEDULERS[name]
    if kind == "DPMSolverSDEScheduler":
        config = {**config, "noise_sampler_seed": 0}
    return Pipeline(getattr(diffusers, kind)(**config), "flow euler" in name)


def _level(scheduler: Any, timestep: torch.Tensor, half: bool) -> tuple[Any, Any]:
    """How much of the picture and of the noise is in the latents before a call, as it sees it."""
    kind, at = type(scheduler).__name__, getattr(scheduler, "step_index", None)
    if kind == "SCMScheduler":
        return torch.cos(timestep), torch.sin(timestep)
    if kind == "DDPMWuerstchenScheduler":
        kept = scheduler._alpha_cumprod(timestep[None], "cpu")[0]
        return kept**0.5, (1 - kept) ** 0.5
    if not hasattr(scheduler, "sigmas"):
        kept = scheduler.alphas_cumprod[timestep]
        return kept**0.5, (1 - kept) ** 0.5
    at = at if at is not None else (scheduler.begin_index or 0)
    sigma = scheduler.sigmas[at]
    if hasattr(scheduler, "sigmas_interpol") and half:
        ancestral = kind == "KDPM2AncestralDiscreteScheduler"
        sigma = scheduler.sigmas_interpol[at - ancestral]
    elif kind == "DPMSolverSDEScheduler" and half:
        sigma = scheduler.mid_point_sigma
    if hasattr(scheduler, "scale_noise"):
        return 1 - sigma, sigma
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):
        return scheduler._sigma_to_alpha_sigma_t(sigma)
    return torch.tensor(1.0), sigma


def _denoise(scheduler: Any, timesteps: Any, clean: torch.Tensor, *, true_noise: bool) -> Any:
    """Denoises from the picture noised to the first level; the result and the first level.

    The denoiser is perfect: it knows the picture, or the noise that was added to it. The second
    would be answered by a wrong picture if the noise was added at another level than the one the
    scheduler thinks it is at.
    """
    torch.manual_seed(1)
    noise = torch.randn(clean.shape)
    first = timesteps[:1]
    if hasattr(scheduler, "scale_noise"):
        latents = scheduler.scale_noise(clean, first, noise)
    elif hasattr(scheduler, "add_noise"):
        latents = scheduler.add_noise(clean, noise, first)
    else:
        latents = torch.cos(first) * clean + torch.sin(first) * noise
    config = scheduler.config
    kind = config.get("prediction_type", "epsilon")
    started = _level(scheduler, timesteps[0], False)
    for count, timestep in enumerate(timesteps):
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(latents, timestep)
        kept, sigma = _level(scheduler, timestep, count % 2 == 1)
        share = latents
        guess = noise if true_noise or sigma == 0 else (share - kept * clean) / sigma
        if hasattr(scheduler, "scale_noise") or kind == "flow_prediction":
            output = guess - clean
        elif kind == "trigflow":
            output = kept * guess - sigma * clean
        elif "EDM" in type(scheduler).__name__:
            data = config.sigma_data
            skip = data**2 / (sigma**2 + data**2)
            output = (clean - skip * share) * (sigma**2 + data**2) ** 0.5 / (sigma * data)
        elif kind == "v_prediction":
            scale = (kept**2 + sigma**2) ** 0.5
            output = (kept * guess - sigma * clean) / scale
        else:
            output = guess
        takes = inspect.signature(scheduler.step).parameters
        if "Wuerstchen" in type(scheduler).__name__:
            timestep = timestep[None]
        assert "model_output" in takes
        latents = scheduler.step(output, timestep, latents, return_dict=False)[0]
    return latents, started


def _clean() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(1, 4, 8, 8) - 0.5


def _cases() -> Iterator[tuple[int, float]]:
    for steps in (1, 2, 3, 4, 8, 28, 50):
        for strength in (0.01, 0.1, 0.3, 0.6, 0.9, 0.99, 1.0):
            yield steps, strength


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_start_from_a_picture_takes_exactly_these_steps_and_ends_at_the_picture(
    name: str,
) -> None:
    pipeline, clean = _pipeline(name), _clean()
    for steps, strength in _cases():
        with exact_steps(pipeline, steps, strength) as planned:
            timesteps = pipeline.set_timesteps(steps)
            assert pipeline.get_timesteps(steps, strength, "cpu")[1] == planned.calls
            latents, _ = _denoise(pipeline.scheduler, timesteps, clean, true_noise=False)
        expected = steps - 1 + steps % 2 if name in ODD else steps
        if "pndm" in name and steps == 2:
            expected = 1
        assert len(timesteps) == planned.calls == expected
        worst = float((latents - clean).abs().max())
        assert worst < (LEAVES if name in LEAVE else 1e-3), (steps, strength, worst)


# They draw noise of their own between two steps, or predict the picture.
RANDOM = {
    "ddpm", "euler ancestral", "kdpm2 ancestral", "dpm++ sde", "sa-solver", "lcm", "tcd", "sde",
    "flow euler stochastic", "flow lcm", "scm", "wuerstchen", "edm euler", "edm dpm",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name not in RANDOM])
def test_noise_is_added_at_the_level_that_the_first_step_starts_from(name: str) -> None:
    pipeline, clean = _pipeline(name), _clean()
    for steps, strength in _cases():
        if strength == 1.0:  # nothing is left of the picture to be found again
            continue
        with exact_steps(pipeline, steps, strength):
            timesteps = pipeline.set_timesteps(steps)
            latents, _ = _denoise(pipeline.scheduler, timesteps, clean, true_noise=True)
        worst = float((latents - clean).abs().max())
        assert worst < (LEAVES if name in LEAVE else 2e-3), (steps, strength, worst)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_strength_starts_at_its_fraction_of_the_whole_schedule(name: str) -> None:
    whole = _pipeline(name)
    many = 50 if name in {"lcm", "tcd"} else 990
    levels = [float(each) for each in whole.set_timesteps(many)]
    unlogged = levels if min(levels) >= 0 else [float(np.exp(4 * each)) for each in levels]
    apart = many // 50  # 0.02 of it
    span = max(abs(a - b) for a, b in zip(unlogged, unlogged[apart:], strict=False))
    pipeline = _pipeline(name)
    for steps, strength in _cases():
        with exact_steps(pipeline, steps, strength) as planned:
            first = float(pipeline.set_timesteps(steps)[0])
        at = unlogged[min(len(levels) - 1, round((1 - planned.strength) * len(levels)))]
        first = first if min(levels) >= 0 else float(np.exp(4 * first))
        assert abs(first - at) <= span + 1, (steps, strength, first, at)
        # Integer timesteps must be different ones, so that many steps need some strength.
        room = max(0.02, (steps - 1) / 1000)
        if name == "kdpm2 karras" and strength < 0.3:
            room = 0.3  # many of its steps lie below the first timestep
        assert abs(planned.strength - strength) <= room, (steps, strength)
        assert planned.strength < 1 or strength == 1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_picture_from_words_takes_as_many_steps_as_the_scheduler_can(name: str) -> None:
    pipeline, clean = _pipeline(name), _clean()
    for steps in (1, 2, 3, 4, 28, 60, 61):
        with exact_steps(pipeline, steps, None) as planned:
            expected = planned.calls
            timesteps = pipeline.set_timesteps(steps)
            latents, _ = _denoise(pipeline.scheduler, timesteps, clean, true_noise=False)
        nearest = steps - 1 + steps % 2 if name in ODD else steps
        if "pndm" in name and steps == 2:
            nearest = 1
        assert len(timesteps) == planned.calls == expected == nearest
        assert latents.isfinite().all()
        worst = float((latents - clean).abs().max())
        rounds = name in LEAVE or name == "ddim trailing v"
        assert worst < (LEAVES if rounds else 2e-2), (steps, worst)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_scheduler_is_afterwards_as_it_was_even_if_the_call_breaks(name: str) -> None:
    pipeline = _pipeline(name)
    pipeline.set_timesteps(20)
    before = {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(pipeline.scheduler).items()
    }
    for strength in (0.4, None):
        with pytest.raises(ZeroDivisionError), exact_steps(pipeline, 7, strength):  # noqa: PT012
            timesteps = pipeline.set_timesteps(7)
            _denoise(pipeline.scheduler, timesteps[:2], _clean(), true_noise=False)
            raise ZeroDivisionError
    after = vars(pipeline.scheduler)
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] or after[key] == before[key] for key in before)
    assert "get_timesteps" not in vars(pipeline)


def test_one_step_from_words_begins_with_noise_whatever_the_spacing() -> None:
    for name in ("euler", "ddim", "pndm", "dpm++ 2m", "unipc"):
        pipeline = _pipeline(name)
        with exact_steps(pipeline, 1, None):
            assert float(pipeline.set_timesteps(1)[0]) > 990, name


def test_a_scheduler_of_another_kind_walks_the_end_of_its_own_schedule() -> None:
    pipeline = Pipeline(diffusers.IPNDMScheduler(), sigmas=False)
    with exact_steps(pipeline, 6, 0.6):
        tail = pipeline.set_timesteps(6)
    assert len(tail) == 6
    pipeline.set_timesteps(10)
    assert torch.equal(tail, pipeline.scheduler.timesteps[-6:])
