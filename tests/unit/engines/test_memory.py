"""Whether a model fits is told from its headers, before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from underpaint.contract.errors import InvalidModel
from underpaint.engines.memory import Size, check, free_of_host, needed, sizes, to_quantise
from underpaint.engines.placement import Placement

GIB = 2**30
# As large as FLUX.1: its transformer, T5, CLIP and the autoencoder.
FLUX = {
    "transformer": Size(12 * GIB, GIB // 4, True),
    "text_encoder_2": Size(5 * GIB, GIB // 8, True),
    "text_encoder": Size(GIB // 8, GIB // 32, False),
    "vae": Size(GIB // 16, GIB // 64, False),
}


def save(path: Path, **shapes: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name.replace("__", "."): torch.zeros(s) for name, s in shapes.items()}, path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    index = {
        "_class_name": "FluxPipeline",
        "transformer": ["diffusers", "FluxTransformer2DModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "safety_checker": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "tokenizer").mkdir()
    weights = tmp_path / "transformer" / "diffusion_pytorch_model"
    save(weights.with_name(f"{weights.name}-00001-of-00002.safetensors"), a=(10, 10), b=(3,))
    save(weights.with_name(f"{weights.name}-00002-of-00002.safetensors"), c=(20, 10))
    save(tmp_path / "text_encoder" / "model.safetensors", a=(4, 4))
    save(tmp_path / "text_encoder_2" / "model.fp16.safetensors", a=(5, 5))
    return tmp_path


def test_the_weights_of_each_component_are_counted(directory: Path) -> None:
    assert sizes(directory) == {
        "transformer": Size(303, 200, True),
        "text_encoder": Size(16, 16, False),
        "text_encoder_2": Size(25, 25, True),
    }


def test_weights_that_lie_there_in_two_variants_count_once(directory: Path) -> None:
    save(directory / "text_encoder" / "model.fp16.safetensors", a=(4, 4))
    assert sizes(directory)["text_encoder"].parameters == 16


def test_the_components_of_a_single_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "dream.safetensors"
    save(
        path,
        model__diffusion_model__a=(10, 10),
        model__diffusion_model__b=(5, 5),
        first_stage_model__a=(3, 3),
        conditioner__a=(2, 2),
    )
    assert sizes(path) == {
        "denoiser": Size(125, 100, True),
        "vae": Size(9, 9, False),
        "text_encoder": Size(4, 4, False),
    }


def test_weights_of_a_gguf_file_take_what_the_file_takes(tmp_path: Path) -> None:
    (tmp_path / "flux.gguf").write_bytes(b"GGUF" + bytes(996))
    found = sizes(tmp_path / "flux.gguf")
    assert needed(found, Placement(), 4) == needed(found, Placement(offload="model"), 2) == 1000


def test_the_denoiser_and_large_text_encoders_are_quantised(directory: Path) -> None:
    index = json.loads((directory / "model_index.json").read_text())
    assert to_quantise(index) == {"transformer": "diffusers", "text_encoder_2": "transformers"}


@pytest.mark.parametrize(
    ("placement", "bytes_each", "gib"),
    [
        (Placement(), 4, 17.1875 * 4),
        (Placement(), 2, 17.1875 * 2),
        (Placement(offload="model"), 2, 24.0),
        (Placement(offload="sequential"), 2, 0.5),
        (Placement(quantise="bnb-8bit"), 2, 17 * 8.2 / 8 + 0.1875 * 2),
        (Placement(quantise="bnb-4bit", offload="model"), 2, 12 * 4.5 / 8),
    ],
)
def test_what_weights_take_depends_on_the_placement(
    placement: Placement, bytes_each: int, gib: float
) -> None:
    assert needed(FLUX, placement, bytes_each) / GIB == pytest.approx(gib, rel=1e-6)


def told(placement: Placement, free: float, device: str = "cuda:0", dtype: str = "bfloat16") -> str:
    """The warning, or "" if there is room enough."""
    found = check("flux", FLUX, placement, device=device, dtype=dtype, free=round(free * GIB))
    return "".join(found)


def test_what_does_not_fit_is_told_with_what_would_do() -> None:
    with pytest.raises(InvalidModel) as refused:
        told(Placement(), 24)
    assert str(refused.value) == (
        "the weights of the model flux take 34.4 GiB of cuda:0 as bfloat16, and 24.0 GiB are free: "
        "use --quantise bnb-8bit (17.8 GiB) or --quantise bnb-4bit (9.9 GiB) or "
        "--offload sequential (0.5 GiB) or a smaller model"
    )
    with pytest.raises(InvalidModel, match=r"--dtype bfloat16 \(34.4 GiB\) or --offload model"):
        told(Placement(), 64, dtype="float32")


def test_a_cpu_is_not_advised_to_offload() -> None:
    with pytest.raises(InvalidModel) as refused:
        told(Placement(device="cpu"), 30, device="cpu")
    advice = str(refused.value).partition(": use ")[2]
    assert advice == "--quantise torchao-int8 (17.8 GiB) or a smaller model"


def test_where_nothing_would_do_only_a_smaller_model_is_advised() -> None:
    with pytest.raises(InvalidModel, match=r"are free: use a smaller model$"):
        told(Placement(offload="sequential"), 0.25)


def test_what_fits_only_just_is_warned_about() -> None:
    assert "which leaves little for pictures; if it runs out, use --offload model" in told(
        Placement(), 36
    )
    assert told(Placement(), 48) == ""


MEMINFO = "MemTotal: 9000 kB\nMemAvailable: 4096 kB\nSwapFree: 1024 kB\n"


def machine(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_free_memory_counts_swap(tmp_path: Path) -> None:
    assert free_of_host(machine(tmp_path, proc__meminfo=MEMINFO)) == 5120 * 1024


@pytest.mark.parametrize(("limit", "free"), [("2000000", 1_100_000), ("max", 5120 * 1024)])
def test_a_containers_limit_counts(tmp_path: Path, limit: str, free: int) -> None:
    root = machine(
        tmp_path,
        proc__meminfo=MEMINFO,
        sys__fs__cgroup__memory_DOT_max=f"{limit}\n",
        sys__fs__cgroup__memory_DOT_current="1000000\n",
        sys__fs__cgroup__memory_DOT_stat="anon 5\ninactive_file 100000\n",
    )
    assert free_of_host(root) == free


def test_the_older_groups_count_too(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        proc__meminfo=MEMINFO,
        sys__fs__cgroup__memory__memory_DOT_limit_in_bytes="2000000\n",
        sys__fs__cgroup__memory__memory_DOT_usage_in_bytes="1500000\n",
        sys__fs__cgroup__memory__memory_DOT_stat="total_rss 5\n",
    )
    assert free_of_host(root) == 500_000


def test_a_system_that_does_not_tell_is_not_guessed(tmp_path: Path) -> None:
    assert free_of_host(tmp_path) is None
