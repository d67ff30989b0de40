"""The same table on a GPU for both engines: types of numbers, offloading, compiling, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest
from underpaint.engines.memory import Size
from underpaint.engines.pipelines.devices import check_memory, choose
from underpaint.engines.placement import Placement

from tests.gpu.tiers import DEVICE, FOX, Tier

pytestmark = pytest.mark.gpu
Load = Callable[..., Tier]

# Each draws from words and starts from a picture.
MODELS = ("sd15", "sd21", "sd-turbo", "lcm", "sdxl", "sdxl-turbo", "sd3", "flux-dev")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", MODELS)
def test_it_draws_in_every_type_of_numbers(name: str, dtype: str, load: Load) -> None:
    engine = load(name, dtype=dtype)
    assert engine.denoiser.dtype is getattr(torch, dtype)
    assert engine.denoiser.device.type == torch.device(DEVICE).type
    assert engine.draw().std() > 1


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_start_on_both_devices(name: str, load: Load) -> None:
    here, there = load(name), load(name, device="cpu")
    drawn = here.draw()
    assert np.abs(drawn - there.draw()).mean() < 1
    assert np.abs(drawn - here.draw(replace(FOX, seed=4))).mean() > 2


@pytest.mark.parametrize("offload", ["model", "sequential"])
@pytest.mark.parametrize("name", MODELS)
def test_offloaded_weights_draw_the_same_and_are_not_left_on_the_gpu(
    name: str, offload: str, load: Load
) -> None:
    plain = load(name).draw()
    offloaded = load(name, offload=offload)
    for _ in range(2):
        assert np.abs(offloaded.draw() - plain).mean() < 1
    assert offloaded.denoiser.device.type in ("cpu", "meta")


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
def test_after_a_caller_has_left_the_next_one_is_served(offload: str, load: Load) -> None:
    class Left(BaseException):
        pass

    def leave() -> None:
        raise Left

    engine = load("sdxl", offload=offload)
    before = engine.draw()
    with pytest.raises(Left):
        engine.draw(after_step=leave)
    if offload != "none":
        assert engine.denoiser.device.type in ("cpu", "meta")
    assert np.abs(engine.draw() - before).mean() < 1


@pytest.mark.parametrize("offload", ["none", "model"])
@pytest.mark.parametrize("name", ["sd15", "sd3", "flux-dev"])
def test_a_compiled_denoiser_draws_the_same(
    name: str, offload: str, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "to be restored")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    torch._dynamo.reset()
    plain = load(name).draw()
    compiled = load(name, compile="default", offload=offload, cache_dir=tmp_path / "compiled")
    assert np.abs(compiled.draw() - plain).mean() < 2
    assert any((tmp_path / "compiled").rglob("*"))


@pytest.mark.parametrize("offload", ["none", "model"])
@pytest.mark.parametrize("quantise", ["bnb-8bit", "bnb-4bit", "torchao-int8", "torchao-fp8"])
@pytest.mark.parametrize("name", ["sd3", "flux-dev"])
def test_quantised_weights_draw(name: str, quantise: str, offload: str, load: Load) -> None:
    engine = load(name, dtype="bfloat16", quantise=quantise, offload=offload)
    few = [w for w in engine.denoiser.parameters() if _is_quantised(w)]
    assert few
    assert engine.draw().std() > 1
    assert engine.draw().std() > 1


def _is_quantised(weights: Any) -> bool:
    return weights.dtype in (torch.int8, torch.uint8) or type(weights.data) is not torch.Tensor


@pytest.mark.parametrize("vae_tiling", ["on", "off"])
def test_it_draws_in_tiles(vae_tiling: str, load: Load) -> None:
    assert load("sdxl", vae_tiling=vae_tiling).draw().std() > 1


@pytest.fixture
def little_memory() -> Iterator[Callable[[int], None]]:
    """Lets this process take so many MiB more than it has."""
    total = torch.cuda.get_device_properties(0).total_memory

    def limit(mib: int) -> None:
        torch.cuda.empty_cache()
        allowed = torch.cuda.memory_reserved() + mib * 2**20
        torch.cuda.set_per_process_memory_fraction(allowed / total)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("offload", ["none", "model"])
def test_a_picture_that_is_too_large_is_told_and_the_next_one_is_drawn(
    offload: str, load: Load, little_memory: Callable[[int], None]
) -> None:
    engine = load("sdxl", offload=offload, vae_tiling="off")
    before = engine.draw()
    little_memory(256)
    model = engine.engine._model
    with pytest.raises(EngineFailed, match=r"cuda:0 ran out of memory at 8192 x 8192; ask for"):
        model.try_out(replace(FOX, width=8192, height=8192), (8192, 8192))
    assert np.abs(engine.draw() - before).mean() < 1


def test_a_model_larger_than_the_gpu_is_told_before_it_is_loaded() -> None:
    target = choose(Placement(device="cuda"))
    assert str(target.device) == "cuda:0"
    free = torch.cuda.mem_get_info(0)[0]
    with pytest.raises(InvalidModel, match=r"GiB of cuda:0 as .*GiB are free: use "):
        check_memory("moon", {"unet": Size(free, free // 4, True)}, target)
    assert check_memory("fox", {"unet": Size(1000, 10, True)}, target) == ()


def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidRequest, match="there is no cuda:99 here; use cuda:0"):
        choose(Placement(device="cuda:99"))
