"""Damaged pictures: nothing at nothing, more with more, and the same from the same seed."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")

from training.second.damage import damage  # noqa: E402


def picture(side: int = 64) -> torch.Tensor:
    """A red square on blue, 3 × side × side."""
    made = torch.tensor([-0.5, 0.0, 0.7]).view(3, 1, 1).expand(3, side, side).clone()
    made[:, side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = torch.tensor(
        [0.8, -0.4, -0.6]
    ).view(3, 1, 1)
    return made


def harm(much: float, seed: int) -> float:
    return (damage(picture(), much, random.Random(seed)) - picture()).abs().mean().item()


def test_no_damage_is_none_and_more_is_more() -> None:
    assert torch.equal(damage(picture(), 0.0, random.Random(1)), picture())
    little, some, much = (
        sum(harm(amount, seed) for seed in range(40)) / 40 for amount in (0.2, 0.6, 1.0)
    )
    assert 0 < little < 0.7 * some
    assert some < much < 0.5


def test_a_seed_gives_one_damage_and_seeds_differ() -> None:
    first, again, other = (damage(picture(), 0.8, random.Random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.abs().max() <= 1


def test_a_plain_picture_stays_plain() -> None:
    plain = picture()[:, :1, :1].expand(3, 64, 64).contiguous()
    for seed in range(20):
        assert (damage(plain, 1.0, random.Random(seed)) - plain).abs().max() < 1e-3
