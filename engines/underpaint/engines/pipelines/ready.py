"""What diffusers cannot load by itself: parts whose class has moved, and eyes without videos."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import transformers
from diffusers import pipelines

_MOVED_TO: Final = "diffusers.pipelines.deprecated"


def ready_parts(folder: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """Prepares `from_pretrained` for a checkpoint; returns the parts that it must be given.

    Args:
        folder: of the checkpoint.
        index: its model_index.json.
    """
    made = {}
    for name, held in index.items():
        if not isinstance(held, list | tuple) or not all(isinstance(each, str) for each in held):
            continue
        library, class_name = held
        _find_again(library)
        if library == "transformers" and not has_torchvision():
            seeing = getattr(transformers, class_name, None)
            if _sees_videos(seeing):
                part = without_videos(seeing)
                made[name] = part.from_pretrained(str(folder / name), local_files_only=True)
    return made


def has_torchvision() -> bool:
    """Whether torchvision is installed."""
    return find_spec("torchvision") is not None


def without_videos(made: Any) -> Any:
    """A processor of words and pictures, from one that sees videos, too.

    Videos need torchvision, which has no packages for some builds of torch, and no model here is
    shown one.

    Args:
        made: the class of transformers.
    """

    def begin(
        self: Any,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        **more: Any,
    ) -> None:
        made.__init__(self, image_processor, tokenizer, chat_template=chat_template, **more)

    return type(made.__name__, (made,), {"__init__": begin, "__module__": made.__module__})


def _find_again(library: str) -> None:
    """Lets diffusers find a pipeline's module that it has moved, such as wuerstchen."""
    if (
        library.isidentifier()
        and not hasattr(pipelines, library)
        and find_spec(f"{_MOVED_TO}.{library}")
    ):
        setattr(pipelines, library, import_module(f"{_MOVED_TO}.{library}"))


def _sees_videos(made: Any) -> bool:
    if not (isinstance(made, type) and issubclass(made, transformers.ProcessorMixin)):
        return False
    processor: Any = made  # untyped
    return "video_processor" in processor.get_attributes()
