"""Loads single files: .safetensors of the makers' own programs, and GGUF."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers
from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import components, has_weights
from underpaint.engines.forms import Form, Kind
from underpaint.engines.pipelines.tokenizers import packaged_tokenizer

LINE: Final = 300  # characters of an error of a library that are passed on
# The second text encoder of Stable Diffusion XL and the one of 2.x were taught with zeros after
# the end of a text.
_PADDED_BY_ZERO: Final = {
    ("sdxl", "tokenizer_2"),
    ("playground", "tokenizer_2"),
    ("sd3", "tokenizer_2"),
    ("sd35-medium", "tokenizer_2"),
    ("sd35-large", "tokenizer_2"),
    ("sd2", "tokenizer"),
}


def load_single(form: Form, class_name: str, *, dtype: torch.dtype) -> Any:
    """Loads the pipeline of a single file.

    Args:
        form: of the file.
        class_name: of diffusers.
        dtype: of the weights.

    Raises:
        InvalidModel: it cannot be loaded, or needs a package that is not installed.
    """
    if form.kind is Kind.GGUF and find_spec("gguf") is None:
        raise InvalidModel(f"{form.path} is a GGUF file, which needs a package: pip install gguf")
    made: Any = getattr(diffusers, class_name)
    try:
        if form.base is not None:
            return _with_base(form, form.base, made, dtype)
        with tempfile.TemporaryDirectory(prefix="underpaint-configs-") as folder:
            return _by_itself(form, Path(folder), made, dtype)
    except InvalidModel:
        raise
    except Exception as error:  # libraries raise everything for files of other people
        text = " ".join(str(error).split())[:LINE] or type(error).__name__
        raise InvalidModel(f"{form.path} does not load as {class_name}: {text}") from error


def _by_itself(form: Form, folder: Path, made: Any, dtype: torch.dtype) -> Any:
    """A pipeline of a file with all components, by the configuration in the package."""
    assert form.contents is not None  # as of each single file
    index = form.checkpoint.index
    _write(folder / "model_index.json", index)
    given: dict[str, Any] = {}
    for name in components(index):
        config = form.checkpoint.config(name)
        if name in form.contents.lacks:
            given[name] = None
        elif name.startswith("tokenizer"):
            zero = (form.contents.kind, name) in _PADDED_BY_ZERO
            given[name] = packaged_tokenizer(index[name][1], padded_by="!" if zero else "")
        elif name == "scheduler":
            given[name] = getattr(diffusers, index[name][1]).from_config(config)
        else:
            _write(folder / name / "config.json", config)
    # A text encoder that is left out needs no tokenizer.
    for name in form.contents.lacks:
        given[name.replace("text_encoder", "tokenizer")] = None
    return made.from_single_file(
        str(form.path), config=str(folder), local_files_only=True, torch_dtype=dtype, **given
    )


def _with_base(form: Form, base: Path, made: Any, dtype: torch.dtype) -> Any:
    """A pipeline of what the file holds, and of the base's components for the rest."""
    assert form.contents is not None
    index = form.checkpoint.index
    weighty = [name for name in components(index) if has_weights(index, name)]
    lacks = {*form.contents.lacks, *(n for n in weighty if n in ("safety_checker",))}
    if form.kind is Kind.GGUF:
        lacks |= {name for name in weighty if name not in ("transformer", "unet")}
    held = [name for name in weighty if name not in lacks]
    kept: Mapping[str, Any] = {"use_safetensors": True, "local_files_only": True, "dtype": dtype}
    if held == weighty or not lacks:
        parts = {n: _component(base, index, n, {}) for n in components(index) if n not in weighty}
        return made.from_single_file(
            str(form.path), config=str(base), local_files_only=True, torch_dtype=dtype, **parts
        )
    own = {name: _from_file(form, base, name, index[name][1], dtype) for name in held}
    return made.from_pretrained(base, trust_remote_code=False, **kept, **own)


def _component(base: Path, index: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> Any:
    library, class_name = index[name]
    found = getattr(diffusers if library == "diffusers" else transformers, class_name)
    return found.from_pretrained(base, subfolder=name, local_files_only=True, **options)


def _from_file(form: Form, base: Path, name: str, class_name: str, dtype: torch.dtype) -> Any:
    options: dict[str, Any] = {}
    if form.kind is Kind.GGUF:
        options["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    return getattr(diffusers, class_name).from_single_file(
        str(form.path),
        config=str(base),
        subfolder=name,
        local_files_only=True,
        torch_dtype=dtype,
        **options,
    )


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
