"""What an engine says that it takes, against what is asked of it."""

from dataclasses import replace
from typing import Any

import pytest
from underpaint.contract.engines import EngineDescription, Lora
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import LoraUse
from underpaint.contract.pictures import Digest
from underpaint.orchestrator.promotions.taking import check_taken

from tests.unit.orchestrator.samples import GENERATION, promotion_request

DIGEST = Digest.of(b"x")
FLUX = EngineDescription(
    name="full",
    model="flux",
    family="flux",
    num_inference_steps=28,
    guidance_scale=3.5,
    strength=0.6,
    takes=("strength", "control:edges"),
    loras=(Lora(name="gold", digest="a" * 64),),
)
TAKES = "engine full (flux) takes no {}; it takes strength, control:edges"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mask": DIGEST}, TAKES.format("mask")),
        (
            {"control": DIGEST, "control_kind": "depth"},
            TAKES.format("control map of kind 'depth'"),
        ),
        ({"references": (DIGEST,)}, TAKES.format("references")),
        (
            {"request": replace(GENERATION, loras=(LoraUse(name="ink"),))},
            "engine full (flux) has no LoRA ink; it has gold",
        ),
    ],
)
def test_what_changes_the_picture_is_refused_with_what_would_do(
    changes: dict[str, Any], told: str
) -> None:
    request = promotion_request(**changes)
    with pytest.raises(InvalidRequest) as refused:
        check_taken(FLUX, request)
    assert str(refused.value) == told
    # An engine of an earlier version says nothing; it is asked, and answers for itself.
    assert check_taken(replace(FLUX, takes=()), request) == ()


def test_what_is_merely_left_out_is_warned_of() -> None:
    asked = replace(GENERATION, negative_prompt="blur", clip_skip=2)
    warnings = check_taken(replace(FLUX, takes=("mask",)), promotion_request(request=asked))
    assert [each.split(" leaves ")[1].split(" out")[0] for each in warnings] == [
        "the negative prompt",
        "clip_skip",
        "the strength",
    ]
    taken = replace(FLUX, takes=("negative_prompt", "clip_skip", "strength"))
    assert check_taken(taken, promotion_request(request=asked)) == ()


def test_a_scheduler_that_it_has_not_is_refused_with_those_that_it_has() -> None:
    has = replace(FLUX, takes=("strength", "scheduler:euler", "scheduler:heun"))
    assert check_taken(has, promotion_request(request=replace(GENERATION, scheduler="heun"))) == ()
    lcm = promotion_request(request=replace(GENERATION, scheduler="lcm"))
    with pytest.raises(InvalidRequest, match="no scheduler lcm; it has euler, heun"):
        check_taken(has, lcm)
    with pytest.raises(InvalidRequest, match="no scheduler lcm; it keeps its own"):
        check_taken(FLUX, lcm)


def test_what_it_has_is_taken() -> None:
    edges = promotion_request(
        control=DIGEST,
        control_kind="edges",
        request=replace(GENERATION, loras=(LoraUse(name="gold", weight=0.5),)),
    )
    assert check_taken(FLUX, edges) == ()
