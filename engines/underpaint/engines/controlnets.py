"""ControlNets on disk: which is for which family, told before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, read_json
from underpaint.engines.families.family import Family


def read_controlnet(directory: Path, family: Family | None) -> Mapping[str, Any]:
    """The configuration of a ControlNet, after a check that it can steer a family.

    Args:
        directory: with a config.json and .safetensors weights.
        family: of the model that it is to steer; None if that is not known yet.

    Raises:
        InvalidModel: it is none, is of another family, or can run code.
    """
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "is not there"
        raise InvalidModel(
            f"the ControlNet {directory} {what}; give a directory with its config.json and weights"
        )
    unsafe = next((p for p in directory.rglob("*") if p.suffix in UNSAFE_SUFFIXES), None)
    if unsafe:
        raise InvalidModel(f"{unsafe} can run code when loaded; get it as .safetensors")
    config = read_json(directory / "config.json")
    made = str(config.get("_class_name"))
    if "ControlNet" not in made:
        raise InvalidModel(f"{directory} is no ControlNet: its config.json is of a {made}")
    if not any(directory.glob("*.safetensors")):
        raise InvalidModel(f"{directory} has no .safetensors weights; fetch it again")
    if family is None:
        return config
    wanted = [each for each in (family.control_model, family.control_union) if each]
    if not wanted:
        raise InvalidModel(f"{family.title} takes no ControlNet; leave --control out")
    if made not in wanted:
        raise InvalidModel(
            f"{directory} is a {made}; for {family.title} give a {' or a '.join(wanted)}"
        )
    return config
