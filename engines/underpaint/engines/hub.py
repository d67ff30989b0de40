"""Models of the Hugging Face hub: their ids, its cache on this machine, and fetching.

The cache is read as it lies on disk, so that nothing need be installed to look into it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, variant_in

_ID: Final = re.compile(
    r"(?P<id>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w./-]{1,250}))?"
)
_WEIGHTS: Final = ".safetensors"
PATIENCE_S: Final = 20.0  # for the hub's first answer


@dataclass(frozen=True, slots=True)
class HubId:
    """OWNER/NAME, with a branch, tag or commit if it was given."""

    id: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}" if self.revision else self.id


def parse(model: str) -> HubId | None:
    """The hub id OWNER/NAME or OWNER/NAME@REVISION; None if it is something else or a path."""
    found = _ID.fullmatch(model)
    if found is None or Path(model).exists():
        return None
    return HubId(found["id"], found["revision"] or "")


def cache() -> Path:
    """The directory of the hub's cache."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(name):
            return Path(os.environ[name]).expanduser()
    home = os.environ.get("HF_HOME")
    if not home:
        home = f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(home).expanduser() / "hub"


def cached(hub: HubId) -> Path | None:
    """The directory of a model in the cache; parts of it may be missing."""
    place = cache() / f"models--{hub.id.replace('/', '--')}"
    revision = hub.revision or "main"
    try:
        commit = (place / "refs" / revision).read_text().strip()
    except (OSError, ValueError):
        commit = revision
    directory = place / "snapshots" / commit
    return directory if (directory / "model_index.json").is_file() else None


def wanted(files: Iterable[str], *, weights: bool = True) -> list[str]:
    """Of the files of a model, those to fetch: no pickles, code, pictures or second variants.

    Args:
        files: all names, with folders.
        weights: whether weights are wanted, too.
    """
    chosen = [
        name
        for name in files
        if (("/" not in name and name == "model_index.json") or name.count("/") == 1)
        and Path(name).suffix.lower() not in {*UNSAFE_SUFFIXES, ".onnx", ".onnx_data", ".pb"}
        and Path(name).suffix.lower() in {".json", ".txt", ".model", ".jinja", _WEIGHTS}
    ]
    folders: dict[str, list[str]] = {}
    for name in chosen:
        if name.endswith(_WEIGHTS):
            folders.setdefault(name.partition("/")[0], []).append(name)
    if not weights:
        return [name for name in chosen if not name.endswith(_WEIGHTS)]
    dropped: set[str] = set()
    ordinary = all(any(not variant_in(name) for name in names) for names in folders.values())
    for names in folders.values():
        # The ordinary weights if all have them, else one variant; never both.
        has_fp16 = any(variant_in(name) == "fp16" for name in names)
        keep = "" if ordinary or not has_fp16 else "fp16"
        dropped |= {name for name in names if variant_in(name) != keep}
    return [name for name in chosen if name not in dropped]


def fetch(hub: HubId, *, weights: bool = True) -> Path:
    """Fetches a model into the cache; returns its directory there.

    Args:
        hub: which one.
        weights: whether its weights are wanted, too.

    Raises:
        InvalidModel: it cannot be fetched, or is no diffusers directory.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError:
        raise InvalidModel(
            f"{hub} is not in {cache()} and huggingface_hub is not installed; "
            "pip install 'underpaint[edge]', or give a directory"
        ) from None
    try:
        told = HfApi().model_info(hub.id, revision=hub.revision or None, timeout=PATIENCE_S)
        files = [each.rfilename for each in told.siblings or ()]
        if "model_index.json" not in files:
            raise InvalidModel(_no_directory(hub, files))
        return Path(
            snapshot_download(
                hub.id,
                revision=hub.revision or None,
                allow_patterns=wanted(files, weights=weights),
            )
        )
    except InvalidModel:
        raise
    except Exception as error:  # its HTTP library's have no base in common with its own
        raise InvalidModel(_unreachable(hub, error)) from None


def _no_directory(hub: HubId, files: Sequence[str]) -> str:
    singles = [name for name in files if name.endswith((_WEIGHTS, ".gguf")) and "/" not in name]
    told = f"{hub} has no model_index.json, so it is no diffusers model"
    if singles:
        return f"{told}; download one of its files and give that: {', '.join(sorted(singles)[:4])}"
    return f"{told}; look for one whose files have it"


def _unreachable(hub: HubId, error: Exception) -> str:
    lines = str(error).split("\n")
    why = " ".join(lines[0].split())[:200] or type(error).__name__
    return (
        f"{hub} is not in {cache()} and cannot be fetched from the hub: {why}; "
        "check the id and the network, or give a directory"
    )
