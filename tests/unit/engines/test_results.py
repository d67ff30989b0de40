from types import SimpleNamespace

import pytest
from PIL import Image
from underpaint.contract.errors import ResultFlagged, ResultUnusable
from underpaint.engines.results import DecoderWatch, check_colours, drawn

FOX = Image.linear_gradient("L").convert("RGB")
NOBODY = DecoderWatch(None)


@pytest.mark.parametrize("colour", ["black", "white", (1, 2, 3)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_picture_of_one_colour_is_no_result(mode: str, colour: str | tuple[int, ...]) -> None:
    if mode == "L" and isinstance(colour, tuple):
        colour = "grey"
    image = Image.new("RGB", (32, 16), colour).convert(mode)
    with pytest.raises(ResultUnusable, match="the model x made a picture of one colour only"):
        check_colours(image, "the model x")
    image.putpixel((31, 15), 77 if mode == "L" else (77,) * len(mode))
    assert check_colours(image, "the model x") is image


@pytest.mark.parametrize("told", ["nsfw_content_detected", "nsfw_detected"])
def test_a_picture_that_a_safety_checker_flagged_is_no_result(told: str) -> None:
    output = SimpleNamespace(images=[Image.new("RGB", (8, 8))], **{told: [True]})
    with pytest.raises(ResultFlagged, match="the safety checker of the model x flagged"):
        drawn(output, NOBODY, "the model x")


@pytest.mark.parametrize(
    "more", [{}, {"nsfw_content_detected": None}, {"nsfw_content_detected": [False]}]
)
def test_what_a_pipeline_drew_is_handed_on(more: dict[str, object]) -> None:
    assert drawn(SimpleNamespace(images=[FOX], **more), NOBODY, "the model x") is FOX
