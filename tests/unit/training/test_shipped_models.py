"""The shipped directories: whole, unchanged, and ordinary pipelines."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from underpaint.orchestrator.settings import PRICES

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from PIL import Image  # noqa: E402

ROOT = Path(__file__).parents[3]
LITE = ROOT / "edge" / "underpaint" / "edge" / "models" / "lite"
FULL = ROOT / "cloud" / "underpaint" / "cloud" / "models" / "full"
BOTH = pytest.mark.parametrize("folder", [LITE, FULL], ids=["lite", "full"])
SHARED = ("text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer")


def sums(folder: Path) -> dict[str, str]:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


@BOTH
def test_sums_cover_every_file_and_match(folder: Path) -> None:
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == sums(folder)


@BOTH
def test_nothing_in_it_can_run_code(folder: Path) -> None:
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".md", ""}


def test_both_tiers_read_a_prompt_alike() -> None:
    lite, full = sums(LITE), sums(FULL)
    shared = [name for name in lite if name.startswith(SHARED)]
    assert shared
    assert all(lite[name] == full[name] for name in shared)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_both_are_small() -> None:
    assert size_of(LITE) <= 30e6
    assert size_of(LITE) + size_of(FULL) <= 120e6


def test_a_draft_may_travel_as_latents() -> None:
    """Lite's autoencoder and Full's mean the same picture by the same numbers."""
    lite, full = (
        diffusers.AutoencoderTiny.from_pretrained(folder / "vae", use_safetensors=True)
        for folder in (LITE, FULL)
    )
    pipeline, settings = load(diffusers.AutoPipelineForText2Image, LITE)
    draft = pipeline(
        "a 3d apple on a blue background",
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(1),
        output_type="pt",
        **settings["call"],
    ).images
    with torch.no_grad():
        latents = lite.encode(draft * 2 - 1).latents
        large = full.decode(latents).sample.clamp(-1, 1) / 2 + 0.5
    assert large.shape == (1, 3, 256, 256)
    smaller = torch.nn.functional.avg_pool2d(large, 2)
    assert (smaller - draft).abs().mean() < 0.05


def load(auto, folder: Path):
    pipeline = auto.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    settings = json.loads((folder / "underpaint.json").read_text())
    return pipeline, settings


@BOTH
def test_draws_a_picture_that_is_not_flat(folder: Path) -> None:
    pipeline, settings = load(diffusers.AutoPipelineForText2Image, folder)
    picture = pipeline(
        "a 3d apple on a blue background", num_inference_steps=2, **settings["call"]
    ).images[0]
    assert picture.size == (settings["native_size"],) * 2
    assert all(low < high for low, high in picture.getextrema())


@BOTH
def test_repaints_and_fills_in(folder: Path) -> None:
    pipeline, settings = load(diffusers.AutoPipelineForImage2Image, folder)
    size = settings["native_size"]
    start = Image.new("RGB", (size, size), "steelblue")
    call = {
        "prompt": "an apple",
        "image": start,
        "strength": 0.6,
        "num_inference_steps": 4,
        "height": size,
        "width": size,
        **settings["call"],
    }
    assert pipeline(**call).images[0].size == start.size
    fill = diffusers.AutoPipelineForInpainting.from_pipe(pipeline)
    mask = Image.new("L", start.size, 255)
    assert fill(mask_image=mask, **call).images[0].size == start.size


def test_lite_says_what_it_knows() -> None:
    known = json.loads((LITE / "vocabulary.json").read_text())
    assert len(known["things"]) >= 330
    assert {style["word"] for style in known["styles"]} == {"3d", "flat", "cartoon"}
    assert len(known["backgrounds"]) == 12
    assert known["examples"]


def test_a_zero_in_a_request_stands_for_what_the_shipped_full_says_of_itself() -> None:
    """The price table names money: it would stand in for the card of every other model, too."""
    engine = yaml.safe_load(PRICES.read_text())["engines"]["full"]
    card = json.loads((FULL / "underpaint.json").read_text())
    for name in ("num_inference_steps", "guidance_scale"):
        assert name in card
        assert name not in engine
