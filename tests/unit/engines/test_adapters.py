"""LoRAs, schedulers, clip skip and textual inversions on a tiny model, as pictures tell them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny, LCMScheduler, StableDiffusionPipeline
from safetensors.torch import save_file
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.engines.calling import Called
from underpaint.engines.families.family import Checkpoint, Family, Manner
from underpaint.engines.forms import read_checkpoint
from underpaint.engines.loras import LoraFile, read_lora
from underpaint.engines.pipelines import adapters
from underpaint.engines.pipelines.adapters import (
    Adapters,
    Wishes,
    load_embeddings,
    tiny_autoencoder,
    with_weight,
)

from tests.tiny import make
from tests.tiny.loras import write_lora

FAMILY = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    index=frozenset({"StableDiffusionPipeline"}),
    manner=Manner(num_inference_steps=2, guidance_scale=1.0, why="a test"),
    loras=True,
    textual_inversion=True,
    clip_skip=True,
)
CALLED = Called(
    num_inference_steps=2, guidance_scale=1.0, strength=0.6, native_size=(64, 64), reasons={}
)
Picture = torch.Tensor


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("sd15", tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture
def pipeline(model: Path) -> Any:
    loaded = StableDiffusionPipeline.from_pretrained(model)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture
def checkpoint(model: Path) -> Checkpoint:
    return read_checkpoint(model, "sd15")


@pytest.fixture(scope="module")
def loras(model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[LoraFile]:
    folder = tmp_path_factory.mktemp("loras")
    return [
        read_lora(
            write_lora(
                StableDiffusionPipeline.from_pretrained(model),
                folder / f"style{seed}.safetensors",
                seed=seed,
            )
        )
        for seed in range(7)
    ]


def draw(pipeline: Any, arguments: dict[str, Any] | None = None, prompt: str = "a cat") -> Picture:
    drawn: Picture = pipeline(
        prompt,
        num_inference_steps=2,
        guidance_scale=1.0,
        width=64,
        height=64,
        output_type="pt",
        generator=torch.Generator().manual_seed(0),
        **(arguments or {}),
    ).images
    return drawn


def with_loras(made: Adapters, pipeline: Any, *uses: LoraFile) -> Picture:
    with made.applied(Wishes(loras=uses)) as applied:
        return draw(pipeline, applied.arguments)


def test_a_lora_changes_the_picture_by_its_weight_and_is_gone_afterwards(
    pipeline: Any, checkpoint: Checkpoint, loras: Sequence[LoraFile]
) -> None:
    plain = draw(pipeline)
    made = Adapters(
        pipeline, FAMILY, checkpoint, CALLED, [with_weight(each, 0.0) for each in loras[:2]]
    )
    assert torch.equal(with_loras(made, pipeline), plain)
    once = with_loras(made, pipeline, loras[0])
    half = with_loras(made, pipeline, with_weight(loras[0], 0.5))
    other = with_loras(made, pipeline, loras[1])
    both = with_loras(made, pipeline, *loras[:2])
    pictures = [plain, once, half, other, both]
    for i, first in enumerate(pictures):
        assert not any(torch.equal(first, second) for second in pictures[i + 1 :]), i
    assert torch.equal(with_loras(made, pipeline, loras[0]), once)
    assert torch.equal(with_loras(made, pipeline), plain)


def test_the_usual_loras_are_added_unless_others_are_named(
    pipeline: Any, checkpoint: Checkpoint, loras: Sequence[LoraFile]
) -> None:
    plain = draw(pipeline)
    made = Adapters(pipeline, FAMILY, checkpoint, CALLED, [loras[0], with_weight(loras[1], 0.0)])
    with made.applied(Wishes()) as applied:
        usual = draw(pipeline)
        assert applied.named("sd15") == f"sd15+lora:{loras[0].digest[:8]}"
    assert not torch.equal(usual, plain)
    with made.applied(Wishes(loras=[with_weight(loras[0], 0.0)])) as applied:
        assert torch.equal(draw(pipeline), plain)
        assert applied.named("sd15") == "sd15"
    with made.applied(Wishes(loras=[with_weight(loras[1], -0.5)])) as applied:
        assert applied.named("sd15") == f"sd15+lora:{loras[1].digest[:8]}:-0.5"


def test_no_more_than_a_few_loras_stay_in_memory(
    pipeline: Any, checkpoint: Checkpoint, loras: Sequence[LoraFile]
) -> None:
    made = Adapters(
        pipeline, FAMILY, checkpoint, CALLED, [with_weight(each, 0.0) for each in loras]
    )
    first = with_loras(made, pipeline, loras[0])
    for lora in loras:
        with_loras(made, pipeline, lora)
        held = {name for names in pipeline.get_list_adapters().values() for name in names}
        assert len(held) <= adapters.LOADED
    assert torch.equal(with_loras(made, pipeline, loras[0]), first)


def test_a_lora_that_is_not_there_is_refused_with_those_that_are(
    pipeline: Any, checkpoint: Checkpoint, loras: Sequence[LoraFile]
) -> None:
    made = Adapters(pipeline, FAMILY, checkpoint, CALLED, [with_weight(loras[0], 0.0)])
    wrong = LoraFile(name="nothing", path=Path("nothing"), digest="")
    with (
        pytest.raises(InvalidRequest, match=r"no LoRA 'nothing'; this engine has style0"),
        made.applied(Wishes(loras=[wrong])),
    ):
        raise AssertionError("it must not begin")


def test_a_lora_with_nothing_for_this_model_is_refused_at_load(
    pipeline: Any, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    file = tmp_path / "strange.safetensors"
    save_file({"other.layer.lora_A.weight": torch.zeros(2, 4)}, file)
    with pytest.raises(InvalidModel, match=r"strange\.safetensors") as error:
        Adapters(pipeline, FAMILY, checkpoint, CALLED, [read_lora(file)])
    assert "\n" not in str(error.value)


def test_another_scheduler_draws_another_picture_once(
    pipeline: Any, checkpoint: Checkpoint
) -> None:
    made = Adapters(pipeline, FAMILY, checkpoint, CALLED)
    before, plain = pipeline.scheduler, draw(pipeline)
    with made.applied(Wishes(scheduler="euler_a")):
        assert type(pipeline.scheduler).__name__ == "EulerAncestralDiscreteScheduler"
        assert pipeline.scheduler.config.beta_start == before.config.beta_start
        assert not torch.equal(draw(pipeline), plain)
    assert pipeline.scheduler is before
    with (
        pytest.raises(InvalidRequest, match=r"'eulr' is none .* euler, euler_a"),
        made.applied(Wishes(scheduler="eulr")),
    ):
        raise AssertionError("it must not begin")
    assert pipeline.scheduler is before


def test_a_model_gets_the_scheduler_that_it_is_called_with(
    pipeline: Any, checkpoint: Checkpoint
) -> None:
    called = Called(
        num_inference_steps=4,
        guidance_scale=1.0,
        strength=0.6,
        native_size=(64, 64),
        scheduler_name="lcm",
        scheduler={"timestep_spacing": "trailing"},
        reasons={},
    )
    Adapters(pipeline, FAMILY, checkpoint, called)
    assert isinstance(pipeline.scheduler, LCMScheduler)
    assert pipeline.scheduler.config.timestep_spacing == "trailing"
    assert pipeline.scheduler.config.beta_start == 0.00085


def test_clip_skip_goes_to_models_that_take_it_and_is_told_of_others(
    pipeline: Any, checkpoint: Checkpoint
) -> None:
    made = Adapters(pipeline, FAMILY, checkpoint, CALLED)
    plain = draw(pipeline)
    with made.applied(Wishes(clip_skip=1)) as applied:
        assert not torch.equal(draw(pipeline, applied.arguments), plain)
        assert not applied.warnings
    other = Family(name="x", title="X", index=frozenset(), manner=FAMILY.manner)
    with Adapters(pipeline, other, checkpoint, CALLED).applied(Wishes(clip_skip=1)) as applied:
        assert applied.arguments == {}
        assert applied.warnings == ["clip_skip has no effect: X has none"]


def test_textual_inversions_beside_a_model_are_words_that_it_knows(
    pipeline: Any, tmp_path: Path
) -> None:
    before = draw(pipeline, prompt="a sks1")
    folder = tmp_path / "embeddings"
    folder.mkdir()
    save_file({"emb_params": torch.randn(2, 32) * 9}, folder / "sks1.safetensors")
    assert load_embeddings(pipeline, FAMILY, tmp_path) == ("sks1",)
    assert not torch.equal(draw(pipeline, prompt="a sks1"), before)


def test_textual_inversions_are_given_as_files_too(pipeline: Any, tmp_path: Path) -> None:
    before = draw(pipeline, prompt="a sks2")
    file, twin = tmp_path / "sks2.safetensors", tmp_path / "embeddings" / "sks2.safetensors"
    save_file({"sks2": torch.randn(2, 32) * 9}, file)
    assert load_embeddings(pipeline, FAMILY, tmp_path, [file]) == ("sks2",)
    assert not torch.equal(draw(pipeline, prompt="a sks2"), before)
    twin.parent.mkdir()
    save_file({"emb_params": torch.randn(2, 32)}, twin)
    with pytest.raises(InvalidModel, match="are for the same word; rename one"):
        load_embeddings(pipeline, FAMILY, tmp_path, [file])


def test_a_pickled_or_misfit_textual_inversion_is_refused(pipeline: Any, tmp_path: Path) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    assert load_embeddings(pipeline, FAMILY, tmp_path) == ()
    file = folder / "wide.safetensors"
    save_file({"emb_params": torch.randn(2, 768)}, file)
    with pytest.raises(InvalidModel, match=r"wide\.safetensors does not load"):
        load_embeddings(pipeline, FAMILY, tmp_path)
    file.unlink()
    (folder / "old.pt").write_bytes(b"")
    with pytest.raises(InvalidModel, match=r"old\.pt is pickled"):
        load_embeddings(pipeline, FAMILY, tmp_path)


def lay_tiny(folder: Path, channels: int = 4) -> None:
    torch.manual_seed(0)
    AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
    ).save_pretrained(folder)


@pytest.mark.parametrize("form", ["directory", "file"])
def test_a_tiny_autoencoder_beside_a_model_is_found(
    pipeline: Any, tmp_path: Path, form: str
) -> None:
    model = tmp_path if form == "directory" else tmp_path / "fox.safetensors"
    assert tiny_autoencoder(pipeline, FAMILY, model, torch.float32) is None
    lay_tiny(tmp_path / "taesd")
    before = draw(pipeline)
    found = tiny_autoencoder(pipeline, FAMILY, model, torch.float32)
    assert isinstance(found, AutoencoderTiny)
    assert torch.equal(draw(pipeline), before)  # it is for previews alone


def test_a_tiny_autoencoder_decodes_results_where_it_is_told_to(
    pipeline: Any, tmp_path: Path
) -> None:
    with pytest.raises(InvalidModel, match="--tiny-vae: there is no folder taesd or tiny_vae in"):
        tiny_autoencoder(pipeline, FAMILY, tmp_path, torch.float32, decodes=True)
    lay_tiny(tmp_path / "tiny_vae")
    before = draw(pipeline)
    tiny_autoencoder(pipeline, FAMILY, tmp_path, torch.float32, decodes=True)
    assert isinstance(pipeline.vae, AutoencoderTiny)
    assert draw(pipeline).shape == before.shape
    assert not torch.equal(draw(pipeline), before)


def test_a_tiny_autoencoder_for_other_latents_is_refused(pipeline: Any, tmp_path: Path) -> None:
    lay_tiny(tmp_path / "taesd", channels=16)
    with pytest.raises(InvalidModel, match="latents have 16 channels, those of Stable Diffusion 1"):
        tiny_autoencoder(pipeline, FAMILY, tmp_path, torch.float32)
