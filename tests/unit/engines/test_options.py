"""What is checked of a model before torch is imported, and the flags that say how it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from underpaint.cloud.settings import Settings as CloudSettings
from underpaint.contract.errors import InvalidModel
from underpaint.edge.settings import read_settings
from underpaint.engines.options import Options
from underpaint.engines.starting import check_start

from tests.tiny import make


@pytest.fixture(scope="module")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few-step model, by its scheduler, of which nothing is known."""
    return make("sd-turbo", tmp_path_factory.mktemp("models") / "unknown")


def test_a_few_step_model_is_asked_about_before_anything_is_loaded(turbo: Path) -> None:
    with pytest.raises(InvalidModel, match="underpaint models card"):
        check_start(str(turbo), Options())
    (turbo / "underpaint.json").write_text('{"name": "mine", "num_inference_steps": 2}')
    check_start(str(turbo), Options())


def test_a_lora_that_is_not_there_is_told_before_anything_is_loaded(turbo: Path) -> None:
    (turbo / "underpaint.json").write_text('{"name": "mine", "num_inference_steps": 2}')
    with pytest.raises(InvalidModel, match=r"nowhere\.safetensors"):
        check_start(str(turbo), Options(loras=("/nowhere.safetensors",)))


def test_checking_imports_no_torch() -> None:
    code = "import sys, underpaint.engines.starting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_loras_are_flags_that_repeat_or_a_variable_with_commas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--data-dir", str(tmp_path), "--lora", "a.safetensors", "--lora", "b.safetensors:0.5"]
    options = read_settings(given).options
    assert options.loras == ("a.safetensors", "b.safetensors:0.5")
    assert options.data_dir == tmp_path
    monkeypatch.setenv("UNDERPAINT_CLOUD_LORA", "a.safetensors,b.safetensors:0.5")
    assert CloudSettings(control=tmp_path).options == Options(
        placement=CloudSettings().engine_placement,
        data_dir=CloudSettings().data_dir,
        loras=options.loras,
        control=tmp_path,
    )
