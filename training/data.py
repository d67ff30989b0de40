"""Pictures of the world: fetched from the licensed sets, rasterised once, composed as needed.

python -m training.data        fetch the sets and rasterise every thing in every style
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from tqdm import tqdm

from training.vocabulary import Entry, Vocabulary, load_vocabulary

CACHE = Path(__file__).with_name("cache")
SIZE = 256
"""Side of the rasterised pictures, in pixels: the size at which Full works."""
FILL = 0.84
"""Share of the canvas that a thing spans."""
LIGHTS = ((0, -0.25), (-0.6, -0.1), (0.6, -0.1), (0, 0.5))
"""Where the soft light falls on the background, from the middle: seeds differ by it."""

PACKAGES = {
    "fluent-3d": "@lobehub/fluent-emoji-3d@1.1.0",
    "fluent-flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "noto": "@iconify-json/noto@1.2.9",
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """Every thing in every style, cut out of its background.

    `rgba`: uint8 (things, styles, 4, SIZE, SIZE), colour premultiplied by alpha.
    `colours`: the name of the thing's own main colour, per thing and style, or None.
    """

    rgba: Tensor
    colours: tuple[tuple[str | None, ...], ...]


def fetch(cache: Path = CACHE) -> dict[str, Path]:
    """The unpacked npm packages by source name; downloaded through npm where missing."""
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for source, package in PACKAGES.items():
        folder = cache / source
        if not folder.exists():
            packed = subprocess.run(
                ["npm", "pack", "--silent", "--pack-destination", str(cache), package],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()[-1]
            with tarfile.open(cache / packed) as archive:
                archive.extractall(folder, filter="data")
        found[source] = folder / "package"
    return found


def source_picture(folder: Path, source: str, code: str, side: int) -> Image.Image:
    """One emoji as RGBA of `side` pixels, cropped to what is drawn."""
    if source == "fluent-3d":
        names = (f"{code.lower()}.webp", f"{code.lower()}-fe0f.webp")
        path = next(path for name in names if (path := folder / "assets" / name).exists())
        picture = Image.open(path).convert("RGBA")
    else:
        icons = json.loads((folder / "icons.json").read_text())
        names = json.loads((folder / "chars.json").read_text())
        name = names.get(code.lower()) or names[f"{code.lower()}-fe0f"]
        while name in icons.get("aliases", {}):
            name = icons["aliases"][name]["parent"]
        icon = icons["icons"][name]
        width, height = icon.get("width", icons["width"]), icon.get("height", icons["height"])
        left, top = icon.get("left", 0), icon.get("top", 0)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" '
            f'viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
        )
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
        picture = Image.open(io.BytesIO(png)).convert("RGBA")
    box = picture.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()
    return picture.crop(box)


def place(picture: Image.Image, shadow: bool) -> Image.Image:
    """The cut-out centred on a transparent canvas, with a soft shadow under glossy things."""
    scale = SIZE * FILL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    thing = Image.new("RGBA", (SIZE, SIZE))
    thing.paste(
        picture.resize((width, height), Image.Resampling.LANCZOS),
        ((SIZE - width) // 2, (SIZE - height) // 2),
    )
    if not shadow:
        return thing
    dark = Image.new("RGBA", (SIZE, SIZE))
    dark.putalpha(thing.getchannel("A").point(lambda a: a * 0.35))
    ground = Image.new("RGBA", (SIZE, SIZE))
    ground.paste(dark, (0, round(SIZE * 0.025)))
    ground = ground.filter(ImageFilter.GaussianBlur(SIZE * 0.025))
    return Image.alpha_composite(ground, thing)


def colour_name(picture: Image.Image, backgrounds: tuple[Entry, ...]) -> str | None:
    """The background colour nearest to most of the thing's pixels; None if no colour leads."""
    small = np.asarray(picture.resize((32, 32)), dtype=np.float32)
    pixels = small[small[..., 3] > 200][:, :3]
    palette = np.array([rgb(entry) for entry in backgrounds], dtype=np.float32) * 255
    nearest = np.linalg.norm(pixels[:, None] - palette[None], axis=-1).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(backgrounds))
    best = int(counts.argmax())
    return backgrounds[best].word if counts[best] > 0.5 * counts.sum() else None


def rgb(entry: Entry) -> tuple[float, float, float]:
    """The colour of a background entry, each part in 0..1."""
    return tuple(int(entry.source[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def load_pictures(vocabulary: Vocabulary, cache: Path = CACHE) -> Pictures:
    """Rasterise every thing in every style, or read what an earlier call rasterised."""
    path = cache / "pictures.pt"
    if path.exists():
        stored = torch.load(path, weights_only=True)
        if stored["words"] == [thing.word for thing in vocabulary.things]:
            return Pictures(stored["rgba"], tuple(tuple(row) for row in stored["colours"]))
    folders = fetch(cache)
    rgba: list[NDArray[np.uint8]] = []
    colours: list[tuple[str | None, ...]] = []
    for thing in tqdm(vocabulary.things, desc="rasterise"):
        named: list[str | None] = []
        for style in vocabulary.styles:
            cut = source_picture(folders[style.source], style.source, thing.source, 2 * SIZE)
            named.append(colour_name(cut, vocabulary.backgrounds))
            placed = np.asarray(place(cut, shadow=style.source == "fluent-3d")).astype(np.uint16)
            placed[..., :3] = placed[..., :3] * placed[..., 3:] // 255
            rgba.append(placed.astype(np.uint8).transpose(2, 0, 1))
        colours.append(tuple(named))
    stack = torch.from_numpy(np.stack(rgba)).unflatten(0, (-1, len(vocabulary.styles)))
    words = [thing.word for thing in vocabulary.things]
    torch.save({"rgba": stack, "colours": colours, "words": words}, path)
    return Pictures(stack, tuple(colours))


def backdrops(vocabulary: Vocabulary) -> Tensor:
    """The backgrounds in every light: float (backgrounds, LIGHTS, 3, SIZE, SIZE) in 0..1."""
    axis = torch.linspace(-1, 1, SIZE) * 0.8
    lights = torch.stack(
        [1.05 - 0.16 * ((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) for x, y in LIGHTS]
    )
    colours = torch.tensor([rgb(entry) for entry in vocabulary.backgrounds])
    return (colours[:, None, :, None, None] * lights[:, None]).clamp(0, 1)


def compose(rgba: Tensor, backdrop: Tensor) -> Tensor:
    """Lay cut-outs (uint8, n × 4 × h × w) on backdrops (n × 3 × h × w): pictures in -1..1."""
    layer = rgba.float() / 255
    return (layer[:, :3] + (1 - layer[:, 3:]) * backdrop) * 2 - 1


def main() -> None:
    """Fetch and rasterise, so that the later stages start at once."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    pictures = load_pictures(load_vocabulary())
    print(f"{tuple(pictures.rgba.shape)} in {CACHE}")


if __name__ == "__main__":
    main()
