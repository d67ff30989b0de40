"""Scenes as pictures: grounds, light, shadows and things, sharp at any size."""

from __future__ import annotations

import colorsys
import math

import torch
from torch import Tensor
from torch.nn import functional

from training.data import rgb
from training.second.drawings import Drawings
from training.second.scene import STOOD_ON, Ground, Scene, Standing
from training.second.words import World

INK = "fluent-ink"
PALE = (0.96, 0.95, 0.92)
"""The colour of ink on what is dark."""
GRAY = 0.12
"""Saturation below which a pixel has no hue that could be turned."""


def paint(drawings: Drawings, scene: Scene, side: int) -> Tensor:
    """The picture of a scene, 3 × side × side in -1..1."""
    world = drawings.world
    canvas = _backdrop(world, scene.ground, side)
    shade = _shade(scene.light, side)
    dark = canvas.mean().item() < 0.35
    layers = [_layer(drawings, scene, one, side, dark) for one in scene.standing]
    if scene.shadow != "none":
        for one, layer in zip(scene.standing, layers, strict=True):
            high = drawings.spans[one.thing, scene.style, 1].item()
            canvas = canvas * (1 - _shadow(scene, one, layer[3], one.size * high))
    for layer in layers:
        canvas = layer[:3] + (1 - layer[3:]) * canvas
    return (canvas * shade).clamp(0, 1) * 2 - 1


def _grid(side: int) -> tuple[Tensor, Tensor]:
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def _shade(light: int, side: int) -> Tensor:
    x, y = _grid(side)
    turn = light * math.pi / 4
    toward = (x - 0.5) * math.sin(turn) - (y - 0.5) * math.cos(turn)
    return 1.0 + 0.16 * toward - 0.14 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)


def _mixed(some: Tensor, other: Tensor, share: float | Tensor) -> Tensor:
    return some + (other - some) * share


def _paler(colour: Tensor, by: float) -> Tensor:
    target = torch.ones_like(colour) if by > 0 else torch.zeros_like(colour)
    return _mixed(colour, target, abs(by))


def _step(distance: Tensor, side: int) -> Tensor:
    """1 where the distance (as a share of the canvas) is above 0, over the width of a pixel."""
    return (distance * side + 0.5).clamp(0, 1)


def _backdrop(world: World, ground: Ground, side: int) -> Tensor:
    """The ground, 3 × side × side in 0..1. What a word says its colour is, leads."""
    main, other = (
        torch.tensor(rgb(world.colours[i])).view(3, 1, 1) for i in (ground.colour, ground.second)
    )
    x, y = _grid(side)
    turn = 2 * math.pi * ground.turn
    along = (x - 0.5) * math.cos(turn) + (y - 0.5) * math.sin(turn)
    across = (y - 0.5) * math.cos(turn) - (x - 0.5) * math.sin(turn)
    tone = _paler(main, 0.22 if main.mean() < 0.62 else -0.14)
    if main.min() > 0.85:
        # On white a darker white looks like no picture at all.
        tone = _mixed(main, other, 0.35)
    match ground.kind:
        case "plain":
            return main.expand(3, side, side)
        case "gradient":
            near = _mixed(tone, other, 0.55 * ground.shift)
            return _mixed(main, near, ((along + 0.6) / 1.2).clamp(0, 1) ** (0.8 + ground.scale))
        case "stripes":
            width = 0.05 + 0.09 * ground.scale
            wave = (along / width + ground.shift) % 2
            return _mixed(main, tone, _step((0.5 - (wave - 1).abs()) * width, side))
        case "dots":
            step = 0.09 + 0.09 * ground.scale
            u, v = along / step, across / step
            u = u + 0.5 * (v.floor() % 2)
            far = ((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2).sqrt() * step
            return _mixed(main, tone, _step((0.2 + 0.12 * ground.shift) * step - far, side))
        case "checks":
            step = 0.07 + 0.1 * ground.scale
            diagonal = ground.turn < 0.5
            u, v = (x + y, x - y) if diagonal else (x, y)
            edges = [((0.5 - (w / step + ground.shift) % 1).abs() - 0.25) * step for w in (u, v)]
            first, second = (_step(edge, side) for edge in edges)
            return _mixed(main, tone, first + second - 2 * first * second)
        case "rays":
            angle = torch.atan2(y - 0.5 - 0.3 * (ground.shift - 0.5), x - 0.5)
            count = 8 + 2 * round(6 * ground.scale)
            far = ((x - 0.5) ** 2 + (y - 0.5) ** 2).sqrt() + 0.02
            wave = torch.sin(angle * count / 2 + turn) * far / count * 2
            return _mixed(main, tone, _step(wave, side))
        case "glow":
            return _glow(main, other, ground, x, y, side)
        case "floor":
            return _floor(main, other, ground, x, y, side)
        case _:
            return _hills(main, other, ground, x, y, side)


def _glow(main: Tensor, other: Tensor, ground: Ground, x: Tensor, y: Tensor, side: int) -> Tensor:
    canvas = _mixed(main, _paler(main, -0.18), y * ground.shift)
    pale = _paler(_mixed(main, other, 0.3), 0.45)
    spot = ground.turn
    for i in range(9):
        # A walk that fills the canvas evenly and needs no more than the numbers of the ground.
        left, top = (spot + 0.7548776662 * (i + 1)) % 1, (ground.shift + 0.5698402910 * (i + 1)) % 1
        size = 0.03 + 0.1 * ((i * 0.618 + ground.scale) % 1)
        far = ((x - left) ** 2 + (y - top) ** 2).sqrt()
        soft = ((size - far) / (0.25 * size) + 0.5).clamp(0, 1)
        canvas = _mixed(canvas, pale, 0.34 * soft)
    return canvas


def _floor(main: Tensor, other: Tensor, ground: Ground, x: Tensor, y: Tensor, side: int) -> Tensor:
    horizon = 0.62 + 0.2 * ground.scale
    if ground.shift < 0.5:
        # One sheet of paper, bent: the wall runs into the floor.
        floor = _paler(main, -0.16)
        below = ((y - horizon) / 0.12 + 0.5).clamp(0, 1)
        below = below * below * (3 - 2 * below)
    else:
        floor = _mixed(_paler(main, -0.25), other, 0.45)
        below = _step(y - horizon, side)
    wall = _paler(main, 0.12) + (main - _paler(main, 0.12)) * y
    floor = _mixed(floor, _paler(floor, 0.18), ((y - horizon) / (1 - horizon)).clamp(0, 1))
    return _mixed(wall, floor, below)


def _hills(main: Tensor, other: Tensor, ground: Ground, x: Tensor, y: Tensor, side: int) -> Tensor:
    canvas = _mixed(main, _paler(main, 0.35), y)
    for i, (at, by) in enumerate(((0.62, 0.25), (0.72, 0.05), (0.84, -0.15))):
        phase = 2 * math.pi * (ground.turn + 0.37 * i)
        wave = 0.05 * torch.sin(x * (4 + 4 * ground.scale) + phase) + 0.02 * torch.sin(
            x * 11 + phase
        )
        hill = _paler(_mixed(other, main, 0.25 - 0.1 * i), by)
        canvas = _mixed(canvas, hill, _step(y - at - wave - 0.06 * (ground.shift - 0.5), side))
    return canvas


def _layer(drawings: Drawings, scene: Scene, one: Standing, side: int, dark: bool) -> Tensor:
    """The thing where it stands: 4 × side × side, 0..1, premultiplied."""
    span = max(2, round(side * one.size))
    cut = drawings.cut(one.thing, scene.style, span)
    if one.colour is not None:
        entry = drawings.world.colours[one.colour]
        cut = recolour(cut, rgb(entry))
    elif dark and drawings.world.styles[scene.style].source == INK:
        cut = torch.cat([cut[3:] * torch.tensor(PALE).view(3, 1, 1), cut[3:]])
    if one.mirrored:
        cut = cut.flip(-1)
    layer = torch.zeros(4, side, side)
    if one.tilt == 0:
        left, top = round(side * one.x - span / 2), round(side * one.y - span / 2)
        here = (slice(max(0, top), max(0, top + span)), slice(max(0, left), max(0, left + span)))
        room = layer[:, *here].shape[1:]
        cut = cut[:, max(0, -top) :, max(0, -left) :][:, : room[0], : room[1]]
        layer[:, *here] = cut
        return layer
    turn, scale = math.radians(one.tilt), side / span
    # From the canvas (-1..1) to the cut-out (-1..1): move to its middle, turn back, enlarge.
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    dx, dy = 2 * one.x - 1, 2 * one.y - 1
    back = torch.tensor([[cos, sin, -cos * dx - sin * dy], [-sin, cos, sin * dx - cos * dy]])
    grid = functional.affine_grid(back[None], [1, 4, side, side], align_corners=False)
    return functional.grid_sample(cut[None], grid, mode="bicubic", align_corners=False)[0].clamp(
        0, 1
    )


def _shadow(scene: Scene, one: Standing, alpha: Tensor, height: float) -> Tensor:
    """How much of the ground's light the thing takes away, side × side."""
    side = alpha.shape[-1]
    small = functional.adaptive_avg_pool2d(alpha[None, None], max(64, side // 4))
    turn = scene.light * math.pi / 4
    if scene.ground.kind in STOOD_ON or scene.shadow == "long":
        # What stands casts its shadow flat on the floor, away from the light.
        flat, lean = 0.16, -0.5 * math.sin(turn)
        foot = one.y + height / 2
        y0 = 2 * foot - 1
        back = torch.tensor(
            [[1.0, lean / flat, -lean / flat * y0], [0.0, 1 / flat, y0 - y0 / flat]]
        )
        grid = functional.affine_grid(back[None], list(small.shape), align_corners=False)
        cast = functional.grid_sample(small, grid, align_corners=False)
        strength, softness = 0.3, 0.012
    else:
        shift = [-0.05 * math.sin(turn), 0.035 * math.cos(turn) + 0.02]
        back = torch.tensor([[[1.0, 0.0, -shift[0]], [0.0, 1.0, -shift[1]]]])
        grid = functional.affine_grid(back, list(small.shape), align_corners=False)
        cast = functional.grid_sample(small, grid, align_corners=False)
        strength, softness = 0.28, 0.022
    return strength * _blurred(cast, softness, side)


def _blurred(small: Tensor, softness: float, side: int) -> Tensor:
    """A mask blurred by a share of the canvas and brought to `side`."""
    sigma = softness * small.shape[-1]
    reach = max(1, math.ceil(2.5 * sigma))
    axis = torch.arange(-reach, reach + 1, dtype=torch.float32)
    row = torch.exp(-(axis**2) / (2 * sigma**2))
    row = row / row.sum()
    small = functional.conv2d(small, row.view(1, 1, 1, -1), padding=(0, reach))
    small = functional.conv2d(small, row.view(1, 1, -1, 1), padding=(reach, 0))
    return functional.interpolate(small, size=(side, side), mode="bicubic")[0, 0].clamp(0, 1)


def recolour(cut: Tensor, colour: tuple[float, float, float]) -> Tensor:
    """The drawing (4 × h × w, premultiplied) with its leading hue turned to that of the colour.

    All hues turn by the same angle, so that what differed goes on to differ. A drawing without
    hues, or a colour without one, takes the colour as a tint.
    """
    alpha = cut[3:]
    plain = cut[:3] / alpha.clamp(min=1e-3)
    high, low = plain.amax(dim=0), plain.amin(dim=0)
    spread = high - low
    saturation = spread / high.clamp(min=1e-3)
    red, green, blue = plain
    safe = spread.clamp(min=1e-4)
    hue = torch.where(
        high == red,
        (green - blue) / safe % 6,
        torch.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    weight = alpha[0] * spread * (saturation > GRAY)
    target, strength, value = colorsys.rgb_to_hsv(*colour)
    gray = cut[:3].mean(dim=0) / alpha[0].clamp(min=1e-3)
    if weight.sum() < 0.08 * alpha.sum() or strength < 0.2:
        tint = torch.tensor(colour).view(3, 1, 1)
        toned = tint * (0.45 + 0.8 * gray) if value > 0.3 else tint + 0.35 * gray
        return torch.cat([toned.clamp(0, 1) * alpha, alpha])
    turn = hue * math.pi / 3
    leading = torch.atan2((weight * turn.sin()).sum(), (weight * turn.cos()).sum())
    hue = (hue + target * 6 - leading * 3 / math.pi) % 6
    parts = [
        high - spread * (1 - ((hue + offset) % 6 - 3).abs().sub(1).clamp(0, 1))
        for offset in (0, 4, 2)
    ]
    return torch.cat([torch.stack(parts).clamp(0, 1) * alpha, alpha])
