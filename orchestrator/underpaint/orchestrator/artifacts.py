"""Immutable bytes named by their SHA-256, in a directory or any fsspec store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import Any, Final

import fsspec
from underpaint.contract.errors import ArtifactNotFound, InvalidRequest, ServiceUnreachable
from underpaint.contract.pictures import Digest

MAX_BYTES: Final = 32 * 2**20
_MAGIC: Final = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class Artifacts:
    """A content-addressed store; whatever it returns has been checked against its name."""

    def __init__(self, url: str) -> None:
        """Opens a store, making its directory if it is local.

        Args:
            url: a path, or anything fsspec knows, such as s3://bucket/artifacts.

        Raises:
            InvalidRequest: the URL is of an unknown kind or cannot be written.
        """
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise InvalidRequest(f"artifacts cannot be kept at {url!r}: {error}") from None
        self._local = "file" in _protocols(self._fs)
        if self._local:
            try:
                Path(self._root).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InvalidRequest(f"artifacts cannot be kept at {url!r}: {error}") from None

    async def put(self, data: bytes, digest: Digest) -> None:
        """Stores bytes for good; when this returns they survive a power cut.

        Raises:
            ServiceUnreachable: they cannot be written now, such as on a full disk.
            ValueError: the bytes are not those of the digest.
        """
        try:
            await asyncio.to_thread(self._put, data, digest.sha256)
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be stored: {error}") from None

    async def has(self, digest: Digest) -> bool:
        """Whether the bytes are here, whole."""
        try:
            await self.get(digest.sha256)
        except ArtifactNotFound:
            return False
        return True

    async def get(self, sha256: str) -> tuple[bytes, Digest]:
        """The bytes of a name, and their digest.

        Raises:
            ArtifactNotFound: none, or they are damaged.
            ServiceUnreachable: they could not be read.
        """
        missing = ArtifactNotFound(f"there is no artifact {sha256}")
        try:
            data, digest = await asyncio.to_thread(self._get, sha256)
        except FileNotFoundError:
            raise missing from None
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be read: {error}") from None
        if digest.sha256 != sha256:
            raise missing
        return data, digest

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _get(self, sha256: str) -> tuple[bytes, Digest]:
        data: bytes = self._fs.cat_file(self._path(sha256))
        return data, Digest.of(data, media_type(data))

    def _put(self, data: bytes, sha256: str) -> None:
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("the bytes are not those of the digest")
        path = self._path(sha256)
        if not self._local:
            self._fs.pipe_file(path, data)  # object stores replace a whole object at once
            return
        _write(Path(path), data)


def media_type(data: bytes) -> str:
    """The media type of picture bytes, by how they begin."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    return "image/webp" if data[8:12] == b"WEBP" else "application/octet-stream"


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _write(path: Path, data: bytes) -> None:
    """Under another name first, so that a crash leaves the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    for directory in (path.parent, path.parent.parent):  # the names are durable too
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
