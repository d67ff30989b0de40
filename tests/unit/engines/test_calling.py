"""How a model is called: the card wins, then the table, then its family; or it is asked about."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines import cards
from underpaint.engines.calling import Called, Sure, how_called
from underpaint.engines.cards import ModelCard, read_card, write_card
from underpaint.engines.families.family import Checkpoint, Family, Manner, Variant
from underpaint.engines.forms import Form, Kind
from underpaint.engines.well_known import ROWS, well_known, well_known_lora

FAMILY = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    index=frozenset({"StableDiffusionXLPipeline"}),
    manner=Manner(num_inference_steps=50, guidance_scale=5.0, why="as SDXL 1.0"),
    variants=(
        Variant(
            is_one=lambda checkpoint: bool(checkpoint.config("unet").get("distilled")),
            manner=Manner(num_inference_steps=4, guidance_scale=0.0, why="its UNet is distilled"),
        ),
        Variant(
            is_one=lambda checkpoint: (
                checkpoint.config("scheduler").get("timestep_spacing") == "trailing"
            ),
            manner=Manner(num_inference_steps=1, guidance_scale=0.0, why="its scheduler trails"),
        ),
    ),
)
EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}


def form(name: str = "mine", **configs: Any) -> Form:
    checkpoint = Checkpoint(
        index={"_class_name": "StableDiffusionXLPipeline"},
        configs={"scheduler": EULER} | configs,
        name=name,
    )
    kind = Kind.HUB if "/" in name else Kind.DIRECTORY
    return Form(kind=kind, model=name, name=name, path=Path(name), checkpoint=checkpoint)


def called(name: str = "mine", card: ModelCard | None = None, **configs: Any) -> Called:
    return how_called(form(name, **configs), card or ModelCard(name=name), FAMILY)


def numbers(found: Called) -> tuple[int, float]:
    return found.num_inference_steps, found.guidance_scale


def test_an_ordinary_model_is_called_as_its_family_and_that_is_a_guess() -> None:
    found = called()
    assert numbers(found) == (50, 5.0)
    assert found.native_size == (1024, 1024)
    assert found.reasons["num_inference_steps"].sure is Sure.GUESSED
    assert found.why == "as SDXL 1.0"


def test_what_its_own_configuration_tells_is_known() -> None:
    found = called(unet={"distilled": True})
    assert numbers(found) == (4, 0.0)
    assert found.reasons["num_inference_steps"].sure is Sure.KNOWN


def test_the_table_wins_over_the_family_and_the_card_over_the_table() -> None:
    found = called("stabilityai/sdxl-turbo")
    assert numbers(found) == (1, 0.0)
    assert (found.strength, found.native_size) == (0.5, (1024, 1024))
    assert found.why == "SDXL-Turbo is known: 1 step, no guidance"
    found = called(
        "stabilityai/sdxl-turbo", ModelCard(name="x", num_inference_steps=3, native_size=768)
    )
    assert numbers(found) == (3, 0.0)
    assert found.native_size == (768, 768)
    assert found.why == "as its card says"
    assert found.reasons["guidance_scale"].why == "SDXL-Turbo is known: 1 step, no guidance"


@pytest.mark.parametrize(
    ("name", "steps", "guidance"),
    [
        ("stabilityai/sd-turbo", 1, 0.0),
        ("sd_turbo", 1, 0.0),
        ("sdxl-turbo", 1, 0.0),
        ("sdxl_lightning_4step", 4, 0.0),
        ("SDXL-Lightning-2steps", 2, 0.0),
        ("sdxl_lightning_8step_unet", 8, 0.0),
        ("Hyper-SDXL-8steps-lora", 8, 0.0),
        ("Hyper-SDXL-12steps-CFG-lora", 12, 5.0),
        ("Hyper-FLUX.1-dev-8steps-lora", 8, 3.5),
        ("SimianLuo/LCM_Dreamshaper_v7", 4, 8.0),
        ("pytorch_lcm-lora-sdxl", 4, 1.0),
        ("dmd2_sdxl_4step_lora", 4, 0.0),
        ("black-forest-labs/FLUX.1-schnell", 4, 0.0),
        ("flux1-schnell", 4, 0.0),
        ("black-forest-labs/FLUX.1-Krea-dev", 28, 4.5),
        ("black-forest-labs/FLUX.2-klein-4B", 4, 1.0),
        ("black-forest-labs/FLUX.2-klein-base-4B", 50, 4.0),
        ("stabilityai/stable-diffusion-3.5-large-turbo", 4, 0.0),
        ("sd3.5_large_turbo", 4, 0.0),
        ("Tongyi-MAI/Z-Image-Turbo", 8, 0.0),
        ("z_image_turbo_bf16", 8, 0.0),
        ("Qwen/Qwen-Image", 50, 4.0),
        ("Qwen-Image-Lightning-4steps-V1.0", 4, 1.0),
        ("Qwen-Image-Edit-Lightning-8steps-V1.0", 8, 1.0),
        ("Efficient-Large-Model/Sana_Sprint_1.6B_1024px_diffusers", 2, 4.5),
        ("PixArt-alpha/PixArt-LCM-XL-2-1024-MS", 4, 0.0),
        ("playgroundai/playground-v2.5-1024px-aesthetic", 50, 3.0),
        ("Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers-Distilled", 25, 5.0),
        ("Hyper-SD3-4steps-CFG-lora", 4, 3.0),
        ("Hyper-SD3-8steps-CFG-lora", 8, 5.0),
        ("Hyper-SD3-16steps-CFG-lora", 16, 7.0),
        ("black-forest-labs/FLUX.2-dev", 50, 4.0),
        ("baidu/ERNIE-Image-Turbo", 8, 1.0),
        ("Photoroom/prx-512-t2i-sft-distilled", 8, 1.0),
        ("briaai/fibo-2-turbo-merge", 4, 1.0),
        ("briaai/Fibo-Edit-1.5-turbo", 4, 1.0),
        ("Kwai-Kolors/Kolors-diffusers", 50, 5.0),
        ("nota-ai/bk-sdm-small", 50, 7.5),
        ("segmind/SSD-1B", None, 9.0),
    ],
)
def test_well_known_models_are_found_by_id_and_by_name(
    name: str, steps: int | None, guidance: float
) -> None:
    row = well_known(name)
    assert row is not None
    assert (row.steps, row.guidance) == (steps, guidance)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("dmd2_sdxl_1step_unet_fp16", {"timesteps": [399]}),  # of all it knows this one alone
        ("PixArt-alpha/PixArt-Alpha-DMD-XL-2-512x512", {"timesteps": [400]}),
        ("h1t/TCD-SDXL-LoRA", {"eta": 0.3}),
        ("Alpha-VLLM/Lumina-Image-2.0", {"cfg_trunc_ratio": 0.25, "cfg_normalization": True}),
    ],
)
def test_what_else_its_makers_call_it_with(name: str, more: dict[str, Any]) -> None:
    assert called(name).call == more


def test_what_no_source_confirms_is_told_to_be_a_guess() -> None:
    found = called("Lykon/dreamshaper-8-lcm")
    assert numbers(found) == (15, 2.0)
    assert found.reasons["num_inference_steps"].sure is Sure.GUESSED
    assert found.why == ("DreamShaper 8 LCM is known: 15 steps, guidance 2, which is not confirmed")
    assert called("sd-turbo").reasons["num_inference_steps"].sure is Sure.KNOWN


@pytest.mark.parametrize("name", ["mine", "stable-diffusion-v1-5", "sdxl", "turbofox", "flux1-dev"])
def test_other_names_are_not_well_known(name: str) -> None:
    assert well_known(name) is None


def test_the_rows_of_the_table_are_in_order() -> None:
    for row in ROWS:
        ModelCard(
            name=row.title,
            num_inference_steps=row.steps,
            guidance_scale=row.guidance,
            strength=row.strength,
        ).check()
        assert row.ids or row.words, row.title
        re.compile(row.words)
        for each in row.ids:
            assert well_known(each) is row, each


def test_a_lora_can_make_a_model_need_few_steps() -> None:
    found = how_called(form(), ModelCard(name="mine"), FAMILY, loras=["style", "lcm-lora-sdxl"])
    assert numbers(found) == (4, 1.0)
    assert found.scheduler_name == "lcm"
    assert found.why == "with its LoRA LCM-LoRA is known: 4 steps, guidance 1"
    assert well_known_lora("sdxl-turbo") is None


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("realvisxlV50_v50LightningBakedvae", "lightning"),
        ("DreamShaper-Lcm", "lcm"),
        ("foxTurboMix", "turbo"),
        ("fox-4steps", "4steps"),
        ("fox_distilled", "distill"),
        ("someone/fox-flash", "flash"),
    ],
)
def test_a_few_step_model_that_nobody_knows_is_asked_about(name: str, sign: str) -> None:
    with pytest.raises(InvalidModel, match=f"'{sign}'") as error:
        called(name)
    assert f"`underpaint models card {name} --steps 4 --guidance 1`" in str(error.value)
    assert "\n" not in str(error.value)
    assert numbers(called(name, ModelCard(name=name, num_inference_steps=50))) == (50, 5.0)


@pytest.mark.parametrize("name", ["hyperrealism", "flashback", "lcmaster", "photo-v2", "stepfox"])
def test_words_that_only_look_like_it_are_not_asked_about(name: str) -> None:
    assert numbers(called(name)) == (50, 5.0)


def test_a_trailing_scheduler_is_asked_about_with_what_its_family_guesses() -> None:
    with pytest.raises(InvalidModel, match="timestep_spacing is trailing") as error:
        called(scheduler=EULER | {"timestep_spacing": "trailing"})
    assert "--steps 1 --guidance 0" in str(error.value)
    # Models of velocity, with zero signal at the end, are slow and have such a one, too.
    slow = EULER | {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
    assert called(scheduler=slow).num_inference_steps == 1


def test_a_chosen_scheduler_is_taken_as_it_is() -> None:
    name = "sdxl_lightning_4step"
    assert dict(called(name).scheduler) == {"timestep_spacing": "trailing"}
    found = called(name, ModelCard(name=name, scheduler="unipc"))
    assert (found.scheduler_name, dict(found.scheduler)) == ("unipc", {})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"num_inference_steps": 0}, "0 steps"),
        ({"num_inference_steps": 1001}, "1 to 1000"),
        ({"guidance_scale": -1.0}, "guidance of -1"),
        ({"guidance_scale": float("nan")}, "guidance of nan"),
        ({"strength": 0.0}, "strength of 0"),
        ({"strength": 1.5}, "strength of 1.5"),
        ({"native_size": 8}, "8 pixels"),
        ({"clip_skip": 99}, "clip skip of 99"),
        ({"name": " "}, "name is empty"),
    ],
)
def test_a_card_with_a_wrong_number_is_refused(
    tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    path = tmp_path / "card.json"
    with pytest.raises(InvalidModel, match=told):
        write_card(path, ModelCard(**{"name": "x"} | wrong))
    assert not path.exists()
    path.write_text(json.dumps({"name": "x"} | wrong))
    with pytest.raises(InvalidModel, match=rf"card\.json: .*{told}"):
        cards.read_card_file(path, "x")


def test_a_card_is_written_read_and_keeps_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "underpaint.json").write_text('{"name": "old", "tier": "lite", "strength": 0.4}')
    model = Form(
        kind=Kind.DIRECTORY,
        model=str(tmp_path),
        name="fox",
        path=tmp_path,
        checkpoint=form().checkpoint,
    )
    card = ModelCard(name="fox", num_inference_steps=4, guidance_scale=0.0, call={"a": 1})
    write_card(tmp_path / "underpaint.json", card)
    assert read_card(model) == card
    said = json.loads((tmp_path / "underpaint.json").read_text())
    assert said["tier"] == "lite"
    assert "strength" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["underpaint.json"]


def test_the_card_of_a_model_that_is_kept_by_its_sums_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text("")
    with pytest.raises(InvalidModel, match="SHA256SUMS"):
        write_card(tmp_path / "underpaint.json", ModelCard(name="x", num_inference_steps=1))
