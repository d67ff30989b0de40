"""Checks model directories before loading: whether they are complete and safe.

Nothing here imports torch: a bad directory is reported in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.model_kinds import check_kind

# Files that can run code when they are loaded.
UNSAFE_SUFFIXES: Final = frozenset(
    {".py", ".pyc", ".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".so", ".h5", ".msgpack"}
)
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
# Components that are only files of settings and words, by their class or, if that is odd, by name.
_WEIGHTLESS: Final = re.compile(
    r"(Tokenizer|Scheduler|Processor|FeatureExtractor|Guidance)(Fast)?$|"
    r"^(\w+_)?(tokenizer|scheduler|processor|feature_extractor)(_\d+)?$"
)


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
    index = read_json(directory / "model_index.json")
    if "_class_name" not in index:
        raise InvalidModel(f"{directory / 'model_index.json'} names no pipeline class")
    for component in components(index):
        folder = directory / component
        if not folder.is_dir():
            raise InvalidModel(f"{folder} is missing: the model directory is incomplete")
        if has_weights(index, component):
            _check_weights(folder)


def components(index: Mapping[str, Any]) -> list[str]:
    """The components that a model_index.json names, without those that it leaves out."""
    return [
        name
        for name, source in index.items()
        if not name.startswith("_")
        and isinstance(source, list)
        and len(source) == 2  # other lists are settings
        and isinstance(source[0], str)
    ]


def has_weights(index: Mapping[str, Any], component: str) -> bool:
    """Whether a component of a model_index.json has weights, unlike a tokenizer."""
    made_of = str((index[component] or [""])[-1])
    return not (_WEIGHTLESS.search(made_of) or _WEIGHTLESS.search(component))


def variant_of(directory: Path, index: Mapping[str, Any]) -> str:
    """The variant of the weights to load, such as "fp16"; empty if there are ordinary ones.

    Raises:
        InvalidModel: the components have no variant in common.
    """
    have = {
        name: {variant_in(path.name) for path in (directory / name).glob("*.safetensors")}
        for name in components(index)
        if has_weights(index, name)
    }
    # Without weights, as of the hub before they are fetched, there is nothing to choose from.
    short = [variants for variants in have.values() if variants and "" not in variants]
    if not short:
        return ""
    common = sorted(set.intersection(*short), key=lambda one: (one != "fp16", one))
    if not common:
        raise InvalidModel(
            f"{directory}: its components have weights of different variants "
            f"({', '.join(sorted(set.union(*short)))}); fetch one variant of all of them"
        )
    return common[0]


def variant_in(file: str) -> str:
    """The variant in a file's name: model.fp16-00001-of-00002.safetensors has "fp16"."""
    name = file.rpartition("/")[2].removesuffix(".safetensors")
    stem = re.sub(r"-\d{5}-of-\d{5}", "", name)
    return stem.partition(".")[2]


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
    return sum(parameters_of(path) for path in directory.rglob("*.safetensors"))


def parameters_of(path: Path) -> int:
    """The number of parameters in a .safetensors file.

    Raises:
        InvalidModel: the file is corrupt.
    """
    header = read_header(path)
    return sum(math.prod(each["shape"]) for name, each in header.items() if name != "__metadata__")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InvalidModel: there is none.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidModel(f"{path} is missing: not a whole diffusers directory") from None
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error}") from None
    except ValueError:
        raise InvalidModel(f"{path} is corrupt: it is no JSON; fetch it again") from None
    if not isinstance(value, dict):
        raise InvalidModel(f"{path} holds no JSON object")
    return value


def _check_weights(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidModel(
            f"{folder} holds no .safetensors weights: half a download, or pickled; fetch "
            "it again, as .safetensors"
        )
    for path in files:
        read_header(path)
    for index in folder.glob("*.safetensors.index*.json"):
        weight_map = read_json(index).get("weight_map", {})
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


def read_header(path: Path) -> dict[str, Any]:
    """The header of a .safetensors file: its tensors by name, and maybe `__metadata__`.

    It says where the last tensor ends; a file of another length was cut.

    Raises:
        InvalidModel: the file is cut, corrupt or of an unknown dtype.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, 100 * 2**20):
                raise ValueError("its header is longer than the file")
            header: dict[str, Any] = json.loads(file.read(length))
            tensors = {n: t for n, t in header.items() if n != "__metadata__"}
            end = max((int(t["data_offsets"][1]) for t in tensors.values()), default=0)
            for name, tensor in tensors.items():
                _check_tensor(name, tensor)
    except json.JSONDecodeError:
        raise InvalidModel(f"{path} is corrupt: its header is no JSON; fetch it again") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise InvalidModel(f"{path} is corrupt: {error}; fetch it again") from None
    if 8 + length + end != size:
        raise InvalidModel(f"{path} has {size:,} bytes, not {8 + length + end:,}: fetch it again")
    return header
