"""Pictures as bytes: their names, and a gate that lets nothing but a picture through."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageCms, ImageFile, ImageMath
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from underpaint.contract.containers import BadEnds, Container, Corrupt, take_apart
from underpaint.contract.errors import InvalidRequest

MAX_BYTES: Final = 3 * 2**20  # a whole picture in one message of 4 MiB
MAX_PIXELS: Final = 2_048 * 2_048
WHITE: Final = (255, 255, 255)
# Named, not found by Image.open: that warns of large sizes, and warnings are one for all threads.
_DECODERS: Final[Mapping[str, type[ImageFile.ImageFile]]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
}
_TURNS: Final = {  # by EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PLAIN: Final = ("L", "RGB", "CMYK")

Colour = tuple[int, int, int]  # red, green, blue: 0 to 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The name of immutable bytes."""

    sha256: str  # lower-case hexadecimal
    size: int  # bytes
    media_type: str = "image/png"

    @classmethod
    def of(cls, data: bytes, media_type: str = "image/png") -> Digest:
        """The digest of bytes at hand."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data), media_type=media_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture from outside, as a person sees it."""

    image: Image.Image  # RGB in sRGB, upright
    warnings: tuple[str, ...] = ()  # what could not be done as it should


def encode_png(image: Image.Image) -> bytes:
    """PNG bytes of a picture in RGB, without metadata; what is transparent lies on white."""
    out = io.BytesIO()
    flat = _flat(image)
    Image.frombytes("RGB", flat.size, flat.tobytes()).save(out, "PNG")
    return out.getvalue()


def encode_preview(image: Image.Image, longest_side: int = 192) -> bytes:
    """A small JPEG of a picture, its longest side at most `longest_side` pixels."""
    small = _flat(image)
    small.thumbnail((longest_side, longest_side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def decode(data: bytes, background: Colour = WHITE) -> Image.Image:
    """The picture alone; see `read`."""
    return read(data, background).image


def read(data: bytes, background: Colour = WHITE, max_bytes: int = MAX_BYTES) -> Picture:
    """The first frame of an untrusted PNG, JPEG or WebP, as a person sees it.

    Upright by EXIF's orientation, in sRGB by its ICC profile, 16 bits scaled to 8; a profile
    that cannot be used costs a warning, not the picture. Width and height are those after
    turning. Gamma and chromaticities without a profile (PNG's gAMA and cHRM) change nothing.

    Args:
        data: the whole file.
        background: lies under what is transparent.
        max_bytes: how large the file may be.

    Raises:
        InvalidRequest: not a picture, cut short, with bytes after its end, or too large.
    """
    if len(data) > max_bytes:
        raise InvalidRequest(
            f"the picture has {len(data):,} bytes; at most {max_bytes:,} are taken; make it smaller"
        )
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("LOAD_TRUNCATED_IMAGES must stay off: it lets cut pictures through")
    try:
        container = take_apart(data)
        width, height = container.width, container.height
        if width * height > MAX_PIXELS:  # nothing is decoded yet
            raise InvalidRequest(
                f"the picture is {width} x {height}; at most {MAX_PIXELS:,} pixels "
                "are taken; make it smaller"
            )
        return _decoded(container, background)
    except BadEnds as error:
        raise InvalidRequest(
            f"the {error} is cut short or has bytes after its end; save it again"
        ) from None
    except (Corrupt, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InvalidRequest(
            "the picture is corrupt or of an unknown kind; send a whole PNG, JPEG or WebP"
        ) from None


def _decoded(container: Container, background: Colour) -> Picture:
    with _DECODERS[container.kind](io.BytesIO(container.pixels)) as image:
        if image.size != (container.width, container.height):
            raise Corrupt  # two headers that differ
        image.load()
        colours, opacity = _colours(image), _opacity(image, container.bits)
    in_srgb = _to_srgb(colours, container.profile) if container.profile else None
    flat = in_srgb or colours.convert("RGB")
    if opacity:
        flat = _laid_on(flat, opacity, background)
    turn = _TURNS.get(container.orientation)
    if turn is not None:
        flat = flat.transpose(turn)
    flat.info = {}  # or who saves it would write a profile or a rotation that is already applied
    if in_srgb or not (container.profile or container.broken_profile):
        return Picture(image=flat)
    return Picture(
        image=flat,
        warnings=("the picture's colour profile cannot be used; its colours are taken as sRGB",),
    )


def _flat(image: Image.Image) -> Image.Image:
    """A picture of our own as a new one in RGB, what is transparent on white."""
    colours, opacity = _colours(image).convert("RGB"), _opacity(image, 8)
    return _laid_on(colours, opacity, WHITE) if opacity else colours


def _laid_on(colours: Image.Image, opacity: Image.Image, background: Colour) -> Image.Image:
    paper = Image.new("RGB", colours.size, background)
    paper.paste(colours, mask=opacity)
    return paper


def _colours(image: Image.Image) -> Image.Image:
    """Without what is transparent, in 8 bits a channel: L, RGB or CMYK."""
    if image.mode == "I;16":
        return _reckoned(image, lambda grey: (grey * 255 + 32_767) / 65_535)  # rounded
    if image.mode == "P":  # by way of RGBA, or Pillow warns of what is transparent
        return image.convert("RGBA").convert("RGB")
    if image.mode in ("1", "LA"):
        return image.convert("L")
    return image if image.mode in _PLAIN else image.convert("RGB")


def _opacity(image: Image.Image, bits: int) -> Image.Image | None:
    """Of each pixel, 0 to 255; None if the picture knows no transparency."""
    if image.mode in ("LA", "PA", "RGBA"):
        return image.getchannel("A")
    clear = image.info.get("transparency")
    if clear is None:
        return None
    if image.mode == "I;16":
        return _reckoned(image, lambda grey: (grey != clear) * 255)
    if image.mode == "L":  # PNG tells it in the bits of the file, Pillow has scaled the pixels
        image.info["transparency"] = (clear & 2**bits - 1) * 255 // (2**bits - 1)
    elif image.mode == "RGB":
        image.info["transparency"] = tuple(each >> bits - 8 & 255 for each in clear)
    return image.convert("RGBA").getchannel("A")


def _reckoned(image: Image.Image, each: Callable[[Any], Any]) -> Image.Image:
    """8 bits of each pixel of 16, in whole numbers."""
    result: Image.Image = ImageMath.lambda_eval(
        lambda given: given["convert"](each(given["grey"]), "L"), grey=image.convert("I")
    )
    return result


def _to_srgb(colours: Image.Image, profile: bytes) -> Image.Image | None:
    """The same colours in sRGB; None if the profile is broken, or for other channels."""
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted: Image.Image | None = ImageCms.profileToProfile(
            colours, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return converted
