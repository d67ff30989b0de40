"""`python -m underpaint.orchestrator.callers_file`: adds, revokes and lists callers.

The file is edited line by line, so that comments in it stay. The orchestrator applies the change
at the next call. A token is shown once; only its digest is stored.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator.callers import DEFAULT, Caller, read_callers
from underpaint.orchestrator.documents import Entry, parse, read_text

HEAD: Final = (
    "# Who may call: made by `underpaint callers`. Tokens are kept as SHA-256 only.\ncallers:\n"
)
TOKEN_BYTES: Final = 32


def add(
    file: Path,
    name: str,
    *,
    organisation: str = DEFAULT,
    team: str = DEFAULT,
    project: str = DEFAULT,
    roles: Sequence[str] = ("artist",),
) -> str:
    """Adds a caller and returns its new token, which is not stored anywhere.

    Args:
        file: the callers file; it is created if it does not exist.
        name: the user's name, unique in the organisation.
        organisation: the user's organisation.
        team: the user's team; "*" lets requests name any team.
        project: the user's project; "*" lets requests name any project.
        roles: such as "artist" or "operator@acme/growth".

    Raises:
        InvalidRequest: a name is not valid or is listed already.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    levels = {"organisation": organisation, "team": team, "project": project}
    fields = {
        "name": name,
        "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        **{level: value for level, value in levels.items() if value != DEFAULT},
        "roles": list(roles),
    }
    with _changing(file) as lines:
        _rows(file, lines)  # raises if the file is faulty as it is
        # JSON is YAML, and quotes whatever must be quoted.
        lines.append(f"  - {json.dumps(fields)}\n")
    return token


def revoke(file: Path, name: str, *, organisation: str = DEFAULT) -> None:
    """Removes a caller; its token is refused from the next call on.

    Raises:
        InvalidRequest: there is no such caller, or it is the last one.
    """
    with _changing(file) as lines:
        rows = _rows(file, lines)
        found = [row for row, caller in rows if caller.identity == f"{organisation}/{name}"]
        if not found:
            raise InvalidRequest(
                f"{file} has no caller {organisation}/{name}; see `underpaint callers list`"
            )
        if len(rows) == 1:
            raise InvalidRequest(
                f"{organisation}/{name} is the last caller. Without callers, everybody on this "
                "machine may do everything; if you want that, stop the orchestrator and remove "
                f"{file}"
            )
        del lines[found[0].line - 1 : found[0].last_line]


def listed(file: Path) -> list[Caller]:
    """Every caller in the file. Raises InvalidRequest if the file is faulty."""
    return sorted(read_callers(file).values(), key=lambda caller: caller.identity)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; prints JSON to stdout, or one line with the error to stderr."""
    parser = argparse.ArgumentParser(prog="python -m underpaint.orchestrator.callers_file")
    parser.add_argument("what", choices=("add", "revoke", "list"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", default="")
    parser.add_argument("--organisation", default=DEFAULT)
    parser.add_argument("--team", default=DEFAULT)
    parser.add_argument("--project", default=DEFAULT)
    parser.add_argument("--role", action="append", default=[])
    given = parser.parse_args(arguments)
    try:
        print(json.dumps(_done(given)))
    except InvalidRequest as error:
        print(f"underpaint callers: {error}", file=sys.stderr)
        return 2
    return 0


def _done(given: argparse.Namespace) -> object:
    if given.what == "add":
        levels = {level: getattr(given, level) for level in ("organisation", "team", "project")}
        token = add(given.file, given.name, **levels, roles=given.role or ("artist",))
        return {"token": token}
    if given.what == "revoke":
        revoke(given.file, given.name, organisation=given.organisation)
        return {}
    return {
        "callers": [
            {
                "name": each.name,
                "organisation": each.organisation,
                "team": each.team,
                "project": each.project,
                "roles": sorted(map(str, each.grants)),
            }
            for each in listed(given.file)
        ]
    }


@contextmanager
def _changing(file: Path) -> Iterator[list[str]]:
    """The lines of the file, to be changed in the block; then the file is checked and replaced."""
    file = Path(os.path.realpath(file))  # change the target of a link, not the link
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be changed: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = read_text(file) if file.exists() else HEAD
        lines = text.splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        yield lines
        _replace(file, "".join(lines))
    finally:
        os.close(lock)


def _rows(file: Path, lines: list[str]) -> list[tuple[Entry, Caller]]:
    """Each caller with its entry in the file."""
    entry = parse("".join(lines), file).fields(required=frozenset({"callers"}))["callers"]
    if entry.is_empty:
        return []
    if entry.is_flow:
        raise entry.wrong("is all on one line; write each caller on its own lines")
    callers = read_callers(file)
    return list(zip(entry, callers.values(), strict=True))


def _replace(file: Path, text: str) -> None:
    scratch = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as writing:
            _keep_readable(handle, file)
            writing.write(text)
            writing.flush()
            os.fsync(writing.fileno())
        try:
            read_callers(scratch)
        except InvalidRequest as error:
            raise InvalidRequest(str(error).replace(str(scratch), str(file))) from None
        scratch.replace(file)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written: {error.strerror}") from None
    finally:
        scratch.unlink(missing_ok=True)


def _keep_readable(handle: int, file: Path) -> None:
    """Gives the new file the old one's mode and owner, so that the orchestrator can read it."""
    if not file.exists():
        return
    before = file.stat()
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
    now = os.fstat(handle)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(handle, before.st_uid, before.st_gid)


if __name__ == "__main__":
    sys.exit(main())
