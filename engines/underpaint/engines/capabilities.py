"""What the models of each family can do here, and which of it the tests have tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from underpaint.engines.families import FAMILIES
from underpaint.engines.families.family import Family, Layout, Start

# Layouts in which nothing can be put from outside.
_CLOSED: Final = frozenset({Layout.OTHER, Layout.PIXELS})
_STARTS: Final = {
    Start.OWN: "strength",
    Start.NOISED: "strength",
    Start.REFERENCE: "reference",
    Start.NEVER: "no",
}
ABILITIES: Final[Mapping[str, str]] = {
    "lite": "can be the Lite: draws from words alone",
    "full": "can be the Full: draws from a draft",
    "draft": "how it takes the draft: it starts from it, with a strength, or looks at it as a "
    "reference",
    "mask": "draws anew only where a mask is white",
    "control": "draws along a map, such as one of edges",
    "lora": "takes LoRAs",
    "previews": "shows previews while it draws",
    "cancel": "stops within one step",
}
_NONE: Final = "the tests have no checkpoint of it"
# Families whose checkpoints the tests do not have, and why.
UNTRIED: Final[Mapping[str, str]] = {
    "flux2-klein-kv": _NONE,
    "kandinsky5-edit": _NONE,
    "omnigen": "its processor is there only where torchvision is",
    "fibo-edit": _NONE,
    "joyimage-edit": _NONE,
    "joyimage-edit-plus": _NONE,
}
# What the file of a family says that it can, and yet does not work, and why.
_BREAKS: Final = "the part of transformers that looks at the draft breaks off"
NOT_YET: Final[Mapping[tuple[str, str], str]] = {
    **{("glm-image", each): _BREAKS for each in ("full", "draft", "mask")},
}
# Families that have a file of their own here, but do not load, and why.
UNLOADABLE: Final[Mapping[str, str]] = {
    "cosmos2": "diffusers loads it only with the package cosmos_guardrail and that one's weights",
}
_OLD: Final = "more than three years old, and followed by others of the table"
# Other models that draw from words, by the class of diffusers or the name, and why not.
OTHERS: Final[Mapping[str, str]] = {
    "UniDiffuserPipeline": _OLD,
    "KandinskyCombinedPipeline": _OLD,
    "LDMTextToImagePipeline": _OLD,
    "UnCLIPPipeline": _OLD,
    "VQDiffusionPipeline": _OLD,
    "VersatileDiffusionPipeline": _OLD,
    "AltDiffusionPipeline": _OLD,
    "StableUnCLIPPipeline": "it is given an embedding of a picture beside the prompt",
    "QwenImageLayeredPipeline": "it draws the layers of a picture instead of a picture",
    "HunyuanImage 3.0": "it brings code of its own, which is not run",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One ability of a family."""

    value: str  # "yes", "no", "strength" or "reference"
    tried: bool  # by a test with a tiny checkpoint of the family


@dataclass(frozen=True, slots=True)
class Row:
    """What a family can do."""

    family: str
    title: str
    cells: Mapping[str, Cell]  # by ability, in the order of ABILITIES
    untried: str = ""  # why no checkpoint of it is tried


def table() -> tuple[Row, ...]:
    """A row for each family that loads."""
    return tuple(row_of(family) for family in FAMILIES if family.name not in UNLOADABLE)


def not_loaded() -> dict[str, str]:
    """What draws from words and does not load, by its title, and why."""
    titles = {family.name: family.title for family in FAMILIES}
    return {titles[name]: why for name, why in UNLOADABLE.items()} | dict(OTHERS)


def row_of(family: Family) -> Row:
    """What a family can do."""
    name, tried = family.name, family.name not in UNTRIED
    cells = {
        ability: Cell("no" if (name, ability) in NOT_YET else value, tried)
        for ability, value in abilities_of(family).items()
    }
    return Row(name, family.title, cells, UNTRIED.get(name, ""))


def abilities_of(family: Family) -> dict[str, str]:
    """The value of each ability, from what the family's file says."""
    starts = _starts(family)
    draft = _STARTS[family.start] if starts else "no"
    return {
        "lite": _yes(family.text_to_image is not None),
        "full": _yes(starts),
        "draft": draft,
        "mask": _yes(takes_mask(family)),
        "control": _yes(bool(family.control) or family.own_control),
        "lora": _yes(family.loras),
        "previews": _yes(family.layout is not Layout.OTHER),
        "cancel": "yes",
    }


def takes_mask(family: Family) -> bool:
    """Whether it has a class for masks, or what is kept can be put back after each step."""
    return family.inpaint is not None or (_starts(family) and family.layout not in _CLOSED)


def _starts(family: Family) -> bool:
    noised = family.start is Start.NOISED
    return family.start is not Start.NEVER and not (noised and family.layout in _CLOSED)


def _yes(can: bool) -> str:
    return "yes" if can else "no"
