"""Says what a model is, how it will be called and why, and what of a request it takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.calling import Called, how_called
from underpaint.engines.capabilities import takes_mask
from underpaint.engines.cards import read_card, shown
from underpaint.engines.checkpoints import components, read_header
from underpaint.engines.families import family_of
from underpaint.engines.families.family import Family, Start
from underpaint.engines.forms import Form, Kind, find
from underpaint.engines.loras import beside
from underpaint.engines.options import tiny_beside
from underpaint.engines.schedulers import schedulers_for
from underpaint.engines.sniffing import read_gguf

_FORMS: Final = {
    Kind.DIRECTORY: "diffusers directory",
    Kind.HUB: "diffusers directory of the hub",
    Kind.FILE: "single .safetensors file",
    Kind.GGUF: "GGUF file",
}
_STARTS: Final = {
    Start.OWN: "yes, with a strength",
    Start.NOISED: "yes, with a strength: its picture is noised here",
    Start.REFERENCE: "as a reference, without a strength",
    Start.NEVER: "no",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One setting: its value, whether it is known, and why."""

    value: str
    sure: str  # "known", "guessed" or "unknown"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `underpaint models inspect` tells."""

    name: str
    model: str
    form: str
    path: Path
    variant: str
    pipeline: str  # class in its model_index.json
    family: str  # empty if it is of none that is known
    family_title: str
    size: int  # bytes
    parameters: int  # 0 if no weights are here
    dtypes: tuple[str, ...]  # the commonest first
    called: Mapping[str, Fact]  # steps, guidance, strength, size, scheduler
    takes: Mapping[str, str]
    loras: tuple[Path, ...]  # that lie beside it
    card: Path | None  # where its card is
    notes: tuple[str, ...]


def inspect_model(model: str, data_dir: Path | None = None) -> Inspection:
    """Looks a model over, without loading it.

    Args:
        model: a directory, a hub id or a file.
        data_dir: of the node, with the cards of hub ids and files.

    Raises:
        InvalidModel: there is none, or it is broken, unsafe, or draws no pictures.
    """
    form = find(model, data_dir, fetch=False)
    family = family_of(form.checkpoint)
    card_file = form.card_file(data_dir)
    size, counts = _weights(form)
    called = _called(form, family, data_dir)
    notes = list(form.notes)
    if not counts:
        notes.append("its weights are not here yet: they are fetched when it is first loaded")
    loras = () if form.kind is Kind.HUB else beside(form.path)
    if loras:
        asked = "" if form.is_single else " or a request names them"
        notes.append(f"LoRAs that lie beside it are only used if --lora gives them{asked}")
    if tiny_beside(form.path):
        notes.append("the TAESD beside it makes its previews, and with --tiny-vae its drafts, too")
    if any(called[name].sure == "guessed" for name in ("steps", "guidance") if name in called):
        notes.append(
            "what is guessed is what its family likes; if its makers recommend other numbers, say "
            f"so: underpaint models card {model} --steps N --guidance N"
        )
    return Inspection(
        name=read_card(form, data_dir).name,
        model=model,
        form=_FORMS[form.kind],
        path=form.path,
        variant=form.variant,
        pipeline=str(form.checkpoint.index["_class_name"]),
        family=family.name if family else "",
        family_title=family.title if family else "",
        size=size,
        parameters=sum(counts.values()),
        dtypes=tuple(name for name, _ in counts.most_common()),
        called=called,
        takes=_takes(form, family) if family else {},
        loras=loras,
        card=card_file if card_file is not None and card_file.exists() else None,
        notes=tuple(notes),
    )


def _called(form: Form, family: Family | None, data_dir: Path | None) -> dict[str, Fact]:
    names = ("steps", "guidance", "strength", "size", "scheduler")
    if family is None:
        why = f"no family with a {form.checkpoint.index['_class_name']} is known"
        return {name: Fact("", "unknown", why) for name in names}
    try:
        called = how_called(form, read_card(form, data_dir), family)
    except InvalidModel as error:
        return {
            "steps": Fact("", "unknown", str(error)),
            "guidance": Fact("", "unknown", "as the steps"),
            "size": Fact(_size(family.native_size(form.checkpoint)), "guessed", "by its family"),
        }
    values = {
        "steps": ("num_inference_steps", shown(called.num_inference_steps)),
        "guidance": ("guidance_scale", shown(called.guidance_scale)),
        "strength": ("strength", shown(called.strength)),
        "size": ("native_size", _size(called.native_size)),
    }
    facts = {}
    for name, (key, value) in values.items():
        reason = called.reasons[key]
        facts[name] = Fact(value, reason.sure.value, reason.why)
    if family.start in (Start.REFERENCE, Start.NEVER):
        del facts["strength"]
    if family.guidance is None:
        del facts["guidance"]
    return facts | {"scheduler": _scheduler(form, called)}


def _scheduler(form: Form, called: Called) -> Fact:
    own = str(form.checkpoint.config("scheduler").get("_class_name", ""))
    changes = ", ".join(f"{key} {value}" for key, value in called.scheduler.items())
    if called.scheduler_name or changes:
        told = " with ".join(filter(None, (called.scheduler_name or own, changes)))
        return Fact(told, "known", f"instead of its own {own}")
    return Fact(own, "known" if own else "unknown", "its own" if own else "it has none")


def _takes(form: Form, family: Family) -> dict[str, str]:
    return {
        "a picture to start from": _STARTS[family.start],
        "mask": _yes(takes_mask(family)),
        "control map": _control(family),
        "references": str(family.references or "no"),
        "negative prompt": _yes(
            family.negative(family.manner_of(form.checkpoint).guidance_scale),
        ),
        "LoRAs": _yes(family.loras),
        "textual inversions": _yes(family.textual_inversion),
        "clip skip": _yes(family.clip_skip),
        "schedulers": ", ".join(schedulers_for(form.checkpoint)) or "its own",
    }


def _control(family: Family) -> str:
    if family.own_control:
        return "always needs one"
    return "with a ControlNet: --control DIR" if family.control else "no"


def _weights(form: Form) -> tuple[int, Counter[str]]:
    """The bytes on disk, and how many parameters there are of each dtype."""
    if form.kind is Kind.GGUF:
        total = sum(math.prod(shape) for shape in read_gguf(form.path).values())
        return form.path.stat().st_size, Counter({"quantised": total})
    if form.is_single:
        files, weights = [form.path], [form.path]
    else:
        files = [path for path in form.path.rglob("*") if path.is_file()]
        # Only those that are loaded: of two variants one, and nothing that lies beside it.
        parts = components(form.checkpoint.index)
        ending = f".{form.variant}." if form.variant else "."
        weights = [
            path
            for path in files
            if path.suffix == ".safetensors"
            and path.parent.parent == form.path
            and path.parent.name in parts
            and (ending in path.name.removesuffix("safetensors"))
            and (form.variant or path.name.count(".") == 1)
        ]
    counts: Counter[str] = Counter()
    for path in weights:
        for name, tensor in read_header(path).items():
            if name != "__metadata__":
                counts[tensor["dtype"]] += math.prod(tensor["shape"])
    return sum(path.stat().st_size for path in files), counts


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _yes(does: bool) -> str:
    return "yes" if does else "no"
