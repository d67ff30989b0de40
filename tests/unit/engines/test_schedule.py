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
ODD = {"heun", "heun karras", "kdpm2", "kdpm2 ancestral", "sde", "flow heun"}
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
        more = {"mu": 0.8} if self.scheduler.config.get("use_dynamic_shifting") else {}
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
