import dataclasses
from typing import Any

import pytest
from underpaint.contract.drafts import InitImage, Privacy
from underpaint.contract.errors import InvalidRequest, PrivacyViolation
from underpaint.contract.generation import GenerationRequest, LoraUse, check_asked

from tests.unit.contract import samples


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": "\u200b\u2800\ufe0f"},  # nothing that is seen
        {"prompt": "x" * 1_001},
        {"negative_prompt": "x" * 1_001},
        {"seed": -1},
        {"seed": 2**63},
        {"width": 0},
        {"width": 100},
        {"width": 56},
        {"height": 2_056},
        {"num_inference_steps": 0},
        {"num_inference_steps": 151},
        {"guidance_scale": -0.1},
        {"guidance_scale": 30.1},
        {"guidance_scale": float("nan")},
        {"guidance_scale": float("inf")},
        {"strength": 0.0},
        {"strength": 1.01},
        {"strength": float("nan")},
        {"loras": tuple(LoraUse(name=f"l{number}") for number in range(9))},
        {"loras": (LoraUse(name="ink"), LoraUse(name="ink", weight=0.5))},
        {"scheduler": "x" * 101},
        {"clip_skip": 13},
        {"clip_skip": -1},
        {"control_scale": 2.1},
        {"control_scale": float("nan")},
    ],
)
def test_a_request_no_engine_takes_does_not_exist(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        dataclasses.replace(samples.REQUEST, **change)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change", [{"name": ""}, {"name": "x" * 101}, {"weight": 2.1}, {"weight": float("nan")}]
)
def test_a_lora_has_a_name_and_a_weight_in_range(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        LoraUse(**{"name": "ink", "weight": 1.0} | change)


def test_the_limits_themselves_are_taken() -> None:
    for change in (
        {"prompt": "x" * 1_000},
        {"seed": 0},
        {"width": 64, "height": 2_048},
        {"num_inference_steps": 150, "guidance_scale": 30.0, "strength": 1.0},
        {"loras": tuple(LoraUse(name=f"l{number}", weight=-2) for number in range(8))},
        {"clip_skip": 12, "control_scale": 2.0},
    ):
        assert dataclasses.replace(samples.REQUEST, **change)


def test_a_draft_that_must_stay_cannot_be_made_into_what_is_sent() -> None:
    for privacy in (Privacy.DEVICE, Privacy.STRUCTURE):
        with pytest.raises(PrivacyViolation, match=privacy.value):
            InitImage(draft=dataclasses.replace(samples.DRAFT, privacy=privacy), picture=b"x")
    full = dataclasses.replace(samples.DRAFT, privacy=Privacy.FULL)
    assert InitImage(draft=full, picture=b"x").picture == b"x"


def asked(**changes: Any) -> GenerationRequest:
    return dataclasses.replace(samples.REQUEST, **changes)


@pytest.mark.parametrize("strength", [1e-7, 0.0099])
def test_a_strength_that_keeps_everything_is_refused(strength: float) -> None:
    """1e-7 had a schedule of 280 million steps made, in 9 GiB."""
    request = asked(strength=strength, num_inference_steps=1)
    with pytest.raises(InvalidRequest, match=r"use 0\.01 \(keep the draft\) to 1"):
        check_asked(request)


def test_a_schedule_is_bounded_and_the_way_out_is_named() -> None:
    assert check_asked(asked(strength=0.15, num_inference_steps=150))
    assert check_asked(asked(strength=0.01, num_inference_steps=10))
    with pytest.raises(InvalidRequest, match=r"need a schedule of 3,000 steps") as refused:
        check_asked(asked(strength=0.05, num_inference_steps=150))
    assert "at most 50 steps, or a strength of at least 0.15" in str(refused.value)
    assert check_asked(asked(strength=0.05, num_inference_steps=50))
