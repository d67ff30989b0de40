"""ControlNets: models that steer another model along a map, such as the edges of a draft."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from PIL import Image
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.engines.controlnets import read_controlnet
from underpaint.engines.families.family import Family
from underpaint.engines.pipelines.devices import line

SCALE: Final = 0.7  # how strongly a map steers if nobody says
# What the names of ControlNets call the maps that they read.
_NAMED: Final = {
    "edges": r"canny|edge|hed|lineart|softedge|scribble|mlsd",
    "depth": r"depth",
    "pose": r"pose",
    "normals": r"normal",
    "segments": r"seg",
    "tile": r"tile|blur",
}
# The numbers of the kinds in the union ControlNets that have one, by class of the ControlNet:
# https://huggingface.co/xinsir/controlnet-union-sdxl-1.0 and
# https://huggingface.co/InstantX/FLUX.1-dev-Controlnet-Union
_MODES: Final[Mapping[str, Mapping[str, int]]] = {
    "ControlNetUnionModel": {"pose": 0, "depth": 1, "edges": 3, "normals": 4, "segments": 5},
    "FluxControlNetModel": {"edges": 0, "tile": 1, "depth": 2, "pose": 4},
}


class Control:
    """A loaded ControlNet."""

    def __init__(self, directory: Path, family: Family, dtype: torch.dtype) -> None:
        """Loads one from a directory with a config.json and .safetensors weights.

        Raises:
            InvalidModel: it is none, is of another family, or is broken.
        """
        config = read_controlnet(directory, family)
        made = str(config["_class_name"])
        try:
            self.model: Any = getattr(diffusers, made).from_pretrained(
                directory, use_safetensors=True, local_files_only=True, torch_dtype=dtype
            )
        except Exception as error:  # libraries raise everything for files of other people
            raise InvalidModel(f"{directory} does not load as {made}: {line(error)}") from error
        self.name = directory.resolve().name
        self.is_union = made == family.control_union
        has_modes = self.is_union or config.get("num_mode")
        self._modes = _MODES.get(made, {}) if has_modes else {}
        if self._modes:
            self.kinds: tuple[str, ...] = tuple(self._modes)
        else:
            named = [k for k, words in _NAMED.items() if re.search(words, self.name.lower())]
            self.kinds = tuple(named or ["edges"])

    def give(
        self,
        arguments: dict[str, Any],
        picture: Image.Image,
        kind: str,
        request: GenerationRequest,
        takes: Mapping[str, Any],
    ) -> None:
        """Adds a map to the arguments of a pipeline that takes this ControlNet.

        Raises:
            InvalidRequest: it reads no such maps.
        """
        if kind and kind not in self.kinds:
            raise InvalidRequest(
                f"the ControlNet {self.name} reads {', '.join(self.kinds)}, not {kind}"
            )
        # Text-to-image classes of Stable Diffusion call the map "image".
        name = "control_image" if "control_image" in takes else "image"
        mode = self._modes.get(kind or self.kinds[0])
        union = self.is_union and mode is not None
        arguments[name] = [picture] if union else picture
        scale = request.control_scale or SCALE
        arguments["controlnet_conditioning_scale"] = scale
        if mode is not None and "control_mode" in takes:
            arguments["control_mode"] = [mode] if union else mode
