"""Drawing the asked pictures with the engines that ship, so that a cut run goes on where it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, PngImagePlugin
from tqdm import tqdm
from underpaint.cloud.engine import FullEngine
from underpaint.cloud.upscaler import LanczosUpscaler
from underpaint.contract.errors import InvalidModel
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.inputs import InputPictures
from underpaint.edge.engine import LiteEngine
from underpaint.engines.checkpoints import check_directory, read_card

from training.evaluate.prompts import Asked

KEY = "underpaint"
"""Of the text chunk in which a kept picture says how it was made."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and the seconds it took alone on the machine's cores."""

    picture: Image.Image
    seconds: float


class Album:
    """A folder of pictures, each of which says what it was made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, seed: int, made_from: dict[str, Any]) -> Drawn | None:
        """The picture, if it is there, whole and made from the same."""
        try:
            with Image.open(self._path(seed)) as stored:
                note = json.loads(stored.info[KEY])
                if note["from"] == made_from:
                    return Drawn(stored.convert("RGB"), note["seconds"])
        except (OSError, ValueError, LookupError, TypeError):
            pass  # not there, or cut short
        return None

    def keep(self, seed: int, made_from: dict[str, Any], drawn: Drawn) -> None:
        """Write it so that a cut leaves nothing half."""
        note = PngImagePlugin.PngInfo()
        note.add_text(KEY, json.dumps({"from": made_from, "seconds": drawn.seconds}))
        fresh = self._path(seed).with_suffix(".part")
        drawn.picture.save(fresh, "PNG", pnginfo=note)
        fresh.replace(self._path(seed))

    def _path(self, seed: int) -> Path:
        return self.folder / f"{seed:05}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Polish:
    """How Full is called; `None` is the shipped default."""

    strength: float | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What all requests to an engine have in common; words as in `GenerationRequest`."""

    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    strength: float | None = None

    def request(self, one: Asked) -> GenerationRequest:
        """The request for a prompt."""
        return GenerationRequest(
            prompt=one.prompt,
            seed=one.seed,
            width=self.width,
            height=self.height,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            strength=self.strength,
        )


class Studio:
    """Both engines, as they ship, on this machine.

    Args:
        lite, full: diffusers directories.
        out: where the pictures are kept.
        polish: how Full is called.
        threads: of the CPU; 0: Lite measures what suits it and Full takes every core, as in `up`.

    Raises:
        InvalidModel: a directory is missing, half-written, unsafe or no pipeline.
    """

    def __init__(self, lite: Path, full: Path, out: Path, polish: Polish, threads: int) -> None:
        for directory in (lite, full):
            check_directory(directory)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._lite = LiteEngine(str(lite), threads=threads)
        self._lite_threads = torch.get_num_threads()
        self._full_threads = threads or len(os.sched_getaffinity(0))
        card = read_card(full)
        if card.strength is None or not card.num_inference_steps or not card.native_size:
            raise InvalidModel(f"{full} says not how to polish; its underpaint.json must")
        self._full = FullEngine(
            full, card, LanczosUpscaler(), device=device, threads=self._full_threads
        )
        self._drafts, self._polishes = Album(out / "drafts"), Album(out / "polishes")
        guidance = card.guidance_scale if card.guidance_scale is not None else 1.0
        self._polish = Call(
            width=card.native_size,
            height=card.native_size,
            strength=polish.strength or card.strength,
            num_inference_steps=polish.num_inference_steps or card.num_inference_steps,
            guidance_scale=guidance if polish.guidance_scale is None else polish.guidance_scale,
        )
        own = self._lite.defaults
        self._draft = Call(
            width=own.width,
            height=own.height,
            num_inference_steps=own.num_inference_steps,
            guidance_scale=own.guidance_scale,
        )
        self._weights = {"lite": digest(lite), "full": digest(full)}

    @property
    def calls(self) -> dict[str, Any]:
        """How both are called."""
        threads = {"lite": self._lite_threads, "full": self._full_threads}
        return {"draft": asdict(self._draft), "polish": asdict(self._polish), "threads": threads}

    def draw(self, asked: Sequence[Asked], polishes: int) -> tuple[list[Drawn], list[Drawn]]:
        """A draft of every prompt, and of the first `polishes` drafts their polish.

        One after the other, so that both are timed under the same conditions.
        """
        drafts, polished = [], []
        with tqdm(total=len(asked) + min(polishes, len(asked)), desc="draw", mininterval=5) as bar:
            for i, one in enumerate(asked):
                drafts.append(self._make_draft(one))
                bar.update()
                if i < polishes:
                    polished.append(self._make_polish(one, drafts[-1].picture))
                    bar.update()
        return drafts, polished

    def _make_draft(self, one: Asked) -> Drawn:
        made_from = {"prompt": one.prompt, "lite": self._weights["lite"], **asdict(self._draft)}
        drawn = self._drafts.find(one.seed, made_from)
        if drawn is None:
            torch.set_num_threads(self._lite_threads)
            result = self._lite.generate(self._draft.request(one))
            drawn = Drawn(_open(result.picture), result.gpu_seconds)
            self._drafts.keep(one.seed, made_from, drawn)
        return drawn

    def _make_polish(self, one: Asked, draft: Image.Image) -> Drawn:
        made_from = {"prompt": one.prompt, **self._weights, **asdict(self._polish)}
        drawn = self._polishes.find(one.seed, made_from)
        if drawn is None:
            torch.set_num_threads(self._full_threads)
            request = self._polish.request(one)
            result = self._full.generate(
                request, InputPictures(init_image=draft), lambda _: None, lambda: False
            )
            drawn = Drawn(_open(result.picture), result.gpu_seconds)
            self._polishes.keep(one.seed, made_from, drawn)
        return drawn


def digest(directory: Path) -> str:
    """SHA-256 of the names and contents of what a model directory loads: JSON and weights."""
    sha = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".json", ".safetensors"):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            sha.update(f"{path.relative_to(directory)} {content}\n".encode())
    return sha.hexdigest()


def _open(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("RGB")
