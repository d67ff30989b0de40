from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from PIL import Image
from underpaint.contract.drafts import InitImage, Privacy
from underpaint.contract.errors import InvalidRequest
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
