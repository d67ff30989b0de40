"""A row of the table of well-known models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How a well-known model, or a model with a well-known LoRA, is called."""

    title: str
    ids: tuple[str, ...] = ()  # on the hub
    words: str = ""  # a regular expression for the name, as `naming.spaced` writes it
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    scheduler: Mapping[str, Any] = field(default_factory=dict)  # changes to the configuration
    scheduler_name: str = ""  # of `schedulers.SCHEDULERS`
    call: Mapping[str, Any] = field(default_factory=dict)  # further keyword arguments
    trigger: str = ""  # words that go before each prompt
    lora: bool = False  # a LoRA that makes a model need few steps
    confirmed: bool = True  # whether a source of its makers was read

    @property
    def told(self) -> str:
        """What it is called with, for people."""
        doubt = "" if self.confirmed else ", which is not confirmed"
        return f"{self._called}{doubt}"

    @property
    def _called(self) -> str:
        steps = "" if self.steps is None else f"{self.steps} step{'s' * (self.steps != 1)}"
        if self.guidance is None:
            return steps or "as its family"
        said = f"guidance {self.guidance:g}" if self.guidance > 0 else "no guidance"
        return f"{steps}, {said}" if steps else said


# "4step", "4 steps": the N-step models of one maker differ in nothing else.
STEPS: Final = r"(?P<steps>\d+) ?steps?\b"
TRAILING: Final = {"timestep_spacing": "trailing"}
