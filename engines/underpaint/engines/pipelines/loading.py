"""Builds diffusers' pipelines of a checkpoint, with the classes that its family names."""

from __future__ import annotations

import inspect
from typing import Any, Final

import diffusers
import transformers
from underpaint.contract.errors import InvalidModel, InvalidRequest
from underpaint.engines.forms import Form
from underpaint.engines.pipelines import devices
from underpaint.engines.pipelines.devices import Target
from underpaint.engines.pipelines.ready import ready_parts
from underpaint.engines.pipelines.single_file import load_single

LINE: Final = 300  # characters of an error of a library that are passed on


def silence() -> None:
    """Stops the libraries' own messages and progress bars."""
    for library in (diffusers, transformers):
        voice: Any = library.utils.logging
        voice.set_verbosity_error()
        voice.disable_progress_bar()


def load(form: Form, class_name: str, target: Target) -> Any:
    """Loads a pipeline.

    Args:
        form: of the model.
        class_name: of diffusers.
        target: where it will run.

    Raises:
        InvalidModel: it cannot be loaded.
        InvalidRequest: it cannot be quantised, because it is a single file.
    """
    if form.is_single:
        if target.placement.quantise != "none":
            raise InvalidRequest(
                f"--quantise is for diffusers directories and hub ids, and {form.path} is a single "
                "file; take a GGUF file of the model, or leave it out"
            )
        return load_single(form, class_name, dtype=target.dtype)
    try:
        made: Any = getattr(diffusers, class_name)
        # Only safetensors and no remote code: both pickles and code could harm this machine.
        return made.from_pretrained(
            form.path,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            variant=form.variant or None,
            **ready_parts(form.path, form.checkpoint.index),
            **devices.load_options(target, form.checkpoint.index),
            **_left_out(form, made),
        )
    except Exception as error:  # libraries raise everything for files of other people
        raise InvalidModel(
            f"{form.name} does not load as {class_name} of safetensors: {line(error)}"
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


def _left_out(form: Form, made: Any) -> dict[str, None]:
    """The components that the class names and the directory does not have.

    They are named again with None, because otherwise diffusers takes them for missing.
    """
    index = form.checkpoint.index
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
