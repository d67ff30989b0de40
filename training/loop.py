"""What all training stages share: averaged weights, checkpoints, a learning rate, a log."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from tqdm import tqdm

RUNS = Path(__file__).with_name("runs")


class Loop:
    """A training run in a folder: stop it at any moment, and it goes on from its checkpoint.

    Iterating gives the step numbers that are left. `average` holds the averaged weights, which
    are the ones worth keeping.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        steps: int,
        learning_rate: float,
        warmup: int = 100,
        average_over: int = 1000,
        weight_decay: float = 0.01,
        save_seconds: float = 120,
        seed: int = 0,
    ) -> None:
        self.folder = RUNS / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False).eval()
        self.steps, self.learning_rate, self.warmup = steps, learning_rate, warmup
        self.average_over, self.save_seconds = average_over, save_seconds
        decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
        plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": plain},
        ]
        self.optimizer = AdamW(
            groups,
            lr=learning_rate,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=True,
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self._resume()
        self.first = self.step
        """The step that this process begins with."""

    @property
    def checkpoint(self) -> Path:
        """Where the run is kept."""
        return self.folder / "checkpoint.pt"

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        stored: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(stored["model"])
        self.average.load_state_dict(stored["average"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.generator.set_state(stored["generator"])
        self.step, self.seconds = stored["step"], stored["seconds"]

    def save(self) -> None:
        """Write the checkpoint so that a cut in the middle leaves the old one whole."""
        fresh = self.checkpoint.with_suffix(".new")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "step": self.step,
                "seconds": self.seconds,
            },
            fresh,
        )
        fresh.replace(self.checkpoint)

    def __iter__(self) -> Any:
        saved = started = time.monotonic()
        with tqdm(
            total=self.steps, initial=self.step, desc=self.folder.name, mininterval=10
        ) as bar:
            while self.step < self.steps:
                yield self.step
                self.step += 1
                bar.update()
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                if self.step % 50 == 0:
                    loss = sum(self.losses) / max(1, len(self.losses))
                    self.losses.clear()
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                    record = {"step": self.step, "seconds": round(self.seconds), "loss": loss}
                    with (self.folder / "log.jsonl").open("a") as log:
                        log.write(json.dumps(record) + "\n")
                if now - saved > self.save_seconds:
                    self.save()
                    saved = now
        self.save()

    def descend(self, loss: torch.Tensor) -> None:
        """One optimiser step on the loss: warm-up, then a cosine to nothing."""
        progress = self.step / self.steps
        rate = self.learning_rate * min(1.0, (self.step + 1) / self.warmup)
        rate *= 0.5 * (1 + math.cos(math.pi * progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.losses.append(loss.item())
        # Early on a short average, or it would be full of the random start.
        keep = min(1 - 1 / self.average_over, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(
            list(self.average.parameters()),
            [parameter.detach() for parameter in self.model.parameters()],
            1 - keep,
        )
