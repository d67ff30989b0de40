"""Hub ids: what is one, what is fetched, and the cache that needs no hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from underpaint.engines import hub
from underpaint.engines.forms import Kind, find

from tests.unit.engines.test_forms import directory, refused

__all__ = ["directory"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


def in_cache(cache: Path, directory: Path, commit: str = "c0ffee") -> None:
    place = cache / "models--ann--fox"
    (place / "snapshots").mkdir(parents=True)
    directory.rename(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)


def test_a_hub_id_in_the_cache_is_called_by_its_id_and_needs_no_hub(
    cache: Path, directory: Path
) -> None:
    in_cache(cache, directory)
    for model in ("ann/fox", "ann/fox@c0ffee"):
        form = find(model)
        assert (form.kind, form.name) == (Kind.HUB, model)
        assert form.card_file(Path("data")) == Path("data/cards/ann--fox.json")


def test_a_hub_id_that_cannot_be_fetched_is_one_line(cache: Path) -> None:
    told = refused("ann/fox")
    assert "ann/fox is not in" in told
    assert "check the id and the network" in told


def test_of_the_files_on_the_hub_only_what_is_loaded_is_wanted() -> None:
    files = [
        "model_index.json",
        "README.md",
        "sd_turbo.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/run.py",
        "tokenizer/merges.txt",
        "text_encoder/model.fp16.safetensors",
    ]
    plain = ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
    small = ["model_index.json", "unet/config.json", "tokenizer/merges.txt"]
    half = ["unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"]
    assert sorted(hub.wanted(files)) == sorted([*small, *half])
    assert sorted(hub.wanted([*files, *plain])) == sorted([*small, *plain])
    assert sorted(hub.wanted(files, weights=False)) == sorted(small)


@pytest.mark.parametrize("text", ["a/b", "stabilityai/sd-turbo", "a/b@v1.0", "a/b@refs/pr/1"])
def test_hub_ids(text: str) -> None:
    assert str(hub.parse(text)) == text


@pytest.mark.parametrize("text", ["a", "a/b/c", "/a/b", "./a", "a/b@", "a b/c", "../b"])
def test_what_is_no_hub_id(text: str) -> None:
    assert hub.parse(text) is None


def test_a_directory_here_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "lite").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub.parse("models/lite") is None
