"""What cannot be done on a device is told before anything large is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from underpaint.contract.errors import InvalidRequest
from underpaint.engines.placement import Placement, read_placement


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "tpu"}, "--device 'tpu': write auto, cpu, cuda, cuda:N or mps"),
        ({"device": "cuda:"}, "--device 'cuda:'"),
        ({"device": "cuda:one"}, "--device 'cuda:one'"),
        ({"dtype": "int4"}, "--dtype 'int4': Input should be 'auto', 'float32'"),
        ({"offload": "disk"}, "--offload 'disk': Input should be 'none', 'model' or 'sequential'"),
        ({"vae_tiling": "yes"}, "--vae-tiling 'yes': Input should be 'auto', 'on' or 'off'"),
        ({"compile": "fast"}, "--compile 'fast'"),
        ({"quantise": "int8"}, "--quantise 'int8'"),
        ({"device": "cpu", "offload": "model"}, "so --device cpu cannot use it"),
        ({"device": "cpu", "quantise": "bnb-4bit"}, "needs a CUDA device, not --device cpu"),
        ({"device": "mps", "quantise": "bnb-8bit"}, "use torchao-int8 there"),
        ({"offload": "sequential", "quantise": "torchao-int8"}, "cannot move quantised weights"),
        ({"offload": "sequential", "compile": "default"}, "leaves nothing to compile"),
    ],
)
def test_what_is_no_choice_or_does_not_go_together_gets_one_line(
    given: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_placement(**given)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3", "mps"])
def test_every_device_of_torch_that_engines_run_on_can_be_named(device: str) -> None:
    assert read_placement(device=device).device == device


@pytest.mark.parametrize(
    ("quantise", "package"), [("bnb-4bit", "bitsandbytes"), ("torchao-int8", "torchao")]
)
def test_a_quantiser_that_is_not_installed_is_named(
    quantise: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidRequest, match=f"needs the package {package}: pip install {package}"):
        Placement(quantise=quantise).check_installed()
    Placement().check_installed()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_compiling_needs_a_compiler(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidRequest, match=r"needs a C\+\+ compiler, and there is none; install"):
        Placement(device=device, compile="default").check_installed()
    for name in ("g++", "gcc"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    Placement(device=device, compile="default").check_installed()


def test_choosing_imports_no_torch() -> None:
    code = (
        "import sys; from underpaint.engines import memory, placement; "
        "placement.read_placement(device='cuda:1', quantise='none').check_installed(); "
        "sys.exit(bool({'torch', 'diffusers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
