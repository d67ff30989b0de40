"""Drafts, and how much of a draft may leave its device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from underpaint.contract.engines import Lora
from underpaint.contract.errors import PrivacyViolation
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest


class Privacy(Enum):
    """How much of a draft may leave."""

    DEVICE = "device"  # nothing may leave
    STRUCTURE = "structure"  # the prompt and an edge map may leave, but not the picture
    FULL = "full"  # the picture may leave if its artist promotes it

    @classmethod
    def _missing_(cls, value: object) -> Privacy:
        return cls.DEVICE  # the strictest, for a value that only a later version knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A picture made on the edge and the request that made it, without the picture's bytes."""

    id: str
    digest: Digest
    request: GenerationRequest
    privacy: Privacy
    model: str
    elapsed_ms: int
    created_at: datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldDraft:
    """A draft that was made and is not delivered."""

    seed: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An edge node: its model, the model's defaults, and how full the draft store is."""

    model: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    drafts: int
    draft_limit: int
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InitImage:
    """A draft that may leave its device, with the bytes of its picture.

    Clients accept only this type and never a `Draft`, so a draft that must stay on its device
    cannot be sent by mistake.

    Raises:
        PrivacyViolation: the draft must stay on its device.
    """

    draft: Draft
    picture: bytes

    def __post_init__(self) -> None:
        if self.draft.privacy is not Privacy.FULL:
            raise PrivacyViolation(
                f"draft {self.draft.id} has privacy '{self.draft.privacy.value}': its picture "
                "stays on this device; draft again with privacy 'full' to promote it"
            )
