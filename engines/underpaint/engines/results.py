"""Checks that the output of a pipeline is a proper picture.

NaN must be found before the conversion to pixels, which turns it into black. Tensors are checked
by their own methods, so that nothing here imports torch.
"""

from __future__ import annotations

from typing import Any, Final

from PIL import Image
from underpaint.contract.errors import ResultFlagged, ResultUnusable

# What diffusers' outputs call the verdict of a safety checker; a flagged picture is black.
_FLAGS: Final = ("nsfw_content_detected", "nsfw_detected")


class DecoderWatch:
    """Checks what an autoencoder decodes, before it is rounded to pixels."""

    def __init__(self, autoencoder: Any) -> None:
        """Takes a pipeline's `vae`; None for pipelines without one."""
        self.finite = True  # whether all numbers of the last output were finite
        if autoencoder is None:
            return
        decode = autoencoder.decode

        def watched(*given: Any, **named: Any) -> Any:
            decoded = decode(*given, **named)
            self.finite = bool(decoded[0].isfinite().all())
            return decoded

        autoencoder.decode = watched


def drawn(output: Any, decoder: DecoderWatch, maker: str) -> Image.Image:
    """The one picture of a pipeline's output.

    Args:
        output: as diffusers returns it.
        decoder: of the pipeline.
        maker: such as "the model underpaint-lite".

    Raises:
        ResultFlagged: a safety checker flagged it.
        ResultUnusable: it is not finite, or has only one colour.
    """
    if not decoder.finite:
        raise not_finite(maker)
    if any(any(getattr(output, name, None) or ()) for name in _FLAGS):
        raise ResultFlagged(
            f"the safety checker of {maker} flagged the picture; try other words or another seed"
        )
    picture: Image.Image = output.images[0]
    return check_colours(picture, maker)


def check_colours(picture: Image.Image, maker: str) -> Image.Image:
    """Returns the picture if it has more than one colour.

    Raises:
        ResultUnusable: it has only one colour, as after a numerical failure.
    """
    bands = (picture.getchannel(band) for band in picture.getbands())
    if all(len(band.getcolors(1) or ()) == 1 for band in bands):
        raise ResultUnusable(f"{maker} made a picture of one colour only; try another seed")
    return picture


def not_finite(maker: str) -> ResultUnusable:
    """The error for NaN and infinity among the numbers of a picture."""
    return ResultUnusable(
        f"{maker} computed NaN or infinite numbers instead of a picture; try another seed or size, "
        "or have it run in float32"
    )
