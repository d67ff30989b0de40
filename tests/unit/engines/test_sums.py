"""What ships is what was made: every file of a model directory against its sum."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import SUMS, check_sums, count_parameters

WEIGHTS = "transformer/model.safetensors"


def safetensors(fill: bytes = b"\0") -> bytes:
    tensors = {
        "a": {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]},
        "b": {"dtype": "U8", "shape": [2], "data_offsets": [6, 8]},
        "__metadata__": {"format": "pt"},
    }
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + fill * 8


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A pipeline of one component with its sums."""
    folder = tmp_path / "model"
    (folder / "transformer").mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(safetensors())
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "README.md").write_text("a model\n")
    write_sums(folder)
    return folder


def write_sums(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SUMS)
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files
    ]
    (folder / SUMS).write_text("".join(lines))


def test_a_directory_as_it_was_made_passes(model: Path) -> None:
    assert check_sums(model) == 3


def missing(model: Path) -> str:
    (model / "README.md").unlink()
    return "README.md"


def truncated(model: Path) -> str:
    (model / WEIGHTS).write_bytes(safetensors()[:-3])
    return WEIGHTS


def tampered(model: Path) -> str:
    (model / WEIGHTS).write_bytes(safetensors(b"\1"))
    return WEIGHTS


def one_more_weight_file(model: Path) -> str:
    (model / "transformer" / "other.safetensors").write_bytes(safetensors())
    return "transformer/other.safetensors"


def a_dangling_link(model: Path) -> str:
    (model / "link.json").symlink_to(model / "nowhere")
    return "link.json"


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".ckpt"])
def test_a_pickle_is_named_even_if_the_sums_name_it(model: Path, suffix: str) -> None:
    (model / "transformer" / f"weights{suffix}").write_bytes(b"\x80\x04.")
    write_sums(model)
    assert f"weights{suffix}" in refused(model)


def no_sums(model: Path) -> str:
    (model / SUMS).unlink()
    return SUMS


def a_line_of_another_kind(model: Path) -> str:
    (model / SUMS).write_text("README.md is fine\n")
    return SUMS


def sums_that_are_no_text(model: Path) -> str:
    (model / SUMS).write_bytes(b"\xff\xfe")
    return SUMS


def a_name_outside_the_directory(model: Path) -> str:
    (model.parent / "secret").write_text("")
    with (model / SUMS).open("a") as file:
        file.write(f"{hashlib.sha256(b'').hexdigest()}  ../secret\n")
    return "../secret"


def no_pipeline(model: Path) -> str:
    (model / "model_index.json").unlink()
    return "model_index.json"


@pytest.mark.parametrize(
    "harm",
    [
        missing,
        truncated,
        tampered,
        one_more_weight_file,
        a_dangling_link,
        no_sums,
        a_line_of_another_kind,
        sums_that_are_no_text,
        a_name_outside_the_directory,
        no_pipeline,
    ],
)
def test_harm_is_refused_and_the_file_named(model: Path, harm: Callable[[Path], str]) -> None:
    name = harm(model)
    assert name in refused(model)


def test_parameters_are_counted_from_the_headers(model: Path) -> None:
    assert count_parameters(model) == 8


def test_a_tensor_without_a_shape_is_corrupt(model: Path) -> None:
    header = json.dumps({"w": {"data_offsets": [0, 1]}}).encode()
    (model / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with pytest.raises(InvalidModel, match=WEIGHTS):
        count_parameters(model)


def refused(folder: Path) -> str:
    with pytest.raises(InvalidModel) as error:
        check_sums(folder)
    assert "\n" not in str(error.value)
    return str(error.value)
