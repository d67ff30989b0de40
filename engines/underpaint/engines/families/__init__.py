"""The families of models that can be loaded: a file for each, and the table of all."""

from __future__ import annotations

from typing import Final

from underpaint.contract.errors import InvalidModel
from underpaint.engines.families import (
    amused,
    auraflow,
    bria,
    cascade,
    chroma,
    cogview,
    cosmos,
    deepfloyd,
    dreamlite,
    ernie,
    flux,
    flux2,
    glm,
    hidream,
    hunyuan,
    ideogram,
    joyimage,
    kandinsky,
    kolors,
    krea,
    longcat,
    lumina,
    nucleus,
    omnigen,
    ovis,
    pixart,
    prx,
    qwen_image,
    sana,
    sd,
    sd3,
    sdxl,
    z_image,
)
from underpaint.engines.families.family import Checkpoint, Family

# Of families whose checkpoints name the same classes, the first that recognises one has it.
FAMILIES: Final[tuple[Family, ...]] = (
    sd.INPAINT,
    sd.SD1,
    sd.SD2,
    sdxl.REFINER,
    sdxl.INPAINT,
    sdxl.FAMILY,
    sd3.FAMILY,
    flux.FAMILY,
    flux.KONTEXT,
    flux.FILL,
    flux.CONTROL,
    flux2.FAMILY,
    flux2.KLEIN,
    flux2.KLEIN_KV,
    chroma.FAMILY,
    z_image.FAMILY,
    z_image.OMNI,
    qwen_image.FAMILY,
    qwen_image.EDIT,
    qwen_image.EDIT_PLUS,
    qwen_image.V21,
    sana.FAMILY,
    sana.SPRINT,
    pixart.ALPHA,
    pixart.SIGMA,
    lumina.NEXT,
    lumina.FAMILY,
    hunyuan.DIT,
    hunyuan.IMAGE,
    auraflow.FAMILY,
    cogview.V3,
    cogview.V4,
    kolors.FAMILY,
    kandinsky.V22,
    kandinsky.V3,
    kandinsky.V5,
    kandinsky.V5_EDIT,
    cascade.CASCADE,
    cascade.WUERSTCHEN,
    omnigen.FAMILY,
    hidream.FAMILY,
    bria.BRIA,
    bria.FIBO,
    bria.FIBO_EDIT,
    bria.FIBO2,
    longcat.FAMILY,
    longcat.EDIT,
    ovis.FAMILY,
    glm.FAMILY,
    prx.FAMILY,
    prx.PIXEL,
    krea.FAMILY,
    ideogram.FAMILY,
    ernie.FAMILY,
    nucleus.FAMILY,
    cosmos.FAMILY,
    deepfloyd.FAMILY,
    amused.FAMILY,
    dreamlite.FAMILY,
    dreamlite.MOBILE,
    joyimage.EDIT,
    joyimage.EDIT_PLUS,
)


def family_of(checkpoint: Checkpoint) -> Family | None:
    """The family of a checkpoint by the class in its model_index.json; None if there is none."""
    wanted = checkpoint.index.get("_class_name")
    named = (family for family in FAMILIES if wanted in family.index)
    return next((family for family in named if family.is_one(checkpoint)), None)


def known_family(checkpoint: Checkpoint) -> Family:
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
