"""Pictures as other people's programs write them, made by hand where Pillow would not."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms

Chunk = tuple[bytes, bytes]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# A profile whose red is sRGB's green and the other way round: there is no mistaking its effect.
SWAPPED = SRGB.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")


def saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def turned(orientation: int) -> bytes:
    """EXIF that says how the picture is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png(
    size: tuple[int, int],
    bits: int,
    colour: int,
    rows: list[bytes],
    *before: Chunk,
    end: bytes = b"",
) -> bytes:
    """A PNG with chunks before its pixels; `colour` is 0 grey, 2 RGB, 3 palette, 4 and 6 alpha."""
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *before, (b"IDAT", pixels)]
    told = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + told + end + chunk(b"IEND", b"")


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 for input, its tags as given."""
    at = 128 + 4 + 12 * len(tags)
    table, bodies = b"", b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += padded
    rest = struct.pack(">I", len(tags)) + table + bodies
    head = bytearray(128)
    struct.pack_into(">I", head, 0, 128 + len(rest))
    struct.pack_into(">I", head, 8, 0x02100000)
    head[12:24] = b"prtr" + space + (b"Lab " if space == b"CMYK" else b"XYZ ")
    head[36:40] = b"acsp"
    struct.pack_into(">iii", head, 68, 0xF6D6, 0x10000, 0xD32D)  # D50
    return bytes(head) + rest


def grey_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return profile(b"GRAY", {b"wtpt": white, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """A press whose four inks all make a neutral grey: Lab's lightness is 100 to 0, no colour."""
    linear = bytes(range(256))
    corners = b"".join(
        bytes([round(255 * (4 - bin(corner).count("1")) / 4), 128, 128]) for corner in range(16)
    )
    identity = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x10000)
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + linear * 4 + corners + linear * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    return profile(b"CMYK", {b"wtpt": white, b"A2B0": lut})


def padded_png(picture: bytes, size: int) -> bytes:
    """A PNG brought to a size in bytes by a chunk that decoders pass over."""
    head, rest = picture[:33], picture[33:]
    return head + chunk(b"teSt", bytes(size - len(picture) - 12)) + rest
