"""Pictures as bytes: their digests, and safe decoding of pictures from outside."""

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

MAX_BYTES: Final = 3 * 2**20  # so that a whole picture fits into one gRPC message of 4 MiB
MAX_PIXELS: Final = 2_048 * 2_048
WHITE: Final = (255, 255, 255)
# Used instead of Image.open, which warns of large sizes; warnings are shared by all threads.
_DECODERS: Final[Mapping[str, type[ImageFile.ImageFile]]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "WEBP": WebPImageFile,
}
_TURNS: Final = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MAGIC: Final = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))
_PLAIN: Final = ("L", "RGB", "CMYK")

Colour = tuple[int, int, int]  # red, green, blue: 0 to 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Identifies immutable bytes by their SHA-256."""

    sha256: str  # lower-case hexadecimal
    size: int  # bytes
    media_type: str = "image/png"

    @classmethod
    def of(cls, data: bytes, media_type: str = "image/png") -> Digest:
        """The digest of some bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data), media_type=media_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded picture from outside, as a viewer would show it."""

    image: Image.Image  # RGB in sRGB, upright
    warnings: tuple[str, ...] = ()  # what could not be applied, such as a broken profile


def media_type(data: bytes) -> str:
    """The media type of a picture, from its first bytes."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    return "image/webp" if data[8:12] == b"WEBP" else "application/octet-stream"


def encode_png(image: Image.Image) -> bytes:
    """Encodes a picture as an RGB PNG without metadata; transparent parts become white."""
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
    """As `read`, without the warnings."""
    return read(data, background).image


def read(data: bytes, background: Colour = WHITE, max_bytes: int = MAX_BYTES) -> Picture:
    """Decodes the first frame of an untrusted PNG, JPEG or WebP, as a viewer would show it.

    The picture is rotated by its EXIF orientation, converted to sRGB by its ICC profile, and
    scaled from 16 to 8 bits. A profile that cannot be used causes a warning. PNG's gAMA and cHRM
    are ignored.

    Args:
        data: the whole file.
        background: the colour behind transparent parts.
        max_bytes: the largest size of the file.

    Raises:
        InvalidRequest: not a picture, incomplete, with bytes after its end, or too large.
    """
    if len(data) > max_bytes:
        raise InvalidRequest(
            f"the picture has {len(data):,} bytes; at most {max_bytes:,} are allowed; "
            "make it smaller"
        )
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("LOAD_TRUNCATED_IMAGES must stay off: it accepts incomplete pictures")
    try:
        container = take_apart(data)
        width, height = container.width, container.height
        if width * height > MAX_PIXELS:  # checked before anything is decoded
            raise InvalidRequest(
                f"the picture is {width} x {height}; at most {MAX_PIXELS:,} pixels "
                "are allowed; make it smaller"
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
            raise Corrupt  # two headers contradict each other
        image.load()
        colours, opacity = _colours(image), _opacity(image, container.bits)
    in_srgb = _to_srgb(colours, container.profile) if container.profile else None
    flat = in_srgb or colours.convert("RGB")
    if opacity:
        flat = _laid_on(flat, opacity, background)
    turn = _TURNS.get(container.orientation)
    if turn is not None:
        flat = flat.transpose(turn)
    flat.info = {}  # otherwise saving it would write the profile and rotation again
    if in_srgb or not (container.profile or container.broken_profile):
        return Picture(image=flat)
    return Picture(
        image=flat,
        warnings=("the picture's colour profile cannot be used; its colours are read as sRGB",),
    )


def _flat(image: Image.Image) -> Image.Image:
    """A copy of a picture in RGB, with white behind transparent parts."""
    colours, opacity = _colours(image).convert("RGB"), _opacity(image, 8)
    return _laid_on(colours, opacity, WHITE) if opacity else colours


def _laid_on(colours: Image.Image, opacity: Image.Image, background: Colour) -> Image.Image:
    paper = Image.new("RGB", colours.size, background)
    paper.paste(colours, mask=opacity)
    return paper


def _colours(image: Image.Image) -> Image.Image:
    """The colours without transparency, 8 bits for each channel: L, RGB or CMYK."""
    if image.mode == "I;16":
        return _reckoned(image, lambda grey: (grey * 255 + 32_767) / 65_535)  # rounded
    if image.mode == "P":  # through RGBA, because Pillow would warn about transparency
        return image.convert("RGBA").convert("RGB")
    if image.mode in ("1", "LA"):
        return image.convert("L")
    return image if image.mode in _PLAIN else image.convert("RGB")


def _opacity(image: Image.Image, bits: int) -> Image.Image | None:
    """The opacity of each pixel, 0 to 255; None if the picture has no transparency."""
    if image.mode in ("LA", "PA", "RGBA"):
        return image.getchannel("A")
    clear = image.info.get("transparency")
    if clear is None:
        return None
    if image.mode == "I;16":
        return _reckoned(image, lambda grey: (grey != clear) * 255)
    if image.mode == "L":  # in PNG, given in the file's bit depth; Pillow has scaled the pixels
        image.info["transparency"] = (clear & 2**bits - 1) * 255 // (2**bits - 1)
    elif image.mode == "RGB":
        image.info["transparency"] = tuple(each >> bits - 8 & 255 for each in clear)
    return image.convert("RGBA").getchannel("A")


def _reckoned(image: Image.Image, each: Callable[[Any], Any]) -> Image.Image:
    """An 8-bit picture computed from each pixel of a 16-bit one, with integers."""
    result: Image.Image = ImageMath.lambda_eval(
        lambda given: given["convert"](each(given["grey"]), "L"), grey=image.convert("I")
    )
    return result


def _to_srgb(colours: Image.Image, profile: bytes) -> Image.Image | None:
    """The colours in sRGB; None if the profile is broken or is for other channels."""
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted: Image.Image | None = ImageCms.profileToProfile(
            colours, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return converted
