"""The artifact store: immutable bytes named by their SHA-256, in a directory or fsspec store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec
from underpaint.contract.errors import ArtifactNotFound, InvalidRequest, ServiceUnreachable
from underpaint.contract.generation import Inputs
from underpaint.contract.inputs import InputDigests, gathered
from underpaint.contract.pictures import Digest, media_type

T = TypeVar("T")

MAX_BYTES: Final = 32 * 2**20
_MARKER: Final = "store-id"  # a file beside the artifacts, with the random id of this store
# These threads wait for the disk, which syncs many files in about the time of one.
THREADS: Final = 16
# A decoded picture takes several bytes for each pixel, and more threads than cores would not be
# faster.
CHECKED_AT_ONCE: Final = min(4, os.cpu_count() or 1)


class Artifacts:
    """A content-addressed store. Whatever it returns was checked against its SHA-256."""

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
        self.place = self._named_place(url)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="artifacts")
        self._checks = ThreadPoolExecutor(CHECKED_AT_ONCE, thread_name_prefix="artifact checks")
        self._named: set[str] = set()  # folders whose entries in the root are durable
        if self._local:
            try:
                Path(self._root).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InvalidRequest(f"artifacts cannot be kept at {url!r}: {error}") from None

    async def examine(self, data: bytes, digest: Digest, check: Callable[[bytes], None]) -> bool:
        """Checks bytes before they are stored, in a thread of its own kind.

        Args:
            data: the bytes.
            digest: the digest of the bytes.
            check: called with the bytes; its error is raised here.

        Returns:
            Whether something is already stored under their SHA-256.

        Raises:
            ServiceUnreachable: the store cannot be read.
        """

        def checked() -> bool:
            check(data)
            try:
                return bool(self._fs.exists(self._path(digest.sha256)))
            except OSError as error:
                raise ServiceUnreachable(f"an artifact could not be looked for: {error}") from None

        return await asyncio.get_running_loop().run_in_executor(self._checks, checked)

    async def put(self, data: bytes, digest: Digest) -> None:
        """Stores bytes; when this returns, they survive a power cut.

        Args:
            data: the bytes.
            digest: the digest of the bytes.

        Raises:
            ServiceUnreachable: they cannot be written now, for example because the disk is full.
            ValueError: the bytes do not have this digest.
        """
        try:
            await self._aside(self._put, data, digest.sha256)
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be stored: {error}") from None

    async def has(self, digest: Digest) -> bool:
        """Whether the bytes are stored and undamaged."""
        try:
            await self.get(digest.sha256)
        except ArtifactNotFound:
            return False
        return True

    async def remove(self, sha256: str) -> None:
        """Removes what is stored under a SHA-256, if anything is."""
        try:
            await self._aside(self._fs.rm_file, self._path(sha256))
        except FileNotFoundError:
            return
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be removed: {error}") from None

    async def get(self, sha256: str) -> tuple[bytes, Digest]:
        """The bytes with a SHA-256, and their digest.

        Raises:
            ArtifactNotFound: there are none, or they are damaged.
            ServiceUnreachable: they could not be read.
        """
        missing = ArtifactNotFound(f"there is no artifact {sha256}")
        try:
            data, digest = await self._aside(self._get, sha256)
        except FileNotFoundError:
            raise missing from None
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be read: {error}") from None
        if digest.sha256 != sha256:
            raise missing
        return data, digest

    async def size(self, sha256: str) -> int:
        """The size in bytes of what is stored under a SHA-256.

        Raises:
            ArtifactNotFound, ServiceUnreachable: as for `get`.
        """
        try:
            return await self._aside(self._size, sha256)
        except FileNotFoundError:
            raise ArtifactNotFound(f"there is no artifact {sha256}") from None
        except OSError as error:
            raise ServiceUnreachable(f"an artifact could not be read: {error}") from None

    async def identity(self) -> str:
        """The random id of this store; the first call makes it.

        Raises:
            ServiceUnreachable: it cannot be read or written.
        """
        try:
            return await self._aside(self._identity)
        except OSError as error:
            raise ServiceUnreachable(f"the artifact store cannot be read: {error}") from None

    async def _aside(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _get(self, sha256: str) -> tuple[bytes, Digest]:
        path = self._path(sha256)
        data: bytes = Path(path).read_bytes() if self._local else self._fs.cat_file(path)
        return data, Digest.of(data, media_type(data))

    def _size(self, sha256: str) -> int:
        return int(self._fs.size(self._path(sha256)) or 0)

    def _named_place(self, url: str) -> str:
        """Where the store is, for people: with the machine's name, and without a password."""
        if self._local:
            return f"{self._root} on {socket.gethostname()}"
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    def _identity(self) -> str:
        path = f"{self._root}/{_MARKER}"
        fresh = secrets.token_hex(16)
        if not self._local:
            if not self._fs.exists(path):
                with suppress(FileExistsError):  # another orchestrator was first
                    self._fs.pipe_file(path, fresh.encode(), mode="create")
            return str(self._fs.cat_file(path).decode().strip())
        if not Path(path).exists():
            unfinished = f"{self._root}/.{_MARKER}.{fresh}"
            _write(unfinished, fresh.encode())
            with suppress(FileExistsError):  # another orchestrator was first
                os.link(unfinished, path)
            Path(unfinished).unlink()
            _sync(self._root)
        return Path(path).read_text().strip()

    def _put(self, data: bytes, sha256: str) -> None:
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError("the bytes do not have this digest")
        path = self._path(sha256)
        if not self._local:
            self._fs.pipe_file(path, data)  # object stores replace an object atomically
            return
        folder = os.path.dirname(path)  # noqa: PTH120 -- making a Path takes longer than the write
        if folder not in self._named:
            Path(folder).mkdir(parents=True, exist_ok=True)
            _sync(self._root)
            self._named.add(folder)
        try:
            _write(path, data)
        except FileNotFoundError:  # the folder was removed meanwhile
            self._named.discard(folder)
            raise
        _sync(folder)  # makes the file's name durable, too


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _write(path: str, data: bytes) -> None:
    """Writes a file under another name first, so that a crash leaves the whole file or none."""
    folder, name = os.path.split(path)
    unfinished = f"{folder}/.{name}.{secrets.token_hex(4)}"
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(unfinished, path)  # noqa: PTH105
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _sync(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def stored_inputs(artifacts: Artifacts, digests: InputDigests) -> Inputs:
    """The stored pictures that a promotion takes.

    Raises:
        ArtifactNotFound, ServiceUnreachable: as for `Artifacts.get`.
    """
    return gathered(digests, [(await artifacts.get(each.sha256))[0] for each in digests.every])
