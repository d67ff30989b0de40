import json
import struct
from pathlib import Path

import pytest
from underpaint.contract.errors import InvalidModel
from underpaint.engines.cards import directory_card
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, check_directory


def safetensors(size: int = 8) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A whole directory, as diffusers lays it out."""
    folder = tmp_path / "model"
    for name in ("unet", "vae", "tokenizer", "scheduler"):
        (folder / name).mkdir(parents=True)
    for name in ("unet", "vae"):
        (folder / name / "diffusion_pytorch_model.safetensors").write_bytes(safetensors())
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "requires_safety_checker": False,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(InvalidModel) as error:
        check_directory(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_directory_passes(model: Path) -> None:
    check_directory(model)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert "nowhere" in refused(tmp_path / "nowhere")


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    refused(tmp_path / "model")


@pytest.mark.parametrize("name", ["unet", "vae", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(model: Path, name: str) -> None:
    (model / name).rename(model / "elsewhere")
    assert name in refused(model)


@pytest.mark.parametrize("index", ["", "{", "[]", "{}", '"text"', "\udcff"])
def test_an_index_that_is_none_is_refused(model: Path, index: str) -> None:
    (model / "model_index.json").write_bytes(index.encode(errors="surrogateescape"))
    assert "model_index.json" in refused(model)


@pytest.mark.parametrize("suffix", sorted(UNSAFE_SUFFIXES))
def test_whatever_can_run_code_is_refused_wherever_it_lies(model: Path, suffix: str) -> None:
    (model / "tokenizer" / f"innocent{suffix.upper()}").write_bytes(b"")
    assert "innocent" in refused(model)


def test_a_component_without_weights_is_refused(model: Path) -> None:
    (model / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert "vae" in refused(model)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",
        safetensors()[:-1],
        safetensors()[:20],
        safetensors() + b"x",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"w": {}}',
        struct.pack("<Q", 8) + b'{"w": 3}',
        struct.pack("<Q", 25) + b'{"w":{"data_offsets":""}}',
        struct.pack("<Q", 30) + b'{"w":{"data_offsets":[0,"8"]}}',
    ],
)
def test_weights_that_are_cut_or_corrupt_are_named(model: Path, data: bytes) -> None:
    (model / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(data)
    assert "unet" in refused(model)


@pytest.mark.parametrize(
    "index", ['{"weight_map": {"w": "part-2.safetensors"}}', '{"weight_map": 3}', "{"]
)
def test_a_missing_or_unreadable_shard_is_refused(model: Path, index: str) -> None:
    (model / "unet" / "model.safetensors.index.json").write_text(index)
    assert "unet" in refused(model)


def test_what_is_no_json_is_called_corrupt_and_not_shown_as_a_parser_saw_it(model: Path) -> None:
    (model / "model_index.json").write_text('{"_class_name": "Stable')
    assert refused(model).endswith("model_index.json is corrupt: it is no JSON; fetch it again")


def test_weights_that_are_missing_say_what_to_do(model: Path) -> None:
    for path in (model / "unet").glob("*.safetensors"):
        path.unlink()
    assert refused(model).endswith("half a download, or pickled; fetch it again, as .safetensors")


def test_a_file_of_zeros_is_called_corrupt(model: Path) -> None:
    (model / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(bytes(100))
    assert refused(model).endswith("is corrupt: its header is no JSON; fetch it again")


def with_entry(model: Path, source: str) -> None:
    index = json.loads((model / "model_index.json").read_text())
    index["odd"] = json.loads(source)
    (model / "model_index.json").write_text(json.dumps(index))


def test_a_component_of_the_index_that_is_not_there_is_named(model: Path) -> None:
    with_entry(model, '["custom", "Thing"]')
    assert "odd" in refused(model)


@pytest.mark.parametrize("setting", ["[]", '["diffusers"]', "[1, 2]", "3"])
def test_settings_in_the_index_are_no_components(model: Path, setting: str) -> None:
    with_entry(model, setting)
    check_directory(model)


def test_a_component_outside_the_directory_is_refused(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    index["../vae"] = ["diffusers", "AutoencoderKL"]
    (model / "model_index.json").write_text(json.dumps(index))
    refused(model)


def test_the_card_is_read(model: Path) -> None:
    card = {"name": "n", "native_size": 128, "guidance_scale": 1, "call": {"max": 1}, "other": 2}
    (model / "underpaint.json").write_text(json.dumps(card))
    read = directory_card(model)
    assert (read.name, read.native_size, read.guidance_scale) == ("n", 128, 1.0)
    assert read.call == {"max": 1}
    assert read.strength is None


def test_a_directory_without_a_card_is_called_by_its_name(model: Path) -> None:
    assert directory_card(model).name == "model"


@pytest.mark.parametrize(
    "card", ["{", "{}", '{"name": "n", "native_size": "big"}', '{"name": "n", "call": 3}']
)
def test_a_card_that_is_none_is_refused(model: Path, card: str) -> None:
    (model / "underpaint.json").write_text(card)
    with pytest.raises(InvalidModel, match=r"underpaint\.json"):
        directory_card(model)
