"""What a cloud engine says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What an engine may take; a kind of control map is told as "control:edges".
NEGATIVE_PROMPT: Final = "negative_prompt"
STRENGTH: Final = "strength"
MASK: Final = "mask"
REFERENCES: Final = "references"
LORAS: Final = "loras"
CLIP_SKIP: Final = "clip_skip"


def control(kind: str) -> str:
    """How an engine says that it takes control maps of a kind."""
    return f"control:{kind}"


def scheduler(name: str) -> str:
    """How an engine says that it can be given a scheduler."""
    return f"scheduler:{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A LoRA that an engine can apply."""

    name: str
    digest: str  # SHA-256 of its file


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """One engine: its defaults, and what of a request it uses."""

    name: str
    model: str
    num_inference_steps: int
    guidance_scale: float
    strength: float
    family: str = ""  # the architecture, such as "sdxl"; "" if it is not told
    width: int = 0  # pixels that the model draws at; 0 if it is not told
    height: int = 0
    takes: tuple[str, ...] = ()  # empty if it is not told
    loras: tuple[Lora, ...] = ()
