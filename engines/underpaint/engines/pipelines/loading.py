"""Builds diffusers' pipelines of a checkpoint, with the classes that its family names."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import diffusers
import transformers
from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import check_directory
from underpaint.engines.families import family_of
from underpaint.engines.families.family import Checkpoint, Family, Start

LINE: Final = 300  # characters of an error of a library that are passed on


def silence() -> None:
    """Stops the libraries' own messages and progress bars."""
    for library in (diffusers, transformers):
        voice: Any = library.utils.logging
        voice.set_verbosity_error()
        voice.disable_progress_bar()


def read_checkpoint(directory: Path) -> Checkpoint:
    """What the configuration files of a diffusers directory say.

    Raises:
        InvalidModel: one of them cannot be read.
    """
    index = _read(directory / "model_index.json")
    configs: dict[str, Mapping[str, Any]] = {}
    for component in index:
        for file in ("config.json", "scheduler_config.json"):
            path = directory / component / file
            if path.is_file():
                configs[component] = _read(path)
    return Checkpoint(index=index, configs=configs, name=directory.name)


def family_for(checkpoint: Checkpoint) -> Family:
    """The family of a checkpoint.

    Raises:
        InvalidModel: it is of none that is known.
    """
    family = family_of(checkpoint)
    if family is None:
        named = checkpoint.index.get("_class_name")
        raise InvalidModel(
            f"{checkpoint.name} is a {named}, which is no family of text-to-image models that "
            "Underpaint knows"
        )
    return family


def class_for(family: Family, use: str, name: str) -> str:
    """The class of diffusers that draws for a use.

    Args:
        family: of the model.
        use: "text" (from words alone), "image" (from a picture), "mask", or one of them with
            "control-" before it.
        name: the model's, for messages.

    Raises:
        InvalidModel: the family cannot do that.
    """
    words = family.text_to_image
    if use.startswith("control-"):
        wanted = use.removeprefix("control-")
        found = family.control.get(wanted) or family.control.get("text")
    elif use == "text":
        found = words
    elif use == "mask":
        found = family.inpaint or class_for(family, "image", name)
    else:
        found = None if family.start is Start.NEVER else family.image_to_image or words
    if found is None:
        does = {
            "text": "cannot draw from words alone; give it as the Full engine",
            "image": "cannot start from a picture; give it as the Lite engine",
        }.get(use, "takes no control map")
        raise InvalidModel(f"{name} is of the family {family.title}, which {does}")
    return found


def fetched(hub_id: str) -> Path:
    """The directory of a model of the hub, which is fetched if it is not there.

    Raises:
        InvalidModel: it cannot be fetched, or is incomplete or unsafe.
    """
    try:
        directory = Path(diffusers.DiffusionPipeline.download(hub_id, use_safetensors=True))
    except Exception as error:  # of the network, the hub and the libraries
        raise InvalidModel(f"{hub_id} cannot be fetched from the hub: {line(error)}") from error
    check_directory(directory)
    return directory


def load(directory: Path, name: str, class_name: str, **options: Any) -> Any:
    """Loads a pipeline.

    Args:
        directory: of diffusers, checked.
        name: the model's, for messages.
        class_name: of diffusers.
        **options: see `devices.load_options`.

    Raises:
        InvalidModel: it cannot be loaded.
    """
    try:
        made: Any = getattr(diffusers, class_name)
        # Only safetensors and no remote code: both pickles and code could harm this machine.
        return made.from_pretrained(
            directory,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
            **_left_out(directory, made),
        )
    except Exception as error:  # libraries raise everything for files of other people
        raise InvalidModel(
            f"{name} does not load as {class_name} of safetensors: {line(error)}"
        ) from error


def share(pipeline: Any, class_name: str, **more: Any) -> Any:
    """A pipeline of another class with the same components.

    Unlike `from_pipe` of diffusers it keeps components of other classes than the usual, such as
    tiny autoencoders, and casts nothing.
    """
    made: Any = getattr(diffusers, class_name)
    if type(pipeline) is made and not more:
        return pipeline
    given: dict[str, Any] = {}
    for name, parameter in _parameters(made.__init__).items():
        if name in more:
            given[name] = more[name]
        elif name in pipeline.components:
            given[name] = pipeline.components[name]
        elif name in pipeline.config and parameter.default is not parameter.empty:
            given[name] = pipeline.config[name]
        elif parameter.default is parameter.empty:
            given[name] = None
    shared = made(**given)
    shared.set_progress_bar_config(disable=True)
    return shared


def line(error: BaseException) -> str:
    """An error of a library as one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LINE else text[:LINE] + "..."


def _left_out(directory: Path, made: Any) -> dict[str, None]:
    """The components that the class names and the directory does not have.

    They are named again with None, because otherwise diffusers takes them for missing.
    """
    index = _read(directory / "model_index.json")
    absent = [name for name, held in index.items() if held == [None, None]]
    optional = [name for name in getattr(made, "_optional_components", ()) if name not in index]
    needed = _parameters(made.__init__)
    return dict.fromkeys(name for name in (*absent, *optional) if name in needed)


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(function).parameters)
    found.pop("self", None)
    return {
        name: each
        for name, each in found.items()
        if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidModel(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise InvalidModel(f"{path} holds no JSON object")
    return value
