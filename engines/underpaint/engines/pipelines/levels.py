"""How much of the picture and how much of the noise is in the latents at a step of a schedule."""

from __future__ import annotations

import math
from typing import Any

import torch


def level_of(scheduler: Any, index: int) -> tuple[float, float]:
    """The share of the clean latents and that of the noise before a call of the denoiser.

    Args:
        scheduler: whose timesteps are set.
        index: of the call; the number of calls for the clean latents after the last one.
    """
    kind = type(scheduler).__name__
    timesteps = scheduler.timesteps
    if index >= len(timesteps):
        return 1.0, 0.0
    if kind == "SCMScheduler":
        angle = float(timesteps[index])
        return math.cos(angle), math.sin(angle)
    if kind == "DDPMWuerstchenScheduler":
        return _of_product(scheduler._alpha_cumprod(timesteps[index][None], timesteps.device)[0])
    if not hasattr(scheduler, "sigmas"):
        return _of_product(scheduler.alphas_cumprod[int(timesteps[index])])
    sigma = _sigma(scheduler, index)
    if hasattr(scheduler, "scale_noise"):  # flow matching
        return 1 - sigma, sigma
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):
        kept, noise = scheduler._sigma_to_alpha_sigma_t(torch.tensor(sigma))
        return float(kept), float(noise)
    return 1.0, sigma


def _of_product(product: Any) -> tuple[float, float]:
    return math.sqrt(product), math.sqrt(1 - float(product))


def _sigma(scheduler: Any, index: int) -> float:
    """Those with a call between two levels have its sigma elsewhere."""
    kind, between = type(scheduler).__name__, index % 2 == 1
    if between and kind == "KDPM2DiscreteScheduler":
        return float(scheduler.sigmas_interpol[index])
    if between and kind == "KDPM2AncestralDiscreteScheduler":
        return float(scheduler.sigmas_interpol[index - 1])
    if between and kind == "DPMSolverSDEScheduler":
        return math.sqrt(scheduler.sigmas[index - 1] * scheduler.sigmas[index])
    return float(scheduler.sigmas[index])


def noised(scheduler: Any, index: int, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Latents with as much noise as the schedule has before a call."""
    kept, share = level_of(scheduler, index)
    return kept * clean + share * noise
