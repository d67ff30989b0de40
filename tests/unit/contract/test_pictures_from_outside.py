"""Whatever a camera, a scanner or another program wrote is taken as a person sees it."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageOps
from underpaint.contract.pictures import decode, encode_png, encode_preview, read

from tests.unit.contract.outside import (
    SRGB,
    SWAPPED,
    cmyk_profile,
    grey_profile,
    png,
    saved,
    turned,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CANNOT = ("the picture's colour profile cannot be used; its colours are read as sRGB",)


def near(image: Image.Image, colour: tuple[int, int, int], by: int = 3) -> bool:
    found = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return all(abs(one - other) <= by for one, other in zip(found, colour, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(orientation: int) -> None:
    stored = Image.new("RGB", (3, 2))
    for index in range(6):
        stored.putpixel((index % 3, index // 3), (40 * index, 255 - 40 * index, index))
    data = saved(stored, "PNG", exif=turned(orientation))
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
    seen = decode(data)
    assert (seen.size, seen.tobytes()) == (upright.size, upright.tobytes())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_kind_of_file_is_turned(kind: str) -> None:
    stored = Image.new("RGB", (64, 32), "white")
    stored.paste((200, 0, 0), (0, 0, 32, 32))  # red on the left, so above once turned
    seen = decode(saved(stored, kind, exif=turned(6)))
    assert seen.size == (32, 64)
    above, below = seen.crop((0, 0, 32, 30)), seen.crop((0, 34, 32, 64))
    assert near(above, (200, 0, 0), 12)
    assert near(below, WHITE, 12)


@pytest.mark.parametrize(
    "exif",
    [
        *(b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"\0" * 99),
        *(turned(9), turned(0), turned(6)[:-12]),
    ],
)
def test_exif_that_says_nothing_leaves_the_picture_as_it_is(exif: bytes) -> None:
    rows = [bytes(3 * 3)] * 2
    assert decode(png((3, 2), 8, 2, rows, (b"eXIf", exif.removeprefix(b"Exif\0\0")))).size == (3, 2)


def test_exif_of_either_byte_order_is_read() -> None:
    for order, mark in ((">", b"MM\0*"), ("<", b"II*\0")):
        entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, 8, 0)
        exif = mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)
        assert decode(png((3, 2), 8, 2, [bytes(9)] * 2, (b"eXIf", exif))).size == (2, 3)


def test_what_is_transparent_lies_on_white_or_on_the_colour_that_was_stated() -> None:
    for mode, clear in (("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))):
        data = saved(Image.new(mode, (4, 4), clear), "PNG")
        assert near(decode(data), WHITE, 0)
        assert near(decode(data, (10, 20, 30)), (10, 20, 30), 0)
    half = saved(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG")
    assert near(decode(half), (255, 127, 127), 1)
    assert near(decode(half, (0, 0, 0)), (128, 0, 0), 1)
    webp = saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "WEBP", lossless=True)
    assert near(decode(webp), WHITE, 0)


@pytest.mark.parametrize(
    ("bits", "colour", "row", "before", "second"),
    [
        (8, 0, bytes([7, 9]), [(b"tRNS", b"\0\x07")], (9, 9, 9)),
        (4, 0, bytes([0x79]), [(b"tRNS", b"\0\x07")], (153, 153, 153)),
        (2, 0, bytes([0b01110000]), [(b"tRNS", b"\0\x01")], WHITE),
        (1, 0, bytes([0b01000000]), [(b"tRNS", b"\0\x00")], WHITE),
        (16, 0, struct.pack(">2H", 0x707, 0x708), [(b"tRNS", b"\x07\x07")], (7, 7, 7)),
        (8, 2, bytes([1, 2, 3, 1, 2, 4]), [(b"tRNS", b"\0\x01\0\x02\0\x03")], (1, 2, 4)),
        (
            16,
            2,
            b"\1\x09\2\x09\3\x09\1\x09\2\x09\4\x09",
            [(b"tRNS", b"\1\x09\2\x09\3\x09")],
            (1, 2, 4),
        ),
        (8, 3, bytes([1, 0]), [(b"PLTE", bytes(6)), (b"tRNS", b"\xff\0")], (0, 0, 0)),
        (8, 3, bytes([1, 0]), [(b"PLTE", bytes(6)), (b"tRNS", b"\x80\0")], (5, 100, 5)),
    ],
)
def test_one_colour_that_is_declared_clear_is_clear(
    bits: int,
    colour: int,
    row: bytes,
    before: list[tuple[bytes, bytes]],
    second: tuple[int, int, int],
) -> None:
    seen = decode(png((2, 1), bits, colour, [row], *before), (10, 200, 10))
    assert seen.getpixel((0, 0)) == (10, 200, 10)
    assert near(seen.crop((1, 0, 2, 1)), second, 1)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    levels = {0: 0, 128: 0, 129: 1, 257: 1, 32_767: 127, 32_768: 128, 65_406: 254, 65_535: 255}
    row = struct.pack(f">{len(levels)}H", *levels)
    seen = decode(png((len(levels), 1), 16, 0, [row]))
    assert [*seen.getchannel("R").tobytes()] == [*levels.values()]


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("WEBP", "RGB")],
)
def test_colours_are_converted_from_the_profile_of_the_file(kind: str, mode: str) -> None:
    image = Image.new("RGB", (16, 16), RED).convert(mode)
    seen = read(saved(image, kind, icc_profile=SWAPPED, lossless=True))
    assert near(seen.image, GREEN)
    assert seen.warnings == ()
    assert near(decode(saved(image, kind, icc_profile=SRGB, lossless=True)), RED)


def test_a_profile_counts_before_what_is_transparent_is_filled() -> None:
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    assert near(decode(saved(half, "PNG", icc_profile=SWAPPED), BLUE), (0, 128, 127))


def test_grey_is_converted_from_its_profile() -> None:
    grey = Image.new("L", (16, 16), 128)
    linear = read(saved(grey, "PNG", icc_profile=grey_profile(1.0)))
    assert near(linear.image, (188, 188, 188))  # half of the light
    assert linear.warnings == ()
    deep = png((1, 1), 16, 0, [b"\x80\x80"], (b"iCCP", b"x\0\0" + zlib.compress(grey_profile(1.0))))
    assert near(decode(deep), (188, 188, 188))


@pytest.mark.parametrize(
    ("inks", "colour"),
    [
        ((0, 255, 255, 0), RED),
        ((255, 0, 255, 0), GREEN),
        ((0, 0, 0, 0), WHITE),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_inks_become_their_colours(
    inks: tuple[int, int, int, int], colour: tuple[int, int, int]
) -> None:
    assert near(decode(saved(Image.new("CMYK", (16, 16), inks), "JPEG", quality=100)), colour)


def test_inks_are_converted_from_the_profile_of_their_press() -> None:
    for inks, grey in (((0, 0, 0, 0), 255), ((255, 0, 0, 0), 185), ((255,) * 4, 0)):
        data = saved(Image.new("CMYK", (16, 16), inks), "JPEG", icc_profile=cmyk_profile())
        seen = read(data)
        assert near(seen.image, (grey, grey, grey), 4), inks
        assert seen.warnings == ()


@pytest.mark.parametrize(
    "profile",
    [
        *(b"x", b"not a profile" * 20, SWAPPED[:200], SWAPPED[:128] + b"\xff" * 400),
        *(grey_profile(1.0), cmyk_profile()),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_profile_that_cannot_be_used_costs_a_warning_not_the_picture(
    kind: str, profile: bytes
) -> None:
    data = saved(Image.new("RGB", (16, 16), RED), kind, icc_profile=profile, lossless=True)
    seen = read(data)
    assert near(seen.image, RED)
    assert seen.warnings == CANNOT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"name only",
        b"x\0\x01" + zlib.compress(SRGB),
        b"x\0\0 no deflate",
        b"x\0\0" + zlib.compress(SRGB)[:-20],
        b"x\0\0" + zlib.compress(bytes(64 * 2**20)),
    ],
)
def test_a_profile_that_cannot_be_unpacked_costs_a_warning(body: bytes) -> None:
    seen = read(png((1, 1), 8, 2, [bytes(RED)], (b"iCCP", body)))
    assert near(seen.image, RED, 0)
    assert seen.warnings == CANNOT


def test_a_profile_of_several_mebibytes_is_used() -> None:
    large = b"x\0\0" + zlib.compress(SWAPPED + bytes(2 * 2**20))
    seen = read(png((1, 1), 8, 2, [bytes(RED)], (b"iCCP", large)))
    assert near(seen.image, GREEN)
    assert seen.warnings == ()


def test_a_jpeg_that_lacks_a_part_of_its_profile_costs_a_warning() -> None:
    data = saved(Image.new("RGB", (16, 16), RED), "JPEG", icc_profile=SWAPPED + bytes(100_000))
    assert near(decode(data), GREEN)
    second = data.index(b"ICC_PROFILE\0\x02\x02") - 4
    (length,) = struct.unpack(">H", data[second + 2 : second + 4])
    seen = read(data[:second] + data[second + 2 + length :])
    assert near(seen.image, RED)
    assert seen.warnings == CANNOT


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("profile", [SWAPPED, b"none"])
def test_nothing_of_the_file_stays_with_the_picture(kind: str, profile: bytes) -> None:
    image = Image.new("RGB", (16, 8), RED)
    seen = decode(saved(image, kind, icc_profile=profile, exif=turned(6), lossless=True))
    assert seen.info == {}  # who saves it would else write what is already applied


def test_no_picture_is_laid_on_black_when_it_is_written() -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert near(decode(encode_png(clear)), WHITE, 0)
    assert near(decode(encode_preview(clear)), WHITE)
    assert clear.size == (16, 16)
