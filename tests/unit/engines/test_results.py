from types import SimpleNamespace

import pytest
from PIL import Image
from underpaint.contract.errors import EngineFailed
from underpaint.engines.results import DecoderWatch, check_colours, drawn

FOX = Image.linear_gradient("L").convert("RGB")
NOBODY = DecoderWatch(None)


@pytest.mark.parametrize("colour", ["black", "white", (1, 2, 3)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_picture_of_one_colour_is_no_result(mode: str, colour: str | tuple[int, ...]) -> None:
    if mode == "L" and isinstance(colour, tuple):
        colour = "grey"
    image = Image.new("RGB", (32, 16), colour).convert(mode)
    with pytest.raises(EngineFailed, match="the model x made a picture of one colour only"):
        check_colours(image, "the model x")
    image.putpixel((31, 15), 77 if mode == "L" else (77,) * len(mode))
    assert check_colours(image, "the model x") is image


def test_a_picture_that_a_safety_checker_blanked_is_no_result() -> None:
    output = SimpleNamespace(images=[Image.new("RGB", (8, 8))], nsfw_content_detected=[True])
    with pytest.raises(EngineFailed, match="the safety checker of the model x blanked"):
        drawn(output, NOBODY, "the model x")


@pytest.mark.parametrize(
    "more", [{}, {"nsfw_content_detected": None}, {"nsfw_content_detected": [False]}]
)
def test_what_a_pipeline_drew_is_handed_on(more: dict[str, object]) -> None:
    assert drawn(SimpleNamespace(images=[FOX], **more), NOBODY, "the model x") is FOX
