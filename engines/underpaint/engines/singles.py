"""Single files: which can be drawn with, and the configurations of their kinds.

A single file holds weights and no configuration. Those of the common kinds come with the package,
one JSON file for each kind with what diffusers has in model_index.json and config.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import read_json
from underpaint.engines.families.family import Checkpoint
from underpaint.engines.sniffing import Contents, What

CONFIGS: Final = Path(__file__).parent / "configs"
_ADVICE: Final = {
    What.LORA: "give it with --lora FILE, beside a model",
    What.CONTROLNET: "give it with --control DIR, beside a model",
    What.EMBEDDING: "give it with --embedding FILE, beside a model",
    What.AUTOENCODER: "give the model that it belongs to",
    What.TEXT_ENCODER: "give the model that it belongs to",
    What.DENOISER: "give the whole diffusers directory that it comes from",
    What.VIDEO: "give a model that draws pictures",
    What.UPSCALER: "give a model that draws pictures",
    What.UNKNOWN: "give a diffusers directory",
}
_NAMES: Final = {
    What.LORA: "a LoRA, not a checkpoint",
    What.CONTROLNET: "a ControlNet, not a checkpoint",
    What.EMBEDDING: "a textual inversion, not a checkpoint",
    What.AUTOENCODER: "a VAE, not a checkpoint",
    What.TEXT_ENCODER: "a text encoder, not a checkpoint",
    What.DENOISER: "one component of a model, not a checkpoint",
    What.UPSCALER: "an upscaler, not a checkpoint",
    What.UNKNOWN: "of a kind that is not known",
}
# What a pipeline can do without, as Stable Diffusion 3 can without its largest text encoder.
_CAN_LACK: Final = {
    ("sd3", "text_encoder_3"),
    ("sd35-medium", "text_encoder_3"),
    ("sd35-large", "text_encoder_3"),
}


def kinds() -> frozenset[str]:
    """The kinds whose configurations come with the package."""
    return frozenset(path.stem for path in CONFIGS.glob("*.json"))


def packaged(kind: str, name: str) -> Checkpoint:
    """A single file of a kind, as its configuration in the package says."""
    document = read_json(CONFIGS / f"{kind}.json")
    return Checkpoint(index=document.pop("model_index"), configs=document, name=name)


def check_contents(path: Path, contents: Contents, base: Path | None) -> None:
    """Checks that a file can be drawn with, together with its base if it has one.

    Raises:
        InvalidModel: says what the file is and what would do.
    """
    if contents.what is What.VIDEO:
        raise InvalidModel(f"{path} is a video model ({contents.title}); {_ADVICE[What.VIDEO]}")
    if contents.what is not What.CHECKPOINT:
        raise InvalidModel(f"{path} is {_NAMES[contents.what]}; {_ADVICE[contents.what]}")
    if base is not None:
        return
    how = f"`underpaint models card {path} --base DIR`"
    if contents.kind not in kinds():
        raise InvalidModel(
            f"{path} is {contents.title}, whose configuration does not come with the package; "
            f"say with {how} where a diffusers directory of it is"
        )
    lacking = [part for part in contents.lacks if (contents.kind, part) not in _CAN_LACK]
    if lacking:
        raise InvalidModel(
            f"{path} is {contents.title} without {', '.join(lacking)}; "
            f"say with {how} which diffusers directory of the same family has them"
        )
