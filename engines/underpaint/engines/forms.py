"""What a model argument is: a diffusers directory, a hub id, or a single file.

Nothing here imports torch, and no weights are read: what is wrong is said in milliseconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines import hub
from underpaint.engines.cards import CARD, FOLDER, read_card_file
from underpaint.engines.checkpoints import (
    check_directory,
    components,
    read_header,
    read_json,
    variant_of,
)
from underpaint.engines.families.family import Checkpoint
from underpaint.engines.model_kinds import GIVE, kind_of_pipeline
from underpaint.engines.singles import check_contents, packaged
from underpaint.engines.sniffing import GGUF_MAGIC, Contents, classify, contents_of, read_gguf

_PICKLES: Final = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle"})
_SAMPLE: Final = 2**20  # bytes of the weights that tell one file from another
_CONFIGS: Final = ("config.json", "scheduler_config.json", "preprocessor_config.json")


class Kind(Enum):
    """The forms that models come in."""

    DIRECTORY = "directory"  # as diffusers saves it
    HUB = "hub"
    FILE = "file"  # .safetensors
    GGUF = "gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A model that was found, and what its configuration says."""

    kind: Kind
    model: str  # as it was given
    name: str  # the directory's, the file's without its suffix, or the hub id
    path: Path  # the directory, also of a hub id, or the file
    checkpoint: Checkpoint
    variant: str = ""  # of the weights, such as "fp16"; empty for the ordinary ones
    contents: Contents | None = None  # of a single file
    base: Path | None = None  # the directory with what a single file lacks
    notes: tuple[str, ...] = ()  # what to tell whoever chose it

    @property
    def is_single(self) -> bool:
        """Whether it is one file."""
        return self.kind in (Kind.FILE, Kind.GGUF)

    def card_file(self, data_dir: Path | None) -> Path | None:
        """Where its card is, or would be; None without a data directory for it."""
        return _card_file(self.kind, self.model, self.path, data_dir)


def find(
    model: str, data_dir: Path | None = None, *, fetch: bool = True, base: str | None = None
) -> Form:
    """Finds a model and checks that it is complete, safe, and draws pictures.

    Args:
        model: a directory, a hub id OWNER/NAME[@REVISION], or a .safetensors or .gguf file.
        data_dir: of the node, with the cards of hub ids and files; see `card_folders`.
        base: of a single file: the model with the parts that it lacks, instead of its card's.
        fetch: whether the weights of a hub id that is not in the cache are fetched; else only its
            configuration is.

    Raises:
        InvalidModel: says what it is, or what is missing, and what would do.
    """
    wanted = hub.parse(model)
    if wanted is not None:
        return _find_on_hub(model, wanted, fetch=fetch)
    path = Path(model)
    if path.is_dir():
        check_directory(path)
        if fetch:
            check_packages(path)
        return _directory_form(Kind.DIRECTORY, model, path.resolve().name, path)
    if path.is_file():
        return _find_file(model, path, data_dir, base, fetch=fetch)
    raise _nothing(model)


def card_place(model: str, data_dir: Path) -> Path:
    """Where the card of a model is, or would be.

    Args:
        model: a directory, a hub id or a file.
        data_dir: of the node, with the cards of hub ids and files; see `card_folders`.

    Raises:
        InvalidModel: there is no such model.
    """
    path = Path(model)
    if hub.parse(model) is not None:
        kind = Kind.HUB
    elif path.is_dir():
        kind = Kind.DIRECTORY
    elif path.is_file():
        kind = Kind.FILE
    else:
        raise _nothing(model)
    place = _card_file(kind, model, path, data_dir)
    assert place is not None  # because there is a folder for it
    return place


def _nothing(model: str) -> InvalidModel:
    return InvalidModel(
        f"there is no model {model}; give a diffusers directory, a .safetensors or .gguf file, or "
        "a hub id OWNER/NAME"
    )


def _find_on_hub(model: str, wanted: hub.HubId, *, fetch: bool) -> Form:
    directory = hub.cached(wanted)
    if directory is None or (fetch and _incomplete(directory)):
        directory = hub.fetch(wanted, weights=fetch)
    if fetch:
        check_directory(directory)
        check_packages(directory)
    return _directory_form(Kind.HUB, model, str(wanted), directory)


def check_packages(directory: Path) -> None:
    """Checks that the packages are installed that the model's tokenizers need.

    Raises:
        InvalidModel: names the package that is missing.
    """
    for path in sorted(directory.glob("*/*.model")):
        if (path.parent / "tokenizer.json").exists() or _is_installed("sentencepiece"):
            continue
        raise InvalidModel(
            f"{path} is a vocabulary of SentencePiece, which is not installed: "
            "pip install sentencepiece"
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # what it raises where the package was forbidden
        return False


def _incomplete(directory: Path) -> bool:
    try:
        check_directory(directory)
    except InvalidModel:
        return True
    return False


def _directory_form(kind: Kind, model: str, name: str, directory: Path) -> Form:
    checkpoint = read_checkpoint(directory, name)
    other = kind_of_pipeline(str(checkpoint.index.get("_class_name", "")))
    if other:
        raise InvalidModel(f"{name} is {other}; Underpaint draws pictures: {GIVE}")
    variant = variant_of(directory, checkpoint.index)
    note = f"only its {variant} weights are here, so they are taken"
    return Form(
        kind=kind,
        model=model,
        name=name,
        path=directory,
        checkpoint=checkpoint,
        variant=variant,
        notes=(note,) if variant else (),
    )


def read_checkpoint(directory: Path, name: str) -> Checkpoint:
    """The configuration files of a diffusers directory.

    Raises:
        InvalidModel: one of them cannot be read.
    """
    index = read_json(directory / "model_index.json")
    configs: dict[str, Mapping[str, Any]] = {}
    for component in components(index):
        files = (directory / component / file for file in _CONFIGS)
        found = next((file for file in files if file.is_file()), None)
        if found is not None:
            configs[component] = read_json(found)
    return Checkpoint(index=index, configs=configs, name=name)


def _find_file(
    model: str, path: Path, data_dir: Path | None, base: str | None, *, fetch: bool
) -> Form:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise InvalidModel(
            f"{path} is pickled and can run code when loaded; get it as .safetensors, or convert "
            "it on a machine that holds nothing of worth"
        )
    with path.open("rb") as file:
        is_gguf = file.read(4) == GGUF_MAGIC
    if not is_gguf and suffix != ".safetensors":
        raise InvalidModel(f"{path} is no model; give a .safetensors or .gguf file")
    kind = Kind.GGUF if is_gguf else Kind.FILE
    contents = classify(read_gguf(path)) if is_gguf else contents_of(read_header(path))
    card_file = _card_file(kind, model, path, data_dir)
    if base is None:
        base = read_card_file(card_file, path.stem).base if card_file else ""
    rest = find(base, data_dir, fetch=fetch).path if base else None
    check_contents(path, contents, rest)
    name = path.stem
    return Form(
        kind=kind,
        model=model,
        name=name,
        path=path,
        checkpoint=read_checkpoint(rest, name) if rest else packaged(contents.kind, name),
        contents=contents,
        base=rest,
        notes=tuple(
            f"it has no {part}, so it is drawn without" for part in contents.lacks if rest is None
        ),
    )


def _card_file(kind: Kind, model: str, path: Path, data_dir: Path | None) -> Path | None:
    if kind is Kind.DIRECTORY:
        return path / CARD
    if data_dir is None:
        return None
    folders = card_folders(data_dir)
    if kind is Kind.HUB:
        wanted = hub.parse(model)
        assert wanted is not None  # or it would not be of the hub
        # The next revision of a model is called like this one.
        name = f"{wanted.id.replace('/', '--')}.json"
        places = [folder / name for folder in folders]
        return next((place for place in places if place.exists()), places[0])
    digest = _fingerprint(path)
    found = [place for folder in folders for place in sorted(folder.glob(f"*-{digest}.json"))]
    stem = re.sub(r"[^\w.-]+", "_", path.stem)[:80]
    return found[0] if found else folders[0] / f"{stem}-{digest}.json"


def card_folders(data_dir: Path) -> tuple[Path, Path]:
    """Where the cards of hub ids and files are looked for: a node's own folder comes first.

    The second is that of `up`, in whose data directory those of its nodes are.
    """
    return data_dir / FOLDER, data_dir.resolve().parent / FOLDER


def _fingerprint(path: Path) -> str:
    """Tells a file from others whatever it is called, without reading all of its gigabytes."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for begin in (0, size // 2, max(0, size - _SAMPLE)):
            file.seek(begin)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:16]
