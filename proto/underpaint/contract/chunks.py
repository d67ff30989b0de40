"""Splits bytes into chunks of at most 256 KiB, and assembles and checks them on arrival."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import Digest

CHUNK_BYTES: Final = 256 * 1024


def split(data: bytes) -> Iterator[bytes]:
    """Splits data into chunks, in order."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


class Assembly:
    """Assembles chunks; refuses more bytes than were announced."""

    def __init__(self, digest: Digest, limit: int) -> None:
        """Expects `digest.size` bytes, which may be at most `limit`.

        Raises:
            InvalidRequest: the announced size is 0 or above the limit.
        """
        if not 0 < digest.size <= limit:
            raise InvalidRequest(f"{digest.size:,} bytes were announced; send 1 to {limit:,}")
        self._digest = digest
        self._parts: list[bytes] = []
        self._size = 0
        self._hash = hashlib.sha256()

    def add(self, chunk: bytes) -> None:
        """Takes the next chunk.

        Raises:
            InvalidRequest: the chunk is too large, or more came than announced.
        """
        self._size += len(chunk)
        if len(chunk) > CHUNK_BYTES or self._size > self._digest.size:
            raise InvalidRequest(
                f"more bytes came than announced ({self._digest.size:,}), or a chunk above "
                f"{CHUNK_BYTES:,}; send the picture again"
            )
        self._hash.update(chunk)
        self._parts.append(chunk)

    @property
    def complete(self) -> bool:
        """Whether all announced bytes have arrived."""
        return self._size == self._digest.size

    def bytes(self) -> bytes:
        """The whole data.

        Raises:
            InvalidRequest: bytes are missing, or the data differs from its digest.
        """
        if not self.complete:
            raise InvalidRequest(
                f"{self._size:,} of {self._digest.size:,} bytes came; send the picture again"
            )
        if self._hash.hexdigest() != self._digest.sha256:
            raise InvalidRequest("the bytes differ from their SHA-256; send the picture again")
        return b"".join(self._parts)
