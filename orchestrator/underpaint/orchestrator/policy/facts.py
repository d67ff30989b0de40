"""The fields that a condition may use, with their types and ranges, and where they come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from underpaint.contract.accounting import Budget
from underpaint.contract.drafts import Privacy
from underpaint.contract.generation import (
    MAX_CLIP_SKIP,
    MAX_GUIDANCE,
    MAX_SIDE,
    MAX_STEPS,
    MIN_SIDE,
    GenerationRequest,
)
from underpaint.contract.inputs import MAX_REFERENCES
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.contract.pictures import MAX_BYTES, MAX_PIXELS
from underpaint.contract.promotion import Priority, PromotionRequest

Fact: TypeAlias = str | int | float | bool | datetime | list[str]
Facts: TypeAlias = Mapping[str, Fact]
Kind = Literal["string", "int", "double", "bool", "timestamp", "list(string)"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a condition: its CEL type and its possible values."""

    kind: Kind
    by_engine: bool = False  # depends on the engine, because defaults and prices do
    only: tuple[str, ...] = ()  # the possible values of a string; empty for any
    least: float = -MAX_USD_MICROS
    most: float = MAX_USD_MICROS


# The prompt is not a field: fields are stored with the decision and shown when it is explained.
FIELDS: Final[Mapping[str, Field]] = {
    "draft.privacy": Field(kind="string", only=tuple(each.value for each in Privacy)),
    "draft.model": Field(kind="string"),
    "draft.count": Field(kind="int", least=1, most=10_000),
    "draft.width": Field(kind="int", least=1, most=MAX_PIXELS),
    "draft.height": Field(kind="int", least=1, most=MAX_PIXELS),
    "draft.bytes": Field(kind="int", least=1, most=MAX_BYTES),
    "request.engine": Field(kind="string"),  # the engine that was asked for; "" for any
    "request.at": Field(kind="timestamp"),
    "request.priority": Field(kind="string", only=tuple(each.value for each in Priority)),
    "request.strength": Field(kind="double", by_engine=True, least=0, most=1),
    "request.mask": Field(kind="bool"),
    "request.control": Field(kind="string"),  # the kind of the control map; "" without one
    "request.references": Field(kind="int", least=0, most=MAX_REFERENCES),
    "request.loras": Field(kind="list(string)"),  # their names
    "request.scheduler": Field(kind="string"),  # "" for the model's own
    "request.clip_skip": Field(kind="int", least=0, most=MAX_CLIP_SKIP),
    "request.width": Field(kind="int", by_engine=True, least=MIN_SIDE, most=MAX_SIDE),
    "request.height": Field(kind="int", by_engine=True, least=MIN_SIDE, most=MAX_SIDE),
    "request.pixels": Field(kind="int", by_engine=True, least=MIN_SIDE**2, most=MAX_SIDE**2),
    "request.num_inference_steps": Field(kind="int", by_engine=True, least=1, most=MAX_STEPS),
    "request.guidance_scale": Field(kind="double", by_engine=True, least=0, most=MAX_GUIDANCE),
    "quote.engine": Field(kind="string", by_engine=True),
    "quote.max_usd_micros": Field(kind="int", by_engine=True, least=0),
    # The hard limit of the account, in force today, that has the least left.
    "budget.limited": Field(kind="bool"),
    "budget.scope": Field(kind="string"),
    "budget.limit_usd_micros": Field(kind="int", least=0),
    "budget.spent_usd_micros": Field(kind="int", least=0),
    "budget.reserved_usd_micros": Field(kind="int", least=0),
    "budget.left_usd_micros": Field(kind="int"),
    "engines.healthy": Field(kind="list(string)"),
    "user.name": Field(kind="string"),
    "user.team": Field(kind="string"),
    "user.project": Field(kind="string"),
    "user.organisation": Field(kind="string"),
    "user.roles": Field(kind="list(string)"),
}


def of_request(request: PromotionRequest, asked_engine: str, at: datetime) -> dict[str, Fact]:
    """The facts of a request that do not depend on the engine.

    Args:
        request: with the defaults of any engine filled in.
        asked_engine: the engine that was asked for; "" for any.
        at: the time of the request, with a time zone.
    """
    account = request.account
    return {
        "draft.privacy": request.privacy.value,
        "draft.model": _whole(request.draft_model),
        "draft.count": request.draft_count,
        "draft.width": request.init_width,
        "draft.height": request.init_height,
        "draft.bytes": request.init_image.size,
        "request.engine": asked_engine,
        "request.at": at,
        "request.priority": request.priority.value,
        "request.mask": request.mask is not None,
        "request.control": request.control_kind,
        "request.references": len(request.references),
        "request.loras": [_whole(use.name) for use in request.request.loras],
        "request.scheduler": _whole(request.request.scheduler),
        "request.clip_skip": request.request.clip_skip,
        "user.name": account.user,
        "user.team": account.team,
        "user.project": account.project,
        "user.organisation": account.organisation,
    }


def at_engine(engine: str, request: GenerationRequest, max_usd_micros: int) -> dict[str, Fact]:
    """The facts of a request at one engine: what it would make, and the most it would cost."""
    return {
        "request.strength": request.strength or 0.0,
        "request.width": request.width,
        "request.height": request.height,
        "request.pixels": request.width * request.height,
        "request.num_inference_steps": request.num_inference_steps,
        "request.guidance_scale": float(request.guidance_scale),
        "quote.engine": engine,
        "quote.max_usd_micros": max_usd_micros,
    }


def _whole(text: str) -> str:
    """The library ends a text at a NUL: without this, "x\\0y" would count as "x"."""
    return text.replace("\0", "\ufffd")


def of_roles(roles: Collection[str]) -> dict[str, Fact]:
    """The fact about the caller's roles."""
    return {"user.roles": sorted(roles)}


def of_engines(healthy: Collection[str]) -> dict[str, Fact]:
    """The fact about which engines answer."""
    return {"engines.healthy": sorted(healthy)}


def of_limits(limits: Collection[Budget]) -> dict[str, Fact]:
    """The facts about the hard limit of an account that has the least left."""
    none = Budget(scope="", limit_usd_micros=0)
    hard = [each for each in limits if not each.soft]
    one = min(hard, key=lambda each: each.left_usd_micros, default=none)
    return {
        "budget.limited": one is not none,
        "budget.scope": one.scope,
        "budget.limit_usd_micros": one.limit_usd_micros,
        "budget.spent_usd_micros": one.spent_usd_micros,
        "budget.reserved_usd_micros": one.reserved_usd_micros,
        "budget.left_usd_micros": one.left_usd_micros,
    }
