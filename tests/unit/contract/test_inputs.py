import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.chunks import split
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import (
    MAX_MAP_BYTES,
    Arrivals,
    InputDigests,
    announced,
    check_announced,
    check_inputs,
    grey_mask,
)
from underpaint.contract.pictures import Digest

from tests.unit.contract import samples


def png(width: int, height: int, colour: Any, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), colour).save(out, "PNG")
    return out.getvalue()


DRAFT = png(96, 64, (10, 200, 30))
MASK = png(96, 64, 255, "L")


def test_a_mask_of_another_size_is_told_both_sizes() -> None:
    with pytest.raises(InvalidRequest, match=r"the mask is 64 x 64, the draft 96 x 64; paint"):
        check_inputs(Inputs(init_image=DRAFT, mask=png(64, 64, 255, "L")))


def test_a_mask_of_zeros_has_nothing_to_draw() -> None:
    for black in (png(96, 64, 0, "L"), png(96, 64, (255, 255, 255, 0), "RGBA")):
        with pytest.raises(InvalidRequest, match="black everywhere, so nothing would be drawn"):
            check_inputs(Inputs(init_image=DRAFT, mask=black))


def test_a_mask_in_colour_is_brought_to_grey_and_a_grey_one_stays() -> None:
    grey = grey_mask(png(96, 64, (255, 0, 0)))
    with Image.open(io.BytesIO(grey)) as seen:
        assert (seen.mode, seen.size, seen.getpixel((0, 0))) == ("L", (96, 64), 76)
    assert grey_mask(MASK) == MASK
    mask = check_inputs(Inputs(init_image=DRAFT, mask=png(96, 64, (255, 0, 0)))).mask
    assert mask is not None
    assert (mask.mode, mask.getpixel((0, 0))) == ("L", 76)


@pytest.mark.parametrize(
    ("size", "result", "taken"),
    [
        ((96, 64), None, True),
        ((960, 640), None, True),  # the draft's shape
        ((128, 128), (256, 256), True),  # the result's shape
        ((128, 128), None, False),
        ((64, 96), (256, 256), False),
    ],
)
def test_a_control_map_has_the_shape_of_the_draft_or_the_result(
    size: tuple[int, int], result: tuple[int, int] | None, taken: bool
) -> None:
    inputs = Inputs(init_image=DRAFT, control=png(*size, 255, "L"), control_kind="edges")
    if taken:
        assert check_inputs(inputs, result).control_kind == "edges"
        return
    with pytest.raises(InvalidRequest, match=rf"control map is {size[0]} x {size[1]}, the draft"):
        check_inputs(inputs, result)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mask": b"no picture"}, "mask: the picture is corrupt"),
        ({"mask": bytes(MAX_MAP_BYTES + 1)}, "mask: the picture has 1,048,577 bytes"),
        ({"mask": png(2_056, 64, 255, "L")}, "mask is 2056 x 64; at most 2,048 pixels a side"),
        ({"control": DRAFT}, "control_kind is ''; say what"),
        ({"control_kind": "edges"}, "'edges' without a control map"),
        ({"references": (DRAFT, b"no picture")}, "reference 2: the picture is corrupt"),
        ({"references": (DRAFT,) * 5}, "5 references are given; send at most 4"),
        ({"references": (bytes(3 * 2**20),) * 3}, "9,437,184 bytes together"),
    ],
)
def test_an_error_names_the_picture(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_inputs(replace(Inputs(init_image=DRAFT), **changes))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mask": Digest(sha256="a" * 64, size=MAX_MAP_BYTES + 1)}, "mask has 1,048,577 bytes"),
        ({"control": Digest(sha256="a" * 64, size=0)}, "control has 0 bytes"),
        ({"control": None}, "without a control map"),
        ({"control_kind": "../x"}, "say what the control map shows"),
        ({"references": (Digest.of(b"x", "image/gif"),)}, "reference 1 is 'image/gif'"),
        ({"references": (Digest.of(b"x"),) * 5}, "5 references"),
        ({"references": (Digest(sha256="a" * 64, size=3 * 2**20),) * 3}, "bytes together"),
    ],
)
def test_what_is_announced_is_checked_before_it_is_sent(changes: dict[str, Any], told: str) -> None:
    check_announced(samples.PROMOTION_REQUEST.inputs)
    with pytest.raises(InvalidRequest) as refused:
        check_announced(replace(samples.PROMOTION_REQUEST.inputs, **changes))
    assert told in str(refused.value)


def arriving(inputs: Inputs) -> InputDigests:
    return InputDigests(
        init_image=Digest.of(inputs.init_image),
        mask=Digest.of(inputs.mask) if inputs.mask else None,
        control=Digest.of(inputs.control) if inputs.control else None,
        control_kind=inputs.control_kind,
        references=tuple(map(Digest.of, inputs.references)),
    )


ALL = Inputs(
    init_image=b"i" * 300_000,
    mask=b"m" * 300_000,
    control=b"c",
    control_kind="edges",
    references=(b"r", b"s" * 600_000),
)


@pytest.mark.parametrize("inputs", [ALL, replace(ALL, mask=b""), Inputs(init_image=b"i")])
def test_pictures_arrive_one_after_the_other(inputs: Inputs) -> None:
    request = arriving(inputs)
    arrivals = Arrivals(request)
    for picture in inputs.pictures:
        for chunk in split(picture):
            arrivals.add(chunk)
    assert arrivals.inputs() == inputs
    assert arrivals.size == sum(map(len, inputs.pictures))
    assert len(announced(request)) == len(inputs.pictures)


def arrived(inputs: Inputs) -> Inputs:
    arrivals = Arrivals(arriving(ALL))
    for picture in inputs.pictures:
        for chunk in split(picture):
            arrivals.add(chunk)
    return arrivals.inputs()


def test_a_picture_that_differs_or_lacks_bytes_is_named() -> None:
    for mask in (b"x" * 300_000, b"m"):
        with pytest.raises(InvalidRequest, match=r"^mask: "):
            arrived(replace(ALL, mask=mask))
