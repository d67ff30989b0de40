"""The edge map of a draft, as ControlNets for Canny maps take it."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from underpaint.contract.edges import draw_edges, edge_map
from underpaint.contract.pictures import encode_png

RENDERS = Path(__file__).parents[2] / "data/true-renders.png"


def share(lines: Image.Image) -> float:
    return lines.histogram()[255] / (lines.width * lines.height)


def test_edges_are_thin_white_lines_on_black() -> None:
    with Image.open(RENDERS) as renders:
        lines = draw_edges(renders)
        assert lines.size == renders.size
    assert lines.mode == "L"
    assert set(lines.tobytes()) == {0, 255}
    assert 0.03 < share(lines) < 0.1  # neither nearly nothing nor a scribble


@pytest.mark.parametrize(
    ("ground", "thing"),
    [
        ((0, 100, 0), (196, 0, 0)),  # as bright as what is around it
        ((50, 50, 50), (200, 50, 50)),
        ((50, 50, 50), (50, 200, 50)),
        ((50, 50, 50), (50, 50, 200)),
    ],
)
def test_a_thing_of_another_colour_has_its_outline(
    ground: tuple[int, int, int], thing: tuple[int, int, int]
) -> None:
    picture = Image.new("RGB", (64, 64), ground)
    picture.paste(thing, (16, 16, 48, 48))
    lines = draw_edges(picture)
    assert lines.crop((15, 30, 19, 31)).getbbox()  # the left side
    assert lines.crop((30, 46, 31, 50)).getbbox()  # the lower side
    assert not lines.crop((21, 21, 43, 43)).getbbox()  # nothing inside
    assert not lines.crop((0, 0, 12, 64)).getbbox()  # nothing outside


def test_lines_in_every_direction_are_one_or_two_pixels_wide() -> None:
    for end in ((63, 32), (32, 63), (63, 63), (0, 63)):
        picture = Image.new("L", (64, 64), 0)
        other = {(63, 32): (0, 32), (32, 63): (32, 0), (63, 63): (0, 0), (0, 63): (63, 0)}[end]
        corner = (63, 63) if end != (63, 63) else (0, 63)
        ImageDraw.Draw(picture).polygon([other, end, corner], fill=255)
        lines = draw_edges(picture.convert("RGB"))
        assert 20 < lines.histogram()[255] < 190, end


def test_an_even_picture_has_no_edges_and_the_map_is_a_grey_png() -> None:
    made = edge_map(encode_png(Image.new("RGB", (80, 64), "teal")))
    with Image.open(io.BytesIO(made)) as lines:
        assert (lines.format, lines.mode, lines.size) == ("PNG", "L", (80, 64))
        assert not lines.getbbox()
