"""What stands around the pixels in a PNG, JPEG or WebP: its size, rotation and colour profile.

Read here, with bounds, before a decoder sees anything: only the parts that make pixels go on
to it. So no text, thumbnail or other note in a good file can make it fail, or cost memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_PROFILE: Final = 4 * 2**20  # bytes, once unpacked; those of printers have up to 3 MiB
# Of a JPEG: each decodes the whole picture once more. Cameras write 1, progressive ones about 10.
MAX_SCANS: Final = 100
UPRIGHT: Final = 1  # EXIF's orientation of a picture that is stored as it is seen
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
# By their markers: frames (SOF), save for tables that have numbers among theirs.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # nothing follows these
_JPEG_SCAN: Final = 0xDA  # pixels follow
_JPEG_END: Final = b"\xff\xd9"
# Notes of all kinds; APP0 (JFIF) and APP14 (Adobe) say what the colours are.
_JPEG_NOTES: Final = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_JPEG_PROFILE: Final = b"ICC_PROFILE\0"
_EXIF: Final = b"Exif\0\0"
_ORIENTATION: Final = 0x0112


class Corrupt(Exception):
    """It is not built as such a file is."""


class BadEnds(Exception):
    """It stops too early, or something else follows its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A picture's file, taken apart."""

    kind: str  # as Pillow names it
    width: int  # pixels, as stored
    height: int  # pixels, as stored
    pixels: bytes  # the file without notes
    exif: bytes = b""
    profile: bytes = b""  # ICC
    broken_profile: bool = False  # there is one that cannot be unpacked
    bits: int = 8  # of a channel

    @property
    def orientation(self) -> int:
        """As EXIF tells it; 1, upright, if nothing can be read."""
        return _orientation(self.exif.removeprefix(_EXIF))


def take_apart(data: bytes) -> Container:
    """The parts of a whole file.

    Raises:
        Corrupt: of another kind, or not built as it should be.
        BadEnds: cut short, or with bytes after its end.
    """
    try:
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError, StopIteration):
        raise BadEnds("WEBP" if data[:4] == b"RIFF" else "file") from None
    raise Corrupt


def _png(data: bytes) -> Container:
    header = profile = exif = b""
    broken_profile = False
    kept = [_PNG]
    for name, body, chunk in _png_chunks(data):
        if not header and name != b"IHDR":
            raise Corrupt
        if name == b"IHDR":
            if header or len(body) != 13:
                raise Corrupt
            header = body
        elif name == b"iCCP" and not profile:
            profile = _png_profile(body)
            broken_profile = not profile
        elif name == b"eXIf":
            exif = body
        elif name[0] & 0x20 == 0 and name not in _PNG_PIXELS:
            raise Corrupt  # by its first letter not to be skipped
        if name in _PNG_PIXELS:
            kept.append(chunk)
    width, height, bits = struct.unpack(">IIB", header[:9])
    return Container(
        kind="PNG",
        width=width,
        height=height,
        pixels=b"".join(kept),
        exif=exif,
        profile=profile,
        broken_profile=broken_profile,
        bits=bits,
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, body and the whole of each chunk up to the last, whose end is that of the file."""
    at, name = len(_PNG), b""
    view = memoryview(data)
    while name != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            raise BadEnds("PNG")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[at + 4 : end - 4]) != crc:
            raise Corrupt
        name = data[at + 4 : at + 8]
        yield name, data[at + 8 : end - 4], data[at:end]
        at = end
    if at != len(data):
        raise BadEnds("PNG")


def _png_profile(body: bytes) -> bytes:
    """The ICC profile in an iCCP chunk, or nothing."""
    _name, _, packed = body.partition(b"\0")
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if packed[:1] == b"\0" and unpacking.eof else b""


def _jpeg(data: bytes) -> Container:
    frames: list[tuple[int, int]] = []
    profile: dict[int, bytes] = {}
    parts = 0
    exif = b""
    kept = [data[:2]]
    at, marker = 2, 0
    while marker != _JPEG_SCAN:
        if data[at] != 0xFF:
            raise Corrupt
        marker = data[at + 1]
        if marker == 0xFF:  # a marker may be preceded by any number of these
            at += 1
            continue
        if marker in _JPEG_BARE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        body = data[at + 4 : end]
        if length < 2 or marker in (0x00, 0xD8, 0xD9):
            raise Corrupt
        if marker in _JPEG_FRAMES:
            frames.append(struct.unpack_from(">xHH", body))
        elif marker == 0xE1 and body.startswith(_EXIF) and not exif:
            exif = body
        elif marker == 0xE2 and body.startswith(_JPEG_PROFILE) and len(body) > 14:
            profile[body[12]] = body[14:]
            parts = body[13]
        if marker not in _JPEG_NOTES:
            kept.append(data[at:end] if marker != _JPEG_SCAN else data[at:])
        at = end
    if not data.endswith(_JPEG_END):
        raise BadEnds("JPEG")
    if not frames or data.count(b"\xff\xda", at) >= MAX_SCANS:
        raise Corrupt
    whole = sorted(profile) == list(range(1, parts + 1))
    return Container(
        kind="JPEG",
        width=frames[0][1],
        height=frames[0][0],
        pixels=b"".join(kept),
        exif=exif,
        profile=b"".join(profile[part] for part in sorted(profile)) if whole else b"",
        broken_profile=not whole,
    )


def _webp(data: bytes) -> Container:
    (size,) = struct.unpack_from("<I", data, 4)
    if len(data) - 8 - size not in (0, size % 2):
        raise BadEnds("WEBP")
    chunks: dict[bytes, bytes] = {}  # the first of each name
    at = 12
    while at < 8 + size:
        (length,) = struct.unpack_from("<I", data, at + 4)
        chunks.setdefault(data[at : at + 4], data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    first, body = next(iter(chunks.items()))
    if first == b"VP8X" and len(body) == 10:
        width, height = (1 + int.from_bytes(body[n : n + 3], "little") for n in (4, 7))
    elif first == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif first == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    else:
        raise Corrupt
    return Container(
        kind="WEBP",
        width=width,
        height=height,
        pixels=data,
        exif=chunks.get(b"EXIF", b""),
        profile=chunks.get(b"ICCP", b""),
    )


def _orientation(tiff: bytes) -> int:
    """Of the first directory of a TIFF; what is broken or absurd says nothing."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for entry in range(entries):
            tag, _kind, _count, value = struct.unpack_from(
                f"{order}HHIH", tiff, at + 2 + 12 * entry
            )
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:
        return UPRIGHT
    return UPRIGHT
