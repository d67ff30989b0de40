"""Checks model directories before loading: whether they are complete and safe.

Nothing here imports torch: a bad directory is reported in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from underpaint.contract.errors import InvalidModel
from underpaint.engines.model_kinds import check_kind

# Files that can run code when they are loaded.
UNSAFE_SUFFIXES: Final = frozenset(
    {".py", ".pyc", ".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".so", ".h5", ".msgpack"}
)
T = TypeVar("T")
CARD: Final = "underpaint.json"
SUMS: Final = "SHA256SUMS"
_SUM_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](.+)")
# The dtypes of safetensors, with the size of one number in bits.
_BITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_WEIGHTLESS: Final = ("tokenizer", "scheduler", "feature_extractor", "image_processor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """The recommended settings of a pipeline, from `underpaint.json` in its directory.

    Pipelines of others have no such file. None means the pipeline's own default.
    """

    name: str
    native_size: int | None = None  # pixels a side
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None
    call: Mapping[str, Any] = field(default_factory=dict)  # further keyword arguments


def check_directory(directory: Path) -> None:
    """Checks that a diffusers directory is complete and contains no code.

    Raises:
        InvalidModel: it is of another kind; or names the file that is missing, incomplete or
            unsafe.
    """
    check_kind(directory)
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() in UNSAFE_SUFFIXES:
            raise InvalidModel(
                f"{path} can run code when loaded; save the pipeline again with "
                "safe_serialization=True and remove this file"
            )
    index = _read_json(directory / "model_index.json")
    if "_class_name" not in index:
        raise InvalidModel(f"{directory / 'model_index.json'} names no pipeline class")
    for component, source in index.items():
        if component.startswith("_") or not isinstance(source, list) or source == [None, None]:
            continue
        folder = directory / component
        if not folder.is_dir():
            raise InvalidModel(f"{folder} is missing: the model directory is incomplete")
        if not component.startswith(_WEIGHTLESS):
            _check_weights(folder)


def check_sums(directory: Path) -> int:
    """Checks every file of a directory against its `SHA256SUMS`; returns how many there are.

    Files without a sum are refused as well, because a loader might use them instead.

    Raises:
        InvalidModel: names the file that is missing, incomplete, unsafe, changed or unknown.
    """
    check_directory(directory)
    path = directory / SUMS
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise InvalidModel(f"{path} is missing: there is nothing to verify against") from None
    except (OSError, ValueError) as error:
        raise InvalidModel(f"{path} cannot be read: {error}") from None
    present = {
        file.relative_to(directory).as_posix()
        for file in directory.rglob("*")
        if not file.is_dir() and file != path
    }
    named = set()
    for line in lines:
        found = _SUM_LINE.fullmatch(line)
        if found is None:
            raise InvalidModel(f"{path} is corrupt: {line[:80]!r} is no line of sha256sum")
        wanted, name = found.groups()
        if name not in present:
            raise InvalidModel(f"{directory / name} is missing: {SUMS} names it; fetch it again")
        if _sha256(directory / name) != wanted:
            raise InvalidModel(f"{directory / name} was changed: {SUMS} has another sum for it")
        named.add(name)
    for name in sorted(present - named):
        raise InvalidModel(f"{directory / name} is not in {SUMS}: remove it, or fetch all again")
    return len(named)


def count_parameters(directory: Path) -> int:
    """The number of parameters in a checked directory, from the headers of its files.

    Raises:
        InvalidModel: names the file that is corrupt.
    """
    count = 0
    for path in directory.rglob("*.safetensors"):
        header = _check_safetensors(path)
        try:
            shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
            count += sum(map(math.prod, shapes))
        except (LookupError, TypeError) as error:
            raise InvalidModel(f"{path} is corrupt: a tensor without a shape: {error}") from None
    return count


def read_card(directory: Path) -> ModelCard:
    """Reads the card of a model directory; without a card the folder's name is the model's name.

    Raises:
        InvalidModel: the card is not JSON or has fields of other kinds.
    """
    path = directory / CARD
    if not path.exists():
        return ModelCard(name=directory.name)
    card = _read_json(path)
    try:
        return ModelCard(
            name=str(card["name"]),
            native_size=_optional(card, "native_size", int),
            num_inference_steps=_optional(card, "num_inference_steps", int),
            guidance_scale=_optional(card, "guidance_scale", float),
            strength=_optional(card, "strength", float),
            call=dict(card.get("call", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidModel(f"{path} is not a model card: {error!r}") from None


def _optional(card: Mapping[str, Any], key: str, kind: Callable[[Any], T]) -> T | None:
    value = card.get(key)
    return None if value is None else kind(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidModel(f"{path} is missing: not a whole diffusers directory") from None
    except (OSError, ValueError) as error:
        raise InvalidModel(f"{path} cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise InvalidModel(f"{path} holds no JSON object")
    return value


def _check_weights(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidModel(f"{folder} holds no .safetensors weights: incomplete, or pickled")
    for path in files:
        _check_safetensors(path)
    for index in folder.glob("*.safetensors.index.json"):
        weight_map = _read_json(index).get("weight_map", {})
        if not isinstance(weight_map, dict):
            raise InvalidModel(f"{index} maps no weights to files; fetch it again")
        for name in set(map(str, weight_map.values())):
            if not (folder / name).exists():
                raise InvalidModel(f"{folder / name} is missing: {index.name} names it")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error}") from None


def _check_tensor(name: str, tensor: Mapping[str, Any]) -> None:
    """Raises ValueError if the dtype is unknown or the bytes are not those of the shape."""
    dtype, (begin, end) = tensor["dtype"], tensor["data_offsets"]
    if dtype not in _BITS:
        raise ValueError(f"the tensor {name} has the unknown dtype {dtype!r}")
    wanted = math.prod(tensor["shape"]) * _BITS[dtype]
    if 8 * (end - begin) != wanted:
        raise ValueError(
            f"the tensor {name} has {end - begin:,} bytes, and {dtype} of its shape has "
            f"{math.ceil(wanted / 8):,}"
        )


def _check_safetensors(path: Path) -> dict[str, Any]:
    """The header, which says where the last tensor ends; a file of another length was cut."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, 100 * 2**20):
                raise ValueError("its header is longer than the file")
            header: dict[str, Any] = json.loads(file.read(length))
            tensors = {n: t for n, t in header.items() if n != "__metadata__"}
            end = max((int(t["data_offsets"][1]) for t in tensors.values()), default=0)
            for name, tensor in tensors.items():
                _check_tensor(name, tensor)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise InvalidModel(f"{path} is corrupt: {error}; fetch it again") from None
    if 8 + length + end != size:
        raise InvalidModel(f"{path} has {size:,} bytes, not {8 + length + end:,}: fetch it again")
    return header
