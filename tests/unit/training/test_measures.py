"""Masks, overlaps, colours and distances, on pictures whose answers are known."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.evaluate import measures  # noqa: E402

SIDE = measures.SIDE
BLUE, RED = (-0.4, 0.1, 0.8), (0.7, -0.5, -0.5)


def lit(colour: tuple[float, ...] = BLUE) -> torch.Tensor:
    """A background under a soft light, 1 × 3 × SIDE × SIDE."""
    axis = torch.linspace(-1, 1, SIDE)
    light = 1.0 - 0.15 * (axis[None] ** 2 + (axis[:, None] + 0.2) ** 2)
    return (torch.tensor(colour)[:, None, None] + 1)[None] * light - 1


def with_square(
    left: int, top: int, right: int, bottom: int, colour: tuple[float, ...] = RED
) -> torch.Tensor:
    picture = lit()
    picture[..., top:bottom, left:right] = torch.tensor(colour)[:, None, None]
    return picture


def square_mask(left: int, top: int, right: int, bottom: int) -> torch.Tensor:
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, top:bottom, left:right] = True
    return mask


def test_the_foreground_is_what_differs_from_a_lit_background() -> None:
    found = measures.foreground(with_square(30, 40, 90, 100))
    assert torch.equal(found, square_mask(30, 40, 90, 100))
    assert not measures.foreground(lit()).any()


def test_a_thing_that_reaches_the_edge_does_not_spoil_the_background() -> None:
    found = measures.foreground(with_square(0, 40, 60, 100))
    true = square_mask(0, 40, 60, 100)
    assert measures.overlap(found, true).item() > 0.95


def test_a_grainy_background_is_no_foreground() -> None:
    noise = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 0.03
    found = measures.foreground(with_square(30, 40, 90, 100) + noise)
    assert measures.overlap(found, square_mask(30, 40, 90, 100)).item() > 0.98


def test_overlap_is_intersection_over_union() -> None:
    some = torch.cat([square_mask(0, 0, 20, 10), square_mask(0, 0, 9, 9), square_mask(0, 0, 0, 0)])
    others = torch.cat(
        [square_mask(10, 0, 30, 10), square_mask(50, 50, 60, 60), square_mask(0, 0, 0, 0)]
    )
    assert measures.overlap(some, others).tolist() == pytest.approx([1 / 3, 0, 0])


def test_a_box_ignores_specks() -> None:
    mask = square_mask(32, 64, 96, 96)
    mask[:, 5, 5] = True
    assert measures.boxes(mask)[0].tolist() == pytest.approx(
        [32 / 128, 64 / 128, 96 / 128, 96 / 128], abs=2 / 128
    )
    assert measures.boxes(square_mask(0, 0, 0, 0))[0].tolist() == [0, 0, 1, 1]


def test_holes_are_filled_and_bays_are_not() -> None:
    ring = square_mask(20, 20, 80, 80) & ~square_mask(40, 40, 60, 60)
    assert torch.equal(measures.filled(ring), square_mask(20, 20, 80, 80))
    bay = square_mask(20, 20, 80, 80) & ~square_mask(40, 20, 60, 60)
    assert torch.equal(measures.filled(bay), bay)


def test_bleeding_is_the_share_of_the_thing_in_the_colour_behind_it() -> None:
    clean = with_square(30, 30, 90, 90)
    bled = clean.clone()
    bled[..., 40:80, 40:60] = lit()[..., 40:80, 40:60]
    shares = measures.bleeding(torch.cat([clean, bled, lit()]), lit().expand(3, -1, -1, -1))
    inner = (60 - 2 * measures.RIM) ** 2
    assert shares.tolist() == pytest.approx([0, 40 * 20 / inner, 0], abs=0.01)


def test_kernel_distance_tells_sets_apart_and_not_two_draws_of_one() -> None:
    generator = torch.Generator().manual_seed(1)

    def draw(middle: float) -> torch.Tensor:
        return middle + torch.randn(400, 16, generator=generator)

    same, near, far = (measures.kernel_distance(draw(m), draw(0)) for m in (0, 0.3, 1))
    assert abs(same) < 0.05
    assert near > 2 * abs(same)
    assert far > near
    assert measures.kernel_distance(x := draw(0), x) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("some", "others"), [(1, 1), (0, 0), (3, 4)])
def test_kernel_distance_wants_two_sets_of_one_size(some: int, others: int) -> None:
    with pytest.raises(ValueError, match="two sets"):
        measures.kernel_distance(torch.zeros(some, 2), torch.zeros(others, 2))


def test_pictures_are_compared_at_one_size() -> None:
    assert measures.at_side(torch.zeros(2, 3, 256, 256)).shape == (2, 3, SIDE, SIDE)
