"""How a model is loaded, and the settings of both tiers for it. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode
from underpaint.contract.paths import expanded
from underpaint.engines.placement import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a model is loaded."""

    placement: Placement = field(default_factory=Placement)
    data_dir: Path | None = None  # where the cards of hub ids and single files are
    loras: tuple[str, ...] = ()  # FILE or FILE:weight
    embeddings: tuple[Path, ...] = ()  # textual inversions, beside those in its own folder
    control: Path | None = None  # the directory of a ControlNet
    tiny_vae: bool = False  # whether the tiny autoencoder beside it decodes results, too


def _listed(value: Any) -> Any:
    """One setting with commas between its values, as an environment variable has to be."""
    return [each for each in value.split(",") if each] if isinstance(value, str) else value


# pydantic-settings would read the variable as JSON.
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class AdditionSettings(BaseModel):
    """The settings of both tiers for what is added to a model; mixed into each tier's settings."""

    lora: Listed = Field(
        (),
        description="FILE[:WEIGHT] of a LoRA for every picture, with the weight 1 unless it is "
        "given; with 0 only for requests that name it; may be given again",
    )
    embedding: Listed = Field(
        (),
        description="FILE of a textual inversion; its name is the word for it; may be given again",
    )

    @property
    def embeddings(self) -> tuple[Path, ...]:
        """The files of the textual inversions."""
        return tuple(expanded(Path(file)) for file in self.embedding)
