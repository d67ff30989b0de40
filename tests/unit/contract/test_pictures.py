import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import (
    MAX_BYTES,
    Digest,
    decode,
    encode_png,
    encode_preview,
)


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (48, 32), **more: Any) -> bytes:
    noise = Image.effect_noise(size, 60).convert("RGB").convert(mode)
    out = io.BytesIO()
    noise.save(out, kind, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", m) for m in ("RGB", "RGBA", "P", "L", "1", "LA")]
    + [("JPEG", m) for m in ("RGB", "CMYK", "L")]
    + [("WEBP", m) for m in ("RGB", "RGBA")],
)
def test_every_ordinary_picture_becomes_rgb(kind: str, mode: str) -> None:
    picture = decode(encoded(kind, mode))
    assert (picture.mode, picture.size) == ("RGB", (48, 32))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_picture_cut_short_is_refused(kind: str, share: float) -> None:
    data = encoded(kind)
    with pytest.raises(InvalidRequest):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="PNG, JPEG or WebP"):
        decode(encoded(kind))


@pytest.mark.parametrize("data", [b"", b"\x00", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode(data)


def test_a_png_with_another_file_behind_it_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="after its end"):
        decode(encoded("PNG") + b"PK\x03\x04 and a whole archive")


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="bytes"):
        decode(encoded("PNG") + bytes(MAX_BYTES))


@pytest.mark.parametrize("size", [(2_049, 2_048), (60_000, 60_000)])
def test_too_many_pixels_are_refused_by_the_header_alone(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    data += struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(InvalidRequest):
        decode(data + encoded("PNG")[33:])


def test_a_flipped_bit_in_a_png_is_noticed() -> None:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(InvalidRequest):
        decode(bytes(data))


def test_only_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert decode(out.getvalue()).getpixel((0, 0)) == (255, 0, 0)


def test_nothing_but_pixels_is_written() -> None:
    image = Image.new("RGBA", (8, 8), "red")
    image.info["parameters"] = "a secret prompt"
    data = encode_png(image)
    assert b"secret" not in data
    assert decode(data).getpixel((3, 3)) == (255, 0, 0)


def test_a_preview_is_a_small_jpeg() -> None:
    preview = decode(encode_preview(Image.new("RGB", (1_024, 512), "red")))
    assert preview.size == (192, 96)


def test_a_digest_names_bytes() -> None:
    digest = Digest.of(b"")
    assert digest.sha256.startswith("e3b0c442")
    assert digest.size == 0
