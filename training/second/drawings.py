"""Every drawing of every thing, from vector sources: rasterised once, sharp at any size.

python -m training.second.drawings        fetch the sets and rasterise them
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.data import CACHE
from training.second.words import World, load_words

SIDE = 448
"""Pixels of the longer side of the stored cut-outs; a larger one is rasterised when asked for."""

PACKAGES = {
    "fluent-colour": "@iconify-json/fluent-emoji@1.2.7",
    "fluent-flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "fluent-ink": "@iconify-json/fluent-emoji-high-contrast@1.2.6",
    "noto": "@iconify-json/noto@1.2.9",
    "noto-v1": "@iconify-json/noto-v1@1.2.5",
    "twemoji": "@iconify-json/twemoji@1.2.5",
    "emojione": "@iconify-json/emojione@1.2.3",
}
NAMED_BY = {"fluent-colour": "fluent-flat", "noto-v1": "noto", "emojione": "noto"}
"""Sets without code points of their own use the names of these."""


@dataclass(frozen=True)
class Drawings:
    """All drawings, cut out and fitted into a square.

    `rgba`: uint8 (things, styles, 4, side, side), colour premultiplied by alpha; read from disk as
    it is needed. `spans`: float (things, styles, 2), the share of the square that the drawing is
    wide and high, the longer one 1. `there`: bool (things, styles); not every set has everything.
    """

    world: World
    rgba: Tensor
    spans: Tensor
    there: Tensor
    folders: dict[str, Path]

    def of(self, thing: int) -> list[int]:
        """The styles in which there is a drawing of the thing."""
        return [int(i) for i in self.there[thing].nonzero()[:, 0]]

    def cut(self, thing: int, style: int, side: int) -> Tensor:
        """The drawing as 4 × side × side, 0..1, premultiplied."""
        stored = self.rgba[thing, style]
        if side > stored.shape[-1] and self.folders:
            entry, source = self.world.things[thing], self.world.styles[style].source
            stored = torch.from_numpy(_square(vector(self.folders, source, entry.source), side))
        if stored.shape[-1] == side:
            return stored.float() / 255
        fitted = functional.interpolate(
            stored[None].float(), size=(side, side), mode="bilinear", antialias=True
        )
        return fitted[0] / 255


def fetch(cache_folder: Path = CACHE) -> dict[str, Path]:
    """The unpacked npm packages by source; downloaded through npm where missing."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    for source, package in PACKAGES.items():
        folder = cache_folder / source
        if not folder.exists():
            packed = subprocess.run(
                ["npm", "pack", "--silent", "--pack-destination", str(cache_folder), package],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[-1]
            with tarfile.open(cache_folder / packed) as archive:
                archive.extractall(folder, filter="data")
    return {source: cache_folder / source / "package" for source in PACKAGES}


@cache
def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def vector(folders: dict[str, Path], source: str, code: str) -> str | None:
    """The SVG of an emoji in a set, None if the set has none; `{side}` stands for its pixels."""
    icons = _json(folders[source] / "icons.json")
    names = _json(folders[NAMED_BY.get(source, source)] / "chars.json")
    for spelled in (code.lower(), f"{code.lower()}-fe0f"):
        name = names.get(spelled)
        while name in icons.get("aliases", {}):
            name = icons["aliases"][name]["parent"]
        if name in icons["icons"]:
            icon = icons["icons"][name]
            width = icon.get("width", icons.get("width", 16))
            height = icon.get("height", icons.get("height", 16))
            view = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
            return (
                '<svg xmlns="http://www.w3.org/2000/svg" '
                'xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'width="{{side}}" height="{{side}}" viewBox="{view}">{icon["body"]}</svg>'
            )
    return None


def _drawn(svg: str, side: int) -> Image.Image:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg.replace("{side}", str(side), 2)))
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _box(picture: Image.Image) -> tuple[int, int, int, int]:
    box = picture.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()
    if box is None:
        raise ValueError("the drawing is empty")
    return box


def _square(svg: str | None, side: int) -> NDArray[np.uint8]:
    """The drawing cropped to what is drawn, its longer side `side`, premultiplied: 4 × side²."""
    if svg is None:
        raise ValueError("there is no such drawing; ask `of` which styles a thing has")
    first = _drawn(svg, 256)
    left, top, right, bottom = _box(first)
    # Drawn at the size at which the crop has the pixels that are asked for: nothing is enlarged.
    whole = round(256 * side / max(right - left, bottom - top))
    fresh = _drawn(svg, whole)
    cut = fresh.crop(_box(fresh))
    if max(cut.size) != side:
        scale = side / max(cut.size)
        size = (max(1, round(cut.width * scale)), max(1, round(cut.height * scale)))
        cut = cut.resize(size, Image.Resampling.LANCZOS)
    page = Image.new("RGBA", (side, side))
    page.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    pixels = np.asarray(page).astype(np.uint16)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(2, 0, 1))


def load_drawings(world: World, cache_folder: Path = CACHE, side: int = SIDE) -> Drawings:
    """Rasterise every drawing, or read what an earlier call rasterised."""
    folders = fetch(cache_folder)
    shape = (len(world.things), len(world.styles))
    pixels, facts = cache_folder / "drawings.bin", cache_folder / "drawings.json"
    words = [[e.word for e in world.things], [s.source for s in world.styles], side]
    if not facts.exists() or json.loads(facts.read_text())["words"] != words:
        fresh = np.memmap(pixels, np.uint8, "w+", shape=(*shape, 4, side, side))
        spans, there = torch.zeros(*shape, 2), torch.zeros(shape, dtype=torch.bool)
        for i, thing in enumerate(tqdm(world.things, desc="rasterise", mininterval=10)):
            for j, style in enumerate(world.styles):
                svg = vector(folders, style.source, thing.source)
                if svg is None:
                    continue
                fresh[i, j] = _square(svg, side)
                seen = fresh[i, j, 3] > 8
                spans[i, j, 0] = seen.any(axis=0).sum() / side
                spans[i, j, 1] = seen.any(axis=1).sum() / side
                there[i, j] = True
        fresh.flush()
        record = {"words": words, "spans": spans.tolist(), "there": there.tolist()}
        facts.write_text(json.dumps(record))
    stored = json.loads(facts.read_text())
    rgba = np.memmap(pixels, np.uint8, "r+", shape=(*shape, 4, side, side))
    return Drawings(
        world,
        torch.from_numpy(rgba),
        torch.tensor(stored["spans"]),
        torch.tensor(stored["there"]),
        folders,
    )


def main() -> None:
    """Fetch and rasterise, so that the later stages start at once."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    world = load_words()
    drawings = load_drawings(world)
    for style, count in zip(world.styles, drawings.there.sum(dim=0).tolist(), strict=True):
        print(f"{style.word}: {count} of {len(world.things)} things, from {style.source}")


if __name__ == "__main__":
    main()
