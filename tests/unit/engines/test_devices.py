"""Pipelines on the device that every machine has. `tests/gpu` has the rest."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from torch._dynamo.utils import counters
from underpaint.contract.errors import EngineFailed, InvalidModel, InvalidRequest
from underpaint.engines.forms import find
from underpaint.engines.memory import Size, sizes
from underpaint.engines.pipelines.devices import check_memory, choose, load_options, place, tile
from underpaint.engines.pipelines.guard import guarded
from underpaint.engines.pipelines.loading import load
from underpaint.engines.placement import Placement

from tests.tiny.single_file import write_single_file

CPU = Placement(device="cpu")


@pytest.fixture
def pipeline(tiny_model: Callable[[str], Path]) -> Any:
    return diffusers.StableDiffusionPipeline.from_pretrained(
        tiny_model("sd15"), local_files_only=True, use_safetensors=True
    )


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_the_cpu() -> None:
    assert choose(Placement()).device == torch.device("cpu")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("placement", "said"),
    [
        (Placement(device="cuda"), "there is no CUDA device that torch can use; use --device cpu"),
        (Placement(device="mps"), "there is no mps device that torch can use; use --device cpu"),
        (Placement(offload="model"), "--offload model moves weights from the memory of a GPU"),
        (Placement(quantise="bnb-4bit"), "--quantise bnb-4bit needs a CUDA device"),
    ],
)
def test_what_needs_a_gpu_that_is_not_there_is_told(placement: Placement, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        choose(placement)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_are_loaded_in_the_type_that_is_named(
    dtype: Any, tiny_model: Callable[[str], Path]
) -> None:
    target = choose(Placement(device="cpu", dtype=dtype))
    folder = tiny_model("sd15")
    loaded = diffusers.StableDiffusionPipeline.from_pretrained(folder, **load_options(target, {}))
    assert loaded.unet.dtype is target.dtype is getattr(torch, dtype)
    assert target.dtype_name == dtype
    assert not target.warnings


def test_the_type_of_numbers_is_the_same_at_each_start() -> None:
    assert len({choose(CPU).dtype for _ in range(5)}) == 1


def test_float16_on_a_cpu_without_it_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    placement = Placement(device="cpu", dtype="float16")
    for able in (False, True):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda able=able: {"avx512_fp16": able}, raising=False
        )
        assert ("has no float16" in "".join(choose(placement).warnings)) is not able


@pytest.mark.parametrize(
    ("wanted", "small", "large"),
    [("auto", False, True), ("on", True, True), ("off", False, False)],
)
def test_pictures_are_decoded_in_tiles_by_size(
    wanted: Any, small: bool, large: bool, pipeline: Any
) -> None:
    target = choose(Placement(device="cpu", vae_tiling=wanted))
    place(pipeline, target, ("unet",))
    for (width, height), tiled in ((1024, 1024), small), ((2048, 2048), large), ((512, 512), small):
        assert tile(pipeline, target, width, height) is tiled
        assert pipeline.vae.use_tiling is pipeline.vae.use_slicing is tiled


def test_an_autoencoder_without_tiles_is_told_where_they_are_insisted_on() -> None:
    plain = SimpleNamespace(vae=torch.nn.Identity(), to=lambda _: None)
    assert not tile(plain, choose(CPU), 4096, 4096)
    with pytest.raises(InvalidRequest, match="cannot decode in tiles; use --vae-tiling off"):
        place(plain, choose(Placement(device="cpu", vae_tiling="on")), ("unet",))


class Denoiser(torch.nn.Module):
    """Two blocks that are alike, as transformers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(self.second(torch.nn.functional.gelu(self.first(x))))


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for compiled code; what torch remembers of earlier compilations is dropped."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "to be restored")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    torch._dynamo.reset()
    counters.clear()
    yield tmp_path / "compiled"
    torch._dynamo.reset()


def compiled(cache_dir: Path) -> Any:
    """A pipeline of one denoiser, placed."""
    made = SimpleNamespace(unet=Denoiser(), vae=None, to=lambda _: None)
    target = choose(Placement(device="cpu", compile="default", cache_dir=cache_dir))
    place(made, target, ("unet",))
    place(made, target, ("unet",))  # as for a second pipeline of the same components
    return made, target


def test_compiled_code_is_kept_for_the_next_start(fresh: Path) -> None:
    given = torch.ones(2, 8)
    with torch.inference_mode():
        first, _ = compiled(fresh)
        plain = Denoiser()
        plain.load_state_dict(first.unet.state_dict())
        torch.testing.assert_close(first.unet(given), plain(given))
        assert counters["inductor"]["fxgraph_cache_miss"] == 1
        assert any(fresh.rglob("*.so"))

        torch._dynamo.reset()  # as a new process
        counters.clear()
        second, _ = compiled(fresh)
        second.unet(given)
    assert (counters["inductor"] + counters["aot_autograd"])["autograd_cache_hit"] == 1
    assert counters["inductor"]["fxgraph_cache_miss"] == 0


def test_a_folder_that_cannot_hold_compiled_code_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="file/compiled cannot be used for compiled code: Not"):
        compiled(tmp_path / "file" / "compiled")


def test_a_denoiser_that_does_not_compile_gets_one_line(fresh: Path) -> None:
    broken, target = compiled(fresh)
    nowhere = torch._inductor.config.patch({"cpp.cxx": (None, "/nowhere/g++")})
    with nowhere, torch.inference_mode(), pytest.raises(EngineFailed) as failed:  # noqa: SIM117
        with guarded(broken, target, "64 x 64"):
            broken.unet(torch.ones(2, 8))
    assert "could not be compiled: InvalidCxxCompiler: No working C++" in str(failed.value)
    assert str(failed.value).endswith("start without --compile default")
    assert "\n" not in str(failed.value)


def test_a_single_file_cannot_be_quantised(tiny_model: Callable[[str], Path]) -> None:
    file = write_single_file(tiny_model("sd15"), tiny_model("sd15").parent / "fox.safetensors")
    form = find(str(file), base=str(tiny_model("sd15")))
    target = replace(choose(CPU), placement=Placement(device="cpu", quantise="torchao-int8"))
    with pytest.raises(InvalidRequest, match=r"and .*fox.safetensors is a single file; take a"):
        load(form, "StableDiffusionPipeline", target)


def test_memory_that_runs_out_is_told_and_given_back() -> None:
    target = choose(Placement(device="cpu", dtype="float32"))
    held: list[weakref.ref[torch.Tensor]] = []

    def draw() -> None:
        latents = torch.ones(1000)
        held.append(weakref.ref(latents))
        torch.empty(2**50)

    with pytest.raises(EngineFailed) as failed, guarded(None, target, "4096 x 4096"):
        draw()
    assert held[0]() is None  # although the error is still there
    assert str(failed.value) == (
        "cpu ran out of memory at 4096 x 4096; ask for a smaller picture, or start with "
        "--dtype bfloat16 or --quantise torchao-int8"
    )


@pytest.mark.parametrize("error", [ValueError("prompt"), RuntimeError("shapes"), SystemExit()])
def test_other_errors_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as passed, guarded(None, choose(CPU), "64 x 64"):
        raise error
    assert passed.value is error


def test_a_model_that_does_not_fit_is_told_before_it_is_loaded(
    tiny_model: Callable[[str], Path],
) -> None:
    target = choose(Placement(device="cpu", dtype="float32"))
    found = sizes(tiny_model("sd15"))
    whole = sum(size.parameters for size in found.values()) * 4
    with pytest.raises(InvalidModel, match=r"the model fox take 0\.0 GiB of cpu as float32, and"):
        check_memory("fox", found, target, free=whole - 1)
    assert "leaves little" in "".join(check_memory("fox", found, target, free=whole))
    assert check_memory("fox", found, target, free=2 * whole) == ()


def test_this_machines_memory_is_asked() -> None:
    with pytest.raises(InvalidModel, match="use a smaller model"):
        check_memory("moon", {"unet": Size(2**50, 2**40, True)}, choose(CPU))
