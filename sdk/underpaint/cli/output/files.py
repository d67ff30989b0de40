"""Files that commands write: checked before money is spent, written whole, never overwritten."""

from __future__ import annotations

import errno
import io
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from underpaint.cli.output.terminal import open_picture
from underpaint.contract.errors import InvalidRequest
from underpaint.contract.pictures import MAX_PIXELS

Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]

PICTURES: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
ROOM_BYTES: Final = 4 * MAX_PIXELS  # more than any picture needs
_QUALITY: Final = 95


class NotWritten(Exception):
    """The work is done, but its result could not be written. No incomplete file is left."""


def check_file(path: Path, *, force: bool, kinds: tuple[str, ...] = tuple(PICTURES)) -> None:
    """Checks before the work begins that a file can be written, and makes its directory.

    Raises:
        InvalidRequest: it is there already, or not of these kinds, or there is no place for it.
    """
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        raise InvalidRequest(f"cannot write {path}: it is a directory; name a file")
    if kinds and path.suffix.lower() not in kinds:
        raise InvalidRequest(
            f"{path} is of no known kind; end its name in {', '.join(kinds[:-1])} or {kinds[-1]}"
        )
    make_directory(path.parent)
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:  # such as a name that is too long
        raise InvalidRequest(f"cannot write {path}: {error.strerror}; name another file") from None
    if not force:
        raise InvalidRequest(f"{path} exists already; name another file, or add --force")


def make_directory(path: Path) -> None:
    """Makes a directory in which files can be written.

    Raises:
        InvalidRequest: it cannot be made or written, or has no room for a picture.
    """
    probe = path / f".{secrets.token_hex(8)}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        free = shutil.disk_usage(path).free
    except OSError as error:
        raise InvalidRequest(
            f"cannot write in the directory {path}: {error.strerror}; name another"
        ) from None
    if free < ROOM_BYTES:
        raise InvalidRequest(
            f"the disk of {path} has only {free / 2**20:.0f} MiB left; free some space, "
            "or name a place on another disk"
        )


def picture_as(data: bytes, path: Path) -> bytes:
    """The bytes of a picture in the format of the file name's ending."""
    kind = PICTURES[path.suffix.lower()]
    if _kind(data) == kind:
        return data
    out = io.BytesIO()
    open_picture(data).save(out, kind, quality=_QUALITY)
    return out.getvalue()


def save_picture(path: Path, data: bytes, *, force: bool) -> None:
    """Writes a picture in the format of the file name's ending; call `check_file` first.

    Raises:
        NotWritten: it cannot be written, or something has come there meanwhile.
    """
    with whole_file(path, force=force) as unfinished:
        unfinished.write_bytes(picture_as(data, path))


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Gives a temporary path beside the file; it is renamed if the block succeeds, else removed.

    Raises:
        NotWritten: it cannot be written, or something has come there meanwhile.
    """
    unfinished = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        yield unfinished
        if force:
            unfinished.replace(path)
        else:
            _name(unfinished, path)
    except OSError as error:
        raise NotWritten(f"cannot write {path}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def first_free(path: Path) -> Path:
    """The path if it does not exist, else the first free one of PATH-2, PATH-3 and so on."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not os.path.lexists(each))


def plain_name(text: str) -> str:
    """An id from a service, made safe as part of a file name: it cannot lead to another folder."""
    return re.sub(r"[^\w-]", "_", text)[:100]


def _name(unfinished: Path, path: Path) -> None:
    """Gives a file its name without replacing an existing file, as a rename would."""
    try:
        os.link(unfinished, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without links.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        unfinished.replace(path)


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "PNG"
    return "JPEG" if data.startswith(b"\xff\xd8") else "WEBP" if data[8:12] == b"WEBP" else ""
