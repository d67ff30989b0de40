"""Checks a model and all that is added to it, before torch is imported or a service started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from underpaint.contract.errors import InvalidModel
from underpaint.engines import hub
from underpaint.engines.calling import how_called
from underpaint.engines.cards import read_card
from underpaint.engines.checkpoints import UNSAFE_SUFFIXES, read_header
from underpaint.engines.controlnets import read_controlnet
from underpaint.engines.families import known_family
from underpaint.engines.families.family import Family
from underpaint.engines.forms import check_packages, find
from underpaint.engines.loras import parse, read_lora, read_loras
from underpaint.engines.model_kinds import unloadable
from underpaint.engines.options import Options
from underpaint.engines.sniffing import What, contents_of


def check_start(model: str, options: Options) -> None:
    """Checks that an engine can start with a model and what is added to it.

    A model of the hub that is not here yet is checked when it has been fetched.

    Raises:
        InvalidModel: names what is missing, incomplete, unsafe or of another family, or asks how
            the model is called if it looks like a few-step model that is not known.
    """
    wanted = hub.parse(model)
    family: Family | None = None
    if wanted is None or hub.cached(wanted) is not None:
        form = find(model, options.data_dir, fetch=False)
        if form.path.is_dir():
            check_packages(form.path)
        family = known_family(form.checkpoint)
        loras = read_loras(options.loras, family, form.checkpoint)
        used = [lora.name for lora in loras if lora.weight]
        card = read_card(form, options.data_dir)
        try:
            how_called(form, card, family, used)
        except InvalidModel:
            raise
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            raise unloadable(model, error) from error  # a configuration that says what cannot be
    if family is None:
        for text in options.loras:
            read_lora(*parse(text))
    check_embeddings(options.embeddings, family)
    if options.control is not None:
        read_controlnet(options.control, family)


def check_embeddings(files: Sequence[Path], family: Family | None) -> None:
    """Checks textual inversions by their headers.

    Raises:
        InvalidModel: one is missing, pickled or something else, or the family takes none.
    """
    if files and family is not None and not family.textual_inversion:
        raise InvalidModel(f"{family.title} takes no textual inversions; leave {files[0]} out")
    for file in files:
        if file.suffix.lower() in UNSAFE_SUFFIXES:
            raise InvalidModel(f"{file} is pickled and can run code; get it as .safetensors")
        if not file.is_file():
            raise InvalidModel(f"there is no textual inversion {file}; give a .safetensors file")
        header = read_header(file)
        contents = contents_of(header)
        # Some name the tensor like the word, whatever it is.
        if contents.what not in (What.EMBEDDING, What.UNKNOWN) or len(header) > 3:
            what = contents.title or contents.what.value
            raise InvalidModel(f"{file} is no textual inversion: it is {what}")
