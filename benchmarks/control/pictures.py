"""Pictures of 20 KB that differ in one chunk, so that no store treats two as the same."""

from __future__ import annotations

import os
import struct
import zlib
from typing import Final

from PIL import Image
from underpaint.contract.pictures import encode_png

SIDE: Final = 82  # noise does not compress: 82 x 82 RGB pixels are 20 KB
_END: Final = 12  # bytes of a PNG's last chunk


def noise(side: int = SIDE) -> bytes:
    """A PNG of random pixels."""
    return encode_png(Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)))


def marked(png: bytes, mark: bytes) -> bytes:
    """The same picture with a text chunk of its own."""
    body = b"tEXtmark\0" + mark
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:-_END] + chunk + png[-_END:]
