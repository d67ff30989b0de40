import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.fitting import explain_fit, fitted, result_size
from underpaint.contract.generation import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE, Fit

NATIVE = (1024, 1024)
sides = st.integers(1, 2_048)
multiples = st.integers(MIN_SIDE // SIDE_MULTIPLE, MAX_SIDE // SIDE_MULTIPLE).map(
    lambda n: n * SIDE_MULTIPLE
)


@pytest.mark.parametrize(
    ("draft", "size"),
    [
        ((128, 128), (1024, 1024)),
        ((192, 96), (1448, 728)),  # 1024 x 1024 squashed it
        ((96, 192), (728, 1448)),
        ((2048, 64), (2048, 64)),  # no side is longer than engines take
        ((128, 96), (1184, 888)),
    ],
)
def test_a_result_without_a_size_has_the_drafts_shape_and_the_engines_pixels(
    draft: tuple[int, int], size: tuple[int, int]
) -> None:
    assert result_size((0, 0), draft, NATIVE) == size
    assert explain_fit(draft, size, Fit.REFUSE) == ""


def test_one_side_is_enough_to_ask_for() -> None:
    assert result_size((512, 0), (192, 96), NATIVE) == (512, 256)
    assert result_size((0, 512), (192, 96), NATIVE) == (1024, 512)
    assert result_size((640, 640), (192, 96), NATIVE) == (640, 640)


@given(st.tuples(sides, sides), st.tuples(multiples, multiples))
def test_what_follows_from_a_draft_is_always_a_size_that_engines_take(
    draft: tuple[int, int], native: tuple[int, int]
) -> None:
    size = result_size((0, 0), draft, native)
    assert all(MIN_SIDE <= side <= MAX_SIDE and side % SIDE_MULTIPLE == 0 for side in size)
    if max(draft) <= 8 * min(draft) and min(native) >= 512:
        assert explain_fit(draft, size, Fit.REFUSE) == ""


@pytest.mark.parametrize(
    ("draft", "fit", "told"),
    [
        ((192, 96), Fit.CROP, "of the draft, 48 pixels left and right are cropped"),
        ((96, 192), Fit.CROP, "of the draft, 48 pixels at top and bottom are cropped"),
        ((192, 96), Fit.PAD, "to the draft, 48 pixels at top and bottom are added"),
        ((96, 192), Fit.PAD, "to the draft, 48 pixels left and right are added"),
    ],
)
def test_it_says_what_is_lost_or_added(draft: tuple[int, int], fit: Fit, told: str) -> None:
    words = explain_fit(draft, NATIVE, fit)
    assert told in words
    assert words.startswith("the draft is 2:1 (192 x 96)" if draft[0] > 96 else "the draft is 1:2")
    assert "the result 1:1 (1024 x 1024)" in words


def test_a_contradiction_is_refused_if_that_was_asked() -> None:
    with pytest.raises(InvalidRequest, match=r"'refuse'; ask for 1448 x 728, or for fit 'crop'"):
        explain_fit((192, 96), NATIVE, Fit.REFUSE)
    with pytest.raises(InvalidRequest, match="refuse"):
        fitted(Image.new("RGB", (192, 96)), NATIVE, (64, 64), Fit.REFUSE)


def bands() -> Image.Image:
    """192 x 96: a red, a green and a blue third."""
    image = Image.new("RGB", (192, 96), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 64, 96))
    image.paste((0, 0, 255), (128, 0, 192, 96))
    return image


def test_cropping_keeps_the_middle_undistorted() -> None:
    made = fitted(bands(), NATIVE, (96, 96), Fit.CROP)
    assert made.size == (96, 96)
    # The green third is 64 wide in the draft, and so it is in its middle square.
    greens = [x for x in range(96) if made.getpixel((x, 48)) == (0, 255, 0)]
    assert 60 <= len(greens) <= 66
    assert made.getpixel((1, 48)) == (255, 0, 0)
    assert made.getpixel((94, 48)) == (0, 0, 255)


def test_padding_keeps_all_of_the_draft_and_goes_on_with_its_edges() -> None:
    draft = bands()
    draft.paste((255, 255, 0), (0, 0, 192, 8))
    made = fitted(draft, NATIVE, (192, 192), Fit.PAD)
    assert made.size == (192, 192)
    assert made.crop((0, 52, 192, 140)) == draft.crop((0, 4, 192, 92))
    assert made.getpixel((96, 2)) == (255, 255, 0)
    assert made.getpixel((20, 188)) == (255, 0, 0)
    assert made.getpixel((170, 188)) == (0, 0, 255)
    tall = fitted(draft.transpose(Image.Transpose.TRANSPOSE), NATIVE, (192, 192), Fit.PAD)
    assert tall == made.transpose(Image.Transpose.TRANSPOSE)


@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.tuples(multiples, multiples),
    st.sampled_from([Fit.CROP, Fit.PAD]),
)
def test_any_draft_fits_any_result(
    draft: tuple[int, int], shape: tuple[int, int], fit: Fit
) -> None:
    assert fitted(Image.new("RGB", draft), shape, (32, 16), fit).size == (32, 16)
