"""Files that are large, damaged or built to mislead: refused or taken, and no harm done."""

from __future__ import annotations

import struct
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from underpaint.contract import pictures
from underpaint.contract.containers import MAX_SCANS, Container, take_apart
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import MAX_BYTES, decode, read

from tests.unit.contract.outside import (
    SRGB,
    chunk,
    png,
    saved,
    turned,
)

RED = (255, 0, 0)


def weighed(data: bytes) -> tuple[Image.Image, int]:
    """The picture, and the most bytes that its decoding held."""
    tracemalloc.start()
    try:
        return decode(data), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


TEXTS = {
    "long": (b"tEXt", b"parameters\0" + b"a red fox, " * 180_000),
    "packed": (b"zTXt", b"workflow\0\0" + zlib.compress(bytes(64 * 2**20))),
    "packed, in Unicode": (b"iTXt", b"k\0\1\0\0\0" + zlib.compress(b"\xc3\xa4" * 32 * 2**20)),
    "unpackable": (b"zTXt", b"k\0\x07what"),
    "without an end": (b"tEXt", b"k"),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_in_a_good_png_is_no_corruption_and_is_never_unpacked(
    text: tuple[bytes, bytes],
) -> None:
    data = png((1, 1), 8, 2, [bytes(RED)], text, end=chunk(*text) if len(text[1]) < 2**20 else b"")
    assert len(data) < MAX_BYTES
    seen, peak = weighed(data)
    assert seen.getpixel((0, 0)) == RED
    assert peak < 3 * len(data) + 2**20


def test_a_profile_that_unpacks_to_very_much_is_left_packed() -> None:
    bomb = b"x\0\0" + zlib.compress(bytes(64 * 2**20))
    assert weighed(png((1, 1), 8, 2, [bytes(RED)], (b"iCCP", bomb)))[1] < 16 * 2**20


def test_notes_in_a_jpeg_never_reach_the_decoder() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x1a\0\x05"  # Pillow would warn of it
    note = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        decode(jpeg()[:2] + note + jpeg()[2:])
    assert told == []


def test_notes_in_a_good_jpeg_are_no_corruption() -> None:
    data = saved(Image.new("RGB", (16, 16), RED), "JPEG")
    notes = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", 65_535) + bytes(65_533)
        for marker in (0xFE, 0xE1, 0xE2, 0xED, 0xEF)
    )
    assert decode(data[:2] + notes + data[2:]).size == (16, 16)


def test_a_damaged_text_chunk_is_damage() -> None:
    data = bytearray(png((1, 1), 8, 2, [bytes(RED)], (b"tEXt", b"key\0value")))
    data[data.index(b"value")] ^= 1
    with pytest.raises(InvalidRequest, match="corrupt"):
        decode(bytes(data))


def jpeg(size: tuple[int, int] = (16, 16)) -> bytes:
    return saved(Image.new("RGB", size, RED), "JPEG")


def with_frame_of(size: tuple[int, int]) -> bytes:
    data = jpeg()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", *size[::-1]) + data[at + 4 :]


def test_too_many_pixels_are_refused_before_a_decoder_sees_them() -> None:
    webp = bytearray(saved(Image.new("RGBA", (16, 16)), "WEBP", icc_profile=SRGB))
    webp[24:30] = b"\xff\x3f\0" * 2  # 16,384 x 16,384
    lossless = bytearray(saved(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    lossless[21:25] = struct.pack("<I", 16_383 << 14 | 16_383)
    lossy = bytearray(saved(Image.new("RGB", (16, 16)), "WEBP"))
    lossy[26:30] = struct.pack("<HH", 16_383, 16_383)
    for data in (with_frame_of((65_500, 65_500)), bytes(webp), bytes(lossless), bytes(lossy)):
        with pytest.raises(InvalidRequest, match="at most 4,194,304 pixels"):
            decode(data)


def with_scans(number: int) -> bytes:
    data = saved(Image.new("L", (16, 16), 99), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (number + 1 - data.count(b"\xff\xda")) + data[-2:]


def test_a_jpeg_may_come_in_several_scans() -> None:
    assert decode(with_scans(MAX_SCANS)).size == (16, 16)


def test_a_decoder_that_finds_another_size_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def misread(data: bytes) -> Container:
        return replace(take_apart(data), width=1, height=1)

    monkeypatch.setattr(pictures, "take_apart", misread)
    small = saved(Image.new("RGBA", (16, 16)), "WEBP", icc_profile=SRGB)
    for data in (small, jpeg(), small[:24] + b"\xff\x3f\0" * 2 + small[30:]):
        with pytest.raises(InvalidRequest, match="corrupt"):
            decode(data)


def test_leave_to_load_cut_pictures_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(RuntimeError, match="must stay off"):
        decode(jpeg())


def test_files_built_to_mislead_are_refused() -> None:
    plain = jpeg()
    frame = plain[plain.index(b"\xff\xc0") :][:19]
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    webp = saved(Image.new("RGB", (16, 16)), "WEBP", lossless=True)
    cases = {
        "two frames": plain[:2] + frame + plain[2:],
        "no frame": plain.replace(frame, b""),
        "too many scans": with_scans(MAX_SCANS + 1),
        "something after a JPEG": plain + b"PK\x03\x04",
        "no height": with_frame_of((16, 0)),
        "two headers": png((1, 1), 8, 2, [bytes(RED)], (b"IHDR", header)),
        "an unknown part that is needed": png((1, 1), 8, 2, [bytes(RED)], (b"NEED", b"")),
        "something after a WebP": webp + b"PK\x03\x04",
        "a WebP without a picture": b"RIFF\x04\0\0\0WEBP",
        "a short canvas": webp[:12].replace(webp[4:8], b"\x0c\0\0\0") + b"VP8X\0\0\0\0",
    }
    for what, data in cases.items():
        with pytest.raises(InvalidRequest):
            pytest.fail(f"taken: {what}, {decode(data).size}")


def test_decoding_in_threads_leaves_the_warnings_of_the_process_alone() -> None:
    good = saved(Image.new("RGBA", (32, 32), (9, 9, 9, 99)), "PNG", icc_profile=SRGB)
    palette = Image.new("P", (8, 8))
    samples = (good, jpeg(), good[:-9], saved(palette, "PNG", transparency=b"\x80\x20"))
    before = list(warnings.filters)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait(30)
        for turn in range(25):
            try:
                decode(samples[(number + turn) % len(samples)])
            except InvalidRequest:
                assert (number + turn) % len(samples) == 2
            warnings.warn("an ordinary warning", UserWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        within = list(warnings.filters)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        assert list(warnings.filters) == within
        assert [str(one.message) for one in told] == ["an ordinary warning"] * 200
    assert list(warnings.filters) == before


SEEDS = [
    saved(Image.effect_noise((9, 7), 60).convert(mode), kind, icc_profile=SRGB, exif=turned(6))
    for kind, modes in {"PNG": ("RGB", "LA", "P"), "JPEG": ("L", "CMYK"), "WEBP": ("RGBA",)}.items()
    for mode in modes
]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6))
def test_whatever_is_damaged_is_taken_or_refused(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        seen = read(bytes(damaged)).image
    except InvalidRequest:
        return  # and nothing else is ever raised
    assert seen.mode == "RGB"
    stored = take_apart(bytes(damaged))
    assert {*seen.size} == {stored.width, stored.height}
