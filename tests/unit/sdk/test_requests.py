from __future__ import annotations

import io
import logging
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.drafts import InitImage, Privacy
from underpaint.contract.edges import edge_map
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import LoraUse
from underpaint.contract.pictures import Digest
from underpaint.sdk.requests import PolishRequest

from tests.unit.contract.outside import saved, turned
from tests.unit.contract.samples import DRAFT

POLISH = PolishRequest(strength=0.6)


def chosen(picture: bytes) -> InitImage:
    digest = Digest.of(picture)
    return InitImage(draft=replace(DRAFT, digest=digest, privacy=Privacy.FULL), picture=picture)


def test_a_picture_is_sent_with_the_size_in_which_it_is_seen() -> None:
    picture = saved(Image.new("RGB", (96, 128), "teal"), "JPEG", exif=turned(6))
    wire = POLISH.to_wire(chosen(picture))
    assert (wire.init_width, wire.init_height) == (128, 96)


def test_colours_that_cannot_be_converted_are_told(caplog: pytest.LogCaptureFixture) -> None:
    picture = saved(Image.new("RGB", (96, 128), "teal"), "PNG", icc_profile=b"none")
    with caplog.at_level(logging.WARNING, "underpaint.sdk.requests"):
        POLISH.to_wire(chosen(picture))
    (record,) = caplog.records
    assert "colour profile cannot be used" in record.getMessage()


def test_what_is_no_picture_is_not_sent() -> None:
    with pytest.raises(InvalidRequest, match="corrupt"):
        POLISH.to_wire(chosen(b"none"))


PICTURE = saved(Image.new("RGB", (96, 64), "teal"), "PNG")


def test_what_goes_beside_a_draft_is_announced_and_a_coloured_mask_becomes_grey() -> None:
    mask = saved(Image.new("RGB", (96, 64), "white"), "JPEG")
    polish = replace(
        POLISH,
        mask=mask,
        control=edge_map(PICTURE),
        control_kind="edges",
        references=(saved(Image.new("RGB", (8, 8)), "JPEG"),),
        loras=(LoraUse(name="ink", weight=0.5),),
        scheduler="euler",
        clip_skip=2,
        control_scale=0.5,
    )
    inputs, wire = polish.inputs(chosen(PICTURE)), polish.to_wire(chosen(PICTURE))
    with Image.open(io.BytesIO(inputs.mask)) as grey:
        assert (grey.format, grey.mode) == ("PNG", "L")
    digests = (wire.init_image, wire.mask, wire.control, *wire.references)
    assert [each.sha256 for each in digests] == [Digest.of(p).sha256 for p in inputs.pictures]
    assert [each.media_type for each in digests][1:] == ["image/png", "image/png", "image/jpeg"]
    assert wire.control_kind == "edges"
    made = wire.request
    assert [(use.name, use.weight) for use in made.loras] == [("ink", 0.5)]
    assert (made.scheduler, made.clip_skip, made.control_scale) == ("euler", 2, 0.5)


def test_of_the_draft_s_own_prompt_only_the_distance_leaves() -> None:
    polish = PolishRequest(prompt="a dog in snow", draft_score=0.75)  # the draft's is "a cat"
    wire = polish.to_wire(chosen(PICTURE))
    assert (wire.auto_strength, wire.prompt_moved, wire.draft_score) == (True, 0.8, 0.75)
    assert not wire.request.HasField("strength")
    assert b"cat" not in wire.SerializeToString()
    own = POLISH.to_wire(chosen(PICTURE))
    assert (own.auto_strength, own.prompt_moved) == (False, 0.0)
    assert own.request.strength == 0.6


@pytest.mark.parametrize(
    "change", [{"control": PICTURE}, {"control_kind": "edges"}, {"draft_score": float("nan")}]
)
def test_a_request_that_no_orchestrator_takes_is_not_made(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        replace(POLISH, **change)
