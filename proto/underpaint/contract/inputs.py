"""The pictures beside a draft: a mask, a control map and references. Their limits and checks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from underpaint.contract.chunks import Assembly
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.fitting import Size, alike
from underpaint.contract.generation import Inputs
from underpaint.contract.pictures import MAX_BYTES, WHITE, Colour, Digest, Picture, read

MAX_MAP_BYTES: Final = 2**20  # of a mask or a control map
MAX_MAP_SIDE: Final = 2_048  # pixels
MAX_REFERENCES: Final = 4
MAX_REFERENCES_BYTES: Final = 8 * 2**20  # of all references together
# Of everything that one promotion takes.
MAX_INPUTS_BYTES: Final = MAX_BYTES + 2 * MAX_MAP_BYTES + MAX_REFERENCES_BYTES
MEDIA_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_BLACK: Final = (0, 0, 0)
_PNG: Final = b"\x89PNG\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDigests:
    """The digests of the pictures that a promotion takes."""

    init_image: Digest
    mask: Digest | None = None
    control: Digest | None = None
    control_kind: str = ""
    references: tuple[Digest, ...] = ()

    @property
    def every(self) -> tuple[Digest, ...]:
        """Of every picture that there is, in the order in which they are sent."""
        return tuple(digest for _, digest, _ in announced(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPictures:
    """The decoded pictures that an engine draws from."""

    init_image: Image.Image  # RGB
    mask: Image.Image | None = None  # grey: white is drawn anew, black is kept
    control: Image.Image | None = None  # RGB
    control_kind: str = ""  # what the control map shows, such as "edges"
    references: tuple[Image.Image, ...] = ()  # RGB
    warnings: tuple[str, ...] = ()  # what could not be applied, such as a broken colour profile


def announced(digests: InputDigests) -> list[tuple[str, Digest, int]]:
    """The pictures that a request takes, as they are sent: name, digest and most bytes of each."""
    found: list[tuple[str, Digest, int]] = [("init_image", digests.init_image, MAX_BYTES)]
    if digests.mask:
        found.append(("mask", digests.mask, MAX_MAP_BYTES))
    if digests.control:
        found.append(("control", digests.control, MAX_MAP_BYTES))
    for number, digest in enumerate(digests.references, 1):
        found.append((f"reference {number}", digest, MAX_BYTES))
    return found


def check_announced(digests: InputDigests) -> None:
    """Checks what a request says of its pictures, before any of them is sent.

    Raises:
        InvalidRequest: too many pictures, one that is too large or of an unknown kind, or a
            control map without its kind.
    """
    for name, digest, limit in announced(digests):
        if not 0 < digest.size <= limit:
            raise InvalidRequest(
                f"{name} has {digest.size:,} bytes; send a picture of 1 to {limit:,}"
            )
        if digest.media_type not in MEDIA_TYPES:
            raise InvalidRequest(
                f"{name} is {digest.media_type[:40]!r}; send one of {', '.join(MEDIA_TYPES)}"
            )
    _check_references([digest.size for digest in digests.references])
    check_kind(digests.control_kind, given=digests.control is not None)


def check_kind(kind: str, *, given: bool) -> None:
    """Checks the kind of a control map; `given` says whether there is a map.

    Raises:
        InvalidRequest: one is there without the other, or the kind is not a name.
    """
    if not given and kind:
        raise InvalidRequest(f"control_kind is {kind[:40]!r} without a control map; send the map")
    if given and not _KIND.fullmatch(kind):
        raise InvalidRequest(
            f"control_kind is {kind[:40]!r}; say what the control map shows, such as 'edges'"
        )


def check_digests(inputs: Inputs, digests: InputDigests) -> None:
    """Compares pictures with their digests.

    Raises:
        InvalidRequest: one of them differs, or comes without the other; it is named.
    """
    expected = announced(digests)
    if len(inputs.pictures) != len(expected):
        raise InvalidRequest(
            f"{len(inputs.pictures)} pictures came with {len(expected)} digests; send one digest "
            "for each"
        )
    for picture, (name, digest, _) in zip(inputs.pictures, expected, strict=True):
        if Digest.of(picture, digest.media_type) != digest:
            raise InvalidRequest(f"{name} differs from its digest; send the picture again")


def decode_inputs(inputs: Inputs) -> InputPictures:
    """Decodes all pictures. The mask becomes grey; what is transparent in it counts as black.

    Raises:
        InvalidRequest: one of them cannot be read or is too large; it is named.
    """
    _check_references([len(each) for each in inputs.references])
    check_kind(inputs.control_kind, given=bool(inputs.control))
    draft = _read("init_image", inputs.init_image)
    mask = _read_map("mask", inputs.mask, _BLACK) if inputs.mask else None
    control = _read_map("control", inputs.control) if inputs.control else None
    references = [
        _read(f"reference {number}", each) for number, each in enumerate(inputs.references, 1)
    ]
    every = (draft, mask, control, *references)
    return InputPictures(
        init_image=draft.image,
        mask=mask.image.convert("L") if mask else None,
        control=control.image if control else None,
        control_kind=inputs.control_kind,
        references=tuple(each.image for each in references),
        warnings=tuple(warning for each in every if each for warning in each.warnings),
    )


def check_inputs(inputs: Inputs, result: Size | None = None) -> InputPictures:
    """Decodes all pictures and checks that they fit to each other.

    Args:
        inputs: the encoded pictures.
        result: the size of the finished picture; None if it follows from the draft.

    Raises:
        InvalidRequest: one of them cannot be read, has the wrong size, or says nothing.
    """
    pictures = decode_inputs(inputs)
    draft = pictures.init_image.size
    mask, control = pictures.mask, pictures.control
    if mask and mask.size != draft:
        raise InvalidRequest(
            f"the mask is {_size(mask.size)}, the draft {_size(draft)}; paint it on the draft, or "
            f"scale it to {_size(draft)}"
        )
    if mask and not mask.getbbox():
        raise InvalidRequest(
            "the mask is black everywhere, so nothing would be drawn anew; paint white what "
            "should change"
        )
    if control and not any(alike(control.size, each) for each in (draft, result or draft)):
        raise InvalidRequest(
            f"the control map is {_size(control.size)}, the draft {_size(draft)}; make it in the "
            "shape of the draft or of the result"
        )
    return pictures


def check_reference(number: int, data: bytes) -> tuple[str, ...]:
    """The warnings of one reference, the first of which has number 1.

    Raises:
        InvalidRequest: it cannot be read, or is too large.
    """
    return _read(f"reference {number}", data).warnings


def grey_mask(data: bytes) -> bytes:
    """A mask as a grey PNG; a file that is one already stays as it is.

    Raises:
        InvalidRequest: it is not a picture, or too large.
    """
    mask = _read("mask", data, _BLACK).image
    if data.startswith(_PNG):
        with PngImageFile(io.BytesIO(data)) as file:
            if file.mode == "L" and "transparency" not in file.info:
                return data
    out = io.BytesIO()
    mask.convert("L").save(out, "PNG")
    return out.getvalue()


class Arrivals:
    """Assembles the pictures of one promotion from chunks, each checked against its digest."""

    def __init__(self, digests: InputDigests) -> None:
        """Expects the pictures of a request, in the order of `announced`.

        Raises:
            InvalidRequest: the digests announce a picture of no bytes or of too many.
        """
        self._digests = digests
        self._names = [name for name, _, _ in announced(digests)]
        _check_references([digest.size for digest in digests.references])
        self._parts = [_assembly(*each) for each in announced(digests)]
        self._place = 0

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(digest.size for digest in self._digests.every)

    def add(self, chunk: bytes) -> None:
        """Takes the next chunk; a complete picture is followed by the next one.

        Raises:
            InvalidRequest: the chunk is too large, or more came than announced.
        """
        if self._parts[self._place].complete and self._place + 1 < len(self._parts):
            self._place += 1
        with _named(self._names[self._place]):
            self._parts[self._place].add(chunk)

    def inputs(self) -> Inputs:
        """All pictures.

        Raises:
            InvalidRequest: bytes are missing, or a picture differs from its digest.
        """
        whole: list[bytes] = []
        for name, part in zip(self._names, self._parts, strict=True):
            with _named(name):
                whole.append(part.bytes())
        return gathered(self._digests, whole)


def gathered(digests: InputDigests, pictures: Sequence[bytes]) -> Inputs:
    """The inputs of a request from its pictures, in the order of `InputDigests.every`."""
    rest = iter(pictures)
    return Inputs(
        init_image=next(rest),
        mask=next(rest) if digests.mask else b"",
        control=next(rest) if digests.control else b"",
        control_kind=digests.control_kind,
        references=tuple(rest),
    )


def _assembly(name: str, digest: Digest, limit: int) -> Assembly:
    with _named(name):
        return Assembly(digest, limit)


def _check_references(sizes: Sequence[int]) -> None:
    if len(sizes) > MAX_REFERENCES:
        raise InvalidRequest(f"{len(sizes)} references are given; send at most {MAX_REFERENCES}")
    if sum(sizes) > MAX_REFERENCES_BYTES:
        raise InvalidRequest(
            f"the references have {sum(sizes):,} bytes together; at most "
            f"{MAX_REFERENCES_BYTES:,} are allowed; make them smaller"
        )


def _read(
    name: str, data: bytes, background: Colour = WHITE, max_bytes: int = MAX_BYTES
) -> Picture:
    with _named(name):
        return read(data, background, max_bytes)


def _read_map(name: str, data: bytes, background: Colour = WHITE) -> Picture:
    picture = _read(name, data, background, MAX_MAP_BYTES)
    if max(picture.image.size) > MAX_MAP_SIDE:
        raise InvalidRequest(
            f"{name} is {_size(picture.image.size)}; at most {MAX_MAP_SIDE:,} pixels a side are "
            "allowed; make it smaller"
        )
    return picture


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Says in an error which picture it is about."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{name}: {error}") from None


def _size(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
