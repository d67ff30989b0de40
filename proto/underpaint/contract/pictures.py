"""Pictures as bytes: their names, and a gate that lets nothing but a picture through."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageFile
from underpaint.contract.errors import InvalidRequest

MAX_BYTES: Final = 3 * 2**20  # a whole picture in one message of 4 MiB
MAX_PIXELS: Final = 2_048 * 2_048
FORMATS: Final = ("PNG", "JPEG", "WEBP")
# Pillow takes these with their end cut off, or with another file behind it; WebP it checks.
_ENDS: Final = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}


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


def encode_png(image: Image.Image) -> bytes:
    """PNG bytes of an RGB picture, without metadata."""
    out = io.BytesIO()
    Image.frombytes("RGB", image.size, image.convert("RGB").tobytes()).save(out, "PNG")
    return out.getvalue()


def encode_preview(image: Image.Image, longest_side: int = 192) -> bytes:
    """A small JPEG of a picture, its longest side at most `longest_side` pixels."""
    small = image.convert("RGB")
    small.thumbnail((longest_side, longest_side))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def decode(data: bytes) -> Image.Image:
    """The first frame of an untrusted PNG, JPEG or WebP as an RGB picture.

    Raises:
        InvalidRequest: not a picture, cut short, with bytes after its end, or too large.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(
            f"the picture has {len(data):,} bytes; at most {MAX_BYTES:,} are taken; make it smaller"
        )
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("LOAD_TRUNCATED_IMAGES must stay off: it lets cut pictures through")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size  # from the header: nothing is decoded yet
                if width * height > MAX_PIXELS:
                    raise InvalidRequest(
                        f"the picture is {width} x {height}; at most {MAX_PIXELS:,} pixels "
                        "are taken; make it smaller"
                    )
                kind = image.format or ""
                picture = image.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidRequest(
            f"the picture is far too large; at most {MAX_PIXELS:,} pixels are taken"
        ) from None
    except (OSError, ValueError, SyntaxError, Warning):
        raise InvalidRequest(
            "the picture is corrupt or of an unknown kind; send a whole PNG, JPEG or WebP"
        ) from None
    if not data.endswith(_ENDS.get(kind, b"")):
        raise InvalidRequest(f"the {kind} is cut short or has bytes after its end; save it again")
    return picture
